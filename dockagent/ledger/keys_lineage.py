"""Which keys of a dock sign at which place of its ledger, and how a change of keys is followed. Pure.

A change is followed forward only: from a set that is believed to the one that it hands over to. What a later set says
about the time before it is nobody's proof, and a set that was succeeded may sign nothing behind its last record: that
is what a thief of old keys runs into.
"""

from collections.abc import Iterable

from dockagent.core import strict_json
from dockagent.core.proof import key_statement
from dockagent.errors import Refused
from dockagent.ledger.trust import DockIdentity

ROTATE = "keys.rotate"
"""Type of the record that hands over; ``what.statement`` is the envelope's text."""

_MARK = b'"type":"keys.rotate"'  # canonical JSON has one spelling only, so other records need not be parsed


class Lineage:
    """The key sets of one dock that are believed, growing as its ledger is read from the start."""

    def __init__(self, sets: Iterable[DockIdentity]) -> None:
        self._sets = sorted(sets, key=lambda one: one.key_set.since)

    @property
    def sets(self) -> tuple[DockIdentity, ...]:
        """All sets, oldest first."""
        return tuple(self._sets)

    def at(self, index: int) -> tuple[DockIdentity, ...]:
        """Who may sign record ``index``. None where the first set that is known begins later. More than one only where
        several sets that somebody named by hand begin at the same place."""
        begun = [one for one in self._sets if one.key_set.since <= index]
        return tuple(one for one in begun if one.key_set.since == begun[-1].key_set.since)

    def heads(self, size: int) -> tuple[DockIdentity, ...]:
        """Who may sign a checkpoint over ``size`` records: whoever signed the last of them."""
        return self.at(max(size - 1, 0))

    def take(self, index: int, payload: bytes) -> DockIdentity | None:
        """Take note of record ``index``, whose signature by :meth:`at` was checked; the new set where it hands over.

        Raises Refused for a handing over that is none (see
        :func:`dockagent.core.proof.key_statement.check_succession`), or that leads to other keys than those that are
        believed for its place already: that is a fork.
        """
        statement = handed_over(payload)
        if statement is None:
            return None
        refused: Refused | None = None
        for before in self.at(index):
            try:
                key_statement.check_succession(statement, before.key_set, index)
            except Refused as err:
                refused = err
                continue
            return self._add(DockIdentity.of(statement))
        if refused is not None:
            raise refused
        return None  # before the first set that is believed: nothing is followed backwards

    def _add(self, new: DockIdentity) -> DockIdentity:
        for known in self._sets:
            if known.same_keys == new.same_keys:
                return known
            if known.key_set.since >= new.key_set.since:
                raise Refused(
                    f"the ledger hands over to other keys than those that are known for set {known.key_set.generation}"
                    f" of dock {known.id}: this is another history than the true one"
                )
        self._sets.append(new)
        return new


def handed_over(payload: bytes) -> bytes | None:
    """The statement in a record that changes keys, or None in any other. Raises Refused for a malformed one."""
    if _MARK not in payload:
        return None
    record = strict_json.parse(payload)
    if not isinstance(record, dict) or record.get("type") != ROTATE:
        return None
    what = record.get("what")
    statement = what.get("statement") if isinstance(what, dict) else None
    if not isinstance(statement, str):
        raise Refused("a record that changes keys has no statement about them")
    return statement.encode()
