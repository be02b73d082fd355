"""Check one record of a ledger without the ledger: who signed it, that it is in the log, and who vouches for that.

Pure over bytes and keys. What is here is one envelope, a ``tlog-proof@v1`` with its checkpoint, and perhaps an RFC 3161
reply over that checkpoint.
"""

from dataclasses import dataclass
from typing import Any

from cryptography import x509

from dockagent.core import cosignature, dsse, merkle, note, strict_json, tlog_proof
from dockagent.core.moment import rfc3339
from dockagent.errors import Missing, Refused
from dockagent.evidence.keyring import NO_TIME, Keyring, judge
from dockagent.evidence.report import Verdict
from dockagent.ledger import timestamps
from dockagent.ledger.keys import RECORD
from dockagent.ledger.keys_lineage import Lineage
from dockagent.ledger.trust import DockIdentity, Trust
from dockagent.ledger.witnessed import stamped_part

UNLOGGED = Verdict("unknown", "no checkpoint of the dock's ledger is over it yet, so nobody outside can vouch for it")


@dataclass(frozen=True, slots=True)
class Entry:
    """What was found. ``record``: the custody record, None where it cannot be read."""

    signature: Verdict
    signer: Verdict
    time: Verdict
    record: dict[str, Any] | None
    facts: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


def check_entry(envelope: dict[str, Any], proof: str, stamp: bytes, keyring: Keyring, trust: Trust | None) -> Entry:
    """Check a record (its DSSE envelope as JSON), its ``proof`` of inclusion (empty: there is none) and the ``stamp``
    over the checkpoint in it (empty: none)."""
    # 1. The envelope: a custody record, and whose.
    line = strict_json.canonical(envelope)
    try:
        sealed = dsse.parse(line)
        record = strict_json.parse(sealed.payload)
        if sealed.payload_type != RECORD or not isinstance(record, dict):
            raise Refused(f"it holds {sealed.payload_type[:80]!r}, not a custody record")
    except Refused as err:
        bad = Verdict("fail", f"the ledger's record cannot be read: {err.what}")
        return Entry(bad, keyring.stranger("nobody's good signature is on it"), NO_TIME, None)
    signature, signer, dock = judge(sealed, keyring)
    if not proof:
        return _unlogged(signature, signer, record, trust or Trust())
    # 2. It is the record at its place in the tree of the checkpoint, which the same dock signed.
    try:
        shown = tlog_proof.parse(proof.encode())
        head = shown.check(merkle.leaf_hash(line))
        if record.get("index") != shown.index:
            raise Refused(f"the record says that it is number {record.get('index')}, its proof {shown.index}")
        if dock is not None:
            _check_keys(dock, shown, head, keyring)
    except Refused as err:
        return Entry(Verdict("fail", f"its place in the ledger: {err.what}"), signer, NO_TIME, record)
    # 3. Outsiders' words on that checkpoint.
    time, facts, findings = _time(shown, head, stamp, trust or Trust())
    return Entry(signature, signer, time, record, facts, findings)


def _unlogged(signature: Verdict, signer: Verdict, record: dict[str, Any], trust: Trust) -> Entry:
    """A record without its place. Anyone can take a proof away: so that no demand for witnesses is met by that, nor a
    record by keys that were succeeded passes for an early one, it is never simply good."""
    time = UNLOGGED
    if trust.quorum:
        time = Verdict("fail", f"the trust file demands {trust.quorum} witnesses, and no checkpoint is here")
    finding = "nothing shows that the dock's record is in its ledger, nor that its keys were in force then"
    return Entry(signature, signer, time, record, findings=(finding,))


def _check_keys(dock: DockIdentity, shown: tlog_proof.TlogProof, head: note.Checkpoint, keyring: Keyring) -> None:
    """The keys that were in force at these places signed record and checkpoint. Raises Refused."""
    if head.origin != dock.origin:
        raise Refused(f"the checkpoint is of {head.origin!r}, the record is by {dock.origin!r}")
    lineage = Lineage(one for one in _same_standing(dock, keyring) if one.origin == dock.origin)
    if all(one.same_keys != dock.same_keys for one in lineage.at(shown.index)):
        raise Refused(f"record {shown.index} is signed by keys that were not in force there")
    signed = note.parse(shown.checkpoint)
    refusals = []
    for one in lineage.heads(head.size):
        try:
            return note.check(signed, one.log_key)
        except Refused as err:
            refusals.append(err)
    raise Refused(f"the checkpoint is not the dock's: {refusals[0].what}") from refusals[0]


def _same_standing(dock: DockIdentity, keyring: Keyring) -> list[DockIdentity]:
    """The sets that are believed, where this one is; else all."""
    believed = [one for pool, standing in keyring.pools() for one in pool if standing.word == "pass"]
    is_believed = any(one.same_keys == dock.same_keys for one in believed)
    return believed if is_believed else [one for pool, _ in keyring.pools() for one in pool]


def _time(
    shown: tlog_proof.TlogProof, head: note.Checkpoint, stamp: bytes, trust: Trust
) -> tuple[Verdict, tuple[str, ...], tuple[str, ...]]:
    where = f"record {shown.index} of {head.origin}, under a checkpoint over {head.size} records"
    cosigned, bad = cosignature.good(note.parse(shown.checkpoint), trust.witnesses)
    facts, verdict = [where], NO_TIME
    if stamp and trust.tsa_roots_pem:
        verdict = _stamped(stamp, shown.checkpoint, trust)
    elif stamp:
        facts.append("a time stamp is here, but the trust file names no tsa_roots_pem for it")
    if len(cosigned) < trust.quorum:
        why = f"the trust file demands {trust.quorum} witnesses, and {len(cosigned)} cosigned the checkpoint"
        return Verdict("fail", why), tuple(facts), bad
    if cosigned and verdict.word != "fail":
        seconds = sorted(one.seconds for one in cosigned)[max(trust.quorum, 1) - 1]
        names = ", ".join(one.witness.name for one in cosigned)
        verdict = Verdict("pass", f"{names} saw this history on {rfc3339(seconds * 1000)}: it existed by then")
    return verdict, tuple(facts), bad


def _stamped(stamp: bytes, checkpoint: bytes, trust: Trust) -> Verdict:
    roots = [x509.load_pem_x509_certificate(pem.encode()) for pem in trust.tsa_roots_pem]
    try:
        found = timestamps.check(stamp, stamped_part(checkpoint), roots)
    except Refused as err:
        return Verdict("fail", f"the time stamp over the checkpoint: {err.what}")
    except Missing as err:
        return Verdict("unknown", f"the time stamp over the checkpoint cannot be checked: {err}")
    return Verdict("pass", f"a time stamp says that this history existed on {rfc3339(found.time_ms)}")
