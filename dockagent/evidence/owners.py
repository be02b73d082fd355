"""Who may have signed a ledger: the believed sets of keys, followed record by record through every change of keys."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dockagent.core.moment import parse_rfc3339
from dockagent.core.proof import dsse, note
from dockagent.errors import Refused
from dockagent.evidence.keyring import Keyring, valid_until
from dockagent.evidence.report import Verdict
from dockagent.ledger.keys_lineage import Lineage
from dockagent.ledger.trust import DockIdentity

_SHOWN = 3
_UNPROVED = Verdict("unknown", "there is no readable checkpoint that says whose ledger this is")


@dataclass(slots=True)
class _Pool:
    """Sets of keys of one standing. ``refused``: what is wrong with records by them, some named; ``before``: how many
    records lie before the first set of the dock, so that this pool cannot speak for them."""

    lineages: tuple[Lineage, ...]
    standing: Verdict
    refused: list[str] = field(default_factory=list)
    before: int = 0
    before_unchecked: int = 0

    @property
    def docks(self) -> tuple[DockIdentity, ...]:
        return tuple(one for lineage in self.lineages for one in lineage.sets)

    def heads(self, size: int) -> tuple[DockIdentity, ...]:
        return tuple(one for lineage in self.lineages for one in lineage.heads(size))


class Owners:
    """The candidates for the owner of one ledger. Show it every record in order, then ask."""

    def __init__(self, keyring: Keyring, origin: str | None) -> None:
        """``origin``: what the checkpoint says whose ledger it is, or None without one."""
        self._keyring, self._late = keyring, ""
        believed = [] if keyring.trusted is None else [(keyring.believed, next(iter(keyring.pools()))[1])]
        stranger = keyring.stranger("its key was found beside what it signed, which proves nothing")
        self._pools = [
            _Pool(_lineages(docks, origin), standing) for docks, standing in [*believed, (keyring.beside, stranger)]
        ]
        self._ends = {one.same_keys: valid_until(one) for one in keyring.vouched}

    def weigh(self, index: int, envelope: dsse.Envelope, record: Any, root: Callable[[], bytes]) -> None:
        """Check who signed record ``index``; ``record`` is its parsed payload, ``root`` gives the Merkle root over the
        records before it."""
        known: dict[str, bool] = {}

        def signed(dock: DockIdentity) -> bool:
            key = dsse.key_id(dock.record_key)
            if key not in known:
                known[key] = dsse.signed_by(envelope, dock.record_key)
            return known[key]

        stated = {one.keyid for one in envelope.signatures}

        def named(dock: DockIdentity) -> bool:
            return dsse.key_id(dock.record_key) in stated

        answers = [_ask(pool, index, envelope.payload, signed, named) for pool in self._pools]
        for pool, answer in zip(self._pools, answers, strict=True):
            if answer is None:  # the pool begins later: the keys beside can at least be tried
                pool.before += 1
                pool.before_unchecked += answers[-1] != ""
            elif answer:
                pool.refused.append(f"record {index}{answer}" if len(pool.refused) < _SHOWN else "")
            pool.refused += _other_history(pool, index, root)
        self._watch_validity(index, record, signed)

    def owner(self, signed: note.Note | None, size: int) -> tuple["_Pool | None", Verdict]:
        """The pool whose sets own this ledger, and what that means for the signer. Without a checkpoint that anyone
        signed, nobody is proved to be the owner."""
        for pool in self._pools:
            if pool.lineages and (signed is None or any(signs(signed, dock) for dock in pool.heads(size))):
                return pool, self._standing(pool) if signed else _UNPROVED
        if signed is not None and (damaged := self._damaged(signed)):
            bad = {one.same_keys for one in damaged}
            return None, self._keyring.unproved(lambda dock: dock.same_keys in bad)
        return None, self._keyring.stranger("no key that is here signed the checkpoint", key_is_here=False)

    def signature(self, signed: note.Note | None, size: int) -> Verdict:
        """Whether checkpoint and records are signed by the keys for their places."""
        pool, _ = self.owner(signed, size)
        every = [dock for one in self._pools for dock in one.docks] or list(self._keyring.beside)
        every = every or list(self._keyring.believed)
        if pool is None and not every:
            why = f"cannot be checked: no public key of this dock is here; {self._keyring.no_key}"
            return Verdict("unknown", why)
        if pool is None and signed is not None and (damaged := self._damaged(signed)):
            why = f"the checkpoint's signature by {names(damaged)} is not valid: checkpoint or signature was altered"
            return Verdict("fail", why)
        if pool is None:
            return Verdict("fail", f"the checkpoint is not signed by {names(every)}{self._outdated(signed)}")
        if pool.refused:
            return Verdict(
                "fail", f"{len(pool.refused)} records are not signed by {names(pool.docks)}: {_some(pool.refused)}"
            )
        if pool.before_unchecked:
            return Verdict("unknown", f"the first {pool.before} records are signed by earlier keys that are not here")
        what = "every record and the checkpoint are" if signed else "every record is"
        return Verdict("pass", f"{what} signed by {names(pool.docks)}")

    def findings(self, size: int) -> tuple[str, ...]:
        """What a person should know about the owner of these ``size`` records: an expired certificate, later keys."""
        later = [one for one in self._keyring.believed if one.key_set.since > size and self._is_owner(one)]
        known = (
            f"keys are known that sign from record {one.key_set.since} on: this is an older copy, or it was cut"
            for one in later[:1]
        )
        return (*known, *((self._late,) if self._late else ()))

    def _is_owner(self, dock: DockIdentity) -> bool:
        return any(dock.same_keys == one.same_keys for pool in self._pools for one in pool.docks)

    def _standing(self, pool: _Pool) -> Verdict:
        standing = Verdict(pool.standing.word, f"{names(pool.docks)}: {pool.standing.why}")
        if pool.before and standing.word == "pass":
            return Verdict(
                "unknown",
                f"{names(pool.docks)}: trusted from record {pool.before} on; those before were signed by earlier keys,"
                " which the trust file does not name",
            )
        return standing

    def _damaged(self, signed: note.Note) -> list[DockIdentity]:
        """The sets in whose name the checkpoint has a signature that is not theirs."""
        every = {dock.same_keys: dock for one in self._pools for dock in one.docks}
        return [dock for dock in every.values() if note.names(signed, dock.log_key) and not signs(signed, dock)]

    def _outdated(self, signed: note.Note | None) -> str:
        """More words for a checkpoint by keys that were succeeded: what a thief of old keys makes."""
        if signed and any(signs(signed, dock) for pool in self._pools for dock in pool.docks):
            return "; it is signed by keys that were not in force any more, or not yet, at its size"
        return ""

    def _watch_validity(self, index: int, record: Any, signed: Callable[[DockIdentity], bool]) -> None:
        """A certificate speaks for the keys before it was issued too (they are the same), but not after its end."""
        if self._late or not self._ends or not isinstance(record, dict) or not isinstance(record.get("when"), dict):
            return
        said = _time(record["when"].get("utc"))
        for dock in self._keyring.vouched:
            end = self._ends.get(dock.same_keys)
            if said and end and said > end and signed(dock):
                self._late = (
                    f"record {index} says that it is of {said:%Y-%m-%d}, but the certificate of dock {dock.id} ended on"
                    f" {end:%Y-%m-%d}; only an outside time stamp could tell that the record is older"
                )


def _ask(
    pool: _Pool,
    index: int,
    payload: bytes,
    signed: Callable[[DockIdentity], bool],
    stated: Callable[[DockIdentity], bool],
) -> str | None:
    """What is wrong with the signer of a record; empty for nothing, None where the pool begins later."""
    begun = [lineage for lineage in pool.lineages if lineage.at(index)]
    if pool.lineages and not begun:
        return None
    for lineage in begun:
        if any(signed(dock) for dock in lineage.at(index)):
            try:
                lineage.take(index, payload)
            except Refused as err:
                return f": {err.what}"
            return ""
    if any(signed(dock) for dock in pool.docks):
        return " (by keys of the dock that were not in force there)"
    if any(stated(dock) for dock in pool.docks):
        return " (in the name of the dock's key, but the signature is not valid: record or signature was altered)"
    return " (by nobody who is known)"


def _other_history(pool: _Pool, index: int, root: Callable[[], bytes]) -> list[str]:
    """What is wrong where a set of keys takes over behind this record: its identity signed which history it takes."""
    taking = {one.key_set.root for one in pool.docks if one.key_set.generation > 1 and one.key_set.since == index + 1}
    if taking and taking != {root().hex()}:
        return [f"record {index}: the records before it are not those that the next keys took over: another history"]
    return []


def _lineages(docks: Iterable[DockIdentity], origin: str | None) -> tuple[Lineage, ...]:
    own: dict[str, list[DockIdentity]] = {}
    for dock in docks:
        if origin in (None, dock.origin):
            own.setdefault(dock.origin, []).append(dock)
    return tuple(Lineage(sets) for sets in own.values())


def signs(signed: note.Note, dock: DockIdentity) -> bool:
    """Whether a set's log key signed a note."""
    try:
        note.check(signed, dock.log_key)
    except Refused:
        return False
    return True


def names(docks: Iterable[DockIdentity]) -> str:
    """The docks' ids for a person, a few of them."""
    ids = list(dict.fromkeys(dock.id for dock in docks))
    return " or ".join(f"dock {one}" for one in ids[:_SHOWN]) + (" or another" if len(ids) > _SHOWN else "")


def _some(found: list[str]) -> str:
    named = "; ".join(one for one in found if one)
    return f"{named}; …" if len(found) > _SHOWN else named


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(parse_rfc3339(str(text)) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
