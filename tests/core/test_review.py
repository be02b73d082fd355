"""Review by lot: the question is fixed, the seed is not the dock's, and the lot falls the same for everybody."""

import hashlib
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockagent.core import events as ev
from dockagent.core.acts import Grounds
from dockagent.core.model import Attribution, Clip, Cosigner, Question, ReviewFilter, State
from dockagent.core.proof import note
from dockagent.core.review import review
from dockagent.errors import Refused
from tests.core.story import (
    Story,
    acquired,
    attached,
    entry,
    identified,
    inventory,
    refused,
)

WHY = Grounds(basis="policy 7", authority="inspector")
ROOT = bytes(range(32))
IDS = st.lists(st.integers(0, 2**128 - 1).map("{:032x}".format), unique=True, max_size=60)
SEEDS = st.integers(0, 2**256 - 1).map("{:064x}".format)


def taken_in(clips: int) -> Story:
    """A dock that has taken in so many clips of one camera, from a card that holds as many more and a sidecar."""
    names = [f"DCIM/{number}.MP4" for number in range(clips + 1)]
    listed = [*(entry(name) for name in names), entry("DCIM/0.GPS", role="sidecar", belongs_to=names[0])]
    story = Story().tell(ev.DockStarted("1", "c0", "first start"), attached(), identified(), inventory("A", *listed))
    story.tell(acquired(path="DCIM/0.GPS", clip=f"{0xABC:032x}"))
    return story.tell(*(acquired(path=name, clip=f"{number:032x}") for number, name in enumerate(names[:clips])))


def asking(state: State, sample: int = 2, **wanted: Any) -> ev.SampleAsked:
    """The request that a person may make now."""
    chosen = ReviewFilter(**wanted)
    ids = review.candidates(state.clips.values(), chosen)
    return ev.SampleAsked(Question(chosen, sample, len(ids), review.list_sha256(ids)), grounds=WHY)


def cosigned(size: int, witnesses: int = 2, quorum: int = 2, salt: int = 0) -> tuple[ev.Checkpointed, tuple[str, ...]]:
    """A round of witnesses as the ledger tells of it, and the checkpoint as it enters a seed."""
    lines = [
        note.NoteSignature(f"w{one}", bytes([one, salt, 0, 0]), (1000 + one).to_bytes(8) + bytes([one + salt]) * 64)
        for one in range(witnesses)
    ]
    who = tuple(review.cosigner_of(one) for one in lines)
    told = ev.Checkpointed(size, ROOT.hex(), who, witnesses, quorum, None, "", ())
    return told, review.seed_checkpoint(note.Checkpoint("dock/7", size, ROOT).text(), lines)


def drawing(story: Story, request: int, checkpoint: tuple[str, ...], **changed: Any) -> ev.SampleDrawn:
    """The draw that follows, or one with something changed."""
    one = story.state.reviews[request]
    seed = changed.get("seed", review.seed(request, one.asked, checkpoint))
    clips = tuple(review.draw(seed, one.candidates, one.asked.sample))
    return ev.SampleDrawn(**{"request": request, "checkpoint": checkpoint, "seed": seed, "clips": clips, **changed})


def asked_for(clips: int = 6, **wanted: Any) -> tuple[Story, int]:
    story = taken_in(clips)
    request = len(story.payloads)
    return story.tell(asking(story.state, **wanted)), request


# ---- the lot --------------------------------------------------------------------------------------------------------


@given(IDS, SEEDS, st.integers(1, 70), st.randoms())
def test_a_sample_is_part_of_the_list_and_depends_on_no_order(ids: list[str], seed: str, size: int, dice: Any) -> None:
    drawn = review.draw(seed, ids, size)
    assert len(drawn) == min(size, len(ids)) == len(set(drawn))
    assert set(drawn) <= set(ids)
    assert review.draw(seed, dice.sample(ids, len(ids)), size) == drawn
    assert review.draw(seed, ids, size + 1)[:size] == drawn, "a larger sample begins with the smaller one"


@given(IDS, SEEDS)
def test_the_lot_is_what_the_document_says(ids: list[str], seed: str) -> None:
    def lot(one: str) -> str:
        return hashlib.sha256((seed + one).encode()).hexdigest()

    assert review.draw(seed, ids, len(ids)) == sorted(ids, key=lot)


