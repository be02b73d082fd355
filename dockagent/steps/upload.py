"""Upload: previews first, then manifest and record, then the master. Every put may be repeated.

A key that holds other bytes is never overwritten. For a master that is an alarm. For a record or a preview it means
that another dock delivered the same clip before: ours goes beside it under the dock's own name.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.inventory import Finding
from dockagent.core.model import Receipt, Thing
from dockagent.errors import DockError, Permanent, Retryable
from dockagent.steps.world import World
from dockagent.stores import Conflict, Source, Stored


@dataclass(frozen=True, slots=True)
class Task:
    """Which clip to send, from which spool folder to which place in the store."""

    clip: str
    folder: str
    prefix: str
    master: Thing
    preview: tuple[Thing, ...]
    record_sha256: str
    manifest_sha256: str


def send_preview(world: World, task: Task) -> tuple[ev.Event, ...]:
    """Put the previews. One that another dock put there before is left, and said."""
    receipts, findings = [], []
    try:
        for thing in task.preview:
            try:
                receipts.append(
                    _put(world, task, thing, f"{task.folder}/preview/{thing.name}", f"preview/{thing.name}")
                )
            except Conflict:
                text = f"the store holds another preview/{thing.name} of this clip already; that one stays"
                findings.append(Finding("preview", text, "notice"))
    except DockError as err:
        return (_failed(task, "send-preview", err),)
    return (ev.Transferred(task.clip, tuple(receipts), tuple(findings)),)


def send_master(world: World, task: Task) -> tuple[ev.Event, ...]:
    """Put what speaks for the master, then the master; its receipt is the proof that the clip is delivered."""
    try:
        others = tuple(_put_witnesses(world, task))
        receipt = _put(world, task, task.master, f"{task.folder}/master", "master")
    except Conflict as err:
        alarm = Permanent(
            f"ALARM: the store holds other bytes as the master of this clip: {err}", "find out who wrote them"
        )
        return (_failed(task, "send-master", alarm),)
    except DockError as err:
        return (_failed(task, "send-master", err),)
    return (ev.Delivered(task.clip, receipt, others),)


def _put_witnesses(world: World, task: Task) -> Iterator[Receipt]:
    if task.manifest_sha256:
        for name, path in (
            ("manifest.dsse.json", plan.manifest_file(task.manifest_sha256)),
            ("chain.pem", plan.chain_file(task.manifest_sha256)),
        ):
            if world.disk.size(path) is not None:
                yield _put_small(world, task, path, name, f"{name}.{task.manifest_sha256[:8]}")
    yield _put_small(world, task, f"{task.folder}/record.json", "record.json", f"record.json.{world.keys.key_id[:8]}")


def _put_small(world: World, task: Task, path: str, name: str, otherwise: str) -> Receipt:
    data = world.disk.read(path)
    thing = thing_of(name, data)
    try:
        return _put(world, task, thing, path, name)
    except Conflict:
        return _put(world, task, thing, path, otherwise)


def thing_of(name: str, data: bytes) -> Thing:
    """A small object's name, size and digest."""
    return Thing(name, len(data), hashlib.sha256(data).hexdigest())


def _put(world: World, task: Task, thing: Thing, path: str, name: str) -> Receipt:
    source = Source(thing.bytes, thing.sha256, lambda: world.disk.reader(path))
    sent = 0

    def progress(more: int) -> None:
        nonlocal sent
        sent += more
        world.progress.moved("upload", task.clip, sent, thing.bytes)

    return receipt_of(world.store.url, world.store.put(f"{task.prefix}/{name}", source, progress))


def receipt_of(store: str, stored: Stored) -> Receipt:
    """A store's answer as the ledger keeps it."""
    return Receipt(store, stored.key, stored.size, stored.sha256, stored.proof, stored.version, stored.etag)


def _failed(task: Task, step: str, err: DockError) -> ev.ClipFailed:
    retry = isinstance(err, Retryable)
    return ev.ClipFailed(task.clip, step, str(err), retry=retry, link=retry)
