"""Audits: what has its receipt is read back from storage again after a time, every byte, and held against the receipt.

An audit that finds all of it is a signed note beside the clip, ``audit.<number>.json`` (in-toto Statement,
``urn:dockagent:store-audit:1``). A difference is a report, which stands until somebody adds or alters something there;
nothing is ever repaired. Audits come last in a round, the longest due first, and only so many bytes of them.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from typing import Any

import msgspec

from dockagent.core import strict_json
from dockagent.core.central import store_receipt
from dockagent.core.central.store_receipt import OFF, Held, StoreReceipt
from dockagent.core.moment import rfc3339
from dockagent.custodian import reports
from dockagent.custodian.folders import ClipFolder
from dockagent.custodian.holds import Holds
from dockagent.custodian.receipts import Signed
from dockagent.custodian.receipts import read as receipt_of
from dockagent.custodian.reports import Report, Reports
from dockagent.custodian.reread import Read, reread
from dockagent.custodian.world import Custodian, Tally
from dockagent.errors import Missing, Refused
from dockagent.stores import Conflict
from dockagent.stores.archive import Facts

PREDICATE = "urn:dockagent:store-audit:1"
_MOST_DUE = 10_000


@dataclass(slots=True)
class Due:
    """The clips of a round whose audit is due: at most 10,000, those that wait longest."""

    custodian: Custodian
    _heap: list[tuple[int, str, ClipFolder]] = field(default_factory=list)

    def see(self, folder: ClipFolder) -> None:
        """Take a clip in, if it is due."""
        every = self.custodian.settings.audit_ms
        settled = folder.audited_ms
        if not every or not folder.masters or folder.without_receipt or self.custodian.now_ms() - settled < every:
            return
        row = (-settled, folder.prefix, folder)
        if len(self._heap) < _MOST_DUE:
            heappush(self._heap, row)
        else:
            heappushpop(self._heap, row)

    def oldest_first(self) -> list[ClipFolder]:
        """The clips."""
        return [folder for _, _, folder in sorted(self._heap, reverse=True)]


def audit(custodian: Custodian, folder: ClipFolder, holds: Holds, told: Reports, tally: Tally) -> None:
    """Read a clip again and say what came of it. Raises Retryable."""
    state = reports.audit_of(folder.state)
    if told.altered(folder.clip_id, folder.state):
        return
    try:
        read = {name: _receipt(custodian, folder, name) for name in folder.receipts}
    except (Refused, Missing) as err:
        told.tell(Report(reports.WRONG, folder.clip_id, state, (f"audit: {err.what}",), (f"{folder.prefix}/",)))
        return
    receipts = [one.receipt for one in read.values()]
    found, wrong = _read(custodian, folder, receipts, tally)
    for receipt in receipts:
        wrong += _against(receipt, found)
    if wrong:
        words = tuple(dict.fromkeys(wrong))
        told.tell(Report(reports.ALTERED, folder.clip_id, state, words, (f"{folder.prefix}/",)))
        return
    locks = {name: custodian.archive.locks(folder.key(name), found[name].facts) for name in folder.masters}
    for master in _unheld(custodian, receipts) if holds.keeps(folder.clip_id) else ():
        told.tell(_no_hold(folder, master))
    said = _statement(custodian, folder, found, locks, {name: one.sha256 for name, one in read.items()})
    with suppress(Conflict):  # another custodian audited it at the same time
        custodian.archive.add(folder.key(folder.next_audit), custodian.key.seal(said))
    tally.audits += 1


def still_unheld(custodian: Custodian, folder: ClipFolder, holds: Holds, told: Reports) -> None:
    """Say again what an audit found about legal holds, for as long as it is so; the store is asked about nothing else.
    Raises Retryable, Refused and Missing."""
    before = [one for one in folder.masters if told.wrote(_no_hold(folder, one))]
    if not before or not holds.keeps(folder.clip_id):
        return
    receipts = [_receipt(custodian, folder, name).receipt for name in folder.receipts]
    for master in _unheld(custodian, [one for one in receipts if one.key.rpartition("/")[2] in before]):
        told.tell(_no_hold(folder, master))


def _no_hold(folder: ClipFolder, master: str) -> Report:
    """Not in the audit's own state, which would say that there is nothing to read again."""
    words = (f"a dock has it on hold, and the store has no legal hold on {master} any more",)
    state = reports.state_of(reports.audit_of(folder.state), *words)
    return Report(reports.NOT_HELD, folder.clip_id, state, words, (f"{folder.prefix}/",))


