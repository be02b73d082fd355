"""What stands in the way of something, when it is tried again, and what the dock believes about its way to the store.

A failure has a :class:`Kind`, told where it is born, and the kind says how long to wait (``core/uplink/link.py``).
Waits are spread by the clip and the number of the try, so that a replay arrives at the same ones.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from dockagent.errors import Retryable


class Kind(StrEnum):
    """Why footage could not be sent: what a person would have to look at."""

    LINK = "link"  # no answer: the network, the address, a time-out
    DNS = "dns"  # the store's name leads nowhere
    TLS = "tls"  # its certificate or ours is not taken
    PORTAL = "portal"  # somebody else answers in its place
    CLOCK = "clock"  # its clock and ours differ too much
    CREDENTIAL = "credential"  # it does not know us, or does not let us
    SETTINGS = "settings"  # no such bucket, another region
    FULL = "full"  # it has no room, or no quota
    THROTTLED = "throttled"  # it asks us to come later
    STORE = "store"  # it failed by itself
    OBJECT = "object"  # it will not have this one object
    UNSEEN = "unseen"  # its name is taken there, and we may not look by what
    DISK = "own-disk"  # the dock cannot read what it wants to send
    HOURS = "hours"  # no failure: the upload hours were over before it was through


class LinkTrouble(Retryable):
    """A store, or the way to it, could not do what was asked, and why. Stores raise it instead of a bare Retryable
    wherever they know. ``after_s``: seconds that the server asked us to wait (``Retry-After``), or 0."""

    def __init__(self, kind: Kind, what: str, hint: str = "", *, after_s: float = 0.0) -> None:
        super().__init__(what, hint)
        self.kind = kind
        self.after_s = after_s


@dataclass(slots=True)
class Trouble:
    """What stands in the way of something, how often it was tried, and when to try again (ms since 1970 UTC).
    ``wait_ms``: how long the wait is that ends then. ``final``: the same would come of another try, so that nobody
    waits for one."""

    reason: str = ""
    attempts: int = 0
    retry_ms: int = 0
    final: bool = False
    wait_ms: int = 0
    kind: str = ""

    def due(self, now_ms: int) -> bool:
        """Whether to try now. A wait longer than the one that was ordered means that the clock was stepped back: try.
        What is final is tried again only where a time for it was set."""
        if self.final and not self.retry_ms:
            return False
        return not 0 < self.retry_ms - now_ms <= self.wait_ms


@dataclass(slots=True)
class Uplink:
    """The way to the store. While it is in trouble nobody queues up at it. ``since_ms``: when the first try failed
    after the last success (0: none did); ``answered_ms``: when the store last took something (ms since 1970 UTC);
    ``sent``: how many times it did."""

    trouble: Trouble = field(default_factory=Trouble)
    since_ms: int = 0
    answered_ms: int = 0
    sent: int = 0
