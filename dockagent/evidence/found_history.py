"""Where checkpoints with outsiders' words lie: beside a ledger, in a store's published copy, or in a file that somebody
kept. Reading only; what they are worth, ``check_history`` says."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from dockagent.core.proof import note
from dockagent.errors import Missing, Refused, UsageError
from dockagent.evidence.check_history import Found
from dockagent.ledger.tiles import CHECKPOINT
from dockagent.ledger.witnessed import FOLDER, SUFFIX

_MOST = 1 << 20  # bytes; no note or token is longer, and one that is gets refused for being cut
_SIZE = re.compile(r"[0-9]{1,19}")
_BY = re.compile(r"[0-9]{15}\.[0-9a-f]{8}")
PUBLISHED, FOR_GOOD, COSIGNED = "ledgers", "checkpoints", "custodian/cosigned"


def beside(ledger: Path) -> list[Found]:
    """What a dock keeps beside its ledger."""
    return list(_kept(ledger / FOLDER, "beside it"))


def published_in(folder: Path) -> list[Found]:
    """What the published ledger in ``folder`` (``ledgers/<dock>`` of a store) says."""
    found = list(_kept(folder / FOR_GOOD, f"in {folder}"))
    newest = folder / CHECKPOINT
    return [*found, Found(f"in {folder}", _read(newest))] if newest.is_file() else found


def in_store(store: Path) -> list[Found]:
    """What all ledgers say that are published in a store, and what custodians cosigned of them."""
    return [*(one for dock in _docks(store) for one in published_in(dock)), *_cosigned(store)]


def _cosigned(store: Path) -> Iterator[Found]:
    """The checkpoints that custodians found in the store and cosigned: they stay where a published ledger is rolled
    back or rewritten."""
    top = store / COSIGNED
    for dock in sorted(top.iterdir()) if top.is_dir() and not top.is_symlink() else []:
        if dock.is_dir() and not dock.is_symlink():
            yield from (Found(f"in {dock}", _read(file)) for file in _files(dock) if _BY.fullmatch(file.name))


def published_folders(store: Path) -> list[Path]:
    """Where in a store a ledger is published."""
    return [dock for dock in _docks(store) if is_published(dock)]


def _docks(store: Path) -> list[Path]:
    folder = store / PUBLISHED
    docks = sorted(folder.iterdir()) if folder.is_dir() else []
    return [dock for dock in docks if dock.is_dir() and not dock.is_symlink()]


def handed_in(file: Path) -> Found:
    """A checkpoint in a file that a person names; its token beside it as ``FILE.tsr``, if any. Raises UsageError."""
    token = file.with_name(file.name + SUFFIX)
    try:
        return Found(f"in {file}", _read(file), _read(token) if token.is_file() else None)
    except OSError as err:
        raise UsageError(f"cannot read the checkpoint {file}: {err.strerror}", "check --checkpoint") from err


def is_published(folder: Path) -> bool:
    """Whether a ledger is published in this very folder, also one whose newest checkpoint somebody took away."""
    heads = (folder / CHECKPOINT).is_file() or (folder / FOR_GOOD).is_dir()
    return heads and (folder / "tile").is_dir()


def published_head(folder: Path) -> tuple[bytes, list[str]]:
    """The newest checkpoint of the ledger that is published in ``folder``, and what is not as a dock leaves it. Where
    ``checkpoint`` is gone, the largest of those that stay for good. Raises Missing where there is none."""
    odd, newest = [], folder / CHECKPOINT
    kept = {int(file.name): file for file in _files(folder / FOR_GOOD) if _SIZE.fullmatch(file.name)}
    if not newest.is_file():
        if not kept:
            raise Missing(f"no checkpoint is left in {folder}", "get one from whoever kept one: --checkpoint FILE")
        odd.append(
            f"{CHECKPOINT} is missing; the newest of {FOR_GOOD}/ was taken for it, and later records may be gone"
        )
        newest = kept[max(kept)]
    data = _read(newest)
    return data, [*odd, *_unlike(data, folder, kept)]


def _unlike(data: bytes, folder: Path, kept: Mapping[int, Path]) -> Iterator[str]:
    try:
        head = note.parse_checkpoint(note.parse(data))
    except Refused:
        return  # its own check says so
    if head.size not in kept:
        yield f"{FOR_GOOD}/{head.size} is missing, which is published before {CHECKPOINT}"
    if (dock := head.origin.rpartition("/")[2]) != folder.name:
        yield f"the folder is called {folder.name!r}, but it holds the ledger of {dock!r}"


def _files(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.iterdir()) if file.is_file()] if folder.is_dir() else []


def _kept(folder: Path, where: str) -> Iterator[Found]:
    for file in _files(folder):
        if _SIZE.fullmatch(file.name):
            token = file.with_name(file.name + SUFFIX)
            yield Found(where, _read(file), _read(token) if token.is_file() else None)


def _read(file: Path) -> bytes:
    with file.open("rb") as source:
        return source.read(_MOST + 1)
