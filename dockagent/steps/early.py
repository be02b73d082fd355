"""Early: parts of a file go to the store while the rest of it is still being pulled.

They go into an upload that only the ordinary put completes, after the file was proved, judged and recorded; the put
takes no part on trust, but compares each with the digest that the pull computed. So this step may end at any moment,
be repeated, or never run: what it did is either found by the put or thrown away.
"""

from dataclasses import dataclass, field
from typing import Literal

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.uplink.link import RULES
from dockagent.core.uplink.trouble import LinkTrouble
from dockagent.errors import DockError, Missing
from dockagent.steps.growing import Growing
from dockagent.steps.sending import kind_of
from dockagent.steps.upload import spool_reader
from dockagent.steps.world import World
from dockagent.stores import Source
from dockagent.stores.early import EarlyStore, EarlyUpload

TURN_S = 10.0  # others may want the line: a preview that is ready goes before parts
AT_ONCE = 4  # parts of one send, so that a turn has an end


@dataclass(frozen=True, slots=True)
class Task:
    """Which item of which session is being pulled, which clip it will be by its camera's signature, under which key it
    will lie, and its size (bytes) and digest (hex) by that signature. ``until_ms``: when the upload hours end (ms
    since 1970 UTC; 0: never)."""

    session: str
    item: str
    expected: str
    key: str
    size: int = 0
    sha256: str = ""
    until_ms: int = 0
    unread: list[OSError] = field(default_factory=list)


@dataclass(slots=True)
class _Sent:
    parts: int = 0
    bytes: int = 0

    def heard(self, size: int) -> None:
        self.bytes += size


def send_early(world: World, task: Task) -> tuple[ev.Event, ...]:
    """Send what is there, and what comes, for one turn. Never raises for what stores and disks do."""
    sent = _Sent()
    try:
        growing, store = _offered(world)
        if growing.known(task.item, 0, 0) is None:
            return ()  # that pull is over, and so is this
        path = plan.part_file(task.item)
        source = Source(task.size, task.sha256, lambda: spool_reader(world, path, task.until_ms, task.unread))
        how = _follow(world, task, growing, store.early(task.key, source, sent.heard), sent)
    except (DockError, OSError) as err:
        return (_failed(world, task, sent, err),)
    return (_event(task, sent, how),) if sent.parts or how == "sent" else ()


def drop_early(world: World, task: Task) -> tuple[ev.Event, ...]:
    """Throw away what was sent of a file that went another way."""
    try:
        _, store = _offered(world)
        store.drop_early(task.key)
    except LinkTrouble as err:
        return (_failed(world, task, _Sent(), err),)
    except DockError as err:  # the store's own rule for unfinished uploads takes them
        return (_event(task, _Sent(), "dropped", reason=str(err)),)
    return (_event(task, _Sent(), "dropped"),)


def _follow(world: World, task: Task, growing: Growing, upload: EarlyUpload, sent: _Sent) -> Literal["sent", "turn"]:
    """Send each part as it comes to be, until the file is read or the turn is over."""
    ends = world.clock.monotonic() + TURN_S
    while (left := ends - world.clock.monotonic()) > 0:
        known = growing.known(task.item, upload.count, left)
        if known is None:
            return "sent"
        some = known[: upload.count + AT_ONCE]
        sent.parts += upload.send(some)
        if upload.whole:
            return "sent"
    return "turn"


def _offered(world: World) -> tuple[Growing, EarlyStore]:
    if world.growing is None or not isinstance(world.store, EarlyStore):
        raise Missing("the store takes no parts before their file is whole", "it is sent when it is")
    return world.growing, world.store


def _failed(world: World, task: Task, sent: _Sent, err: DockError | OSError) -> ev.Event:
    """A pull that ended took its file away, which is no failure. Else: the link's trouble, or this file's own."""
    if world.growing is not None and task.size and world.growing.known(task.item, 0, 0) is None:
        return _event(task, sent, "sent")
    kind = kind_of(err, unread=bool(task.unread))
    after_ms = int(err.after_s * 1000) if isinstance(err, LinkTrouble) else 0
    link = RULES[kind].whole
    return _event(task, sent, "stopped", reason=str(err), link=link, kind=str(kind), after_ms=after_ms)


def _event(
    task: Task, sent: _Sent, how: str, *, reason: str = "", link: bool = False, kind: str = "", after_ms: int = 0
) -> ev.Event:
    return ev.SentEarly(
        session=task.session,
        item=task.item,
        expected=task.expected,
        key=task.key,
        parts=sent.parts,
        bytes=sent.bytes,
        how=how,
        reason=reason,
        link=link,
        kind=kind,
        after_ms=after_ms,
    )
