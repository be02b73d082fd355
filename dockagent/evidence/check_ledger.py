"""Check a custody ledger: its lines, its checkpoint and whose they are. Pure over bytes and keys."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from dockagent.core import strict_json
from dockagent.core.proof import dsse, merkle, note
from dockagent.errors import Refused
from dockagent.evidence.keyring import NO_TIME, Keyring
from dockagent.evidence.owners import Owners
from dockagent.evidence.report import Report, Verdict
from dockagent.evidence.told import Told
from dockagent.ledger.keys import RECORD

_SHOWN = 3  # so many bad records are named; the others are counted


@dataclass(slots=True)
class _Tally:
    """What one pass over the lines has found."""

    edge: merkle.Frontier = field(default_factory=merkle.Frontier)
    root: bytes | None = None  # at the checkpoint's size
    torn: int = 0  # bytes of an unfinished last line
    malformed: list[str] = field(default_factory=list)
    told: Told = field(default_factory=Told)


def check_ledger(path: str, lines: Iterable[bytes], checkpoint: bytes | None, keyring: Keyring) -> Report:
    """What can be said about the ledger whose ``lines`` (with their newlines) and ``checkpoint`` these are.

    ``path`` is only for the report. One pass, nothing kept but the tree's edge.
    """
    # 1. The checkpoint says whose ledger this is, which decides who may sign its records.
    signed, head, trouble = _open_checkpoint(checkpoint)
    owners = Owners(keyring, head.origin if head else None)
    # 2. Every line: a whole envelope of a record in canonical form, signed by the dock's keys for its place.
    tally = _read(lines, head, owners)
    # 3. The checkpoint is signed by the keys for its size.
    # 4. The root over the first so many lines is the checkpoint's.
    verdicts = {
        "intact": _intact(tally, head, trouble),
        "signature": owners.signature(signed, head.size if head else tally.edge.size),
        "signer": owners.owner(signed, head.size if head else tally.edge.size)[1],
        "time": Verdict("unknown", tally.told.clock) if tally.told.clock else NO_TIME,
        "complete": _complete(tally, head),
    }
    torn = [f"{tally.torn} bytes of an unfinished record at the end"] if tally.torn else []
    findings = (*torn, *owners.findings(tally.edge.size), *tally.told.findings())
    facts = [f"{tally.edge.size} records, root {tally.edge.root().hex()}"]
    if head:
        facts.append(f"checkpoint of {head.origin} over {head.size} records")
    return Report("ledger", path, verdicts, findings, tuple(facts))


def _open_checkpoint(data: bytes | None) -> tuple[note.Note | None, note.Checkpoint | None, str]:
    if data is None:
        return None, None, ""
    try:
        signed = note.parse(data)
        return signed, note.parse_checkpoint(signed), ""
    except Refused as err:
        return None, None, f"the checkpoint cannot be read: {err.what}"


def _read(lines: Iterable[bytes], head: note.Checkpoint | None, owners: Owners) -> _Tally:
    tally = _Tally()
    if head and head.size == 0:
        tally.root = merkle.EMPTY_ROOT
    for line in lines:
        if not line.endswith(b"\n"):
            tally.torn = len(line)
            break
        _weigh(line[:-1], owners, tally)
        tally.edge = tally.edge.append(merkle.leaf_hash(line[:-1]))
        if head and tally.edge.size == head.size:
            tally.root = tally.edge.root()
    return tally


def _weigh(entry: bytes, owners: Owners, tally: _Tally) -> None:
    index = tally.edge.size
    try:
        envelope = dsse.parse(entry)
        if envelope.payload_type != RECORD:
            raise Refused(f"it holds {envelope.payload_type[:80]!r}, not a custody record")
        record = strict_json.parse(envelope.payload)
        if not isinstance(record, dict):
            raise Refused("its payload is not a JSON object")
        if strict_json.canonical(record) != envelope.payload:
            raise Refused("its payload is not in canonical form (RFC 8785)")
        said = record.get("index", index)
        if said != index:
            raise Refused(f"it says that it is record {said}: some were taken out or put in")
    except Refused as err:
        tally.malformed.append(f"record {index}: {err.what}" if len(tally.malformed) < _SHOWN else "")
        return
    owners.weigh(index, envelope, record, tally.edge.root)
    tally.told.weigh(index, record)


def _intact(tally: _Tally, head: note.Checkpoint | None, trouble: str) -> Verdict:
    if tally.malformed:
        return Verdict("fail", f"{len(tally.malformed)} records are damaged: {_some(tally.malformed)}")
    if trouble:
        return Verdict("fail", trouble)
    if head is None:
        return Verdict("unknown", "there is no checkpoint, so records may be missing; make one with the dock's key")
    if tally.root is None:
        return Verdict(
            "fail", f"the ledger was cut: {tally.edge.size} records are here, {head.size} under the checkpoint"
        )
    if tally.root != head.root:
        return Verdict("fail", f"the first {head.size} records are not those of the checkpoint")
    return Verdict("pass", f"the first {head.size} records are those of the checkpoint")


def _complete(tally: _Tally, head: note.Checkpoint | None) -> Verdict:
    if head is None:
        return Verdict("unknown", "without a checkpoint nobody knows how many records there were")
    beyond = tally.edge.size - head.size
    if beyond < 0:
        return Verdict("fail", f"{-beyond} records under the checkpoint are missing")
    if beyond:
        return Verdict("unknown", f"{beyond} records are signed but not yet under a checkpoint")
    return Verdict("pass", f"all {head.size} records are under the checkpoint")


def _some(found: list[str]) -> str:
    named = "; ".join(one for one in found if one)
    return f"{named}; …" if len(found) > _SHOWN else named
