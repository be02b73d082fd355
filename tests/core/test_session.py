"""The session table: every event moves as it says, or is refused and has left no trace.

Clips are in test_clip_table.py.
"""

from collections.abc import Callable
from copy import deepcopy

import pytest

from dockagent.core import events as ev
from dockagent.core.camera.inventory import Finding, Skipped
from dockagent.core.model import (
    RELISTS,
    UNDELIVERED,
    ClipPhase,
    SessionPhase,
)
from dockagent.core.session import COMES_BACK_MS, ITEM_TRIES
from dockagent.core.uplink.trouble import Trouble
from tests.core.story import (
    CAMERA,
    NOW,
    OVER,
    SPRITE,
    acquired,
    attached,
    check_order,
    clip_in,
    clock_set,
    delivered,
    detached,
    disposed,
    entry,
    identified,
    inventory,
    item,
    measured,
    mode_asked,
    one_clip,
    one_session,
    reading,
    refused,
    released,
    session_in,
    session_trouble,
    unread,
    unset,
    verified,
)

S, C = SessionPhase, ClipPhase

# ---- sessions -------------------------------------------------------------------------------------------------------

SESSION_EVENTS: dict[str, Callable[[], ev.Event]] = {
    "identified": identified,
    "asked for its card": mode_asked,
    "measured": measured,
    "unset": unset,
    "set": clock_set,
    "inventory": inventory,
    "acquired": acquired,
    "failed": unread,
    "changed under us": lambda: unread(kind="changed"),
    "changed": lambda: ev.CameraChanged("s/A"),
    "released": released,
    "detached": detached,
    "trouble": session_trouble,
    "hopeless": lambda: session_trouble(retry=False),
}
SESSION_MOVES: dict[tuple[SessionPhase | str, str], SessionPhase | str] = {
    (S.ATTACHED, "identified"): S.IDENTIFIED,
    (S.ATTACHED, "asked for its card"): S.ATTACHED,
    (S.IDENTIFIED, "measured"): S.IDENTIFIED,
    (S.IDENTIFIED, "unset"): S.IDENTIFIED,
    (S.IDENTIFIED, "set"): S.IDENTIFIED,
    (S.IDENTIFIED, "inventory"): S.LISTED,
    (S.LISTED, "acquired"): S.LISTED,
    (S.LISTED, "failed"): S.LISTED,
    (S.LISTED, "changed under us"): S.IDENTIFIED,
    (S.LISTED, "changed"): S.IDENTIFIED,
    (S.RELEASED, "changed"): S.IDENTIFIED,
    (S.LISTED, "released"): S.RELEASED,
    **{(phase, "detached"): OVER for phase in S},
    **{(phase, "trouble"): phase for phase in (*S, OVER)},
    **{(phase, "hopeless"): S.REFUSED for phase in S},
    (OVER, "hopeless"): OVER,
}


@pytest.mark.parametrize("name", SESSION_EVENTS)
@pytest.mark.parametrize("phase", [*S, OVER])
def test_every_session_event_moves_as_the_table_says_or_leaves_no_trace(phase: SessionPhase | str, name: str) -> None:
    story, event = session_in(phase), SESSION_EVENTS[name]()
    if (phase, name) not in SESSION_MOVES:
        said = refused(story, event)
        assert "s/A" in said
        assert str(phase) in said
        return
    story.tell(event)
    session = story.state.session("s/A")
    assert (session.phase if session else OVER) is SESSION_MOVES[phase, name]
    check_order(story.state)


def test_a_camera_that_was_asked_for_its_card_has_time_to_come_back() -> None:
    session = one_session(session_in(S.ATTACHED).tell(mode_asked()))
    assert (session.camera, session.profile) == (CAMERA, "ambarella-body")
    assert session.trouble.reason == "asked to show its card"
    assert session.trouble.retry_ms >= NOW + COMES_BACK_MS // 2
    assert not session.trouble.final


def test_a_bay_holds_one_camera() -> None:
    said = refused(session_in(S.LISTED), ev.CameraAttached("s/other", "A", "port", "folder", "/bays/A", {}))
    assert "bay A" in said


