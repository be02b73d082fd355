"""Walk what lies at a path and hand each thing to its check. Offline, read-only, and no link is followed."""

import io
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from dockagent.core import paths
from dockagent.core.disclosure.excerpt_proof import PROOF_FILE
from dockagent.core.disclosure.package_form import PACKAGE
from dockagent.core.plan import SEALED_MASTER
from dockagent.core.proof import note
from dockagent.errors import Missing, Refused, UsageError
from dockagent.evidence import found_derivative, found_excerpt, found_history
from dockagent.evidence.advice import WHAT_WE_KNOW, instead_of
from dockagent.evidence.check_bag import DECLARED
from dockagent.evidence.check_catalogue import FOLDER as CATALOGUE
from dockagent.evidence.check_catalogue import check_catalogue
from dockagent.evidence.check_clip import MASTER, RECORD_FILE, check_clip
from dockagent.evidence.check_handed_out import beside
from dockagent.evidence.check_history import Found, check_history
from dockagent.evidence.check_ledger import check_ledger
from dockagent.evidence.check_package import check_package, clip_alone, is_package
from dockagent.evidence.check_receipts import StoredClip, check_published, check_receipts, clips_in
from dockagent.evidence.check_review import Lines, check_review
from dockagent.evidence.check_scratch import is_tried, notes
from dockagent.evidence.check_sealed import Open
from dockagent.evidence.check_store_receipt import FOLDER as CUSTODIAN
from dockagent.evidence.check_store_receipt import check_store_receipts
from dockagent.evidence.keyring import NO_TIME, Keyring
from dockagent.evidence.report import CONTENT, REFUTED, Report, Verdict, Word
from dockagent.evidence.trust_file import docks_beside
from dockagent.ledger import tiles_read
from dockagent.ledger.entries import MAX_ENTRY, lines
from dockagent.ledger.keys import PUBLIC
from dockagent.ledger.log import CHECKPOINT, ENTRIES
from dockagent.ledger.trust import DockIdentity, Trust

_LOOSE_SHOWN = 20
_STORE_MARK = ".dockagent-store"  # by which a dock knows a store's folder again
_OF_OTHERS = (DECLARED, PACKAGE, "clips", _STORE_MARK)  # what a dock's home never has: it is a bag or a store
_KEYS_BESIDE = (PUBLIC, f"ledger/{PUBLIC}", f"keys/{PUBLIC}")
Docks = tuple[DockIdentity, ...]


@dataclass(slots=True)
class _Walk:
    """One walk through the folder ``top``: whom to trust, and what it has met."""

    top: Path
    trusted: Trust | None
    also: Sequence[Found] = ()
    keys: Docks = ()
    identities: Sequence[str] = ()
    reports: list[Report] = field(default_factory=list)
    reviews: list[Report] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)


def verify(
    path: Path,
    trust: Trust | None,
    also: Sequence[Found] = (),
    keys: Docks = (),
    identities: Sequence[str] = (),
) -> list[Report]:
    """Check all that lies at ``path``. ``trust`` None: nobody said whom to believe, so no signer can pass. ``also``:
    checkpoints from elsewhere that the ledgers are held against, see :func:`found_elsewhere`. ``keys``: public keys
    from elsewhere, see :func:`keys_beside`; they prove no more than those that lie beside what is checked.
    ``identities``: who opens what is sealed, see :func:`dockagent.evidence.sealed.read_identities`.

    Raises UsageError where there is nothing, Missing where it is nothing that we know how to check.
    """
    try:
        return _verify(_Walk(path, trust, also, keys, identities))
    except OSError as err:
        where = err.filename or path
        raise Missing(
            f"cannot tell: {where} cannot be read: {err.strerror}", "run this as one who may read it"
        ) from err


def found_elsewhere(paths: Sequence[Path], checkpoints: Sequence[Path]) -> list[Found]:
    """The checkpoints in the stores among ``paths``, and those in files that a person kept. Raises UsageError."""
    published = [one for path in paths if _is_store(path) for one in found_history.in_store(path)]
    return [*(found_history.handed_in(file) for file in checkpoints), *published]


