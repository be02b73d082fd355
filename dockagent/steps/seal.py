"""Seal: make copies of a clip and its previews that only the agency's recipients can open; then the plaintext goes.

One pass: read the plaintext -> its SHA-256 -> age -> SHA-256 of the sealed bytes -> part file -> sync -> cold re-read
-> final name. Only when that is in the ledger does the plaintext go, by an order of its own (:func:`strip`). So a power
cut leaves the plaintext, or a sealed copy that is recorded; a copy that no record names is made again, under another
file key.
"""

import hashlib
from collections.abc import Iterator

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.camera.inventory import Finding
from dockagent.core.model import Clip, Seal, Thing
from dockagent.durable import Disk
from dockagent.errors import DockError, Missing, Retryable
from dockagent.steps.pump import pump
from dockagent.steps.world import Sealer, World

INLINE = 4 << 20  # bytes; smaller files are not worth a second thread
PIECE = 1 << 20


class _Digest:
    """Counts and hashes what goes by."""

    def __init__(self) -> None:
        self.size, self._hash = 0, hashlib.sha256()

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self._hash.update(data)

    def thing(self, name: str) -> Thing:
        return Thing(name, self.size, self._hash.hexdigest())


def seal(world: World, clip: Clip) -> tuple[ev.Event, ...]:
    """Seal one clip. What is not what was pulled is kept aside, sealed too, and the clip is pulled again."""
    sealer = world.sealer
    if sealer is None:
        raise Missing("this dock seals to nobody any more", "name recipients by encrypt_to in [sealing], or restart it")
    path = f"{plan.spool_folder(clip.id)}/master"
    if world.disk.size(path) is None:
        return (_lost(clip, "the dock's copy of this clip is gone; it is pulled again when its camera is in the dock"),)
    plain, made = _write(world.disk, sealer, path)
    if (plain.sha256, plain.bytes) != (clip.sha256, clip.bytes):
        return (_damaged(world.disk, clip, path),)
    world.disk.commit(_part(path), plan.sealed_name(path))
    previews, findings = _previews(world.disk, sealer, clip)
    return (ev.Sealed(clip.id, plain, Seal(sealer.format, sealer.recipients, made, previews), findings),)


def strip(world: World, clip: str, seal: Seal) -> tuple[ev.Event, ...]:
    """Remove what is left of a sealed clip in the clear, also what a crash left of it before its record."""
    folder = plan.spool_folder(clip)
    if world.disk.size(f"{folder}/{seal.master.name}") != seal.master.bytes:
        why = "the sealed copy of this clip is gone; it is sealed again"
        return (ev.ClipFailed(clip, "strip", why, retry=True, link=False, lost=True),)
    for path in list(in_the_clear(world.disk, clip, seal)):
        world.disk.remove(path)
    authority = f"seal record: {seal.master.name} sha256 {seal.master.sha256}"
    return (ev.Disposed(clip, ev.PLAINTEXT, authority, "unlinked plaintext"),)


def in_the_clear(disk: Disk, clip: str, seal: Seal) -> Iterator[str]:
    """The files of a sealed clip that anybody could read. A power cut can bring back one that was removed."""
    folder = plan.spool_folder(clip)
    sealed = {thing.name for thing in seal.previews}
    left = [f"{folder}/preview/{name}" for name in disk.names(f"{folder}/preview") if name not in sealed]
    for path in (f"{folder}/master", *left, plan.put_aside(clip)):
        if disk.size(path) is not None:
            yield path


def _previews(disk: Disk, sealer: Sealer, clip: Clip) -> tuple[tuple[Thing, ...], tuple[Finding, ...]]:
    """One that is not what was made is left out: it can be made again, and stops nothing."""
    made, findings = [], []
    for thing in clip.preview:
        path = f"{plan.spool_folder(clip.id)}/preview/{thing.name}"
        if disk.size(path) is None:
            findings.append(Finding("preview", f"preview/{thing.name} is gone from the spool", "warning"))
            continue
        plain, sealed = _write(disk, sealer, path)
        if plain.sha256 != thing.sha256:
            findings.append(Finding("preview", f"preview/{thing.name} was altered in the spool", "warning"))
            disk.remove(_part(path))
            continue
        disk.commit(_part(path), plan.sealed_name(path))
        made.append(sealed)
    return tuple(made), tuple(findings)


def _write(disk: Disk, sealer: Sealer, path: str) -> tuple[Thing, Thing]:
    """Seal one file to its part, at rest and read back. Gives what was read and what was made of it."""
    part = _part(path)
    disk.remove(part)
    try:
        plain, made = _copy(disk, sealer, path)
        _prove(disk, part, made)
    except (DockError, OSError):
        disk.remove(part)
        raise
    return plain, made


def _copy(disk: Disk, sealer: Sealer, path: str) -> tuple[Thing, Thing]:
    name = path.rpartition("/")[2]
    plain, made = _Digest(), _Digest()
    threaded = (disk.size(path) or 0) > INLINE
    with disk.reader(path) as source, disk.append(_part(path), scratch=True) as sink:

        def read(size: int) -> bytes:
            data = source.read(size)
            plain.add(data)
            return data

        def write(data: bytes) -> None:
            made.add(data)
            sink.write(data)

        with pump(write, threaded=threaded) as put:
            sealer.seal(read, put)
        sink.sync()
    return plain.thing(name), made.thing(plan.sealed_name(name))


def _prove(disk: Disk, part: str, made: Thing) -> None:
    found = _read_cold(disk, part)
    if (found.sha256, found.bytes) != (made.sha256, made.bytes):
        raise Retryable("the spool's disk gave back other bytes than were sealed", "check the disk")


def _read_cold(disk: Disk, path: str) -> Thing:
    digest = _Digest()
    with disk.reader(path, cold=True) as reader:
        while data := reader.read(PIECE):
            digest.add(data)
    return digest.thing(path)


def _damaged(disk: Disk, clip: Clip, path: str) -> ev.ClipFailed:
    """The master read otherwise than it was pulled. If it does so again, past the cache, it is kept aside as it is, and
    sealed as all else: it tells what happened, and may be all that is left."""
    if _read_cold(disk, path).sha256 == clip.sha256:
        disk.remove(_part(path))
        raise Retryable("the spool gave other bytes than it does now; it is sealed again", "check memory and disk")
    aside = f"quarantine/{clip.id}.damaged/{plan.SEALED_MASTER}"
    disk.commit(_part(path), aside)
    disk.remove(path)
    return _lost(
        clip, f"the dock's copy of this clip was altered at rest; it is kept as {aside}, and the clip is pulled again"
    )


def _lost(clip: Clip, why: str) -> ev.ClipFailed:
    return ev.ClipFailed(clip.id, "seal", why, retry=True, link=False, lost=True)


def _part(path: str) -> str:
    return f"{plan.sealed_name(path)}.part"
