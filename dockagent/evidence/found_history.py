"""Where checkpoints with outsiders' words lie: beside a ledger, in a store's published copy, or in a file that somebody
kept. Reading only; what they are worth, ``check_history`` says."""

import re
from collections.abc import Iterator
from pathlib import Path

from dockagent.errors import UsageError
from dockagent.evidence.check_history import Found
from dockagent.ledger.tiles import CHECKPOINT
from dockagent.ledger.witnessed import FOLDER, SUFFIX

_MOST = 1 << 20  # bytes; no note or token is longer, and one that is gets refused for being cut
_SIZE = re.compile(r"[0-9]{1,19}")
PUBLISHED, FOR_GOOD = "ledgers", "checkpoints"


def beside(ledger: Path) -> list[Found]:
    """What a dock keeps beside its ledger."""
    return list(_kept(ledger / FOLDER, "beside it"))


def published_in(folder: Path) -> list[Found]:
    """What the published ledger in ``folder`` (``ledgers/<dock>`` of a store) says."""
    found = list(_kept(folder / FOR_GOOD, f"in {folder}"))
    newest = folder / CHECKPOINT
    return [*found, Found(f"in {folder}", _read(newest))] if newest.is_file() else found


def in_store(store: Path) -> list[Found]:
    """What all ledgers say that are published in a store."""
    folder = store / PUBLISHED
    docks = sorted(folder.iterdir()) if folder.is_dir() else []
    return [one for dock in docks if dock.is_dir() and not dock.is_symlink() for one in published_in(dock)]


def handed_in(file: Path) -> Found:
    """A checkpoint in a file that a person names; its token beside it as ``FILE.tsr``, if any. Raises UsageError."""
    token = file.with_name(file.name + SUFFIX)
    try:
        return Found(f"in {file}", _read(file), _read(token) if token.is_file() else None)
    except OSError as err:
        raise UsageError(f"cannot read the checkpoint {file}: {err.strerror}", "check --checkpoint") from err


def is_published(folder: Path) -> bool:
    """Whether a ledger is published in this very folder."""
    return (folder / CHECKPOINT).is_file() and (folder / "tile").is_dir()


def _kept(folder: Path, where: str) -> Iterator[Found]:
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    for file in files:
        if _SIZE.fullmatch(file.name) and file.is_file():
            token = file.with_name(file.name + SUFFIX)
            yield Found(where, _read(file), _read(token) if token.is_file() else None)


def _read(file: Path) -> bytes:
    with file.open("rb") as source:
        return source.read(_MOST + 1)
