"""What went to the store before its clip was all read. Part of ``core/events``, which lists it among all events."""

from dockagent.core.events.event import Event


class SentEarly(Event, frozen=True, tag="transfer.early"):
    """Parts of a file that is still being read went to the store, into an upload that nobody has completed: the store
    shows no object. ``expected``: the clip that it will be by its camera's signature, on which ``key`` rests; ``parts``
    and ``bytes``: how many went out this time. ``how`` it ended:

    ``sent`` (the file was read, or all of it went out), ``turn`` (others have their turn; it goes on), ``stopped`` (by
    ``reason``), ``dropped`` (the file went another way: what was sent is thrown away).
    """

    session: str
    item: str
    expected: str
    key: str
    parts: int
    bytes: int
    how: str
    reason: str = ""
    link: bool = False  # the way to the store is in trouble
    kind: str = ""  # core/uplink/trouble.py: Kind
    after_ms: int = 0  # the store asked us to wait so long
