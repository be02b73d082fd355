"""The clip table, a dock that starts anew, and whole lives: recorded, replayed, and the same."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.core import custody
from dockagent.core import events as ev
from dockagent.core.model import (
    ClipPhase,
    SessionPhase,
    State,
)
from dockagent.core.uplink.trouble import Trouble
from tests.core.story import (
    CAMERA,
    NOW,
    SPRITE,
    Story,
    acquired,
    admitted,
    attached,
    check_order,
    clip_in,
    delivered,
    disposed,
    entry,
    identified,
    inventory,
    item,
    one_clip,
    one_session,
    possible,
    previewed,
    quarantined,
    refused,
    sealed,
    session_in,
    stripped,
    transferred,
    trees,
    trouble,
    unread,
    verified,
)

S, C = SessionPhase, ClipPhase

# ---- clips ----------------------------------------------------------------------------------------------------------

CLIP_EVENTS: dict[str, Callable[[], ev.Event]] = {
    "verified": verified,
    "measured": trees,
    "previewed": lambda: previewed("c1", SPRITE),
    "sealed": lambda: sealed("c1", SPRITE),
    "stripped": stripped,
    "admitted": admitted,
    "quarantined": quarantined,
    "transferred": transferred,
    "delivered": delivered,
    "disposed": disposed,
}
PLAIN = {
    (C.ACQUIRED, "verified"): C.VERIFIED,
    (C.VERIFIED, "measured"): C.MEASURED,
    (C.VERIFIED, "previewed"): C.PREVIEWED,  # in ledgers of before
    (C.MEASURED, "previewed"): C.PREVIEWED,
    (C.PREVIEWED, "sealed"): C.SEALED,
    (C.SEALED, "stripped"): C.LOCKED,
    (C.LOCKED, "admitted"): C.ADMITTED,
    (C.PREVIEWED, "admitted"): C.ADMITTED,
    (C.ADMITTED, "transferred"): C.SHOWN,
    (C.SHOWN, "delivered"): C.DELIVERED,
    (C.DELIVERED, "disposed"): C.DONE,
}
DOUBTED = {
    (C.ACQUIRED, "verified"): C.VERIFIED,
    (C.VERIFIED, "measured"): C.MEASURED,
    (C.VERIFIED, "previewed"): C.PREVIEWED,  # in ledgers of before
    (C.MEASURED, "previewed"): C.PREVIEWED,
    (C.PREVIEWED, "sealed"): C.SEALED,
    (C.SEALED, "stripped"): C.LOCKED,
    (C.LOCKED, "quarantined"): C.ADMITTED,
    (C.PREVIEWED, "quarantined"): C.ADMITTED,
    (C.ADMITTED, "transferred"): C.SHOWN,
    (C.SHOWN, "delivered"): C.DONE,
}


@pytest.mark.parametrize("name", CLIP_EVENTS)
@pytest.mark.parametrize("doubt", ["", "intact: other bytes"])
@pytest.mark.parametrize("phase", C)
def test_every_clip_event_moves_as_the_table_says_or_leaves_no_trace(phase: ClipPhase, doubt: str, name: str) -> None:
    if doubt and phase is C.DELIVERED:
        return  # what is quarantined keeps its room
    moves = DOUBTED if doubt else PLAIN
    story = clip_in(phase, doubt, SPRITE)
    if (phase, name) not in moves:
        assert "c1" in refused(story, CLIP_EVENTS[name]())
        return
    story.tell(CLIP_EVENTS[name]())
    assert one_clip(story).phase is moves[phase, name]
    assert one_clip(story).trouble == Trouble()
    check_order(story.state)


@pytest.mark.parametrize("name", CLIP_EVENTS)
def test_a_clip_that_nobody_knows_is_refused(name: str) -> None:
    assert "unknown" in refused(session_in(S.LISTED), CLIP_EVENTS[name]())


def test_trouble_with_a_clip_that_nobody_knows_is_refused() -> None:
    refused(session_in(S.LISTED), trouble())


@pytest.mark.parametrize("lie", [{"sha256": "00" * 32}, {"bytes": 99}, {"bytes": 101}, {"sha256": ""}])
def test_a_receipt_for_other_bytes_is_refused(lie: dict[str, Any]) -> None:
    assert "names other bytes" in refused(clip_in(C.SHOWN), delivered(**lie))


def test_a_clip_in_doubt_is_not_admitted_and_a_good_one_not_quarantined() -> None:
    assert "judged" in refused(clip_in(C.PREVIEWED, "intact: no"), admitted())
    assert "judged" in refused(clip_in(C.PREVIEWED), quarantined())


@pytest.mark.parametrize(
    ("role", "size", "belongs_to", "after"),
    [
        ("footage", 100, "", C.VERIFIED),
        ("footage", 0, "", C.PREVIEWED),
        ("proxy", 100, "", C.VERIFIED),
        ("proxy", 100, "DCIM/x.MP4", C.VERIFIED),
        ("sidecar", 100, "", C.PREVIEWED),
        ("photo", 100, "", C.PREVIEWED),
        ("other", 100, "", C.PREVIEWED),
    ],
)
def test_only_footage_and_proxies_wait_to_be_measured(role: str, size: int, belongs_to: str, after: ClipPhase) -> None:
    story = session_in(S.IDENTIFIED).tell(inventory("A", entry(size=size, role=role, belongs_to=belongs_to)))
    story.tell(acquired(size=size), verified())
    assert one_clip(story).phase is after


@pytest.mark.parametrize(("belongs_to", "after"), [("", C.MEASURED), ("DCIM/x.MP4", C.PREVIEWED)])
def test_a_proxy_that_belongs_to_a_clip_is_measured_and_has_no_preview(belongs_to: str, after: ClipPhase) -> None:
    story = session_in(S.IDENTIFIED).tell(inventory("A", entry(role="proxy", belongs_to=belongs_to)))
    story.tell(acquired(), verified(), trees())
    assert one_clip(story).phase is after


@pytest.mark.parametrize("doubt", [False, True])
def test_a_clip_without_sample_trees_goes_on_and_only_a_doubt_is_a_finding(doubt: bool) -> None:
    story = clip_in(C.VERIFIED).tell(trees(tracks=(), why="byte tree only: so", doubt=doubt))
    clip = one_clip(story)
    assert clip.phase is C.MEASURED
    assert [finding.text for finding in clip.findings] == (["byte tree only: so"] if doubt else [])


@pytest.mark.parametrize("retry", [False, True])
def test_measuring_that_fails_moves_on_with_a_finding(retry: bool) -> None:
    clip = one_clip(clip_in(C.VERIFIED).tell(trouble(step="measure", retry=retry)))
    assert (clip.phase, clip.trouble) == (C.MEASURED, Trouble())
    assert clip.measure is not None
    assert clip.measure.why == "byte tree only: as it happens"
    assert [finding.code for finding in clip.findings] == ["samples"]


def test_what_was_measured_must_be_the_clip() -> None:
    other = ev.Measured("c1", "00" * 32, trees().measure)
    assert "other bytes" in refused(clip_in(C.VERIFIED), other)


def test_a_ledger_of_before_clips_were_measured_goes_on() -> None:
    story = session_in(S.IDENTIFIED).tell(
        inventory("A", entry(), entry("DCIM/a.LRV", role="proxy", belongs_to="DCIM/a.MP4"))
    )
    story.tell(acquired(), acquired(path="DCIM/a.LRV", clip="c2"), verified(), verified("c2"))
    assert "which is verified" in refused(story, admitted())
    assert "which is verified" in refused(story, previewed("c2"))
    story.tell(trouble(step="preview"), admitted(), admitted("c2"))
    assert one_clip(story).measure is None
    assert one_clip(story).phase is one_clip(story, "c2").phase is C.SHOWN


def test_without_previews_a_clip_goes_straight_to_its_master() -> None:
    assert one_clip(clip_in(C.SHOWN)).phase is C.SHOWN


@pytest.mark.parametrize("retry", [False, True])
def test_a_preview_that_fails_moves_on_with_a_finding(retry: bool) -> None:
    story = clip_in(C.MEASURED).tell(trouble(step="preview", retry=retry))
    clip = one_clip(story)
    assert (clip.phase, clip.trouble) == (C.PREVIEWED, Trouble())
    assert [(finding.code, finding.text) for finding in clip.findings] == [("preview", "as it happens")]


@pytest.mark.parametrize("phase", [phase for phase in C if phase is not C.DONE])
def test_trouble_of_a_clip_is_counted_sends_it_to_the_end_and_is_forgotten_when_it_moves(phase: ClipPhase) -> None:
    story = clip_in(phase, "", SPRITE)
    story.state.queues[phase]["behind"] = None
    story.tell(trouble(), trouble())
    clip = one_clip(story)
    assert (clip.trouble.attempts, clip.trouble.reason, clip.trouble.final) == (2, "as it happens", False)
    assert 0 < clip.trouble.retry_ms - story.at_ms <= 2500
    assert list(story.state.queues[phase]) == ["behind", "c1"]
    assert story.state.uplink.trouble == Trouble()
    story.tell(trouble(retry=False))
    assert clip.trouble.final


def test_trouble_with_the_link_is_the_links_and_ends_with_the_next_success() -> None:
    story = clip_in(C.SHOWN).tell(trouble(link=True), trouble(link=True))
    assert story.state.uplink.trouble.attempts == 2
    assert story.state.uplink.trouble.retry_ms > story.at_ms
    story.tell(delivered())
    assert story.state.uplink.trouble == Trouble()


def test_every_camera_of_a_clip_is_told_when_it_is_delivered() -> None:
    story = clip_in(C.SHOWN).tell(attached("B"), identified("B"), inventory("B", held={item(): "c1"}))
    assert [session.undelivered for session in story.state.sessions.values()] == [{"c1"}, {"c1"}]
    story.tell(delivered())
    assert [session.undelivered for session in story.state.sessions.values()] == [set(), set()]


def test_a_quarantined_clip_is_delivered_and_keeps_its_room() -> None:
    story = clip_in(C.SHOWN, "intact: no").tell(delivered())
    assert one_clip(story).phase is C.DONE
    assert one_session(story).undelivered == set()


# ---- a dock that starts anew ----------------------------------------------------------------------------------------


def test_a_start_forgets_stays_and_troubles_and_keeps_clips() -> None:
    story = clip_in(C.SHOWN).tell(trouble(retry=False, link=True), attached("B"))
    clip = deepcopy(one_clip(story))
    story.tell(ev.DockStarted("1.0", "c0", "crash or power cut"))
    assert story.state.sessions == {}
    assert story.state.running
    assert story.state.uplink.trouble == Trouble()
    clip.trouble = Trouble()
    assert one_clip(story) == clip
    assert story.state.known == {CAMERA.id: {item(): {"c1": NOW}}}


def test_a_start_forgets_that_the_spool_was_full() -> None:
    story = session_in(S.LISTED).tell(unread(kind="spool-full"), unread(kind="spool-full"))
    story.tell(ev.DockStarted("1.0", "c0", "clean stop"))
    assert story.state.spool == Trouble()


def test_a_stop_is_known() -> None:
    story = clip_in(C.SHOWN).tell(ev.DockStopped("signal"))
    assert not story.state.running


# ---- whole lives ----


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=60))
def test_a_recorded_life_replays_to_the_state_that_was_lived(choices: list[int]) -> None:
    story = Story()
    for choice in choices:
        events = possible(story.state)
        story.tell(events[choice % len(events)])
        check_order(story.state)
    again = State()
    custody.replay(story.payloads, again)
    assert again == story.state