def stored_clips(paths: Sequence[Path]) -> list[StoredClip]:
    """The clips in the stores among ``paths``, for :func:`verify_together`: read them before anything else."""
    return clips_in([path for path in paths if _is_store(path)])


def verify_together(paths: Sequence[Path], clips: Sequence[StoredClip]) -> list[Report]:
    """What only a ledger and a store together can tell: whether every delivered clip is still there, and whether the
    ledger knows every clip that is. Where no ledger is given, those that a store publishes tell the first."""
    stores = [path for path in paths if _is_store(path)]
    given = {_origin(one) for one in _ledgers(paths)}
    found = [report for store in stores for report in _by_published(store, given)]
    for ledger in _ledgers(paths) if stores else []:
        if (ledger / ENTRIES).is_file():
            with (ledger / ENTRIES).open("rb") as source:
                its_lines = (line.rstrip(b"\n") for line in lines(source))
                found.append(check_receipts(_text(ledger), _origin(ledger), its_lines, stores, clips))
    return [one for one in found if one is not None]


def _by_published(store: Path, given: Collection[str]) -> Iterator[Report | None]:
    """What the ledgers that a store publishes tell of its own objects; of those ``given`` the docks tell more."""
    for folder in found_history.published_folders(store):
        try:
            data, _ = found_history.published_head(folder)
            head = note.parse_checkpoint(note.parse(data))
            if head.origin not in given:
                entries = tiles_read.entries(tiles_read.in_folder(folder), head)
                yield check_published(_text(folder), entries, store)
        except (Refused, Missing):
            continue  # the published ledger's own check says why


def keys_beside(paths: Sequence[Path]) -> Docks:
    """The docks' public keys that lie in the homes and ledgers among ``paths``: what an authority may vouch for
    elsewhere too."""
    files = [file for ledger in _ledgers(paths) for file in (ledger / PUBLIC, ledger.parent / "keys" / PUBLIC)]
    return tuple(dock for file in files if os.access(file, os.R_OK) and file.is_file() for dock in docks_beside(file))


def strangers(paths: Sequence[Path], checkpoints: Sequence[Path]) -> list[Report]:
    """A report for each checkpoint of ``--checkpoint`` that is of no ledger among ``paths``: nothing was held against
    it."""
    published = [one.parent for path in paths if path.is_dir() for one in path.glob(f"ledgers/*/{CHECKPOINT}")]
    known = {_origin(one) for one in (*_ledgers(paths), *published)}
    found = []
    for file in checkpoints:
        origin = _origin_in(_small(file))
        if origin not in known:
            said = f"it is of {origin!r}, no ledger that was checked" if origin else "it is no checkpoint"
            verdict = Verdict("unknown", f"{said}, so nothing was compared with it; check --checkpoint")
            found.append(Report("checkpoint", _text(file), {"intact": verdict}))
    return found


def _ledgers(paths: Sequence[Path]) -> list[Path]:
    return [one for path in paths for one in (path, path / "ledger") if _is_ledger(one)]


def _origin(ledger: Path) -> str:
    """What a ledger calls itself, by its checkpoint or its trust file; empty where neither tells."""
    head = ledger / CHECKPOINT
    if head.is_file() and (origin := _origin_in(_small(head))):
        return origin
    file = ledger / PUBLIC
    return next((dock.origin for dock in docks_beside(file)), "") if file.is_file() else ""


def _origin_in(data: bytes) -> str:
    try:
        return note.parse_checkpoint(note.parse(data)).origin
    except Refused:
        return ""


def _is_store(path: Path) -> bool:
    """A store's root; a dock's home, which has a quarantine of its own, is none."""
    marked = (path / _STORE_MARK).is_file() or any((path / top).is_dir() for top in ("clips", "quarantine"))
    return marked and not (path / "keys").is_dir()


