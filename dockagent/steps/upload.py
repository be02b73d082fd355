"""Upload: previews first, then manifest and record, then the master. Every put may be repeated.

A key that holds other bytes is never overwritten. For a master that is an alarm. For a record or a preview it means
that another dock delivered the same clip before: our record goes beside it under a name of its own. So does a sealed
object: every sealing gives other bytes, and nobody but the recipients can tell whether the other one is as good.

A key that is taken, where this dock may not look by what, is met in the same way. Only a master that was not sealed has
no other name: it waits for the custodian, who may look (``ask_custodian``).

What the spool no longer holds as it was is found here at the latest. A damaged master is kept aside, and the clip is
pulled again from its camera; a damaged record is signed again; a damaged preview is left out.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.camera.inventory import Finding
from dockagent.core.model import Receipt, Thing
from dockagent.core.review import catalogue
from dockagent.core.uplink.early_parts import NO_PARTS, Parts
from dockagent.durable import Reader
from dockagent.errors import DockError, Permanent, Retryable
from dockagent.steps import sending
from dockagent.steps.sending import check_hours
from dockagent.steps.world import World
from dockagent.stores import PART_SIZE, Conflict, Source, Stored, Unseen

PIECE = 1 << 20
_NO_HOLD = {
    "lost": "the store took its legal hold without keeping it",
    "refused": "the store, or this dock's rights there, allow no legal hold",
    "unseen": "nobody here can see whether the store kept its legal hold",
}


@dataclass(frozen=True, slots=True)
class Task:
    """Which clip to send, from which spool folder to which place in the store. ``until_ms``: when the upload
    hours end (ms since 1970 UTC; 0: never). ``hold``: the clip is on hold. ``unread`` collects what the spool's own
    disk had against it, which is not the store's fault."""

    clip: str
    folder: str
    prefix: str
    master: Thing
    preview: tuple[Thing, ...]
    record_sha256: str
    manifest_sha256: str
    parts: Parts = NO_PARTS  # of the master
    until_ms: int = 0
    hold: bool = False
    unread: list[OSError] = field(default_factory=list)


class _RecordDamaged(Permanent):
    """The clip record in the spool is not the one that was signed."""


def send_preview(world: World, task: Task) -> tuple[ev.Event, ...]:
    """Put the previews. One that another dock put there before, or that the spool lost, is left out, and said."""
    receipts, findings = [], []
    for thing in task.preview:
        try:
            receipts.append(_put_large(world, task, thing, f"preview/{thing.name}"))
        except (Conflict, Unseen) as err:
            other = "something this dock may not look at as" if isinstance(err, Unseen) else "another"
            text = f"the store holds {other} preview/{thing.name} of this clip already; that one stays"
            findings.append(Finding("preview", text, "notice"))
        except (DockError, OSError) as err:
            if isinstance(err, Retryable) and not task.unread:
                return (_failed(task, "send-preview", err),)
            findings.append(Finding("preview", f"preview/{thing.name} is not delivered: {err}", "warning"))
            task.unread.clear()
    return (ev.Transferred(task.clip, tuple(receipts), tuple(findings)),)


def send_master(world: World, task: Task) -> tuple[ev.Event, ...]:
    """Put what speaks for the master, then the master; its receipt is the proof that the clip is delivered."""
    try:
        put = [*_put_witnesses(world, task), *_put_line(world, task)]
        receipt = _put_master(world, task)
        others = tuple(one for one in put if isinstance(one, Receipt))
        findings = tuple(one for one in put if isinstance(one, Finding))
        return (ev.Delivered(task.clip, receipt, others, (*findings, *_of_hold(receipt))),)
    except _RecordDamaged as err:
        return (ev.ClipFailed(task.clip, "send-master", str(err), retry=True, link=False, record=True),)
    except (DockError, OSError) as err:
        damage = _damage(world, task) if task.unread or not isinstance(err, Retryable | Conflict) else ""
        if not damage:
            return (_failed(task, "send-master", err),)
        return (ev.ClipFailed(task.clip, "send-master", damage, retry=True, link=False, lost=True),)


def _of_hold(receipt: Receipt) -> Iterator[Finding]:
    """What a person has to see to, where the clip is on hold and the store does not say that it holds it too."""
    if receipt.hold in _NO_HOLD:
        text = f"this clip is on hold, and {_NO_HOLD[receipt.hold]}: set one on {receipt.key}"
        yield Finding("hold", text, "warning")


def _put_master(world: World, task: Task) -> Receipt:
    try:
        return _put_large(world, task, task.master, task.master.name)
    except Conflict as err:
        what = f"ALARM: the store holds other bytes as the master of this clip: {err}"
        raise Conflict(what, "find out who wrote them") from err


def _put_large(world: World, task: Task, thing: Thing, name: str) -> Receipt:
    """Put a master or a preview; a sealed one beside another sealed copy that is there already."""
    try:
        return _put(world, task, thing, f"{task.folder}/{name}", name)
    except (Conflict, Unseen):
        if not name.endswith(plan.SEALED):
            raise
    return _put(world, task, thing, f"{task.folder}/{name}", plan.other_seal(name, thing.sha256))


