"""Which holds a dock asks the custodian about, when, and what people are told of each."""

from typing import Any

import msgspec
import pytest

from dockagent.core import custody
from dockagent.core import events as ev
from dockagent.core.central import hold_words
from dockagent.core.central.custodian_state import HoldWord
from dockagent.core.central.hold_note import Held, HoldNote
from dockagent.core.central.hold_words import WantedHold, Way
from dockagent.core.events.custodian import CustodianAsked, CustodianHeld, HoldsAsked
from dockagent.core.model import ClipPhase, Cosigner, State
from dockagent.core.narrate import tell
from dockagent.core.orders import AskHolds, Limits, orders
from dockagent.errors import Refused
from tests.core.story import NOW, Story, clip_in, delivered, hold_cleared, hold_set, refused

EVERY = 300_000
WAY = Way(custodian=True, published=True)
DIGEST = "ab" * 32
REACHED = HoldWord(DIGEST, "reached", "chief", "k", "s3://x", "2026-11-23T04:02:04.777Z", 3)
NO = HoldWord(DIGEST, "refused", "chief", "k", "s3://x", "2026-11-23T04:02:04.777Z", 0, "no right; allow it")


def published(story: Story) -> Story:
    """The ledger as it is now goes round, and into the store."""
    signed = (Cosigner("w.example/1", "00" * 4, NOW),)
    size = story.state.history.records
    return story.tell(ev.Checkpointed(size, "aa" * 32, signed, 1, 1, None, "ledgers/dock-7/checkpoint", ()))


def on_hold(phase: ClipPhase = ClipPhase.DELIVERED, store: str = "s3://x") -> tuple[Story, int]:
    story = (
        clip_in(phase) if phase is not ClipPhase.DELIVERED else clip_in(ClipPhase.SHOWN).tell(delivered(store=store))
    )
    hold = story.state.history.records
    return story.tell(hold_set()), hold


def due(story: Story, after_ms: int = 0) -> bool:
    given = orders(story.state, story.at_ms + after_ms, (), Limits(custodian_every_ms=EVERY))
    return any(isinstance(one, AskHolds) for one in given)


def settled(story: Story) -> Story:
    """Receipts are not asked for now: their order has the lane first."""
    story.state.custodian.waiting.clear()
    return story


def in_store(story: Story, way: Way = WAY) -> dict[str, Any]:
    (hold,) = story.state.clips["c1"].holds
    return hold_words.row(story.state, story.state.clips["c1"], hold, way)


def words_of(story: Story, way: Way = WAY) -> tuple[str, str]:
    row = in_store(story, way)
    return row["state"], row["text"]


def test_only_what_is_published_is_asked_about_and_the_answer_ends_it() -> None:
    story, hold = on_hold()
    settled(story)
    assert words_of(story) == ("on-its-way", f"on its way: record {hold} is not in the published ledger yet")
    assert not due(story)
    published(story)
    assert words_of(story)[1].startswith(f"on its way: record {hold} is published, and no custodian has said")
    assert due(story)
    assert hold_words.wanted(story.state) == (WantedHold("c1", hold),)
    story.tell(CustodianHeld("c1", hold, REACHED), HoldsAsked(1, 1))
    assert words_of(story) == ("reached", f"reached on {REACHED.time}: chief has seen it on 3 objects")
    assert not due(story, 10**12)
    again = State()
    custody.replay(story.payloads, again)
    assert again.custodian.holds == story.state.custodian.holds


def test_it_is_asked_less_and_less_often_until_more_is_published() -> None:
    story, _ = on_hold()
    published(settled(story))
    gaps = []
    for _ in range(9):
        story.tell(HoldsAsked(1, 0, "nobody answers"))
        gaps.append(next(n for n in range(100) if due(story, n * EVERY)))
    assert gaps == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    assert "nobody answers" in words_of(story)[1]
    story.tell(hold_set())
    assert due(story), "a new hold"
    story.tell(HoldsAsked(1, 0))
    assert not due(story)
    assert due(published(story)), "it may have been read since"


def test_a_refusal_is_shown_and_asked_about_again_by_the_note_that_is_known() -> None:
    story, hold = on_hold()
    published(settled(story)).tell(CustodianHeld("c1", hold, NO), HoldsAsked(1, 0))
    row = in_store(story)
    assert (row["state"], row["reason"], row["custodian"], row["at"]) == ("refused", NO.reason, "chief", NO.time)
    assert row["text"] == f"REFUSED on {NO.time}, says chief, who tries again: no right; allow it"
    assert hold_words.wanted(story.state) == (WantedHold("c1", hold, DIGEST),)
    found = hold_words.summary(story.state, WAY)
    assert found == {"states": {"refused": 1}, "wrong": {"c1": row["text"]}}
    assert hold_words.summary_words(found, 20) == ["  legal holds: 1 REFUSED there", f"  c1: {row['text']}"]
    story.tell(CustodianHeld("c1", hold, REACHED))
    assert words_of(story)[0] == "reached"


