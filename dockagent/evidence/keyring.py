"""Whose signatures a check believes, and what it may say about a signer."""

from collections.abc import Iterator
from dataclasses import dataclass

from dockagent.core import dsse
from dockagent.evidence.report import Verdict
from dockagent.ledger.trust import DockIdentity

_HINT = "compare its key with the agency's trust file: --trust FILE"
NO_TIME = Verdict("unknown", "the dock's own clock says when; no outside time stamp or witness vouches for it")


@dataclass(frozen=True, slots=True)
class Keyring:
    """``trusted``: the docks of the trust file, or None where the person gave none. ``beside``: those of a public key
    found next to what is checked: good for checking a signature, never for believing a signer."""

    trusted: tuple[DockIdentity, ...] | None
    beside: tuple[DockIdentity, ...] = ()

    def pools(self) -> Iterator[tuple[tuple[DockIdentity, ...], Verdict]]:
        """The docks to try, best first, each with what it means for the signer when they are the ones who signed."""
        if self.trusted is not None:
            yield self.trusted, Verdict("pass", "the dock is in the trust file")
        yield self.beside, self.stranger("its key was found beside what it signed, which proves nothing")

    def stranger(self, why: str) -> Verdict:
        """The verdict on a signer who is not a trusted one."""
        if self.trusted is not None:
            return Verdict("fail", "the signer is not in the trust file")
        return Verdict("unknown", f"{why}; {_HINT}")


def judge(envelope: dsse.Envelope, keyring: Keyring) -> tuple[Verdict, Verdict, DockIdentity | None]:
    """Who signed an envelope: the verdicts on ``signature`` and ``signer``, and the dock where one did."""
    known = set()
    for pool, signer in keyring.pools():
        for dock in pool:
            if dsse.signed_by(envelope, dock.record_key):
                return Verdict("pass", f"signed by dock {dock.id}"), signer, dock
            known.add(dsse.key_id(dock.record_key))
    stated = [one.keyid for one in envelope.signatures]
    if known.intersection(stated):
        bad = Verdict("fail", "the signature is not valid: the record was altered")
        return bad, keyring.stranger("nobody's good signature is on it"), None
    unknown = Verdict("unknown", f"cannot be checked: no public key that is here is the stated one, {stated[0][:16]!r}")
    return unknown, keyring.stranger("its public key is not here"), None
