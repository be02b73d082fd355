"""Check a store's catalogue: is each line what a clip record in the store says, and has each record its line?

Whether a record itself is good is its clip's own check; here only record and line are compared.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dockagent.core.plan import SEALED_MASTER
from dockagent.core.review import catalogue
from dockagent.errors import Refused
from dockagent.evidence.report import Report, Verdict
from dockagent.ledger.entries import MAX_ENTRY

FOLDER = "catalogue"
_RECORD = re.compile(r"record\.json(\.[0-9a-f]{8}){0,2}")
_SHOWN = 5
_MOST = 1 << 20  # bytes; no line is longer


@dataclass(slots=True)
class _Wanted:
    """What the records call for. ``lines``: SHA-256 of a good line by where it may lie; ``clips``: for each clip of
    each dock the places of which one must hold its line; ``again``: where the line of a record lies that was signed
    anew; ``unread``: records that call for what cannot be."""

    lines: dict[str, str] = field(default_factory=dict)
    clips: dict[str, set[str]] = field(default_factory=dict)
    again: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def check_catalogue(path: str, store: Path) -> Report | None:
    """What can be said about the catalogue of the store in the folder ``store``; None where there is none and no record
    calls for one. ``path`` is only for the report. Raises OSError."""
    wanted = _wanted(store)
    good, wrong = set[str](), dict[str, str]()
    for key, digest in _found(store):
        if digest and wanted.lines.get(key) == digest:
            good.add(key)
        else:
            wrong[key] = f"{key} is not what the clip's record says" if key in wanted.lines else f"{key} has no record"
    if not (good or wrong or wanted.clips or wanted.unread):
        return None
    older = [key for key in wrong if wanted.again.get(key) in good]
    wrong = {key: why for key, why in wrong.items() if key not in older}
    missing = sorted(key for key, places in wanted.clips.items() if not places & good)
    verdicts = {
        "intact": _intact(good, [*wanted.unread, *wrong.values()]),
        "complete": _complete(len(wanted.clips), missing),
    }
    facts = ("who signed the records, the check of each clip says",)
    findings = tuple(
        f"{key} is of no record that is here: the clip was recorded anew, and has another line" for key in older
    )
    return Report("catalogue", path, verdicts, findings, facts)


def _intact(good: set[str], wrong: list[str]) -> Verdict:
    if wrong:
        return Verdict("fail", _some(f"{len(wrong)} lines are altered or forged", wrong))
    return Verdict("pass", f"all {len(good)} lines are what the clips' records say")


def _complete(clips: int, missing: list[str]) -> Verdict:
    if missing:
        return Verdict("fail", _some(f"{len(missing)} of {clips} clips have no line of theirs", missing))
    return Verdict("pass", f"all {clips} clips whose records call for a line have one")


def _some(what: str, found: list[str]) -> str:
    return f"{what}: {'; '.join(sorted(found)[:_SHOWN])}" + ("; …" if len(found) > _SHOWN else "")


def _wanted(store: Path) -> _Wanted:
    wanted = _Wanted()
    for file in (one for top in ("clips", "quarantine") for one in sorted((store / top).rglob("record.json*"))):
        if not _RECORD.fullmatch(file.name) or file.is_symlink() or not file.is_file():
            continue
        try:
            listed = catalogue.line(_read(file, MAX_ENTRY))
        except Refused as err:
            wanted.unread.append(f"{file.relative_to(store).as_posix()}: {err.what}")
            continue
        if listed is None:
            continue
        key, line = listed
        again, digest = catalogue.again(key, line), hashlib.sha256(line).hexdigest()
        wanted.lines.setdefault(again, digest)
        wanted.again.setdefault(key, again)
        if wanted.lines.setdefault(key, digest) != digest and _lies_at(store / key, digest):
            wanted.lines[key] = digest  # of two records of one dock, this one's line came first
        if _has_master(file.parent):  # else it is still on its way
            wanted.clips.setdefault(key, set()).update((key, again))
    return wanted


def _lies_at(file: Path, digest: str) -> bool:
    return file.is_file() and not file.is_symlink() and hashlib.sha256(_read(file, _MOST)).hexdigest() == digest


def _has_master(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("master", SEALED_MASTER))


def _found(store: Path) -> Iterator[tuple[str, str]]:
    """Key and SHA-256 of everything that lies in the catalogue; empty for what is no file."""
    for file in sorted((store / FOLDER).rglob("*")):
        if file.is_symlink() or not file.is_dir():
            whole = not file.is_symlink() and file.is_file()
            digest = hashlib.sha256(_read(file, _MOST)).hexdigest() if whole else ""
            yield file.relative_to(store).as_posix(), digest


def _read(file: Path, most: int) -> bytes:
    with file.open("rb") as source:
        return source.read(most)
