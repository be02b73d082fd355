"""Pull: one file, read once, from the camera to rest in the spool.

read -> SHA-256 and chunk digests -> part file -> sync -> cold re-read, compared chunk by chunk -> final name.

An interrupted pull leaves ``<item>.part`` and ``<item>.leaves`` (32 bytes for each whole chunk). A resume trusts
neither: every kept chunk is hashed again and must equal its digest, and some kept chunks, the first and the last among
them, are read again from the camera. What a power cut left as garbage, or another file under the same name, is thus
read anew; and so is a resumed file whose digest is not the one that the camera signed.
"""

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.camera.inventory import Entry
from dockagent.core.model import CHUNK, RELISTS
from dockagent.core.paths import to_bytes
from dockagent.core.proof import merkle
from dockagent.core.uplink.early_parts import PartDigests, Parts
from dockagent.durable import Disk, DiskFull, Reader
from dockagent.errors import DockError, Gone, Permanent, Retryable
from dockagent.steps.growing import growing
from dockagent.steps.pump import pump
from dockagent.steps.room import Promise
from dockagent.steps.world import World
from dockagent.stores import PART_SIZE
from dockagent.transports import FootageReader

LEAF = 32
RECHECKS = 16  # chunks that are read again from the camera before a resume
INLINE = 4 * CHUNK  # smaller files are not worth a second thread


@dataclass(frozen=True, slots=True)
class Task:
    """What to pull: one entry of the inventory of the camera in ``bay``. ``relists``: how often its card was listed
    again already because it changed under us. ``signed``: the SHA-256 (hex) that a trusted camera signed, or empty.
    ``headroom``: bytes that must still be free afterwards, so that what was pulled can be sealed beside itself.
    ``part_size``: bytes of the parts in which a store will take it, a whole number of chunks."""

    session: str
    bay: str
    camera: str
    item: str
    entry: Entry
    relists: int = 0
    signed: str = ""
    headroom: int = 0
    part_size: int = PART_SIZE


def pull(world: World, task: Task) -> tuple[ev.Event, ...]:
    """Carry out one pull. Never raises for what cameras and disks do: that is an :class:`AcquireFailed`."""
    try:
        with ExitStack() as held:
            source = held.enter_context(world.bays.footage(task.bay).open(to_bytes(task.entry.path)))
            promise = held.enter_context(_room(world, task))
            held.enter_context(growing(world.growing, task.item))
            return (_pull(world, task, source, promise),)
    except DiskFull as err:
        return (_failed(world, task, "spool-full", str(err), retry=True),)
    except Gone as err:
        return (_gone(world, task, err),)
    except DockError as err:
        return (_failed(world, task, "read", str(err), retry=isinstance(err, Retryable)),)
    except OSError as err:
        return (_failed(world, task, "spool", f"the spool's disk failed: {err}; check the disk", retry=True),)


def _pull(world: World, task: Task, source: FootageReader, promise: Promise) -> ev.Event:
    started = world.clock.monotonic()
    kept = _resume(world, task, source)
    resumed_at = len(kept.leaves) * CHUNK
    whole, leaves, size, parts = _copy(world, task, source, kept, promise)
    if resumed_at and task.signed not in ("", whole):
        _forget(world.disk, task.item)  # what was kept may be of another file: read it all
        if world.growing is not None:
            world.growing.begin(task.item)
        resumed_at = 0
        whole, leaves, size, parts = _copy(world, task, source, _resume(world, task, source), promise)
    if _still_changing(task, source, size):
        change = f"listed with {task.entry.bytes} bytes, read {size}, now {source.size()}"
        _forget(world.disk, task.item)  # an item is named by its size: with another one it is never asked for again
        return _failed(world, task, "changed", f"the file is changing: {change}; the card is listed again", retry=True)
    _prove(world.disk, task.item, leaves)
    clip = plan.clip_id(task.camera, whole)
    part = plan.part_file(task.item)
    with world.disk.reader(part) as reader:
        fingerprint = fingerprint_of(reader, size)
    if world.holds(clip):
        world.disk.remove(part)
    else:
        world.disk.commit(part, f"{plan.spool_folder(clip)}/master")
    world.disk.remove(plan.leaves_file(task.item))
    return ev.Acquired(
        session=task.session,
        item=task.item,
        clip_id=clip,
        path=task.entry.path,
        bytes=size,
        listed_bytes=task.entry.bytes,
        sha256=whole,
        fingerprint=fingerprint,
        chunk_root=merkle.root(leaves).hex(),
        resumed_at=resumed_at,
        read_ms=int((world.clock.monotonic() - started) * 1000),
        parts=parts,
    )


