"""Checkpoints for a package: the dock's newest, cosigned and stamped now by whom it asks, and the newest that outsiders
vouched for before. What witnesses say is kept beside the ledger, as the dock itself keeps it, before anybody gets it:
a draw by lot may have to be made from it (``ledger/witness_round``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dockagent.clock import Clock
from dockagent.core.proof import cosignature, merkle, note
from dockagent.durable import Disk
from dockagent.errors import DockError, Refused, Retryable, UsageError
from dockagent.ledger import witnessed
from dockagent.ledger.ask_witness import WitnessPeer, ask
from dockagent.ledger.leaves import Leaves
from dockagent.ledger.log import CHECKPOINT
from dockagent.ledger.notary import Notary
from dockagent.ledger.witness_round import alone, keep, with_kept

LEDGER = "ledger"
_LOOKED_AT = 64  # checkpoints that are kept, newest first


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint with what others say of it: ``signed``, the note with its cosignatures; ``token``, the RFC 3161
    reply over its first five lines, or empty; ``cosigners``: the witnesses' names."""

    size: int
    signed: bytes
    token: bytes = b""
    cosigners: tuple[str, ...] = ()

    @property
    def vouched(self) -> bool:
        """Whether anybody outside has said anything about it."""
        return bool(self.token or self.cosigners)


@dataclass(frozen=True, slots=True)
class Quorum:
    """Of the ``asked`` witnesses, how many the dock demands (``needed``; 0: none), and how many ``cosigned`` the
    checkpoint of a package that the fewest did: who demands as many refuses a package for its weakest checkpoint."""

    cosigned: int = 0
    needed: int = 0
    asked: int = 0

    @property
    def missed(self) -> bool:
        """Whether whoever demands as many as the dock will refuse it."""
        return self.cosigned < self.needed

    @property
    def words(self) -> str:
        """What that means, for a person."""
        return (
            f"The quorum is missed: {self.cosigned} of {self.asked} witnesses cosigned the ledger, and {self.needed} "
            f"are asked for. For whoever demands {self.needed} this package is refuted: for want of witnesses, "
            "whatever its clips are."
        )


def quorum(found: Sequence[Head], notary: Notary | None) -> Quorum:
    """How many witnesses cosigned all the checkpoints ``found``, of those that ``notary`` asks."""
    if notary is None:
        return Quorum()
    return Quorum(min(len(one.cosigners) for one in found), notary.quorum, len(notary.peers))


def heads(disk: Disk, leaves: Leaves, notary: Notary | None, clock: Clock) -> tuple[list[Head], list[str]]:
    """The checkpoints to prove with, best first, and what went wrong on the way, each in a line. The newest one comes
    first where somebody vouches for it; else the newest for which somebody did. ``clock``: for waiting while the dock
    itself asks its witnesses. Raises Refused for a checkpoint that is not this ledger's."""
    newest, troubles = _newest(disk, leaves, notary, clock)
    if newest.vouched:
        return [newest], troubles
    kept = next((one for one in _kept(disk, notary) if one.vouched), None)
    if kept is None:
        return [newest], troubles
    root = note.parse_checkpoint(note.parse(kept.signed)).root
    if kept.size > newest.size or merkle.root(leaves.hashes(kept.size)) != root:
        raise Refused(
            f"the kept checkpoint over {kept.size} records is not of this ledger: it was rewritten or rolled back",
            "keep this folder as it is, and run `dockagent verify` on it",
        )
    return [kept, newest], troubles


def _newest(disk: Disk, leaves: Leaves, notary: Notary | None, clock: Clock) -> tuple[Head, list[str]]:
    troubles: list[str] = []
    if notary is not None and notary.peers:
        try:
            with alone(disk, LEDGER, clock):
                return _cosigned(disk, leaves, notary, troubles), troubles
        except (Retryable, UsageError, OSError) as err:  # what nobody could keep, nobody gets
            troubles.append(str(err))
    signed, hashes = _own(disk, leaves)
    token = _stamp(signed, notary, troubles) if notary is not None else b""
    return Head(len(hashes), signed, token), troubles


def _own(disk: Disk, leaves: Leaves) -> tuple[bytes, list[bytes]]:
    """The dock's newest checkpoint as it signed it, and the leaf hashes below it."""
    signed = disk.read(f"{LEDGER}/{CHECKPOINT}")
    head = note.parse_checkpoint(note.parse(signed))
    hashes = leaves.hashes(head.size)
    if merkle.root(hashes) != head.root:
        raise Refused(f"the first {head.size} records are not those of the checkpoint", "run `dockagent verify` on it")
    return signed, hashes


def _cosigned(disk: Disk, leaves: Leaves, notary: Notary, troubles: list[str]) -> Head:
    """The same with the witnesses' lines, those that are kept already and those of now, and stamped; it is kept."""
    signed, hashes = _own(disk, leaves)
    signed = with_kept(disk, LEDGER, signed, notary.peers)
    for peer in notary.peers:
        if not cosignature.good(note.parse(signed), [peer.key])[0]:
            signed = _asked(peer, signed, hashes, notary, troubles)
    token, cosigners = _stamp(signed, notary, troubles), _cosigners(signed, notary)
    if cosigners:
        stamped = disk.size(witnessed.path_of(LEDGER, len(hashes)) + witnessed.SUFFIX) is not None
        keep(disk, LEDGER, signed, b"" if stamped else token)  # a record may tell of the token that is there
    return Head(len(hashes), signed, token, cosigners)


def _asked(peer: WitnessPeer, signed: bytes, hashes: Sequence[bytes], notary: Notary, troubles: list[str]) -> bytes:
    try:
        one = ask(peer, signed, lambda old: merkle.consistency_proof(hashes, old), len(hashes), notary.post)
    except DockError as err:
        troubles.append(str(err))
        return signed
    return witnessed.with_signatures(signed, [one])


def _stamp(signed: bytes, notary: Notary, troubles: list[str]) -> bytes:
    if notary.stamp is None:
        return b""
    try:
        return notary.stamp(witnessed.stamped_part(signed))[0]
    except DockError as err:
        troubles.append(str(err))
        return b""


def _cosigners(signed: bytes, notary: Notary | None) -> tuple[str, ...]:
    keys = [peer.key for peer in notary.peers] if notary is not None else []
    return tuple(one.witness.name for one in cosignature.good(note.parse(signed), keys)[0])


def _kept(disk: Disk, notary: Notary | None) -> list[Head]:
    found = []
    for size in reversed(witnessed.sizes(disk, LEDGER)[-_LOOKED_AT:]):
        path = witnessed.path_of(LEDGER, size)
        token = path + witnessed.SUFFIX
        signed = disk.read(path)
        held = disk.read(token) if disk.size(token) is not None else b""
        found.append(Head(size, signed, held, _cosigners(signed, notary)))
    return found