def _verify(walk: _Walk) -> list[Report]:
    path = walk.top
    if not path.exists():
        raise UsageError(f"there is nothing at {path}", "check the path")
    if found_derivative.is_on_record(path):
        return [found_derivative.derivative(path, _text(path), walk.trusted, walk.keys)]
    if not path.is_dir():
        raise Missing(f"cannot tell: {path} is a file of a kind that cannot be checked by itself", instead_of(path))
    if _is_home(path):  # what else lies there is the dock's own, and changes all the time
        return [_ledger(path / "ledger", walk, found_history.in_store(path / "store")), *walk.reviews]
    _walk(walk)
    walk.reports += walk.reviews
    if (listed := check_catalogue(_text(path), path)) is not None:
        walk.reports.append(listed)
    receipts = check_store_receipts(_text(path), path, walk.trusted.custodians if walk.trusted else ())
    if receipts is not None:
        walk.reports.append(receipts)
    if not walk.reports:
        raise Missing(f"cannot tell: there is neither a ledger nor a clip in {path}", WHAT_WE_KNOW)
    return [*walk.reports, _loose(walk)] if walk.loose else walk.reports


def _keyring(folder: Path, walk: _Walk) -> Keyring:
    """Whom the person trusts, and the docks of the nearest trust file: the folder's own, its home's, or that of its
    store or of the home that holds its store."""
    where = folder.absolute()
    stores = [parent.parent for parent in where.parents if parent.name in ("clips", "quarantine")]
    for near in (where, where.parent, *stores, *(store.parent for store in stores)):
        for name in _KEYS_BESIDE:
            file = near / name
            if os.access(file, os.R_OK) and file.is_file():
                return Keyring.of(walk.trusted, (*docks_beside(file), *walk.keys))
    return Keyring.of(walk.trusted, walk.keys)