def test_two_bays_do_not_meet() -> None:
    story = session_in(S.LISTED).tell(attached("B"))
    before = deepcopy(one_session(story, "A"))
    story.tell(identified("B"), session_trouble("B"), detached("B"))
    assert one_session(story, "A") == before


def test_a_file_that_is_not_in_the_inventory_is_refused() -> None:
    story = session_in(S.LISTED)
    for event in (acquired(path="DCIM/never.MP4"), unread(path="DCIM/never.MP4")):
        assert "DCIM/never.MP4" in refused(story, event)


def test_an_inventory_that_holds_a_clip_that_nobody_knows_is_refused() -> None:
    refused(session_in(S.IDENTIFIED), inventory(held={item(): "never-seen"}))


def test_detaching_forgets_the_stay_and_keeps_the_clips() -> None:
    story = clip_in(C.SHOWN)
    clip = deepcopy(one_clip(story))
    story.tell(detached())
    assert story.state.sessions == {}
    assert one_clip(story) == clip
    story.tell(delivered(), disposed())
    assert one_clip(story).phase is C.DONE


def test_a_console_is_asked_for_its_clock_once_and_set_once() -> None:
    story = session_in(S.ATTACHED).tell(identified(console=True))
    session = one_session(story)
    assert (session.clock_read, session.clock_set) == (False, False)
    story.tell(measured())
    assert (session.clock_read, session.clock_set, session.offset_ms) == (True, False, 5000)
    story.tell(clock_set())
    assert session.clock_set


def test_a_clock_without_a_time_is_said_and_set() -> None:
    story = session_in(S.ATTACHED).tell(identified(console=True), unset())
    session = one_session(story)
    assert (session.clock_read, session.clock_set, session.offset_ms) == (True, False, None)
    story.tell(clock_set(), inventory())
    assert [finding.code for finding in session.findings] == ["clock"]


@pytest.mark.parametrize("step", ["read-clock", "set-clock"])
def test_a_clock_that_cannot_be_had_is_said_and_does_not_stop_the_pull(step: str) -> None:
    story = session_in(S.ATTACHED).tell(identified(console=True), session_trouble(step=step, retry=False))
    session = one_session(story)
    assert (session.phase, session.clock_read, session.clock_set) == (S.IDENTIFIED, True, True)
    story.tell(inventory(), ev.CameraChanged("s/A"), inventory())
    assert [finding.code for finding in session.findings] == ["clock"]


@pytest.mark.parametrize("step", ["read-clock", "set-clock"])
def test_a_clock_that_is_never_answered_does_not_keep_the_footage_waiting_for_ever(step: str) -> None:
    """As when the console's line is pulled out or goes silent while the card stays in: evidence before comfort."""
    story = session_in(S.ATTACHED).tell(identified(console=True))
    story.tell(*[session_trouble(step=step)] * 50)
    session = one_session(story)
    assert (session.clock_read, session.clock_set) == (True, True)


def test_trouble_of_a_session_is_counted_and_forgotten_when_it_goes_on() -> None:
    story = session_in(S.ATTACHED).tell(session_trouble(), session_trouble())
    found = one_session(story).trouble
    assert (found.attempts, found.reason, found.final) == (2, "as it happens", False)
    assert 0 < found.retry_ms - story.at_ms <= 40_000
    story.tell(identified())
    assert one_session(story).trouble == Trouble()


# ---- files of a session ---------------------------------------------------------------------------------------------


def test_the_files_are_pulled_in_the_order_of_the_inventory() -> None:
    names = ["DCIM/c.MP4", "DCIM/a.MP4", "DCIM/b.MP4"]
    story = session_in(S.IDENTIFIED).tell(inventory("A", *(entry(name) for name in names)))
    assert list(one_session(story).to_pull) == [item(name) for name in names]


