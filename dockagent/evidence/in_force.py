"""Which keys were in force at a place of a ledger, and whether a record and its checkpoint are one dock's. Pure.

The one answer for packages, excerpts and what lies beside them. A ledger that is here as a whole shows its changes of
keys itself, see :mod:`dockagent.evidence.owners`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from dockagent.core.proof import dsse, note
from dockagent.errors import Refused
from dockagent.evidence.keyring import Keyring
from dockagent.evidence.report import Verdict
from dockagent.ledger.keys_lineage import Lineage
from dockagent.ledger.trust import DockIdentity


@dataclass(frozen=True, slots=True)
class Signed:
    """Who signed a record or a checkpoint. ``dock``: the set of keys that did, None where none that is known was in
    force and did; ``rank``: how well it is believed, 0 is best."""

    signature: Verdict
    signer: Verdict
    dock: DockIdentity | None = None
    rank: int = 0


def record_signed(index: int, envelope: dsse.Envelope, keyring: Keyring) -> Signed:
    """Who signed ledger entry ``index``: one whose keys were in force at its place."""
    found = _find(index, keyring, lambda dock: dsse.signed_by(envelope, dock.record_key))
    if found is not None:
        return found
    known = {dsse.key_id(dock.record_key) for pool, _ in keyring.pools() for dock in pool}
    stated = {one.keyid for one in envelope.signatures}
    if known & stated:
        why = (
            f"the signature of record {index} is not valid: it was altered, or its keys were not in force at its place"
        )
        return Signed(Verdict("fail", why), keyring.unproved(lambda dock: dsse.key_id(dock.record_key) in stated))
    first = envelope.signatures[0].keyid[:16] if envelope.signatures else ""
    none = Verdict(
        "unknown", f"record {index} cannot be checked: no public key that is here is the stated one, {first!r}"
    )
    return Signed(none, keyring.stranger("its public key is not here", key_is_here=False))


def head_signed(opened: note.Note, head: note.Checkpoint, keyring: Keyring) -> Signed:
    """Who signed a checkpoint: the dock of its origin, by the keys that signed the last record under it."""
    found = _find(
        max(head.size - 1, 0), keyring, lambda dock: dock.origin == head.origin and _signs(opened, dock.log_key)
    )
    if found is not None and found.dock is not None:
        return Signed(
            Verdict("pass", f"the checkpoint is signed by dock {found.dock.id}"), found.signer, found.dock, found.rank
        )
    if any(dock.origin == head.origin for pool, _ in keyring.pools() for dock in pool):
        bad = Verdict(
            "fail", "the checkpoint is not the dock's: it is not signed by the keys that were in force at its size"
        )
        return Signed(bad, keyring.unproved(lambda dock: note.names(opened, dock.log_key)))
    none = Verdict("unknown", f"no public key of {head.origin!r} is here")
    return Signed(none, keyring.stranger("its public key is not here", key_is_here=False))


def check_one_dock(record: Signed, checkpoint: Signed, head: note.Checkpoint) -> None:
    """Raises Refused where a record is shown under a checkpoint of another dock than its own, or under one that is
    signed by keys which are believed less: a trusted dock's true record in a tree that a stranger made up."""
    if record.dock is None:
        return  # its signature proves nothing as it is
    if record.dock.origin != head.origin:
        raise Refused(f"the record is by {record.dock.origin!r}, its checkpoint is of {head.origin!r}")
    if checkpoint.dock is not None and checkpoint.rank > record.rank:
        raise Refused(f"dock {record.dock.id} signed the record, but not the checkpoint that it is shown under")


def _find(index: int, keyring: Keyring, signs: Callable[[DockIdentity], bool]) -> Signed | None:
    """The first set that was in force at ``index`` and ``signs``, of the best believed ones. A set that was signed over
    by a believed one ends it, so these are asked together."""
    pools = list(keyring.pools())
    best = [(dock, standing) for pool, standing in pools[:-1] for dock in pool]
    every = [(dock, standing) for pool, standing in pools for dock in pool]
    for rank, sets in enumerate((best, every)):
        standings = {dock.same_keys: standing for dock, standing in reversed(sets)}  # the best one of each
        for origin in dict.fromkeys(dock.origin for dock, _ in sets):
            own = {dock.same_keys: dock for dock, _ in sets if dock.origin == origin}
            for dock in Lineage(own.values()).at(index):
                if signs(dock):
                    passed = Verdict("pass", f"signed by dock {dock.id}")
                    return Signed(passed, standings[dock.same_keys], dock, rank)
    return None


def _signs(opened: note.Note, key: note.VerifierKey) -> bool:
    try:
        note.check(opened, key)
    except Refused:
        return False
    return True
