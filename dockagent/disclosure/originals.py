"""The originals of a clip: its master, its signed record and what went with them, wherever they are by now.

Objects are looked for in the dock's own folders first, then in the store that gave the receipt. What is no file here
is fetched into a work folder. A digest decides whether a file is the object, never its name.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dockagent.core import plan
from dockagent.core.model import Clip, ClipPhase
from dockagent.durable import DiskFull, RealDisk
from dockagent.errors import Missing, Permanent
from dockagent.evidence.check_clip import MANIFEST_FILE, MASTER, RECORD_FILE
from dockagent.stores.shelf import Shelf

CHAIN_FILE = "chain.pem"
PIECE = 1 << 20
_LARGE = (MASTER, plan.SEALED_MASTER)  # hashed by whoever reads them, once


@dataclass(frozen=True, slots=True)
class Original:
    """An object of a clip as a file. ``where``: spool, quarantine, or the store's URL. ``proved``: its digest was
    compared already; that of a large file which lies here is left to whoever reads it."""

    name: str
    file: Path
    where: str
    proved: bool


@dataclass(frozen=True, slots=True)
class Places:
    """Where a dock's clips may be: its ``home``, its store (None: it has none that can be read), and a ``work`` folder
    for what has to be fetched, which belongs to whoever made it. ``key_ids``: of the dock's record keys, by which its
    record is called where another dock's was there first."""

    home: Path
    shelf: Shelf | None
    work: Path
    key_ids: tuple[str, ...] = ()


def find(clip: Clip, name: str, sha256: str, places: Places) -> Original:
    """The object ``name`` (``master``, ``record.json``, ``preview/…``) whose SHA-256 (hex) is known. Raises Missing
    that says why it cannot be had: not delivered yet, disposed of and the store may only be written. Of a
    sealed clip only the sealed objects are anywhere."""
    local = places.home / _in_dock(clip, name)
    if local.is_file() and not local.is_symlink() and (name in _LARGE or _digest(local) == sha256):
        return Original(name, local, local.relative_to(places.home).parts[0], proved=name not in _LARGE)
    if not clip.prefix or clip.receipt is None:
        raise Missing(f"clip {clip.id} is not delivered yet: {name} is not whole", "see `dockagent clips`; try later")
    if places.shelf is None:
        raise Missing(f"{name} of clip {clip.id} is not in the dock any more, and there is no store to read", "--store")
    return _in_store(clip, name, sha256, places, places.shelf)


def record_of(clip: Clip, places: Places) -> bytes:
    """The signed clip record: the very bytes that the ledger knows. Raises Missing."""
    if not clip.record_sha256:
        raise Missing(f"clip {clip.id} has no signed record yet", "wait until it is delivered: `dockagent clips`")
    return find(clip, RECORD_FILE, clip.record_sha256, places).file.read_bytes()


def _in_dock(clip: Clip, name: str) -> str:
    if name == MANIFEST_FILE:
        return plan.manifest_file(clip.manifest_sha256)
    if name == CHAIN_FILE:
        return plan.chain_file(clip.manifest_sha256)
    return f"{plan.spool_folder(clip.id, clip.quarantine)}/{name}"


def _keys(clip: Clip, name: str, sha256: str, key_ids: tuple[str, ...]) -> Iterator[str]:
    """Under which keys the store may have it: its own, or one that says whose it is (``steps/upload``)."""
    if name.endswith(plan.SEALED):
        yield f"{clip.prefix}/{plan.other_seal(name, sha256)}"
    yield f"{clip.prefix}/{name}"
    marks = key_ids if name == RECORD_FILE else (clip.manifest_sha256,) if name in (MANIFEST_FILE, CHAIN_FILE) else ()
    for mark in marks:
        yield f"{clip.prefix}/{name}.{mark[:8]}"
        yield f"{clip.prefix}/{name}.{mark[:8]}.{sha256[:8]}"


def _in_store(clip: Clip, name: str, sha256: str, places: Places, shelf: Shelf) -> Original:
    why: list[Missing] = []
    for key in _keys(clip, name, sha256, places.key_ids):
        file = shelf.file(key)
        try:
            if file is None:
                return Original(name, _fetched(shelf, key, sha256, places.work), shelf.url, proved=True)
            if file.is_file() and name in _LARGE:
                return Original(name, file, shelf.url, proved=False)
            with shelf.open(key):  # says why, where it cannot
                if _digest(file) == sha256:
                    return Original(name, file, shelf.url, proved=True)
        except Missing as err:
            why.append(err)
    raise _gone(clip, name, shelf, why)


def _gone(clip: Clip, name: str, shelf: Shelf, why: list[Missing]) -> Missing:
    gone = "was disposed of here, and" if clip.phase is ClipPhase.DONE else "is not in the dock, and"
    reason = why[0] if why else Missing("the store has other bytes under its name", "run `dockagent verify` on it")
    return Missing(f"{name} of clip {clip.id} {gone} it cannot be read back: {reason.what}", reason.hint)


def _fetched(shelf: Shelf, key: str, sha256: str, work: Path) -> Path:
    """Bring an object here. Raises Missing where the store's bytes are not those that were proved to it."""
    disk, name, digest = RealDisk(work), f"fetched/{sha256}", hashlib.sha256()
    disk.remove(name)
    try:
        with shelf.open(key) as source, disk.append(name, scratch=True) as sink:
            while data := source.read(PIECE):
                digest.update(data)
                sink.write(data)
    except DiskFull as err:
        raise Permanent(f"{key} does not fit into {work}: {err.what}", "give --out on a larger disk") from err
    if digest.hexdigest() != sha256:
        disk.remove(name)
        raise Missing(f"{shelf.url} gave other bytes under {key} than were delivered", "run `dockagent verify` on it")
    return disk.path(name)


def _digest(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
