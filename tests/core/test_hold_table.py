"""Holds: each stands for itself, forbids what takes footage away, and outlives whatever happens to the clip."""

import json
from copy import deepcopy

import pytest

from dockagent.core import custody, narrate
from dockagent.core import events as ev
from dockagent.core.acts import MOST_TEXT, Actor, Grounds
from dockagent.core.model import ClipPhase, State
from dockagent.core.moment import Instant
from dockagent.core.orders import Dispose, Limits, card_is_done, orders
from tests.core.story import (
    ACTOR,
    GROUNDS,
    NOW,
    SETTING,
    SPRITE,
    Story,
    acquired,
    attached,
    clip_in,
    disposed,
    hold_cleared,
    hold_set,
    identified,
    inventory,
    one_clip,
    refused,
)

C = ClipPhase


def held(phase: ClipPhase = C.DELIVERED) -> tuple[Story, int]:
    """A clip on hold, and the number of the record that set the hold."""
    story = clip_in(phase, "", SPRITE)
    story.tell(hold_set())
    return story, len(story.payloads) - 1


def disposals(state: State) -> list[str]:
    return [one.clip for one in orders(state, NOW + 10**6, (), Limits()) if isinstance(one, Dispose)]


@pytest.mark.parametrize("phase", C)
def test_a_clip_can_be_put_on_hold_wherever_it_is_and_stays_in_its_phase(phase: ClipPhase) -> None:
    story, record = held(phase)
    (hold,) = one_clip(story).holds
    assert (hold.record, hold.basis, hold.authority, hold.by) == (record, "order 17/26", "Sgt Kay", "kay")
    assert one_clip(story).phase is phase


def test_a_held_clip_is_neither_disposed_of_nor_is_it_asked_for() -> None:
    story = clip_in(C.DELIVERED)
    assert disposals(story.state) == ["c1"]
    story.tell(hold_set())
    assert disposals(story.state) == []
    assert "on hold" in refused(story, disposed())


def test_when_its_last_hold_is_over_it_is_disposed_of_like_any_other() -> None:
    story, first = held()
    story.tell(hold_set(grounds=Grounds(basis="case 8", authority="Court B")))
    second = len(story.payloads) - 1
    story.tell(hold_cleared(hold=first))
    assert [one.record for one in one_clip(story).holds] == [second]
    assert "on hold" in refused(story, disposed())
    story.tell(hold_cleared(hold=second))
    assert disposals(story.state) == ["c1"]
    story.tell(disposed())


@pytest.mark.parametrize("number", [-1, 0, 10_000])
def test_a_hold_that_is_not_there_cannot_be_cleared(number: int) -> None:
    story, record = held()
    assert str(record) in refused(story, hold_cleared(hold=number))


def test_a_hold_is_cleared_once() -> None:
    story, record = held()
    story.tell(hold_cleared(hold=record))
    assert "none" in refused(story, hold_cleared(hold=record))


@pytest.mark.parametrize("event", [hold_set("nobody"), hold_cleared("nobody", 3)])
def test_a_clip_that_nobody_knows_cannot_be_held(event: ev.Event) -> None:
    assert "nobody knows" in refused(clip_in(C.DELIVERED), event)


@pytest.mark.parametrize("grounds", [Grounds(), Grounds(basis="x"), Grounds(authority="x"), Grounds("", " ", "\t")])
def test_no_hold_without_basis_and_authority(grounds: Grounds) -> None:
    story, record = held()
    assert "basis" in refused(story, hold_set(grounds=grounds))
    assert "basis" in refused(story, hold_cleared(hold=record, grounds=grounds))


@pytest.mark.parametrize(
    "event",
    [
        ev.Accessed("read", reason="x" * (MOST_TEXT + 1)),
        ev.Accessed("read", actor=Actor("x" * (MOST_TEXT + 1))),
        ev.Accessed("read", grounds=Grounds(recipient="x" * (MOST_TEXT + 1))),
    ],
)
def test_what_people_fill_in_is_bounded(event: ev.Event) -> None:
    assert "too long" in refused(clip_in(C.DELIVERED), event)


def test_an_act_ends_in_one_of_three_ways() -> None:
    assert "perhaps" in refused(clip_in(C.DELIVERED), ev.Accessed("read", "c1", "perhaps"))
    assert "no access" in refused(clip_in(C.DELIVERED), ev.Accessed("made-up", "c1"))
    assert "nobody knows a clip c9" in refused(clip_in(C.DELIVERED), ev.Accessed("read", "c9"))