def test_a_file_that_cannot_be_read_goes_to_the_end_and_is_given_up_at_last() -> None:
    story = session_in(S.IDENTIFIED).tell(inventory("A", entry("DCIM/a.MP4"), entry("DCIM/b.MP4")))
    session = one_session(story)
    for attempt in range(1, ITEM_TRIES):
        story.tell(unread())
        assert list(session.to_pull) == [item("DCIM/b.MP4"), item("DCIM/a.MP4")]
        assert session.items[item()].trouble.attempts == attempt
        assert session.items[item()].trouble.retry_ms > story.at_ms
        assert session.failed == []
    story.tell(unread())
    assert [one.entry.path for one in session.failed] == ["DCIM/a.MP4"]
    assert session.failed[0].trouble.reason == "read, as it happens"
    assert list(session.to_pull) == [item("DCIM/b.MP4")]
    check_order(story.state)


def test_a_file_that_fails_for_good_is_not_tried_again() -> None:
    story = session_in(S.LISTED).tell(unread(retry=False))
    assert one_session(story).to_pull == {}
    assert len(one_session(story).failed) == 1


def test_a_file_that_is_pulled_or_given_up_cannot_be_read_once_more() -> None:
    """No order asks for it, so the event is impossible; believed, it would put the file back among those to pull."""
    for story in (session_in(S.LISTED).tell(acquired()), session_in(S.LISTED).tell(unread(retry=False))):
        refused(story, unread())
        refused(story, acquired())


def test_a_camera_that_is_gone_is_not_asked_for_the_next_file_at_once() -> None:
    story = session_in(S.IDENTIFIED).tell(inventory("A", entry("DCIM/a.MP4"), entry("DCIM/b.MP4")))
    story.tell(unread(kind="gone"))
    session = one_session(story)
    assert not session.trouble.due(story.at_ms + 500)
    assert session.trouble.due(story.at_ms + 6500)
    story.tell(acquired(path="DCIM/b.MP4"))
    assert session.trouble == Trouble()


def test_a_full_spool_is_nobodys_fault() -> None:
    story = session_in(S.LISTED)
    for _ in range(3 * ITEM_TRIES):
        story.tell(unread(kind="spool-full"))
    assert one_session(story).items[item()].trouble == Trouble()
    assert one_session(story).to_pull == {item(): None}
    assert story.state.spool.attempts == 3 * ITEM_TRIES
    assert story.state.spool.reason
    story.tell(acquired())
    assert story.state.spool == Trouble()


def test_a_card_that_changes_under_us_is_listed_again_only_so_often() -> None:
    story = session_in(S.LISTED)
    for count in range(1, RELISTS + 1):
        story.tell(unread(kind="changed"))
        assert one_session(story).relists == count
        assert one_session(story).phase is S.IDENTIFIED
        story.tell(inventory())
    story.tell(unread(kind="changed"))
    assert one_session(story).phase is S.LISTED
    assert one_session(story).relists == RELISTS


def test_a_second_listing_replaces_the_first() -> None:
    story = session_in(S.LISTED).tell(acquired(), ev.CameraChanged("s/A"))
    story.tell(
        inventory(
            "A",
            entry("DCIM/a.MP4"),
            entry("DCIM/new.MP4"),
            held={item(): "c1"},
            skipped=(Skipped("x", "private", "w"),),
        )
    )
    session = one_session(story)
    assert list(session.items) == [item("DCIM/a.MP4"), item("DCIM/new.MP4")]
    assert list(session.to_pull) == [item("DCIM/new.MP4")]
    assert session.undelivered == {"c1"}
    assert session.relists == 0
    assert len(session.skipped) == 1


def test_after_a_camera_was_released_a_new_file_makes_it_unsafe_again() -> None:
    story = session_in(S.RELEASED).tell(ev.CameraChanged("s/A"))
    assert not one_session(story).safe


@pytest.mark.parametrize("phase", C)
def test_held_files_are_not_pulled_again_and_count_until_delivered(phase: ClipPhase) -> None:
    story = clip_in(phase, "", SPRITE).tell(detached(), attached(), identified())
    story.tell(inventory("A", held={item(): "c1"}))
    session = one_session(story)
    assert session.to_pull == {}
    assert session.items[item()].clip_id == "c1"
    assert session.undelivered == ({"c1"} if phase in UNDELIVERED else set())