def test_every_clip_has_the_same_chance() -> None:
    """Chi-squared over 4000 draws of 5 from 20, none twice in a draw: with 19 degrees of freedom it is below 43.8 in
    999 of 1000 worlds, and this is one world, always the same."""
    dice, ids, counts = Random(7), [f"{one:032x}" for one in range(20)], Counter[str]()
    for _ in range(4000):
        counts.update(review.draw(f"{dice.getrandbits(256):064x}", ids, 5))
    chi = sum((counts[one] - 1000) ** 2 / 1000 for one in ids) * (19 / 20) / (1 - 5 / 20)
    assert chi < 43.8
    assert min(counts.values()) > 850


@pytest.mark.parametrize(
    ("ids", "text"),
    [([], ""), (["aa"], "aa\n"), (["aa", "bb"], "aa\nbb\n")],
)
def test_the_list_is_what_sort_and_sha256sum_make_of_it(ids: list[str], text: str) -> None:
    assert review.list_sha256(ids) == hashlib.sha256(text.encode()).hexdigest()


def test_the_seed_is_over_these_bytes() -> None:
    _, checkpoint = cosigned(9)
    asked = Question(ReviewFilter(), 3, 40, "ab" * 32)
    signed = checkpoint[4:]
    body = note.Checkpoint("dock/7", 9, ROOT).text()
    question = f"request 4 sample 3 of 40 {'ab' * 32}\n"
    text = f"dockagent/review-seed/v1\n{question}{body}\n{signed[0]}\n{signed[1]}\n"
    assert review.seed_text(4, asked, checkpoint) == text
    assert review.seed(4, asked, checkpoint) == hashlib.sha256(text.encode()).hexdigest()


def test_in_which_order_witnesses_signed_makes_no_other_seed() -> None:
    _, checkpoint = cosigned(9, witnesses=3)
    _, parsed = review.parse_seed_checkpoint(checkpoint)
    assert review.seed_checkpoint(parsed.text, reversed(parsed.signatures)) == checkpoint
    with pytest.raises(Refused, match="not in the form"):
        review.parse_seed_checkpoint((*checkpoint[:4], *reversed(checkpoint[4:])))
    with pytest.raises(Refused, match="twice"):
        review.parse_seed_checkpoint((*checkpoint[:5], checkpoint[4], *checkpoint[5:]))


# ---- the filter -----------------------------------------------------------------------------------------------------


def a_clip(**changed: Any) -> Clip:
    about = Attribution(officer="4711", category="traffic")
    facts: dict[str, Any] = {
        **dict.fromkeys(("session", "recording", "belongs_to", "sha256", "fingerprint", "chunk_root"), ""),
        **{"id": "c", "camera": "BWC-1", "path": "a.MP4", "role": "footage", "mtime_ms": 0, "bytes": 1},
        **{"acquired_ms": 1000, "about": about},
    }
    return Clip(**{**facts, **changed})


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({}, True),
        ({"camera": "BWC-1"}, True),
        ({"camera": "BWC-10"}, False),
        ({"officer": "4711"}, True),
        ({"officer": "471"}, False),
        ({"category": "traffic"}, True),
        ({"category": "Traffic"}, False),
        ({"since_ms": 1000}, True),
        ({"since_ms": 1001}, False),
        ({"until_ms": 1000}, False),
        ({"until_ms": 1001, "officer": "4711", "camera": "BWC-1"}, True),
        ({"until_ms": 1001, "officer": "0815", "camera": "BWC-1"}, False),
    ],
)
def test_what_a_filter_takes(wanted: dict[str, Any], fits: bool) -> None:
    assert review.fits(a_clip(), ReviewFilter(**wanted)) is fits


def test_sidecars_are_no_candidates_and_quarantine_spares_no_clip() -> None:
    clips = [a_clip(id="b"), a_clip(id="a", quarantine="intact: other bytes"), a_clip(id="d", role="sidecar")]
    assert review.candidates(clips, ReviewFilter()) == ["a", "b"]


