"""What only a ledger and its store together can tell: is every clip that the ledger has a receipt for still in the
store, and does the ledger know every clip in the store that says so?"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dockagent.core import strict_json
from dockagent.core.central.receipt import BY_CUSTODIAN
from dockagent.core.proof import dsse
from dockagent.errors import Refused
from dockagent.evidence.report import Report, Verdict
from dockagent.ledger.entries import MAX_ENTRY

SHOWN = 5
_RECORD = "record.json"


@dataclass(frozen=True, slots=True)
class StoredClip:
    """A clip in a store, as its record has it. ``prefix``: its folder's key; ``ledger``: the origin of the ledger that
    it says it is in; ``sha256``: of the record."""

    prefix: str
    ledger: str
    sha256: str


@dataclass(slots=True)
class _Told:
    """What the ledger says: receipts by key, the digests of clip records by their folder, and the keys that a
    custodian's receipt was taken for."""

    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)
    admitted: dict[str, set[str]] = field(default_factory=dict)
    vouched: set[str] = field(default_factory=set)


def clips_in(stores: Sequence[Path]) -> list[StoredClip]:
    """The clips in the stores. To be read before the ledger is: a dock at work adds to the ledger first. A record that
    cannot be read is left out; the clip's own check says so. Raises OSError."""
    return [one for store in stores for top in ("clips", "quarantine") for one in _clips(store, top)]


def check_published(ledger: str, lines: Iterable[bytes], store: Path) -> Report | None:
    """The same for the copy of a ledger that ``store`` itself publishes, and that may be behind: whether every object
    of which it tells is there. So a clip that was taken out of a store is missed without its dock, its folder, its
    catalogue's line and all. None where it tells of none.

    Which receipts are this store's: those that name it; where it was moved or copied, those that name the same one as
    the ledger's last, for a dock publishes where it delivers.
    """
    told = _told(lines)
    every = list(told.receipts.values())
    here = store.absolute().as_uri()
    name = here if any(one["store"] == here for one in every) else (every[-1]["store"] if every else "")
    own = {one["key"]: one for one in every if one["store"] == name}
    if not own:
        return None
    others = len(every) - len(own)
    facts = (f"{others} receipts were given by another store than {name}, and were not looked for",) if others else ()
    return Report("receipts", ledger, {"complete": _held(own, [store])}, facts=(*facts, *_unnamed(own, told)))


def check_receipts(
    ledger: str, origin: str, lines: Iterable[bytes], stores: Sequence[Path], clips: Iterable[StoredClip]
) -> Report | None:
    """Compare a ledger's ``lines`` with the folders ``stores`` and the ``clips`` in them; None where there is nothing
    to compare. ``origin``: the ledger's name.

    Whether the ledger itself is sound is another check's question. Receipts that another store gave are left out
    where the ledger has some of these stores' own.
    """
    told = _told(lines)
    here = {store.absolute().as_uri() for store in stores}
    own = {key: one for key, one in told.receipts.items() if one["store"] in here} or told.receipts
    its = [one for one in clips if one.ledger == origin]
    verdicts = {}
    if its:
        verdicts["intact"] = _known(its, told)
    if own:
        verdicts["complete"] = _held(own, stores)
    return Report("receipts", ledger, verdicts, facts=tuple(_unnamed(own, told))) if verdicts else None


def _unnamed(own: dict[str, dict[str, Any]], told: _Told) -> Iterator[str]:
    """Said where a clip counts as delivered by a custodian's receipt, and no record says which one."""
    count = sum(one["proof"] == BY_CUSTODIAN and key not in told.vouched for key, one in own.items())
    if count:
        yield f"{count} clips count as delivered by a custodian's receipt of which the ledger has no record"


def _held(own: dict[str, dict[str, Any]], stores: Sequence[Path]) -> Verdict:
    missing = [key for key, one in own.items() if not any(_size(store / key) == one["bytes"] for store in stores)]
    if missing:
        return Verdict("fail", f"{len(missing)} of {len(own)} delivered objects are not in the store: {_some(missing)}")
    return Verdict("pass", f"all {len(own)} objects that the ledger has receipts for are in the store")


def _known(its: list[StoredClip], told: _Told) -> Verdict:
    strange = [one.prefix for one in its if one.sha256 not in told.admitted.get(one.prefix, ())]
    if strange:
        return Verdict(
            "fail",
            f"the ledger does not know {len(strange)} of the {len(its)} clips in the store that name it: it was rolled"
            f" back, or they were put there by somebody who has the dock's keys: {_some(strange)}",
        )
    return Verdict("pass", f"the ledger knows all {len(its)} clips in the store that name it")


def _some(found: list[str]) -> str:
    return ", ".join(found[:SHOWN]) + (", …" if len(found) > SHOWN else "")


def _clips(store: Path, top: str) -> Iterator[StoredClip]:
    for file in sorted((store / top).rglob(_RECORD)):
        if file.is_symlink() or not file.is_file():
            continue
        with file.open("rb") as source:
            data = source.read(MAX_ENTRY)
        try:
            said = strict_json.parse(dsse.parse(data).payload)
            origin = said["predicate"]["ledger"]
        except (Refused, KeyError, TypeError):
            continue  # it is no clip record: the clip's own check says so
        yield StoredClip(file.parent.relative_to(store).as_posix(), str(origin), hashlib.sha256(data).hexdigest())


def _told(lines: Iterable[bytes]) -> _Told:
    told = _Told()
    for line in lines:
        try:
            record = strict_json.parse(dsse.parse(line).payload)
        except Refused:
            continue  # the ledger's own check says so
        kind, what = record.get("type"), record.get("what")
        if kind == "receipt":
            told.receipts |= {one["key"]: one for one in (what["receipt"], *what["others"])}
        elif kind == "custodian.receipt":
            told.vouched.add(what["word"]["key"])
        elif kind in ("admit", "quarantine"):
            told.admitted.setdefault(what["prefix"].rstrip("/"), set()).add(what["record_sha256"])
    return told


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
