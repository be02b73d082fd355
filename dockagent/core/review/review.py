"""Review by lot: a sample of footage that nobody could choose, and that anyone draws again.

First the question is fixed: a record (``review.ask``) holds the filter, how many clips are wanted, and the digest of
the sorted list of all clips that fit. Then outsiders sign: the seed is made of the first checkpoint behind that record
that a quorum of witnesses cosigned, with their cosignatures, which the dock can neither make nor foresee. Last the lot
is drawn (``review.draw``): the clips with the lowest SHA-256 of seed and clip id.

Everything is text, so that ``sha256sum`` and SQL do the same; docs/review.md has the program that checks it.
"""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from dockagent.core import events as ev
from dockagent.core.model import Clip, Cosigner, Question, Review, ReviewFilter, State
from dockagent.core.proof import note
from dockagent.errors import Refused

SEED = "dockagent/review-seed/v1"
MOST_SAMPLE = 3000  # clips that one record names; nobody watches more, and the desk takes no longer message
Lines = Sequence[str]
"""A checkpoint as it enters the seed, by line: see :func:`seed_checkpoint`."""


def fits(clip: Clip, wanted: ReviewFilter) -> bool:
    """Whether a clip is asked for. All that is looked at is fixed with its ``acquire`` record."""
    about = clip.about
    return (
        wanted.camera in ("", clip.camera)
        and wanted.officer in ("", about.officer)
        and wanted.category in ("", about.category)
        and clip.acquired_ms >= wanted.since_ms
        and (not wanted.until_ms or clip.acquired_ms < wanted.until_ms)
    )


def candidates(clips: Iterable[Clip], wanted: ReviewFilter) -> list[str]:
    """The ids of all footage that fits, sorted; whatever became of it since: a clip in quarantine, or one that is not
    delivered yet, is not spared. Sidecars and proxies are no footage of their own."""
    return sorted(clip.id for clip in clips if clip.role == "footage" and fits(clip, wanted))


def list_sha256(ids: Iterable[str]) -> str:
    """SHA-256 (hex) of the list as lines: ``sort | sha256sum``."""
    return hashlib.sha256("".join(f"{one}\n" for one in ids).encode()).hexdigest()


def seed_text(request: int, asked: Question, checkpoint: Lines) -> str:
    """What the seed is the SHA-256 of. ``request``: the number of the request's record; ``checkpoint``: see
    :func:`seed_checkpoint`."""
    question = f"request {request} sample {asked.sample} of {asked.candidates} {asked.candidates_sha256}"
    return "".join(f"{one}\n" for one in (SEED, question, *checkpoint))


def seed(request: int, asked: Question, checkpoint: Lines) -> str:
    """64 hex digits."""
    return hashlib.sha256(seed_text(request, asked, checkpoint).encode()).hexdigest()


def seed_checkpoint(body: str, signatures: Iterable[note.NoteSignature]) -> tuple[str, ...]:
    """A checkpoint as it enters the seed: the three lines of its body, an empty one, and the witnesses' lines, sorted
    as bytes. The dock's own signature is left out: who holds its key could make many."""
    signed = sorted(note.signature_line(one).rstrip("\n") for one in signatures)
    return (*body.rstrip("\n").split("\n"), "", *signed)


def draw(seed_hex: str, ids: Iterable[str], sample: int) -> list[str]:
    """The ``sample`` ids with the lowest SHA-256 of seed and id (both as text, hex), lowest first; all, where there are
    no more. Which order ``ids`` have makes no difference."""
    prefix = hashlib.sha256(seed_hex.encode())

    def lot(one: str) -> bytes:
        mixed = prefix.copy()
        mixed.update(one.encode())
        return mixed.digest()

    return sorted(ids, key=lambda one: (lot(one), one))[:sample]


def cosigner_of(line: note.NoteSignature) -> Cosigner:
    """Whose cosignature a line is, and when it was made, as a ``checkpoint`` record has it."""
    return Cosigner(line.name, line.key_hash.hex(), int.from_bytes(line.signature[:8]) * 1000)


def check(state: State, event: ev.Event) -> None:
    """Raises Refused for a request whose list is not the dock's own of this moment, and for a draw that is not the one
    that follows from its request and from the first witnessed checkpoint that the ledger knows behind it."""
    if isinstance(event, ev.SampleAsked):
        _check_asked(state, event)
    elif isinstance(event, ev.SampleDrawn):
        _check_drawn(state, event)