def _walk(walk: _Walk) -> None:
    """Every folder below the top, in order of names; what is inside a ledger or a clip is that one's own."""
    waiting = [walk.top]
    while waiting:
        folder = waiting.pop()
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        files = {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
        if is_package(folder):
            walk.reports += check_package(folder, walk.trusted, walk.identities)
        elif _is_ledger(folder):
            walk.reports.append(_ledger(folder, walk))
        elif found_history.is_published(folder):
            walk.reports.append(_published(folder, walk))
        elif PROOF_FILE in files:
            walk.reports.append(found_excerpt.in_folder(folder, _text(folder), walk.trusted, walk.keys))
        elif files & {RECORD_FILE, MASTER, SEALED_MASTER}:
            walk.reports.append(_clip(folder, walk))
        else:
            folders = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
            others = {Path(entry.path) for entry in entries}.difference(
                folders, [walk.top / PUBLIC, walk.top / _STORE_MARK]
            )
            apart = (walk.top / CATALOGUE, walk.top / CUSTODIAN)  # checks of their own
            folders = [one for one in folders if one not in apart]
            derived = found_derivative.among(others)
            walk.reports += [found_derivative.derivative(one, _text(one), walk.trusted, walk.keys) for one in derived]
            handed = [one for one in folders if is_package(one) or (one / PROOF_FILE).is_file()]
            others -= {file for one in (*handed, *derived) for file in (one, *beside(one))}
            walk.loose += [_text(path.relative_to(walk.top)) for path in sorted(others)]
            waiting += reversed(folders)


def _is_home(path: Path) -> bool:
    """A dock's home. A ledger alone makes none: laid into a package, a clip or a store, it would be checked in their
    place."""
    own = any((path / name).is_dir() for name in ("keys", "spool"))
    others = (*_OF_OTHERS, RECORD_FILE, MASTER, SEALED_MASTER, PROOF_FILE)
    return own and _is_ledger(path / "ledger") and not any(os.path.lexists(path / name) for name in others)


def _is_ledger(folder: Path) -> bool:
    """A dock's ledger: also one whose entries or checkpoint somebody took away."""
    has = [(folder / name).is_file() for name in (ENTRIES, CHECKPOINT, PUBLIC)]
    return has[0] or (has[1] and has[2])  # a published one has no trust file


def _ledger(folder: Path, walk: _Walk, more: Sequence[Found] = ()) -> Report:
    keyring, trusted = _keyring(folder, walk), walk.trusted
    found = [
        *found_history.beside(folder),
        *walk.also,
        *more,
    ]  # before the records: a dock at work goes on writing them
    checkpoint, entries = folder / CHECKPOINT, folder / ENTRIES
    head = _small(checkpoint) if checkpoint.is_file() else None
    if not entries.is_file():
        return _against(check_ledger(_text(folder), (), head, keyring), (), head, found, keyring, trusted)
    with entries.open("rb", buffering=0) as source:
        report = check_ledger(_text(folder), lines(source), head, keyring)

        def again() -> Iterator[bytes]:
            source.seek(0)
            return lines(source)

        _review(walk, _text(folder), again, found, keyring)
        return _against(report, again(), head, found, keyring, trusted)


def _published(folder: Path, walk: _Walk) -> Report:
    """The ledger that a store publishes: its entries are read from tiles and bundles, each proved on the way."""
    keyring, path, odd = _keyring(folder, walk), _text(folder), list[str]()
    found = [*found_history.published_in(folder), *walk.also]
    try:
        head, odd = found_history.published_head(folder)
        stated = note.parse_checkpoint(note.parse(head))

        def entries() -> Iterator[bytes]:
            return (entry + b"\n" for entry in tiles_read.entries(tiles_read.in_folder(folder), stated))

        report = check_ledger(path, entries(), head, keyring)
        report = _against(report, entries(), head, found, keyring, walk.trusted)
        _review(walk, path, entries, found, keyring)
    except (Refused, Missing) as err:
        word: Word = "fail" if isinstance(err, Refused) else "unknown"
        unknown = Verdict("unknown", "its records could not be read")
        verdicts = {"intact": Verdict(word, err.what), "signature": unknown, "signer": unknown, "complete": unknown}
        return Report("published ledger", path, {**verdicts, "time": NO_TIME}, tuple(odd))
    return replace(report, kind="published ledger", findings=(*report.findings, *odd))


def _review(walk: _Walk, path: str, its_lines: Lines, found: Sequence[Found], keyring: Keyring) -> None:
    """The samples that this ledger drew are a question of their own."""
    if (report := check_review(path, its_lines, found, keyring, walk.trusted)) is not None:
        walk.reviews.append(report)


def _against(
    report: Report,
    its_lines: Iterable[bytes],
    head: bytes | None,
    found: Sequence[Found],
    keyring: Keyring,
    trusted: Trust | None,
) -> Report:
    """The report, with what outsiders have seen of this ledger."""
    keys = {dock.log_key: None for pool, _ in keyring.pools() for dock in pool}
    return check_history(report, its_lines, head, found, tuple(keys), trusted)


def _clip(folder: Path, walk: _Walk) -> Report:
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
    alone = clip_alone(folder, path, _small(record), objects, _keyring(folder, walk), walk.identities)
    report = alone or _whole_or_other(folder, walk, objects)
    if "quarantine" in folder.absolute().parts:
        odd.append("the clip lies in quarantine")
    return Report(report.kind, path, report.verdicts, (*report.findings, *odd), report.facts)


def _whole_or_other(folder: Path, walk: _Walk, objects: dict[str, Open]) -> Report:
    """The clip by its record. Where that is of a sealed copy which never came, because the dock had to pull and seal
    the clip again, another record in the folder may be of the one that did."""
    path, keyring = _text(folder), _keyring(folder, walk)

    def by(name: str) -> Report:
        return check_clip(path, folder.name, _small(folder / name), objects, keyring, walk.identities)

    report = by(RECORD_FILE)
    others = [name for name in objects if name.startswith(f"{RECORD_FILE}.")] if CONTENT in report.verdicts else []
    if report.exit_code == REFUTED and report.verdicts["signer"].word == "pass":
        for name in others:
            other = by(name)
            trusted = other.verdicts["signer"].word == "pass"  # else anybody could lay his own word beside it
            if trusted and other.exit_code != REFUTED and CONTENT in other.verdicts:
                said = f"{RECORD_FILE} is of a sealed copy that is not here; {name} is of the one that is"
                return replace(other, findings=(*other.findings, said))
    return report


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
    tried = {name: None for name in walk.loose if is_tried(walk.top, name)}
    loose = [name for name in walk.loose if name not in tried]
    shown = [f"{name} is covered by no record" for name in loose[:_LOOSE_SHOWN]]
    if len(loose) > _LOOSE_SHOWN:
        shown.append(f"… and {len(loose) - _LOOSE_SHOWN} more files that no record covers")
    return Report("folder", _text(walk.top), findings=tuple(shown), facts=notes(tried))


def _text(path: Path) -> str:
    return paths.to_text(os.fsencode(path))