def _gone(world: World, task: Task, err: Gone) -> ev.AcquireFailed:
    """The camera went away, or only this file did while the camera is still there."""
    try:
        footage = world.bays.footage(task.bay)
        footage.facts()
    except DockError:
        return _failed(world, task, "gone", str(err), retry=True)
    try:
        with footage.open(to_bytes(task.entry.path)):
            return _failed(world, task, "gone", str(err), retry=True)
    except DockError:
        reason = f"it is listed, but is not on the card any more: {err.what}"
        _forget(world.disk, task.item)
        return _failed(world, task, "vanished", reason, retry=False)


def _failed(world: World, task: Task, kind: str, reason: str, *, retry: bool) -> ev.AcquireFailed:
    kept = world.disk.size(plan.part_file(task.item)) or 0
    return ev.AcquireFailed(task.session, task.item, task.entry.path, kind, reason, retry, kept)


def _room(world: World, task: Task) -> AbstractContextManager[Promise]:
    """Room for the whole file, besides what was promised to others and what must stay free."""
    there = world.disk.size(plan.part_file(task.item)) or 0
    return world.room.promised(world.disk, task.entry.path, task.entry.bytes, there, _floor(world, task))


def _floor(world: World, task: Task) -> int:
    return world.spool_reserve + task.headroom


@dataclass(slots=True)
class _Kept:
    """What an earlier try left that is proved to be right: whole chunks, their digests and the hash over them."""

    leaves: list[bytes]
    whole: "hashlib._Hash"
    parts: PartDigests


def _nothing_kept(task: Task) -> _Kept:
    return _Kept([], hashlib.sha256(), PartDigests(task.part_size))


def _resume(world: World, task: Task, source: FootageReader) -> _Kept:
    disk, part, leaves_file = world.disk, plan.part_file(task.item), plan.leaves_file(task.item)
    kept = _nothing_kept(task)
    if disk.size(part) and disk.size(leaves_file):
        digests = disk.read(leaves_file)
        wanted = [digests[at : at + LEAF] for at in range(0, len(digests) - LEAF + 1, LEAF)]
        with disk.reader(part) as reader:
            kept = _proved(reader, wanted, task)
        if not _camera_agrees(source, kept.leaves):
            kept = _nothing_kept(task)
    for path, size in ((part, len(kept.leaves) * CHUNK), (leaves_file, len(kept.leaves) * LEAF)):
        if disk.size(path) not in (None, size):
            disk.truncate(path, size)
    source.seek(len(kept.leaves) * CHUNK)
    _tell(world, task, kept.parts.ended)
    return kept


def _proved(reader: Reader, wanted: list[bytes], task: Task) -> _Kept:
    kept = _nothing_kept(task)
    for leaf in wanted:
        chunk = _read_full(reader, CHUNK)
        if len(chunk) < CHUNK or merkle.leaf_hash(chunk) != leaf:
            break
        kept.whole.update(chunk)
        kept.leaves.append(leaf)
        kept.parts.first(len(kept.leaves) * CHUNK, kept.whole)
        kept.parts.saw(chunk)
    return kept


