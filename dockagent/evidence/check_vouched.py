"""Who vouches for a checkpoint that stands by itself: the dock's signature on it, witnesses, time stamps."""

from dataclasses import dataclass

from cryptography import x509

from dockagent.core.moment import rfc3339
from dockagent.core.proof import cosignature, note
from dockagent.errors import Missing, Refused
from dockagent.evidence.in_force import Signed, head_signed
from dockagent.evidence.keyring import NO_TIME, Keyring, unnamed_witnesses
from dockagent.evidence.report import Verdict
from dockagent.ledger import timestamps
from dockagent.ledger.trust import Trust
from dockagent.ledger.witnessed import stamped_part


@dataclass(frozen=True, slots=True)
class Vouched:
    """What is known about a checkpoint. ``head`` is None where it cannot be read; ``signed.signature`` then says
    why."""

    head: note.Checkpoint | None
    signed: Signed
    time: Verdict
    findings: tuple[str, ...] = ()


def check_vouched(signed: bytes, token: bytes | None, keyring: Keyring, trust: Trust | None) -> Vouched:
    """The checkpoint ``signed`` with the time stamp ``token`` over it, if any."""
    try:
        opened = note.parse(signed)
        head = note.parse_checkpoint(opened)
    except Refused as err:
        unread = Verdict("fail", f"the checkpoint cannot be read: {err.what}")
        return Vouched(None, Signed(unread, Verdict("unknown", "nobody's signature could be read")), NO_TIME)
    time, findings = _time(opened, head, signed, token, trust or Trust())
    if time == NO_TIME:
        names = {one for one in cosignature.strangers(opened, trust.witnesses if trust else ()) if one != head.origin}
        time = unnamed_witnesses(names, given=trust is not None) if names else time
    return Vouched(head, head_signed(opened, head, keyring), time, findings)


def _time(
    opened: note.Note, head: note.Checkpoint, signed: bytes, token: bytes | None, trust: Trust
) -> tuple[Verdict, tuple[str, ...]]:
    cosigned, bad = cosignature.good(opened, trust.witnesses)
    if len(cosigned) < trust.quorum:
        why = f"the trust file demands {trust.quorum} witnesses, and {len(cosigned)} cosigned the checkpoint"
        return Verdict("fail", f"{why}: the quorum is missed, which says nothing against the bytes"), bad
    stamped = _stamped(signed, token, trust)
    if stamped is not None and stamped.word == "fail":
        return stamped, bad
    if cosigned:
        seconds = sorted(one.seconds for one in cosigned)[max(trust.quorum, 1) - 1]
        when = _when(seconds * 1000)
        names = ", ".join(one.witness.name for one in cosigned)
        who = f"{len(cosigned)} of {len(trust.witnesses)} witnesses"
        words = f"{names} saw this history on {when}: {who} vouch that the first {head.size} records existed by then"
        return Verdict("pass", f"{words}; {stamped.why}" if stamped else words), bad
    return stamped or NO_TIME, bad


def _stamped(signed: bytes, token: bytes | None, trust: Trust) -> Verdict | None:
    if token is None:
        return None
    if not trust.tsa_roots_pem:
        return Verdict("unknown", "a time stamp is here, but the trust file names no tsa_roots_pem for it")
    roots = [x509.load_pem_x509_certificate(pem.encode()) for pem in trust.tsa_roots_pem]
    try:
        stamp = timestamps.check(token, stamped_part(signed), roots)
    except Refused as err:
        return Verdict("fail", f"the time stamp of the checkpoint: {err.what}")
    except Missing as err:
        return Verdict("unknown", f"the time stamp cannot be checked: {err}")
    return Verdict("pass", f"a time stamp by {stamp.signer} says that it existed on {_when(stamp.time_ms)}")


def _when(ms: int) -> str:
    return rfc3339(ms)[:19] + "Z"