def test_the_same_bytes_under_another_name_are_one_clip() -> None:
    story = session_in(S.IDENTIFIED).tell(inventory("A", entry("DCIM/a.MP4"), entry("DCIM/copy.MP4")))
    story.tell(acquired(), acquired(path="DCIM/copy.MP4"))
    assert list(story.state.clips) == ["c1"]
    assert one_clip(story).path == "DCIM/a.MP4"
    assert one_clip(story).aliases == ["DCIM/copy.MP4"]
    assert story.state.known[CAMERA.id] == {item("DCIM/a.MP4"): {"c1": NOW}, item("DCIM/copy.MP4"): {"c1": NOW}}


def test_other_bytes_under_a_known_clips_name_are_refused() -> None:
    """A clip's id is made of its digest: an event that says otherwise is no event."""
    story = clip_in(C.SHOWN)
    refused(story, ev.Acquired("s/A", item(), "c1", "DCIM/a.MP4", 100, 100, "ff" * 32, "f", "d", 0, 7))


def test_a_clip_remembers_where_it_came_from() -> None:
    clip = one_clip(session_in(S.LISTED).tell(acquired()))
    assert (clip.camera, clip.session, clip.path, clip.role) == ("BWC-0001", "s/A", "DCIM/a.MP4", "footage")
    assert (clip.bytes, clip.sha256, clip.chunk_root) == (100, f"{'c1':0>64}", "d0" * 32)
    assert (clip.mtime_ms, clip.profile, clip.acquired_ms > NOW) == (NOW, "reference-signed", True)


# ---- manifests ------------------------------------------------------------------------------------------------------


def test_only_a_trusted_signers_sequence_counts() -> None:
    story = session_in(S.IDENTIFIED)
    for signer, sequence, highest in [
        ("unknown", 900, {}),
        ("fail", 901, {}),
        ("pass", 7, {"BWC-0001": 7}),
        ("pass", 5, {"BWC-0001": 7}),
        ("unknown", 902, {"BWC-0001": 7}),
        ("pass", 8, {"BWC-0001": 8}),
    ]:
        found = reading(sequence, signer)
        story.tell(inventory("A", manifest=found, manifest_sha256=found.sha256), ev.CameraChanged("s/A"))
        assert story.state.manifests == highest


def test_a_manifest_without_a_valid_signature_has_no_sequence() -> None:
    found = reading(9, valid=False)
    story = session_in(S.IDENTIFIED).tell(inventory("A", manifest=found, manifest_sha256="m1"))
    assert story.state.manifests == {}
    assert story.state.readings == {"m1": found}


def test_a_manifest_is_kept_while_somebody_waits_to_be_judged_by_it() -> None:
    first, second = reading(1, digest="m1"), reading(2, digest="m2")
    story = session_in(S.IDENTIFIED).tell(inventory("A", manifest=first, manifest_sha256="m1"), acquired())
    story.tell(detached(), attached(), identified(), inventory("A", manifest=second, manifest_sha256="m2"))
    assert story.state.readings == {"m1": first, "m2": second}
    story.tell(verified(), ev.CameraChanged("s/A"), inventory("A", manifest=second, manifest_sha256="m2"))
    assert story.state.readings == {"m2": second}


def test_findings_of_a_camera_stay_and_those_of_a_listing_are_replaced() -> None:
    noticed = Finding("console", "silent", "warning")
    story = session_in(S.ATTACHED).tell(
        ev.CameraIdentified("s/A", CAMERA, "p", "d", False, False, -1, False, (noticed,)),
        inventory("A", findings=(Finding("counter-gap", "jumps", "notice"),)),
    )
    assert [one.code for one in one_session(story).findings] == ["console", "counter-gap"]
    story.tell(ev.CameraChanged("s/A"), inventory("A", findings=(Finding("empty-clip", "0 bytes", "warning"),)))
    assert [one.code for one in one_session(story).findings] == ["console", "empty-clip"]
