"""What a failure to send is: whose trouble, and of which kind. How long to wait for it: ``core/uplink/link.py``."""

from dockagent.clock import Clock
from dockagent.core import events as ev
from dockagent.core.uplink import link
from dockagent.core.uplink.trouble import Kind, LinkTrouble
from dockagent.durable import DiskFull
from dockagent.errors import DockError, Retryable
from dockagent.stores import Unseen


def failed(clip: str, step: str, err: DockError | OSError, *, unread: bool) -> ev.ClipFailed:
    """The event for a send that failed. ``unread``: the spool's own disk had something against it."""
    kind = kind_of(err, unread=unread)
    after_ms = int(err.after_s * 1000) if isinstance(err, LinkTrouble) else 0
    return ev.ClipFailed(
        clip_id=clip,
        step=step,
        reason=str(err),
        retry=isinstance(err, Retryable | OSError),
        link=link.RULES[kind].whole,
        kind=str(kind),
        after_ms=after_ms,
        key=err.key if isinstance(err, Unseen) else "",
    )


def kind_of(err: DockError | OSError, *, unread: bool) -> Kind:
    """Of which kind an error is that came out of a store, or of reading what was to be sent."""
    if unread or isinstance(err, OSError):  # stores name what their own disks and sockets do
        return Kind.DISK
    if isinstance(err, LinkTrouble):
        return err.kind
    if isinstance(err, DiskFull):
        return Kind.FULL
    if isinstance(err, Unseen):
        return Kind.UNSEEN
    if isinstance(err, Retryable):
        return Kind.LINK
    return Kind.OBJECT


def check_hours(clock: Clock, until_ms: int) -> None:
    """Raises LinkTrouble when the upload hours that a send began in are over; ``until_ms`` 0: they have no end."""
    if until_ms and clock.now().utc_ms >= until_ms:
        raise LinkTrouble(Kind.HOURS, "the upload hours are over", "it goes on where it stopped when they begin again")
