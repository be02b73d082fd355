"""Which checkpoint a review's seed is made of: the smallest behind its request that a quorum of witnesses cosigned."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dockagent.core.model import Cosigner
from dockagent.core.proof import cosignature, merkle, note
from dockagent.core.review import review
from dockagent.durable import Disk
from dockagent.errors import Refused
from dockagent.ledger import witnessed
from dockagent.ledger.leaves import Leaves


@dataclass(frozen=True, slots=True)
class Court:
    """Whose word counts: the keys of the ledger's dock, and the witnesses, ``quorum`` of whom must have signed (one at
    least)."""

    log_keys: Sequence[note.VerifierKey]
    witnesses: Sequence[note.VerifierKey]
    quorum: int


@dataclass(frozen=True, slots=True)
class SeedNote:
    """A checkpoint that a quorum cosigned: its head, its body, and the witnesses' good lines, one each: the earliest
    that is here, unless others are asked for. Who asks a witness again for another seed gains nothing by it where the
    first one is known."""

    head: note.Checkpoint
    signed: note.Note
    lines: tuple[note.NoteSignature, ...]

    def as_lines(self, told: Collection[Cosigner] = ()) -> tuple[str, ...]:
        """As it enters the seed. ``told``: the cosignatures of which the ledger tells, which are then the ones that
        count. Raises Refused where not all of them are here."""
        if not told:
            return review.seed_checkpoint(self.signed.text, self.lines)
        lines = [one for one in self.signed.signatures if review.cosigner_of(one) in told]
        if len(lines) < len(told):
            raise Refused(
                f"the checkpoint over {self.head.size} records lacks cosignatures that the ledger tells of",
                "take the one beside the ledger, or from the store: ledgers/<dock>/checkpoints",
            )
        return review.seed_checkpoint(self.signed.text, lines)


class TooFew(Refused):
    """A checkpoint that is good, but that not enough witnesses cosigned."""


def seed_note(data: bytes, court: Court) -> SeedNote:
    """The checkpoint in ``data``. Raises Refused with the reason where it is not one of this ledger that a quorum
    cosigned; :class:`TooFew` where only that is missing."""
    signed = note.parse(data)
    head = note.parse_checkpoint(signed)
    if head.origin not in {key.name for key in court.log_keys}:
        raise Refused(f"the checkpoint is of {head.origin!r}, another ledger")
    if not any(_signs(signed, key) for key in court.log_keys):
        raise Refused("the checkpoint is not signed by this dock: it is forged")
    good, bad = cosignature.good(signed, court.witnesses)
    if bad:
        raise Refused(f"the checkpoint is forged: {bad[0]}")
    if len(good) < max(court.quorum, 1):
        raise TooFew(f"the checkpoint bears {len(good)} of the {max(court.quorum, 1)} cosignatures that are needed")
    return SeedNote(head, signed, tuple(made_by(signed, one.witness)[0] for one in good))


def joined(one: SeedNote, other: SeedNote | None, court: Court) -> SeedNote:
    """``one`` with the cosignatures of ``other`` too, where that is the same checkpoint: the earliest of both count."""
    if other is None or other.signed.text != one.signed.text:
        return one
    both = tuple(dict.fromkeys((*one.signed.signatures, *other.signed.signatures)))
    merged = note.Note(one.signed.text, both)
    good, _ = cosignature.good(merged, court.witnesses)
    return SeedNote(one.head, merged, tuple(made_by(merged, each.witness)[0] for each in good))


def first_behind(disk: Disk, folder: str, request: int, court: Court) -> SeedNote | None:
    """The smallest that is kept beside the ledger in ``folder`` of ``disk`` and covers record ``request``; None: there
    is none yet. Raises Refused for one that was altered."""
    for size in witnessed.sizes(disk, folder):
        if size > request:
            try:
                return seed_note(disk.read(witnessed.path_of(folder, size)), court)
            except TooFew:
                continue
    return None


def refuse_unwitnessed(disk: Disk, folder: str, lines: review.Lines, court: Court) -> None:
    """Raises Refused where the checkpoint in a draw is not of the ledger in ``folder`` of ``disk``, or is not cosigned
    by a quorum and nobody else: a line that no witness signed can be chosen, and with it the sample."""
    head, signed = review.parse_seed_checkpoint(lines)
    if head.origin not in {key.name for key in court.log_keys}:
        raise Refused(f"the checkpoint is of {head.origin!r}, another ledger")
    good, bad = cosignature.good(signed, court.witnesses)
    if bad:
        raise Refused(f"the checkpoint is forged: {bad[0]}")
    if others := cosignature.strangers(signed, court.witnesses):
        raise Refused(
            f"the seed has a line in the name of {others[0]!r}, which is no witness of this dock",
            "draw with --seed-from newest; a witness that was taken out of [witnesses] ask must be named there again",
        )
    if len(good) < max(court.quorum, 1):
        raise TooFew(f"the checkpoint bears {len(good)} of the {max(court.quorum, 1)} cosignatures that are needed")
    if merkle.root(Leaves(disk, folder).hashes(head.size)) != head.root:
        raise Refused(f"the checkpoint is of another history of this ledger: a fork below {head.size} records")


def _signs(signed: note.Note, key: note.VerifierKey) -> bool:
    try:
        note.check(signed, key)
    except Refused:
        return False
    return True


def made_by(signed: note.Note, key: note.VerifierKey) -> tuple[note.NoteSignature, ...]:
    """All good cosignatures of one witness on a checkpoint, earliest first."""
    mine = [one for one in signed.signatures if (one.name, one.key_hash) == (key.name, key.key_hash)]
    return tuple(sorted((one for one in mine if _is_good(signed, one, key)), key=lambda one: one.signature[:8]))


def seconds_of(line: note.NoteSignature) -> int:
    """When a cosignature was made, by the word of its witness (POSIX seconds)."""
    return int.from_bytes(line.signature[:8])


def _is_good(signed: note.Note, line: note.NoteSignature, key: note.VerifierKey) -> bool:
    try:
        cosignature.check(note.Note(signed.text, (line,)), key)
    except Refused:
        return False
    return True
