"""Walk what lies at a path and hand each thing to its check. Offline, read-only, and no link is followed."""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dockagent.core import paths
from dockagent.errors import Missing, UsageError
from dockagent.evidence.check_clip import MASTER, RECORD_FILE, Open, check_clip
from dockagent.evidence.check_ledger import check_ledger
from dockagent.evidence.keyring import NO_TIME, Keyring
from dockagent.evidence.report import Report, Verdict
from dockagent.ledger.entries import lines
from dockagent.ledger.keys import PUBLIC
from dockagent.ledger.log import CHECKPOINT, ENTRIES
from dockagent.ledger.trust import DockIdentity, Trust, parse

_LOOSE_SHOWN = 20
_KEYS_BESIDE = (PUBLIC, f"ledger/{PUBLIC}", f"keys/{PUBLIC}")
_WHAT_WE_KNOW = "give a ledger folder, a stored clip's folder, or a folder that holds such"


@dataclass(slots=True)
class _Walk:
    """What one walk through a folder has met."""

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
    if not path.exists():
        raise UsageError(f"there is nothing at {path}", "check the path")
    keyring = Keyring(trust.docks if trust else None, _docks_beside(path))
    if not path.is_dir():
        raise Missing(f"cannot tell: {path} is a file of a kind that cannot be checked by itself", _WHAT_WE_KNOW)
    home_ledger = path / "ledger"
    try:
        if _is_ledger(home_ledger):  # a dock's home: what else lies there is its own, and changes all the time
            return [_ledger(home_ledger, keyring)]
        walk = _Walk()
        _enter(path, path, keyring, walk)
    except OSError as err:
        raise Missing(f"cannot tell: {err.filename or path} cannot be read: {err.strerror}") from err
    if not walk.reports:
        raise Missing(f"cannot tell: there is neither a ledger nor a clip in {path}", _WHAT_WE_KNOW)
    if walk.loose:
        walk.reports.append(_loose(path, walk.loose))
    return walk.reports


def _docks_beside(path: Path) -> tuple[DockIdentity, ...]:
    """The docks of the nearest trust file next to what is checked, from the path itself upwards."""
    for folder in (path, *path.absolute().parents):
        for name in _KEYS_BESIDE:
            file = folder / name
            if file.is_file() and os.access(file, os.R_OK):
                return _docks_in(file)
    return ()


def _docks_in(file: Path) -> tuple[DockIdentity, ...]:
    try:
        return parse(file.read_bytes()).docks
    except UsageError as err:
        raise UsageError(f"{file}: {err.what}", "mend it, or move it away and give --trust FILE") from err


def _enter(folder: Path, top: Path, keyring: Keyring, walk: _Walk) -> None:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    files = {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
    if _is_ledger(folder):
        walk.reports.append(_ledger(folder, keyring))
    elif files & {RECORD_FILE, MASTER}:
        walk.reports.append(_clip(folder, keyring))
    else:
        walk.loose += [_shown(folder / name, top) for name in sorted(files) if folder != top or name != PUBLIC]
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _enter(Path(entry.path), top, keyring, walk)
            elif entry.name not in files:
                walk.loose.append(f"{_shown(Path(entry.path), top)} (a link or special file, not read)")


def _is_ledger(folder: Path) -> bool:
    """A dock's ledger: also one whose entries or checkpoint somebody took away."""
    has = [(folder / name).is_file() for name in (ENTRIES, CHECKPOINT, PUBLIC)]
    return has[0] or (has[1] and has[2])


def _ledger(folder: Path, keyring: Keyring) -> Report:
    checkpoint, entries = folder / CHECKPOINT, folder / ENTRIES
    head = checkpoint.read_bytes() if checkpoint.is_file() else None
    if not entries.is_file():
        return check_ledger(_text(folder), (), head, keyring)
    with entries.open("rb", buffering=0) as source:
        return check_ledger(_text(folder), lines(source), head, keyring)


def _clip(folder: Path, keyring: Keyring) -> Report:
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
    report = check_clip(path, folder.name, record.read_bytes(), objects, keyring)
    if "quarantine" in folder.absolute().parts:
        odd.append("the clip is in quarantine: the dock doubted it")
    return Report(report.kind, path, report.verdicts, (*report.findings, *odd), report.facts)


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


def _loose(top: Path, names: list[str]) -> Report:
    shown = [f"{name} is covered by no record" for name in names[:_LOOSE_SHOWN]]
    if len(names) > _LOOSE_SHOWN:
        shown.append(f"… and {len(names) - _LOOSE_SHOWN} more files that no record covers")
    return Report("folder", _text(top), findings=tuple(shown))


def _shown(path: Path, top: Path) -> str:
    return _text(path.relative_to(top))


def _text(path: Path) -> str:
    return paths.to_text(os.fsencode(path))