def _check_asked(state: State, event: ev.SampleAsked) -> None:
    asked = event.question
    if not 1 <= asked.sample <= MOST_SAMPLE:
        raise Refused(f"a sample has 1 to {MOST_SAMPLE} clips")
    if not (event.grounds.basis.strip() and event.grounds.authority.strip()):
        raise Refused("a sample needs its basis and its authority", "give --basis and --authority")
    ids = candidates(state.clips.values(), asked.filter)
    if (asked.candidates, asked.candidates_sha256) != (len(ids), list_sha256(ids)):
        raise Refused(
            f"{len(ids)} clips fit the filter now; the request has another list, of {asked.candidates}", "ask once more"
        )


def _check_drawn(state: State, event: ev.SampleDrawn) -> None:
    review = state.reviews.get(event.request)
    if review is None:
        raise Refused(f"record {event.request} asks for no sample")
    if review.drawn is not None:
        raise Refused(f"the sample that record {event.request} asks for was drawn already: record {review.drawn}")
    head, signed = parse_seed_checkpoint(event.checkpoint)
    if head.size <= event.request:
        raise Refused(f"a checkpoint over {head.size} records was there before record {event.request} asked")
    _check_first(review, head, signed.signatures)
    if event.seed != seed(event.request, review.asked, event.checkpoint):
        raise Refused("the seed is not that of the request and the checkpoint")
    if list(event.clips) != draw(event.seed, review.candidates, review.asked.sample):
        raise Refused("the sample is not the one that the seed draws")


def _check_first(review: Review, head: note.Checkpoint, lines: Sequence[note.NoteSignature]) -> None:
    """A smaller one than the ledger tells of is possible: what witnesses cosigned while the dock stopped is in no
    record. Whether they did, the signatures tell, which this does not look at."""
    if not review.size or head.size < review.size:
        return
    if head.size > review.size:
        raise Refused(f"witnesses cosigned {review.size} records before that, which may not be passed over")
    if head.root.hex() != review.root or {cosigner_of(one) for one in lines} != set(review.cosigners):
        raise Refused(f"the checkpoint over {head.size} records is not the one that the ledger tells of")


def parse_seed_checkpoint(lines: Lines) -> tuple[note.Checkpoint, note.Note]:
    """The checkpoint in a ``review.draw``: its head, and its note of body and witnesses' signatures, none of them
    checked. Raises Refused where it has not exactly the form of :func:`seed_checkpoint`."""
    parsed = note.parse("".join(f"{one}\n" for one in lines).encode())
    if tuple(lines) != seed_checkpoint(parsed.text, parsed.signatures):
        raise Refused("the checkpoint in the record is not in the form that the seed is made of")
    if len({(one.name, one.key_hash) for one in parsed.signatures}) != len(parsed.signatures):
        raise Refused("one witness is there twice in the checkpoint")
    return note.parse_checkpoint(parsed), parsed


def asked(state: State, event: ev.SampleAsked, at_ms: int) -> None:
    """The question is fixed, and with it the list."""
    ids = tuple(candidates(state.clips.values(), event.question.filter))
    state.reviews[state.history.records] = Review(event.question, ids, at_ms, event.actor.name)


def drawn(state: State, event: ev.SampleDrawn, at_ms: int) -> None:
    """The lot is drawn: the list is not needed any more."""
    review = state.reviews[event.request]
    review.drawn, review.candidates = state.history.records, ()


def witnessed(state: State, event: ev.Checkpointed) -> None:
    """The first checkpoint behind a request that a quorum cosigned is the one that its seed is made of."""
    if len(event.cosigners) < max(event.quorum, 1):
        return
    for request, review in state.reviews.items():
        if not review.size and event.size > request:
            review.size, review.root, review.cosigners = event.size, event.root, event.cosigners


def words(wanted: ReviewFilter) -> dict[str, str | int]:
    """A filter in a canonical form: what is not asked for is left out."""
    raw: dict[str, str | int] = msgspec.to_builtins(wanted)
    return {name: value for name, value in sorted(raw.items()) if value}
