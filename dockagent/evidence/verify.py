"""Walk what lies at a path and hand each thing to its check. Offline, read-only, and no link is followed."""

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dockagent.core import paths
from dockagent.errors import Missing, UsageError
from dockagent.evidence.check_clip import MASTER, RECORD_FILE, Open, check_clip
from dockagent.evidence.check_ledger import check_ledger
from dockagent.evidence.check_receipts import check_receipts
from dockagent.evidence.keyring import NO_TIME, Keyring
from dockagent.evidence.report import Report, Verdict
from dockagent.ledger.entries import MAX_ENTRY, lines
from dockagent.ledger.keys import PUBLIC
from dockagent.ledger.log import CHECKPOINT, ENTRIES
from dockagent.ledger.trust import DockIdentity, Trust, parse

_LOOSE_SHOWN = 20
_STORE_MARK = ".dockagent-store"  # by which a dock knows a store's folder again
_KEYS_BESIDE = (PUBLIC, f"ledger/{PUBLIC}", f"keys/{PUBLIC}")
Docks = tuple[DockIdentity, ...]
_WHAT_WE_KNOW = "give a ledger folder, a stored clip's folder, or a folder that holds such"


@dataclass(slots=True)
class _Walk:
    """One walk through the folder ``top``: whom to trust, and what it has met."""

    top: Path
    trusted: Docks | None
    reports: list[Report] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)


def read_trust(file: Path) -> Trust:
    """The trust file that a person named. Raises UsageError where it cannot be used."""
    try:
        return parse(file.read_bytes())
    except OSError as err:
        raise UsageError(f"cannot read the trust file {file}: {err.strerror}", "check --trust") from err


def verify(path: Path, trust: Trust | None) -> list[Report]:
    """Check all that lies at ``path``. ``trust`` None: nobody said whom to believe, so no signer can pass.

    Raises UsageError where there is nothing, Missing where it is nothing that we know how to check.
    """
    try:
        return _verify(path, trust.docks if trust else None)
    except OSError as err:
        where = err.filename or path
        raise Missing(
            f"cannot tell: {where} cannot be read: {err.strerror}", "run this as one who may read it"
        ) from err


def verify_together(paths: Sequence[Path]) -> list[Report]:
    """What only a ledger and a store together can tell: whether every delivered clip is still there."""
    ledgers = [one for path in paths for one in (path, path / "ledger") if _is_ledger(one)]
    stores = [path for path in paths if _is_store(path)]
    found = []
    for ledger in ledgers if stores else []:
        with (ledger / ENTRIES).open("rb") as source:
            found.append(check_receipts(_text(ledger), (line.rstrip(b"\n") for line in lines(source)), stores))
    return [one for one in found if one is not None]


def _is_store(path: Path) -> bool:
    """A store's root; a dock's home, which has a quarantine of its own, is none."""
    marked = (path / _STORE_MARK).is_file() or any((path / top).is_dir() for top in ("clips", "quarantine"))
    return marked and not (path / "keys").is_dir()


def _verify(path: Path, trusted: Docks | None) -> list[Report]:
    if not path.exists():
        raise UsageError(f"there is nothing at {path}", "check the path")
    if not path.is_dir():
        raise Missing(f"cannot tell: {path} is a file of a kind that cannot be checked by itself", _WHAT_WE_KNOW)
    home_ledger = path / "ledger"
    if _is_ledger(home_ledger):  # a dock's home: what else lies there is its own, and changes all the time
        return [_ledger(home_ledger, trusted)]
    walk = _Walk(path, trusted)
    _walk(walk)
    if not walk.reports:
        raise Missing(f"cannot tell: there is neither a ledger nor a clip in {path}", _WHAT_WE_KNOW)
    return [*walk.reports, _loose(walk)] if walk.loose else walk.reports


def _keyring(folder: Path, trusted: Docks | None) -> Keyring:
    """``trusted``, and the docks of the nearest trust file: the folder's own, its home's, or that of its store or of
    the home that holds its store."""
    where = folder.absolute()
    stores = [parent.parent for parent in where.parents if parent.name in ("clips", "quarantine")]
    for near in (where, where.parent, *stores, *(store.parent for store in stores)):
        for name in _KEYS_BESIDE:
            file = near / name
            if os.access(file, os.R_OK) and file.is_file():
                return Keyring(trusted, _docks_in(file))
    return Keyring(trusted)