@pytest.mark.parametrize(
    ("store", "kind"),
    [("swift://evidence/north", "Swift"), ("file:///store", "a folder"), ("swift+axis:///f", "an evidence system")],
)
def test_a_store_without_legal_holds_is_named_and_nobody_is_asked(store: str, kind: str) -> None:
    story, _ = on_hold(store=store)
    published(settled(story))
    assert words_of(story)[0] == "no-holds"
    assert words_of(story)[1].startswith(f"none: {kind} knows no legal hold")
    assert not due(story, 10**12)


def test_without_a_way_it_is_said_what_is_missing() -> None:
    story, _ = on_hold()
    state, text = words_of(story, Way(custodian=False, published=False))
    assert state == "nobody"
    assert "[custodian] names none and [witnesses] publishes no ledger" in text
    assert "[witnesses]" not in words_of(story, Way(custodian=False, published=True))[1]


@pytest.mark.parametrize(("told", "state"), [("kept", "reached"), ("refused", "nobody"), ("", "nobody")])
def test_what_was_on_hold_before_is_asked_for_at_the_delivery(told: str, state: str) -> None:
    story, _ = on_hold(ClipPhase.SHOWN)
    assert words_of(story)[0] == "not-delivered"
    story.tell(delivered(hold=told))
    found = words_of(story, Way(custodian=False, published=True))
    assert found[0] == state
    assert (f"at the delivery it was {told}" in found[1]) == (told == "refused")
    assert words_of(story)[0] == ("reached" if told == "kept" else "on-its-way")
    assert due(published(settled(story))), "the custodian's word is asked for all the same"


def test_a_hold_that_is_over_is_forgotten() -> None:
    story, hold = on_hold()
    published(settled(story)).tell(CustodianHeld("c1", hold, NO), hold_cleared(hold=hold))
    assert (story.state.custodian.holds.words, hold_words.wanted(story.state)) == ({}, ())
    assert hold_words.summary(story.state, WAY) == {"states": {}, "wrong": {}}
    assert hold_words.summary_words(hold_words.summary(story.state, WAY), 20) == []


def test_a_second_delivery_asks_again() -> None:
    story, hold = on_hold()
    published(settled(story)).tell(CustodianHeld("c1", hold, REACHED))
    story.state.custodian.holds.delivered.clear()
    hold_words.follow(story.state, delivered())
    assert hold_words.wanted(story.state) == (WantedHold("c1", hold),)
    assert words_of(story)[0] == "on-its-way"


def test_word_on_what_nobody_asks_about_is_refused() -> None:
    story, hold = on_hold()
    assert "nobody asks about" in refused(story, CustodianHeld("c1", hold + 1, REACHED))
    assert "nobody asks about" in refused(story, CustodianHeld("c2", hold, REACHED))
    for word in (msgspec.structs.replace(REACHED, outcome="fine"), msgspec.structs.replace(REACHED, sha256="x")):
        assert "says nothing" in refused(story, CustodianHeld("c1", hold, word))


NOTE = HoldNote("c1", "dock-7", 5, False, False, (Held("master", "v", "off", "on"),), "chief", "s3://x", NO.time)


@pytest.mark.parametrize(
    "changed",
    [
        *({"clip_id": "c2"}, {"dock": "dock-8"}, {"hold": 6}, {"cleared": True}, {"objects": ()}),
        {"objects": (Held("a", "", "off", "off"), Held("master", "", "off", "on"))},
    ],
)
def test_a_note_about_something_else_or_nothing_is_no_word(changed: dict[str, Any]) -> None:
    about = WantedHold("c1", 5)
    good = hold_words.word_of(NOTE, about, "dock-7", DIGEST, "k")
    assert (good.outcome, good.objects, good.store) == ("reached", 1, "s3://x")
    with pytest.raises(Refused):
        hold_words.word_of(msgspec.structs.replace(NOTE, **changed), about, "dock-7", DIGEST, "k")


def test_lines_of_the_log() -> None:
    story, hold = on_hold()
    assert tell(CustodianHeld("c1", hold, REACHED), story.state) == (
        f"custodian.hold c1: DCIM/a.MP4: hold {hold} in the store: {hold_words.said(REACHED)}"
    )
    assert tell(HoldsAsked(2, 1, "away"), story.state).endswith("asked about 2 holds, 1 have reached the store; away")


def test_receipts_come_first() -> None:
    story, _ = on_hold()
    published(story)
    assert not due(story)
    assert due(story.tell(CustodianAsked(1, 0)))
