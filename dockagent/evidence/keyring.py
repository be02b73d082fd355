"""Whose signatures a check believes, and what it may say about a signer."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from cryptography import x509

from dockagent.core.proof import certificates, dsse, key_statement
from dockagent.errors import Refused
from dockagent.evidence.report import Verdict
from dockagent.ledger.trust import DockIdentity, Trust

_HINT = "compare its key with the agency's trust file: --trust FILE"
_OWN = "give the dock's home as well, or put its entry (`dockagent keys show --json`) into docks of the trust file"
NOT_NAMED = "the signer is not in the trust file"
NO_TIME = Verdict("unknown", "the dock's own clock says when; no outside time stamp or witness vouches for it")

_SHOWN = 3


def unnamed_witnesses(names: Collection[str], *, given: bool) -> Verdict:
    """The verdict on time where lines of witnesses are here whom nobody told us to believe."""
    who = ", ".join(repr(name) for name in sorted(names)[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    todo = "put their keys into its `witnesses`" if given else "give --trust FILE with their keys in `witnesses`"
    why = "the trust file does not name them" if given else "nobody said whom to believe"
    return Verdict(
        "unknown", f"lines in the names of {who} are on its checkpoints, but {why}; if you trust them, {todo}"
    )


@dataclass(frozen=True, slots=True)
class Keyring:
    """``trusted``: the sets of keys that the trust file names, or None where the person gave no file. ``beside``: those
    of a public key found next to what is checked: good for checking a signature, never for believing a signer.

    Sets that lie beside can be believed for what they carry. ``vouched``: a certificate of the trust file certifies
    their identity, which certifies the keys. ``followed``: the identity of a believed set signed them over, one set
    after the other; a ledger does not need these, because it shows the change itself. ``refusals``: why certificates
    that lie beside do not help.
    """

    trusted: tuple[DockIdentity, ...] | None
    beside: tuple[DockIdentity, ...] = ()
    vouched: tuple[DockIdentity, ...] = ()
    followed: tuple[DockIdentity, ...] = ()
    refusals: tuple[str, ...] = ()

    @classmethod
    def of(cls, trust: Trust | None, beside: tuple[DockIdentity, ...] = ()) -> Self:
        """The keyring of somebody who gave this trust file, for something beside which these sets lie."""
        if trust is None:
            return cls(None, beside)
        roots = [x509.load_pem_x509_certificate(pem.encode()) for pem in trust.dock_roots_pem]
        vouched, refusals = [], []
        for one in [*trust.docks, *beside] if roots else []:
            try:
                _vouch(one, roots)
            except Refused as err:
                refusals.append(err.what)
            else:
                vouched.append(one)
        followed = _follow([*trust.docks, *vouched], beside)
        return cls(trust.docks, beside, tuple(vouched), followed, tuple(dict.fromkeys(refusals)))

    @property
    def believed(self) -> tuple[DockIdentity, ...]:
        """The sets that are named or vouched for, each once."""
        return tuple({one.same_keys: one for one in [*(self.trusted or ()), *self.vouched]}.values())

    def pools(self) -> Iterator[tuple[tuple[DockIdentity, ...], Verdict]]:
        """The sets to try, best first, each with what it means for the signer when they are the ones who signed."""
        if self.trusted is not None:
            yield self.believed, Verdict("pass", self._why())
            yield self.followed, Verdict("pass", "the dock's identity, which is trusted, signed this key over")
        yield self.beside, self.stranger("its key was found beside what it signed, which proves nothing")

    def stranger(self, why: str, *, key_is_here: bool = True) -> Verdict:
        """The verdict on a signer who is not a trusted one. Where only authorities are trusted, one whose key is not
        here may well be certified by them."""
        if self.trusted == () and not key_is_here:
            return Verdict("unknown", f"{why}, so nobody can tell whether it is certified; {_OWN}")
        if self.trusted is not None:
            also = f"; its certificates do not help: {self.refusals[0]}" if self.refusals else ""
            return Verdict("fail", f"{NOT_NAMED}{also}")
        return Verdict("unknown", f"{why}; {_HINT}")

    def unproved(self, states: Callable[[DockIdentity], bool]) -> Verdict:
        """The verdict on the signer of something whose signature is bad. ``states``: whether it is in the name of a
        set's key, which anybody can write, so that nobody is cleared or blamed by it."""
        named = next((dock for dock in (*self.believed, *self.followed) if states(dock)), None)
        if named is None:
            return self.stranger("nobody's good signature is on it")
        return Verdict(
            "unknown",
            f"it names a key of dock {named.id}, which is trusted, but that key did not sign it as it is here",
        )

    @property
    def no_key(self) -> str:
        """What to do where the public key that is needed is not here."""
        if self.trusted is None:
            return "give --trust FILE"
        return "put the dock's entry (`dockagent keys show --json`) into docks of the trust file"

    def _why(self) -> str:
        if self.trusted or not self.vouched:
            return "the dock is in the trust file"
        return "the dock's identity is certified by one whom the trust file names"