def _camera_agrees(source: FootageReader, leaves: list[bytes]) -> bool:
    """Whether the camera still gives what was kept, at a few chunks from the first to the last."""
    step = max(1, len(leaves) // RECHECKS)
    for index in sorted({*range(0, len(leaves), step), len(leaves) - 1}) if leaves else ():
        source.seek(index * CHUNK)
        if merkle.leaf_hash(_read_full(source, CHUNK)) != leaves[index]:
            return False
    return True


def _copy(
    world: World, task: Task, source: FootageReader, kept: _Kept, promise: Promise
) -> tuple[str, list[bytes], int, Parts]:
    """Read to the end. Gives (SHA-256 hex, chunk digests, bytes, parts). What was written is synced, also on failure.

    A long file takes three threads: one reads and hashes the whole, one hashes chunks and writes, one hashes what was
    written as parts for the store."""
    leaves, whole, parts = kept.leaves, kept.whole, kept.parts
    size = promise.written = len(leaves) * CHUNK
    threaded = task.entry.bytes - size > INLINE
    with ExitStack() as files:
        part = files.enter_context(world.disk.append(plan.part_file(task.item), scratch=True))
        marks = None  # a file without a whole chunk has nothing to resume
        if task.entry.bytes >= CHUNK:
            marks = files.enter_context(world.disk.append(plan.leaves_file(task.item), scratch=True))

        def write(chunk: bytes) -> None:
            leaf = merkle.leaf_hash(chunk)
            world.room.grow(world.disk, promise, promise.written + len(chunk), _floor(world, task))
            part.write(chunk)
            promise.written += len(chunk)
            leaves.append(leaf)
            if marks is not None and len(chunk) == CHUNK:
                marks.write(leaf)
            written(chunk)

        def hash_part(chunk: bytes) -> None:
            if parts.saw(chunk):
                _tell(world, task, parts.ended[-1:])

        try:
            with pump(hash_part, threaded=threaded) as written, pump(write, threaded=threaded) as put:
                while chunk := _read_full(source, CHUNK):
                    whole.update(chunk)
                    size += len(chunk)
                    parts.first(size, whole)
                    put(chunk)
                    world.progress.moved("pull", task.bay, size, max(size, task.entry.bytes))
        finally:
            part.sync()
            if marks is not None:
                marks.sync()
    ended, found = len(parts.ended), parts.finish()
    _tell(world, task, found.sha256[ended:])
    return whole.hexdigest(), leaves, size, found


def _tell(world: World, task: Task, parts: Sequence[str]) -> None:
    """Parts with these digests are written: whoever sends them early may."""
    for sha256 in parts:
        if world.growing is not None:
            world.growing.part(task.item, sha256)


def _still_changing(task: Task, source: FootageReader, size: int) -> bool:
    """A file that grew since it was listed is still being written, unless its card says so every time."""
    return source.size() != size or (size != task.entry.bytes and task.relists < RELISTS)


def _prove(disk: Disk, item: str, leaves: list[bytes]) -> None:
    """Read the part back from the medium and compare every chunk. Raises Retryable; the part is then worthless."""
    part = plan.part_file(item)
    with disk.reader(part, cold=True) as reader:
        same = all(merkle.leaf_hash(_read_full(reader, CHUNK)) == leaf for leaf in leaves) and not reader.read(1)
    if not same:
        _forget(disk, item)
        raise Retryable("the spool's disk gave back other bytes than were written", "check the disk")


def _forget(disk: Disk, item: str) -> None:
    disk.remove(plan.part_file(item))
    disk.remove(plan.leaves_file(item))


def _read_full(source: FootageReader | Reader, size: int) -> bytes:
    """``size`` bytes, or fewer only at the end of the file."""
    first = source.read(size)
    if len(first) in (0, size):
        return first
    pieces, got = [first], len(first)
    while got < size and (piece := source.read(size - got)):
        pieces.append(piece)
        got += len(piece)
    return b"".join(pieces)


def fingerprint_of(source: FootageReader | Reader, size: int) -> str:
    """Digest (hex) of the ranges that tell at the next docking whether this file is still the same."""
    digest = hashlib.sha256(str(size).encode())
    for offset, length in plan.fingerprint_ranges(size):
        source.seek(offset)
        piece = _read_full(source, length)
        if len(piece) < length:
            raise Permanent(f"the file is shorter than its {size} bytes")
        digest.update(piece)
    return digest.hexdigest()