# ---- the tables -----------------------------------------------------------------------------------------------------


def test_a_question_is_taken_as_it_stands_and_its_list_stays() -> None:
    story, request = asked_for(4)
    story.tell(acquired(path="DCIM/4.MP4", clip=f"{4:032x}"))
    assert story.state.reviews[request].candidates == tuple(f"{one:032x}" for one in range(4))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"sample": 0}, "1 to 3000"),
        ({"sample": 3001}, "1 to 3000"),
        ({"candidates": 5}, "another list"),
        ({"candidates_sha256": "00" * 32}, "another list"),
        ({"filter": ReviewFilter(camera="another")}, "another list"),
    ],
)
def test_a_question_with_another_list_is_refused(changed: dict[str, Any], why: str) -> None:
    story = taken_in(4)
    fair = asking(story.state)
    facts = {name: getattr(fair.question, name) for name in fair.question.__struct_fields__}
    assert why in refused(story, ev.SampleAsked(Question(**{**facts, **changed}), grounds=WHY))


def test_a_question_needs_grounds() -> None:
    story = taken_in(1)
    fair = asking(story.state)
    for grounds in (Grounds(), Grounds(basis="policy 7"), Grounds(authority="inspector")):
        assert "its basis and its authority" in refused(story, ev.SampleAsked(fair.question, grounds=grounds))


@pytest.mark.parametrize("clips", [0, 1, 6])
def test_a_fair_draw_is_taken(clips: int) -> None:
    story, request = asked_for(clips)
    told, checkpoint = cosigned(request + 1)
    story.tell(told, drawing(story, request, checkpoint))
    one = story.state.reviews[request]
    assert one.drawn == len(story.payloads) - 1
    assert one.candidates == ()


def test_what_witnesses_cosigned_while_the_dock_stopped_may_be_drawn_from() -> None:
    """It is in no record, and smaller than the first one that is."""
    story, request = asked_for()
    _, kept = cosigned(request + 1)
    told, _ = cosigned(request + 3, salt=5)
    story.tell(told, drawing(story, request, kept))
    assert story.state.reviews[request].drawn is not None


def test_an_unfair_draw_is_refused() -> None:
    story, request = asked_for()
    early, _ = cosigned(request)
    first, right = cosigned(request + 1)
    later, _ = cosigned(request + 2)
    too_few, _ = cosigned(request + 1, witnesses=1)
    story.tell(early, too_few, first, later)
    fair = drawing(story, request, right)

    def why(**changed: Any) -> str:
        return refused(story, drawing(story, request, changed.pop("checkpoint", right), **changed))

    assert "was there before" in why(checkpoint=cosigned(request)[1])
    assert "may not be passed over" in why(checkpoint=cosigned(request + 2)[1])
    assert "not the one that the ledger tells of" in why(checkpoint=cosigned(request + 1, witnesses=1)[1])
    assert "not the one that the ledger tells of" in why(checkpoint=cosigned(request + 1, salt=9)[1])
    assert "not that of the request" in why(seed="00" * 32)
    assert "not the one that the seed draws" in why(clips=tuple(reversed(fair.clips)))
    assert "not the one that the seed draws" in why(clips=(*fair.clips[:1], f"{5:032x}"))
    assert "not the one that the seed draws" in why(clips=fair.clips[:1])
    assert "asks for no sample" in refused(story, ev.SampleDrawn(3, right, fair.seed, fair.clips))
    story.tell(fair)
    assert "was drawn already" in refused(story, fair)


def test_too_few_witnesses_make_no_seed() -> None:
    story, request = asked_for()
    for told, _ in (cosigned(request + 1, witnesses=1), cosigned(request + 1, witnesses=0, quorum=0)):
        story.tell(told)
        assert story.state.reviews[request].size == 0


def test_the_first_quorum_counts_although_more_sign_later() -> None:
    story, request = asked_for()
    first, right = cosigned(request + 1)
    again, _ = cosigned(request + 1, witnesses=3)
    story.tell(first, again)
    assert story.state.reviews[request].cosigners == first.cosigners
    assert isinstance(story.state.reviews[request].cosigners[0], Cosigner)
    story.tell(drawing(story, request, right))
