"""Check one record of a ledger without the ledger: who signed it, that it is in the log, and who vouches for that.

Pure over bytes and keys. What is here is one envelope, a ``tlog-proof@v1`` with its checkpoint, and perhaps an RFC 3161
reply over that checkpoint.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dockagent.core import strict_json
from dockagent.core.proof import merkle, tlog_proof
from dockagent.errors import Refused
from dockagent.evidence.check_records import gravest, parse_record
from dockagent.evidence.check_vouched import check_vouched
from dockagent.evidence.in_force import Signed, check_one_dock, record_signed
from dockagent.evidence.keyring import NO_TIME, Keyring
from dockagent.evidence.report import Verdict
from dockagent.ledger.trust import Trust

UNLOGGED = Verdict("unknown", "no checkpoint of the dock's ledger is over it yet, so nobody outside can vouch for it")


@dataclass(frozen=True, slots=True)
class Entry:
    """What was found. ``record``: the custody record, None where it cannot be read."""

    signature: Verdict
    signer: Verdict
    time: Verdict
    record: Mapping[str, Any] | None
    facts: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


def check_entry(envelope: dict[str, Any], proof: str, stamp: bytes, keyring: Keyring, trust: Trust | None) -> Entry:
    """Check a record (its DSSE envelope as JSON), its ``proof`` of inclusion (empty: there is none) and the ``stamp``
    over the checkpoint in it (empty: none)."""
    # 1. The envelope: a custody record, and who signed it, by the keys in force where it says that it is.
    line = strict_json.canonical(envelope)
    try:
        sealed, record = parse_record(line)
        index = _index(record)
    except Refused as err:
        bad = Verdict("fail", f"the ledger's record cannot be read: {err.what}")
        return Entry(bad, keyring.stranger("nobody's good signature is on it"), NO_TIME, None)
    by = record_signed(index, sealed, keyring)
    if not proof:
        return _unlogged(by, record, trust or Trust())
    # 2. It is there, in the tree of the checkpoint.
    try:
        shown = tlog_proof.parse(proof.encode())
        head = shown.check(merkle.leaf_hash(line))
        if index != shown.index:
            raise Refused(f"the record says that it is number {index}, its proof {shown.index}")
        # 3. The same dock signed that, and outsiders may have.
        vouched = check_vouched(shown.checkpoint, stamp or None, keyring, trust)
        check_one_dock(by, vouched.signed, head)
    except Refused as err:
        return Entry(Verdict("fail", f"its place in the ledger: {err.what}"), by.signer, NO_TIME, record)
    facts = (f"record {index} of {head.origin}, under a checkpoint over {head.size} records",)
    signature = gravest([vouched.signed.signature, by.signature])
    signer = gravest([vouched.signed.signer, by.signer])
    return Entry(signature, signer, vouched.time, record, facts, vouched.findings)


def _index(record: Mapping[str, Any]) -> int:
    index = record.get("index")
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise Refused(f"it says that it is record {index!r}")
    return index


def _unlogged(by: Signed, record: Mapping[str, Any], trust: Trust) -> Entry:
    """A record without its place. Anyone can take a proof away: so that no demand for witnesses is met by that, nor a
    record by keys that were succeeded passes for an early one, it is never simply good."""
    time = UNLOGGED
    if trust.quorum:
        time = Verdict("fail", f"the trust file demands {trust.quorum} witnesses, and no checkpoint is here")
    finding = "nothing shows that the dock's record is in its ledger, nor that its keys were in force then"
    return Entry(by.signature, by.signer, time, record, findings=(finding,))