def _docks_in(file: Path) -> Docks:
    try:
        return parse(file.read_bytes()).docks
    except UsageError as err:
        raise UsageError(f"{file}: {err.what}", "mend it, or move it away and give --trust FILE") from err


def _walk(walk: _Walk) -> None:
    """Every folder below the top, in order of names; what is inside a ledger or a clip is that one's own."""
    waiting = [walk.top]
    while waiting:
        folder = waiting.pop()
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        files = {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
        if _is_ledger(folder):
            walk.reports.append(_ledger(folder, walk.trusted))
        elif files & {RECORD_FILE, MASTER}:
            walk.reports.append(_clip(folder, walk.trusted))
        else:
            folders = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
            others = {Path(entry.path) for entry in entries}.difference(
                folders, [walk.top / PUBLIC, walk.top / _STORE_MARK]
            )
            walk.loose += [_text(path.relative_to(walk.top)) for path in sorted(others)]
            waiting += reversed(folders)


def _is_ledger(folder: Path) -> bool:
    """A dock's ledger: also one whose entries or checkpoint somebody took away."""
    has = [(folder / name).is_file() for name in (ENTRIES, CHECKPOINT, PUBLIC)]
    return has[0] or (has[1] and has[2])


def _ledger(folder: Path, trusted: Docks | None) -> Report:
    keyring = _keyring(folder, trusted)
    checkpoint, entries = folder / CHECKPOINT, folder / ENTRIES
    head = _small(checkpoint) if checkpoint.is_file() else None
    if not entries.is_file():
        return check_ledger(_text(folder), (), head, keyring)
    with entries.open("rb", buffering=0) as source:
        return check_ledger(_text(folder), lines(source), head, keyring)


def _clip(folder: Path, trusted: Docks | None) -> Report:
    path, record = _text(folder), folder / RECORD_FILE
    if not record.is_file() or record.is_symlink():
        gone, unknown = Verdict("fail", f"{RECORD_FILE} is missing"), Verdict("unknown", "there is no record")
        verdicts = {"intact": unknown, "signature": unknown, "signer": unknown, "time": NO_TIME, "complete": gone}
        return Report("clip", path, verdicts)
    objects: dict[str, Open] = {}
    odd = []
    for name, file in _below(folder):
        if file.is_symlink() or not file.is_file():
            odd.append(f"{name!r} is a link or a special file; it was not read")
        elif name != RECORD_FILE:
            objects[name] = partial(_open, file)
    report = check_clip(path, folder.name, _small(record), objects, _keyring(folder, trusted))
    if "quarantine" in folder.absolute().parts:
        odd.append("the clip lies in quarantine")
    return Report(report.kind, path, report.verdicts, (*report.findings, *odd), report.facts)


def _small(file: Path) -> bytes:
    """A file that is read at once. One that is longer than any good one is cut, so that its check refuses it."""
    with file.open("rb") as source:
        return source.read(MAX_ENTRY)


def _open(file: Path) -> io.FileIO:
    return file.open("rb", buffering=0)


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    for where, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        links = [name for name in folders if (Path(where) / name).is_symlink()]
        for name in sorted([*names, *links]):
            file = Path(where) / name
            yield os.fsencode(file.relative_to(folder)).decode("utf-8", "backslashreplace"), file


def _raise(err: OSError) -> None:
    raise err


def _loose(walk: _Walk) -> Report:
    shown = [f"{name} is covered by no record" for name in walk.loose[:_LOOSE_SHOWN]]
    if len(walk.loose) > _LOOSE_SHOWN:
        shown.append(f"… and {len(walk.loose) - _LOOSE_SHOWN} more files that no record covers")
    return Report("folder", _text(walk.top), findings=tuple(shown))


def _text(path: Path) -> str:
    return paths.to_text(os.fsencode(path))