def _unheld(custodian: Custodian, receipts: Sequence[StoreReceipt]) -> list[str]:
    """The masters without a legal hold in a store that knows one: the versions that receipts name, whatever is on
    top."""
    return [one.key.rpartition("/")[2] for one in receipts if custodian.archive.held(one.key, one.version) == OFF]


def _receipt(custodian: Custodian, folder: ClipFolder, name: str) -> Signed:
    try:
        return receipt_of(custodian, folder, name)
    except Refused as err:
        raise Refused(f"{name}: {err.what}") from err


def _read(
    custodian: Custodian, folder: ClipFolder, receipts: Sequence[StoreReceipt], tally: Tally
) -> tuple[dict[str, Read], list[str]]:
    """All that receipts name and that is there, read back; and what could not be read as a whole."""
    named = {one.name for receipt in receipts for one in (receipt.record, *receipt.objects)}
    found, wrong = dict[str, Read](), list[str]()
    for name in sorted(({*named, *folder.masters}) & folder.objects.keys()):
        try:
            found[name] = reread(custodian.archive, folder.key(name), custodian.beat, chunks=name in folder.masters)
        except (Missing, Refused) as err:
            wrong.append(err.what)
        else:
            tally.read += found[name].size
            tally.audited += found[name].size
    return found, wrong


def _against(receipt: StoreReceipt, found: dict[str, Read]) -> list[str]:
    """What is not as the receipt of ``receipt.time`` says."""
    master = Held(receipt.key.rpartition("/")[2], receipt.bytes, receipt.sha256)
    wrong = list[str]()
    for one in (master, receipt.record, *receipt.objects):
        now = found.get(one.name)
        if now is None:
            wrong.append(f"{one.name} is not in storage any more; it was at {receipt.time}")
        elif (now.size, now.sha256) != (one.bytes, one.sha256):
            was = f"at {receipt.time} it had {one.bytes} bytes with SHA-256 {one.sha256}"
            wrong.append(f"{one.name} has {now.size} bytes with SHA-256 {now.sha256} in storage; {was}")
    return wrong


def _statement(
    custodian: Custodian,
    folder: ClipFolder,
    found: dict[str, Read],
    locks: dict[str, Facts],
    receipts: dict[str, str],
) -> bytes:
    """``receipts``: what was compared with, by name, with the SHA-256 (hex) of each envelope."""
    objects: list[Any] = [
        msgspec.to_builtins(Held(name, one.size, one.sha256, one.facts.version)) for name, one in sorted(found.items())
    ]
    return strict_json.canonical(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [
                {"name": folder.key(name), "digest": {"sha256": found[name].sha256}} for name in folder.masters
            ],
            "predicateType": PREDICATE,
            "predicate": {
                "clip_id": folder.clip_id,
                "objects": objects,
                "locks": {
                    name: {
                        "mode": one.mode,
                        "until": rfc3339(one.until_ms) if one.until_ms else "",
                        "legal_hold": one.hold,
                    }
                    for name, one in locks.items()
                },
                "receipts": receipts,
                "custodian": custodian.key.public.name,
                "store": custodian.archive.url,
                "time": rfc3339(custodian.now_ms()),
                "read": store_receipt.STORAGE,
            },
        }
    )