def test_a_read_changes_nothing_but_the_number_of_records() -> None:
    story = clip_in(C.DELIVERED)
    before = deepcopy(story.state)
    story.tell(ev.Accessed("read", "c1", actor=ACTOR))
    before.history.records += 1
    before.history.newest_other += 1
    assert story.state == before


def test_a_hold_outlives_a_copy_that_was_lost() -> None:
    """A damaged master is forgotten and pulled again: the order not to dispose of it was not about the copy."""
    story, record = held(C.SHOWN)
    story.tell(ev.ClipFailed("c1", "send-master", "damaged", retry=False, link=False, lost=True))
    assert "c1" not in story.state.clips
    story.tell(acquired())
    assert [one.record for one in one_clip(story).holds] == [record]
    assert story.state.held == {}


def test_a_hold_outlives_a_store_that_lost_the_clip() -> None:
    story, record = held(C.DELIVERED)
    story.tell(ev.CameraDetached("s/A", clean=False, left=0), attached(), identified())
    story.tell(inventory(missing=("c1",)), acquired())
    assert [one.record for one in one_clip(story).holds] == [record]


def test_a_card_whose_clip_is_only_kept_by_a_hold_is_done() -> None:
    story, _ = held(C.DELIVERED)
    story.tell(ev.Released("s/A", True, "all 1 files delivered", "no console"))
    assert card_is_done(story.state, "A", 3)


def test_replayed_it_is_the_same() -> None:
    story, record = held()
    story.tell(hold_set(grounds=Grounds(basis="b", authority="a")), hold_cleared(hold=record))
    again = State()
    custody.replay(story.payloads, again)
    assert again == story.state


# ---- in words, and on record ----------------------------------------------------------------------------------------


def test_a_persons_act_names_the_person_and_the_grounds() -> None:
    event = ev.HoldSet("c1", actor=Actor("kay", "peer credentials", 1000, "miller"), grounds=GROUNDS)
    record = json.loads(
        custody.record(event, 9, Instant(NOW, "boot", 1, "ntp", 5), SETTING, clip_in(C.DELIVERED).state)
    )
    assert record["who"] == {
        "actor": "person", "id": "kay", "known_by": "peer credentials", "uid": 1000, "responsible": "Sgt Kay",
    }  # fmt: skip
    assert record["why"] == {
        "purpose": "hold.set", "policy": "keep/1", "basis": "order 17/26", "authority": "Sgt Kay", "recipient": "",
    }  # fmt: skip
    assert record["item"]["clip"] == record["links"]["clip"] == "c1"
    assert record["what"]["actor"]["login"] == "miller"
    assert (record["outcome"], record["errors"]) == ("success", [])


def test_software_acts_as_before() -> None:
    record = json.loads(custody.record(disposed(), 9, Instant(NOW, "boot", 1, "ntp", 5), SETTING, State()))
    assert record["who"] == {
        "actor": "software", "id": "dock-7", "known_by": "record key", "responsible": "Sgt Kay",
    }  # fmt: skip
    assert record["why"] == {"purpose": "collection of footage", "policy": "keep/1", "authority": "Sgt Kay"}


@pytest.mark.parametrize("outcome", ["refused", "failed"])
def test_a_failed_try_is_a_failure_with_its_reason(outcome: str) -> None:
    event = ev.Accessed("hold.set", "nobody", outcome, "nobody knows a clip nobody", actor=ACTOR)
    record = json.loads(custody.record(event, 9, Instant(NOW, "boot", 1, "ntp", 5), SETTING, State()))
    assert (record["outcome"], record["errors"]) == ("failure", ["nobody knows a clip nobody"])
    words = narrate.tell(event, State())
    assert words == "access nobody: hold.set of nobody by kay, " + outcome + ": nobody knows a clip nobody"


def test_a_hold_is_told_with_who_and_why() -> None:
    story, record = held()
    assert "ON HOLD by kay, basis order 17/26, authority Sgt Kay" in narrate.tell(hold_set(), story.state)
    assert f"hold {record} is over, by kay" in narrate.tell(hold_cleared(hold=record), story.state)