def _vouch(dock: DockIdentity, roots: list[x509.Certificate]) -> None:
    """Raises Refused with the reason where no root stands behind this set of keys.

    1. Its statement, which names the identity, was checked when it was read. 2. The leaf of its chain is for this
    identity and this dock's id. 3. The chain leads to a root, at a time when all of it was valid. Whether a record was
    made within that time is a question of its own, see :func:`valid_until`.
    """
    if dock.certified is None or not dock.chain_pem:
        raise Refused(f"there is no certificate of dock {dock.id}")
    chain = certificates.parse_chain(dock.chain_pem.encode())
    if not chain or certificates.signing_key(chain[0], "dock") != dock.certified.identity_key:
        raise Refused(f"the certificate of dock {dock.id} is not for its identity key")
    if certificates.device_serial(chain[0], "dock") != dock.id:
        raise Refused(f"the certificate is not for dock {dock.id}")
    authorities = [one for one in roots if certificates.is_ca(one)]
    if any(one.public_key() == dock.certified.identity_key for one in roots if one not in authorities):
        return  # this very dock's certificate was named
    if not authorities:
        raise Refused("the trust file names certificates of other docks only, and no CA")
    begun = max(one.not_valid_before_utc for one in chain)
    certificates.trust(chain, authorities, int(begun.timestamp() * 1000), "dock")


def valid_until(dock: DockIdentity) -> datetime | None:
    """When the first certificate of a set's chain ends; None for a set without."""
    if not dock.chain_pem:
        return None
    return min(one.not_valid_after_utc for one in certificates.parse_chain(dock.chain_pem.encode()))


def _follow(believed: Iterable[DockIdentity], beside: tuple[DockIdentity, ...]) -> tuple[DockIdentity, ...]:
    """The sets beside that succeed believed ones, as long as no believed set says otherwise."""
    newest = {one.origin: one for one in sorted(believed, key=lambda one: one.key_set.generation)}
    found = []
    for one in sorted(beside, key=lambda one: one.key_set.generation):
        before = newest.get(one.origin)
        if before is None or one.certified is None or one.certified.generation <= before.key_set.generation:
            continue
        try:
            key_statement.check_succession(one.statement, before.key_set, one.certified.since - 1)
        except Refused:
            continue
        newest[one.origin] = one
        found.append(one)
    return tuple(found)


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
        bad = Verdict("fail", "the signature is not valid: the record or the signature was altered")
        return bad, keyring.unproved(lambda dock: dsse.key_id(dock.record_key) in stated), None
    unknown = Verdict("unknown", f"cannot be checked: no public key that is here is the stated one, {stated[0][:16]!r}")
    return unknown, keyring.stranger("its public key is not here", key_is_here=False), None
