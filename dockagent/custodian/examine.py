"""Examine a clip: is what lies in storage what a trusted dock recorded, and does its ledger say so?

1. The clip records: whole, by a trusted dock, of this clip. 2. The dock's published ledger admits the clip with exactly
that record. Until it does, the clip waits a while: nothing is read twice. 3. Every object is read back from storage,
the master with its chunk tree. 4. Each must be what a record says. 5. What the store states about the master goes into
the receipt: version, retention, legal hold.
"""

from dataclasses import dataclass

from dockagent.core.central.store_receipt import Held, Retention, Seen, StoreReceipt
from dockagent.core.moment import rfc3339
from dockagent.custodian import reports
from dockagent.custodian.clip_record import Ledgers, Record, read_records
from dockagent.custodian.folders import ClipFolder, sealed
from dockagent.custodian.reports import Report
from dockagent.custodian.reread import Read, reread
from dockagent.custodian.world import Custodian, Tally
from dockagent.errors import Missing, Refused
from dockagent.evidence.check_clip import MASTER


class Waits(Exception):
    """Too young to be judged: something that belongs to it is still on its way."""


class Found(Exception):
    """Something is not what it must be; ``report`` says what."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.key)
        self.report = report


@dataclass(frozen=True, slots=True)
class Examined:
    """What a folder's masters were found to be: ``receipts`` by the master's name, and the ``record`` that speaks for
    them."""

    receipts: dict[str, StoreReceipt]
    record: Record


def examine(custodian: Custodian, folder: ClipFolder, ledgers: Ledgers, tally: Tally) -> Examined:
    """The receipts for the masters of ``folder`` that have none. Raises Waits, Found, and Retryable where the store
    does not answer."""
    age = custodian.now_ms() - folder.since_ms
    record, others, findings = _records(custodian, folder, age)
    seen, more = _seen(custodian, record, ledgers, age)
    things = _reread_all(custodian, folder, tally)
    covered = {digest for one in (record, *others) for digest in one.said.subjects.values()}
    _compare(folder, record, things, covered)
    findings = (*findings, *more, *_missing(record, things), *_strays(things, covered))
    receipts = {}
    for master in folder.without_receipt:
        receipts[master] = _receipt(custodian, folder, master, record, things, seen, findings)
    return Examined(receipts, record)


def _records(custodian: Custodian, folder: ClipFolder, age: int) -> tuple[Record, list[Record], tuple[str, ...]]:
    """The record that speaks for the clip, other docks' ones, and findings about those that speak for nothing."""
    if not folder.records:
        if age < custodian.settings.settle_ms:
            raise Waits
        raise Found(_report(folder, reports.UNRECORDED, "no record of any dock lies beside it"))
    good, wrong = read_records(custodian, folder)
    if not good:
        raise Found(_report(folder, reports.WRONG, *wrong))
    return good[0], good[1:], tuple(f"not believed: {one}" for one in wrong)


def _seen(custodian: Custodian, record: Record, ledgers: Ledgers, age: int) -> tuple[Seen | None, tuple[str, ...]]:
    try:
        seen = ledgers.seen(record)
        why = f"the published ledger of dock {record.dock} does not show the clip's record"
    except (Refused, Missing) as err:
        seen, why = None, f"the published ledger of dock {record.dock} proves nothing: {err.what}"
    if seen is None and age < custodian.settings.ledger_wait_ms:
        raise Waits
    return seen, () if seen else (why,)


def _reread_all(custodian: Custodian, folder: ClipFolder, tally: Tally) -> dict[str, Read]:
    found = {}
    for name in folder.contents:
        try:
            one = reread(custodian.archive, folder.key(name), custodian.beat, chunks=name in folder.masters)
        except (Missing, Refused) as err:
            raise Found(_report(folder, reports.ALTERED, err.what)) from err
        found[name] = one
        tally.read += one.size
    return found


def _compare(folder: ClipFolder, record: Record, things: dict[str, Read], covered: set[str]) -> None:
    """Raises Found where an object has a record's name and other bytes, or a master is not the one recorded."""
    said, wrong = record.said, list[str]()
    for name, one in things.items():
        recorded = said.subjects.get(name)
        if recorded not in (None, one.sha256) and one.sha256 not in covered:
            wrong.append(f"{name} has SHA-256 {one.sha256} in storage; the record says {recorded}")
    for name in folder.masters:
        one = things[name]
        if name == MASTER and (one.size, one.chunk_root) != (said.size, said.chunk_root):
            wrong.append(f"the master has {one.size} bytes and chunk root {one.chunk_root}; the record says otherwise")
        elif one.sha256 not in covered:
            wrong.append(f"no record is about {name} with SHA-256 {one.sha256}")
    if wrong:
        raise Found(_report(folder, reports.ALTERED, *dict.fromkeys(wrong)))


def _missing(record: Record, things: dict[str, Read]) -> tuple[str, ...]:
    here = {one.sha256 for one in things.values()}
    inside = record.said.inside
    gone = [name for name, digest in record.said.subjects.items() if name not in inside and digest not in here]
    return (f"the record names what is not here: {', '.join(sorted(gone))}",) if gone else ()


def _strays(things: dict[str, Read], covered: set[str]) -> tuple[str, ...]:
    odd = sorted(name for name, one in things.items() if one.sha256 not in covered)
    return (f"no record names {', '.join(odd)}",) if odd else ()


def _receipt(
    custodian: Custodian,
    folder: ClipFolder,
    master: str,
    record: Record,
    things: dict[str, Read],
    seen: Seen | None,
    findings: tuple[str, ...],
) -> StoreReceipt:
    one, said = things[master], record.said
    facts = custodian.archive.locks(folder.key(master), one.facts)
    if sealed(master) and one.sha256 not in said.subjects.values():
        findings = (*findings, "another dock's record is about this sealed copy")
    apart = said.quarantine or ("it lies in quarantine" if folder.quarantined else "")
    return StoreReceipt(
        store=custodian.archive.url,
        key=folder.key(master),
        version=facts.version,
        etag=facts.etag,
        bytes=one.size,
        sha256=one.sha256,
        chunk_root=one.chunk_root,
        clip_id=said.clip_id,
        camera=said.camera,
        clip_bytes=said.size,
        clip_sha256=said.subjects[MASTER],
        record=Held(record.name, len(record.data), record.sha256),
        objects=tuple(
            Held(name, other.size, other.sha256, other.facts.version)
            for name, other in things.items()
            if name != master
        ),
        retention=Retention(facts.mode, rfc3339(facts.until_ms) if facts.until_ms else ""),
        legal_hold=facts.hold,
        checkpoint=seen,
        quarantine=apart,
        findings=findings,
        custodian=custodian.key.public.name,
        time=rfc3339(custodian.now_ms()),
    )


def _report(folder: ClipFolder, kind: str, *words: str) -> Report:
    return Report(kind, folder.clip_id, folder.state, words, (f"{folder.prefix}/",))
