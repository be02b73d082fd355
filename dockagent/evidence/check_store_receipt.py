"""Check what a custodian signed beside the clips of a store: receipts and permits. Nothing of it is needed to believe a
clip; it is a second party's word, by keys that the trust file names as ``custodians``.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dockagent.core.central import store_receipt
from dockagent.core.central.custodian_key import CustodianKey, signed_payload
from dockagent.core.central.store_receipt import StoreReceipt
from dockagent.core.permits import permit as permits
from dockagent.core.proof import dsse
from dockagent.errors import Refused
from dockagent.evidence.report import Report, Verdict
from dockagent.ledger.entries import MAX_ENTRY

FOLDER = "custodian"
"""Where in a store a custodian keeps its reports and notes: signed, or worth nothing, and of no clip."""

_SHOWN = 5


@dataclass(slots=True)
class _Found:
    """``good``: receipts that agree with what lies there; ``wrong``: what does not; ``strange``: what nobody who is
    trusted signed; ``without``: clips with no receipt yet; ``permits``, ``audits``: good ones."""

    good: int = 0
    permits: int = 0
    audits: int = 0
    wrong: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    without: int = 0
    noticed: list[str] = field(default_factory=list)


def is_custodians(name: str) -> bool:
    """Whether an object of a clip's folder is the custodian's, by its name."""
    return store_receipt.is_name(name) or store_receipt.is_permit(name) or store_receipt.is_audit(name)


def check_store_receipts(path: str, store: Path, custodians: Sequence[CustodianKey]) -> Report | None:
    """What can be said about the receipts in the store in the folder ``store``; None where the trust file names no
    custodian, or there is no clip. ``path`` is only for the report. Raises OSError."""
    if not custodians:
        return None
    found = _Found()
    for folder in _clips(store):
        _check_clip(store, folder, custodians, found)
    if not (found.good or found.wrong or found.strange or found.without):
        return None
    signed = found.good + len(found.wrong)
    signer = Verdict("pass", f"all {signed} receipts are signed by custodians of the trust file")
    if found.strange:
        signer = Verdict("fail", _some(f"{len(found.strange)} are signed by nobody who is trusted", found.strange))
    intact = Verdict("pass", f"all {found.good} receipts are about what lies beside them")
    if found.wrong:
        intact = Verdict("fail", _some(f"{len(found.wrong)} do not agree with what lies there", found.wrong))
    facts = [f"{found.permits} permits to erase from a camera"] if found.permits else []
    facts += [f"{found.audits} times a clip was read back again"] if found.audits else []
    facts += [f"{found.without} clips have no receipt of a custodian yet"] if found.without else []
    return Report("custodian", path, {"intact": intact, "signer": signer}, tuple(found.noticed), tuple(facts))


def _clips(store: Path) -> Iterator[Path]:
    """The folders with a stored master."""
    seen = set[Path]()
    for top in ("clips", "quarantine"):
        for file in sorted((store / top).rglob("master*")):
            if file.is_file() and not file.is_symlink() and file.parent not in seen:
                seen.add(file.parent)
                yield file.parent


def _check_clip(store: Path, folder: Path, custodians: Sequence[CustodianKey], found: _Found) -> None:
    receipts = [file for file in sorted(folder.glob("receipt*.json")) if store_receipt.is_name(file.name)]
    found.without += not receipts
    digests, good, strange = set(), set(), list[tuple[str, str]]()
    for file in receipts:
        where, data = file.relative_to(store).as_posix(), _read(file)
        digests.add(hashlib.sha256(data).hexdigest())
        try:
            receipt = store_receipt.read(data, custodians)
        except Refused as err:
            strange.append((store_receipt.stands_for(file.name), f"{where}: {err.what}"))
            continue
        wrong = _against(store, folder, receipt)
        good |= {store_receipt.stands_for(file.name)} if not wrong else set()
        found.good += not wrong
        found.wrong += [f"{where}: {one}" for one in wrong]
        found.noticed += [f"{where}: the custodian noticed: {one}" for one in receipt.findings]
    for place, what in strange:  # where the true receipt lies beside it, it proves nothing and takes nothing away
        (found.noticed if place in good else found.strange).append(what)
    for file in sorted(folder.glob("permit*.json")):
        if store_receipt.is_permit(file.name):
            _check_permit(store, file, digests, custodians, found)
    for file in sorted(folder.glob("audit.*.json")):
        if store_receipt.is_audit(file.name):
            _check_audit(store, file, custodians, found)


def _against(store: Path, folder: Path, receipt: StoreReceipt) -> list[str]:
    """What a receipt says and is not so. That the master is byte for byte that of the record, the clip's own check
    says; here the receipt's digests must be the record's."""
    place = folder.relative_to(store).as_posix()
    if receipt.key.rpartition("/")[0] != place:
        return [f"it is about {receipt.key}"]
    master, record = store / receipt.key, folder / receipt.record.name
    wrong = []
    if not master.is_file() or master.stat().st_size != receipt.bytes:
        wrong.append(f"{receipt.key} is not here with {receipt.bytes} bytes")
    if not record.is_file() or hashlib.sha256(_read(record)).hexdigest() != receipt.record.sha256:
        wrong.append(f"{receipt.record.name} is not the one that it names")
    elif not _states(_read(record), receipt.sha256):
        wrong.append("the digest that it states is in no record")
    return wrong


def _states(record: bytes, sha256: str) -> bool:
    try:
        return sha256.encode() in dsse.parse(record).payload
    except Refused:
        return False  # the clip's own check says why


def _check_audit(store: Path, file: Path, custodians: Sequence[CustodianKey], found: _Found) -> None:
    """The note of an audit says something only where a custodian signed it."""
    try:
        signed_payload(_read(file), custodians, "the note of an audit")
        found.audits += 1
    except Refused as err:
        found.strange.append(f"{file.relative_to(store).as_posix()}: {err.what}")


def _check_permit(
    store: Path, file: Path, digests: set[str], custodians: Sequence[CustodianKey], found: _Found
) -> None:
    where = file.relative_to(store).as_posix()
    try:
        permit = permits.read(_read(file), [key.public for key in custodians])
    except permits.UnknownKey as err:
        found.strange.append(f"{where}: {err.what}")
        return
    except Refused as err:
        found.wrong.append(f"{where}: {err.what}")
        return
    if permit.clip.receipt_sha256 not in digests:
        found.wrong.append(f"{where}: it rests on a receipt that is not here")
    else:
        found.permits += 1


def _some(what: str, found: list[str]) -> str:
    return f"{what}: {'; '.join(found[:_SHOWN])}" + ("; …" if len(found) > _SHOWN else "")


def _read(file: Path) -> bytes:
    with file.open("rb") as source:
        return source.read(MAX_ENTRY)
