"""The clip records in a clip's folder: read, judged, and found in the dock's published ledger."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dockagent.core import strict_json
from dockagent.core.central.store_receipt import Seen
from dockagent.core.proof import dsse, note
from dockagent.custodian.folders import ClipFolder
from dockagent.custodian.published import Published
from dockagent.custodian.reread import small
from dockagent.custodian.world import Custodian
from dockagent.errors import Missing, Refused
from dockagent.evidence.check_clip import ClipRecord, parse_record
from dockagent.evidence.check_entry import check_entry
from dockagent.evidence.keyring import judge
from dockagent.ledger import tiles

MOST_RECORD = 16 << 20  # bytes
MARKS = "custodian/ledgers/"


@dataclass(frozen=True, slots=True)
class Record:
    """A clip record by a dock that is trusted. ``said``: what it says; ``predicate``: the same as it stands there."""

    name: str
    data: bytes
    sha256: str
    said: ClipRecord
    predicate: dict[str, Any]

    @property
    def dock(self) -> str:
        """Who signed it."""
        return str(self.predicate.get("dock", ""))

    @property
    def acquired_at(self) -> int:
        """The number of the ledger's record that the bytes were in; it is admitted behind that. 0 where nobody says."""
        listed = self.predicate.get("catalogue")
        line = listed.get("line") if isinstance(listed, dict) else None
        entry = line.get("acquire_entry") if isinstance(line, dict) else None
        return entry if isinstance(entry, int) and entry > 0 else 0


def read_records(custodian: Custodian, folder: ClipFolder) -> tuple[list[Record], list[str]]:
    """The good records of a folder, the first dock's first, and what is wrong with the others. Raises Retryable."""
    good, wrong = list[Record](), list[str]()
    for name in folder.records:
        try:
            good.append(_read(custodian, folder, name))
        except (Refused, Missing) as err:
            wrong.append(f"{name}: {err.what}")
    return good, wrong


def _read(custodian: Custodian, folder: ClipFolder, name: str) -> Record:
    data = small(custodian.archive, folder.key(name), MOST_RECORD)
    envelope = dsse.parse(data)
    signature, signer, dock = judge(envelope, custodian.keyring)
    if dock is None or (signature.word, signer.word) != ("pass", "pass"):
        raise Refused(f"{signature.why}; {signer.why}")
    said = parse_record(envelope)
    predicate = strict_json.parse(envelope.payload)["predicate"]
    if said.clip_id != folder.clip_id:
        raise Refused(f"it is of clip {said.clip_id}, and lies in the folder of {folder.clip_id}")
    if (predicate.get("dock"), predicate.get("ledger")) != (dock.id, dock.origin):
        raise Refused(f"it says that dock {predicate.get('dock')!r} made it, but dock {dock.id} signed it")
    return Record(name, data, hashlib.sha256(data).hexdigest(), said, predicate)


class Ledgers:
    """The published ledgers of docks, opened once for each round."""

    def __init__(self, custodian: Custodian) -> None:
        self._custodian = custodian
        self._open: dict[str, Published | Refused | Missing | None] = {}
        self._marks: dict[str, tuple[int, int]] = {}

    def of(self, dock: str) -> Published | None:
        """The ledger of ``dock``, or None where none is published. Raises Refused and Missing where it is damaged."""
        if dock not in self._open:
            self._open[dock] = self._read(dock)
        found = self._open[dock]
        if isinstance(found, Refused | Missing):
            raise found
        return found

    def _read(self, dock: str) -> Published | Refused | Missing | None:
        archive, prefix = self._custodian.archive, tiles.prefix(dock)
        try:
            with archive.open(prefix + tiles.CHECKPOINT) as source:
                signed, at_ms = source.read(note.MOST), source.facts.modified_ms
        except Missing:
            return None
        try:
            return Published(self._custodian.get(prefix), signed, at_ms)
        except (Refused, Missing) as err:
            return err

    def seen(self, record: Record) -> Seen | None:
        """Where the ledger admits the clip with exactly this record; None where it does not, or not yet. Raises Refused
        and Missing where the ledger is damaged or its keys are not those of the dock."""
        ledger = self.of(record.dock)
        found = ledger.admits(record.sha256, record.acquired_at) if ledger else None
        if ledger is None or found is None:
            return None
        index, entry = found
        self.believed(record.dock, ledger, index, entry)
        return Seen(ledger.head.origin, ledger.head.size, ledger.head.root.hex(), index)

    def believed(self, dock: str, ledger: Published, index: int, entry: bytes) -> Mapping[str, Any]:
        """What entry ``index`` of the ledger of ``dock`` says, once it was found to be signed by a trusted dock, under
        a checkpoint of the same dock. Raises Refused and Missing."""
        proof = ledger.proof(index).encode().decode()
        custodian = self._custodian
        verdict = check_entry(strict_json.parse(entry), proof, b"", custodian.keyring, custodian.trust)
        for word in (verdict.signature, verdict.signer):
            if word.word != "pass":
                raise Refused(f"record {index} of the ledger of {dock}: {word.why}")
        if verdict.time.word == "fail":
            raise Refused(f"the ledger of {dock}: {verdict.time.why}")
        if verdict.record is None:
            raise Refused(f"record {index} of the ledger of {dock} cannot be read")
        return verdict.record

    def marked(self, dock: str) -> tuple[int, int]:
        """Up to which record the ledger of ``dock`` was compared with the store, and when (ms since 1970 UTC). Raises
        Retryable."""
        if dock not in self._marks:
            found = (0, 0)
            for one in self._custodian.archive.list(f"{MARKS}{dock}/"):
                name = one.key.rpartition("/")[2]
                if name.isdigit():
                    found = max(found, (int(name), one.modified_ms))
            self._marks[dock] = found
        return self._marks[dock]