def _put_witnesses(world: World, task: Task) -> Iterator[Receipt | Finding]:
    if task.manifest_sha256:
        for name, path in (
            ("manifest.dsse.json", plan.manifest_file(task.manifest_sha256)),
            ("chain.pem", plan.chain_file(task.manifest_sha256)),
        ):
            if world.disk.size(path) is not None:
                yield _put_small(world, task, path, name, f"{name}.{task.manifest_sha256[:8]}")
    path = f"{task.folder}/record.json"
    if world.disk.size(path) is None or thing_of("record.json", world.disk.read(path)).sha256 != task.record_sha256:
        raise _RecordDamaged("the clip record in the spool is gone or altered", "it is signed again")
    yield _put_small(world, task, path, "record.json", f"record.json.{world.keys.key_id[:8]}")


def _put_line(world: World, task: Task) -> Iterator[Receipt | Finding]:
    """Put the clip's line into the catalogue; another one of ours is there where the record was signed twice. A store
    that will not have it (a policy that names no ``catalogue/``) stops no evidence."""
    try:
        listed = catalogue.line(world.disk.read(f"{task.folder}/record.json"))
        if listed is None:
            return
        key, line = listed
        try:
            yield _put_bytes(world, key, line)
        except (Conflict, Unseen):
            yield _put_bytes(world, catalogue.again(key, line), line)
    except Unseen as err:
        yield Finding("catalogue", f"this clip's line in the store's catalogue cannot be seen: {err.what}", "notice")
    except Retryable:
        raise
    except DockError as err:
        yield Finding("catalogue", f"this clip has no line in the store's catalogue: {err}", "warning")


def _put_bytes(world: World, key: str, data: bytes) -> Receipt:
    source = Source(len(data), hashlib.sha256(data).hexdigest(), lambda: io.BytesIO(data))
    return receipt_of(world.store.url, world.store.put(key, source))


def _put_small(world: World, task: Task, path: str, name: str, otherwise: str) -> Receipt | Finding:
    """Put a small object under ``name``; where that is taken by other bytes, under a name that says whose it is, and
    then what it is. Where even that one is taken and may not be looked at, an earlier try put it there."""
    thing = thing_of(name, world.disk.read(path))
    for tried in (name, otherwise):
        try:
            return _put(world, task, thing, path, tried)
        except (Conflict, Unseen):
            continue
    last = f"{otherwise}.{thing.sha256[:8]}"
    try:
        return _put(world, task, thing, path, last)
    except Unseen:
        return Finding("unseen", f"the store has {last} already; nobody here can see that it is this clip's", "notice")


def thing_of(name: str, data: bytes) -> Thing:
    """A small object's name, size and digest."""
    return Thing(name, len(data), hashlib.sha256(data).hexdigest())


def _put(world: World, task: Task, thing: Thing, path: str, name: str) -> Receipt:
    sent = 0

    def progress(more: int) -> None:
        nonlocal sent
        sent += more
        world.progress.moved("upload", task.clip, sent, thing.bytes)

    parts = task.parts if thing == task.master else NO_PARTS
    source = Source(
        thing.bytes, thing.sha256, lambda: _open(world, task, path), parts.sha256, parts.bytes or PART_SIZE, task.hold
    )
    return receipt_of(world.store.url, world.store.put(f"{task.prefix}/{name}", source, progress))


def _open(world: World, task: Task, path: str) -> Reader:
    return spool_reader(world, path, task.until_ms, task.unread)


def spool_reader(world: World, path: str, until_ms: int, unread: list[OSError]) -> Reader:
    """A reader of a spool file that ends with the upload hours, and notes in ``unread`` what the disk had against
    it."""
    try:
        return _Watched(world.disk.reader(path), unread, partial(check_hours, world.clock, until_ms))
    except OSError as err:
        unread.append(err)
        raise


class _Watched:
    """A reader of the spool that notes when the spool's disk fails, and ends with the upload hours."""

    def __init__(self, reader: Reader, unread: list[OSError], in_time: Callable[[], None]) -> None:
        self._reader, self._unread, self._in_time = reader, unread, in_time

    def read(self, size: int, /) -> bytes:
        self._in_time()
        try:
            return self._reader.read(size)
        except OSError as err:
            self._unread.append(err)
            raise

    def seek(self, offset: int, /) -> int:
        return self._reader.seek(offset)

    def __enter__(self) -> Self:
        self._reader.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._reader.__exit__(kind, err, tb)


def _damage(world: World, task: Task) -> str:
    """What is wrong with the master in the spool, or "". A master that is not what was pulled is kept aside: it tells
    what happened, and may be all that is left."""
    path = f"{task.folder}/{task.master.name}"
    if world.disk.size(path) is None:
        return "the dock's copy of this clip is gone; it is pulled again when its camera is in the dock"
    digest = hashlib.sha256()
    try:
        with world.disk.reader(path, cold=True) as reader:
            while data := reader.read(PIECE):
                digest.update(data)
    except OSError:
        return ""  # it cannot be read now; whether it is damaged nobody knows
    if digest.hexdigest() == task.master.sha256:
        return ""
    aside = f"quarantine/{task.clip}.damaged/{task.master.name}"
    world.disk.commit(path, aside)
    return f"the dock's copy of this clip was altered at rest; it is kept as {aside}, and the clip is pulled again"


def receipt_of(store: str, stored: Stored) -> Receipt:
    """A store's answer as the ledger keeps it."""
    return Receipt(
        store=store,
        key=stored.key,
        bytes=stored.size,
        sha256=stored.sha256,
        proof=stored.proof,
        version=stored.version,
        etag=stored.etag,
        checksum=stored.checksum,
        part_size=stored.part_size,
        hold=stored.hold,
    )


def _failed(task: Task, step: str, err: DockError | OSError) -> ev.ClipFailed:
    return sending.failed(task.clip, step, err, unread=bool(task.unread))
