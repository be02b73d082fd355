"""The two state tables: every event moves as they say, or is refused and has left no trace."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.core import custody, plan
from dockagent.core import events as ev
from dockagent.core.inventory import Entry, Finding, Skipped
from dockagent.core.manifest import Reading, Verdicts
from dockagent.core.model import (
    RELISTS,
    UNDELIVERED,
    Camera,
    Clip,
    ClipPhase,
    Receipt,
    Session,
    SessionPhase,
    State,
    Thing,
    Trouble,
)
from dockagent.core.moment import Instant
from dockagent.core.session import ITEM_TRIES, advance
from dockagent.core.statement import Claim, Manifest
from dockagent.errors import Refused

S, C = SessionPhase, ClipPhase
NOW = 1_795_000_000_000
CAMERA = Camera("BWC-0001", "BWC-0001", "Reference", "BWC-1", "1.4.2", "proof")
OVER = "over"
SETTING = custody.Setting("dockagent.local/dock-7", "dock-7", "station 4", "Sgt Kay", "1.0", "c0" * 32)


# ---- making states, by nothing but events -------------------------------------------------------------------------------


@dataclass(slots=True)
class Story:
    """A state and how it came about."""

    state: State = field(default_factory=State)
    at_ms: int = NOW
    payloads: list[bytes] = field(default_factory=list)

    def tell(self, *events: ev.Event) -> "Story":
        for event in events:
            self.at_ms += 10
            at = Instant(self.at_ms, "boot", self.at_ms * 1000, "ntp", 5)
            payload = custody.record(event, len(self.payloads), at, SETTING, self.state)
            advance(self.state, event, self.at_ms)
            self.payloads.append(payload)
        return self


def entry(path: str = "DCIM/a.MP4", size: int = 100, role: Any = "footage", belongs_to: str = "") -> Entry:
    return Entry(path, size, NOW, role, path.rpartition(".")[0], None, belongs_to, False, 0)


def item(path: str = "DCIM/a.MP4", size: int = 100) -> str:
    return plan.item_id(CAMERA.id, path, size)


def attached(bay: str = "A") -> ev.CameraAttached:
    return ev.CameraAttached(f"s/{bay}", bay, f"port-{bay}", "folder", f"/bays/{bay}", {"label": "BWC"})


def identified(bay: str = "A", *, console: bool = False, camera: Camera = CAMERA) -> ev.CameraIdentified:
    return ev.CameraIdentified(f"s/{bay}", camera, "reference-signed", "9f" * 32, console, True, 80, True, ())


def measured(bay: str = "A") -> ev.ClockMeasured:
    return ev.ClockMeasured(f"s/{bay}", NOW + 5000, NOW, 5000, 3, "Europe/London")


def clock_set(bay: str = "A") -> ev.ClockSet:
    return ev.ClockSet(f"s/{bay}", True, 5000, 1, 3)


def inventory(bay: str = "A", *entries: Entry, **changed: Any) -> ev.InventoryTaken:
    facts: dict[str, Any] = {"held": {}, "manifest": None, "manifest_sha256": "", "skipped": (), "findings": ()}
    return ev.InventoryTaken(session=f"s/{bay}", entries=entries or (entry(),), **{**facts, **changed})


def acquired(bay: str = "A", path: str = "DCIM/a.MP4", clip: str = "c1", size: int = 100) -> ev.Acquired:
    return ev.Acquired(
        session=f"s/{bay}",
        item=item(path, size),
        clip_id=clip,
        path=path,
        bytes=size,
        listed_bytes=size,
        sha256=f"{clip:0>64}",
        fingerprint="f1" * 32,
        chunk_root="d0" * 32,
        resumed_at=0,
        read_ms=7,
    )


def unread(bay: str = "A", path: str = "DCIM/a.MP4", kind: str = "read", *, retry: bool = True) -> ev.AcquireFailed:
    return ev.AcquireFailed(f"s/{bay}", item(path), path, kind, f"{kind}, as it happens", retry, 0)


def verdicts(reason: str = "") -> Verdicts:
    return Verdicts("fail" if reason else "pass", "pass", "pass", "pass", "pass", {"intact": "said"}, reason)


def receipt(clip: str = "c1", **changed: Any) -> Receipt:
    facts = {"store": "s3://x", "key": f"clips/{clip}/master", "bytes": 100, "sha256": f"{clip:0>64}"}
    return Receipt(**{**facts, "proof": "re-read", "version": "", "etag": "", **changed})


SPRITE = Thing("sprite.jpg", 9, "ab" * 32)


def verified(clip: str = "c1", reason: str = "") -> ev.Verified:
    return ev.Verified(clip, verdicts(reason))


def previewed(clip: str = "c1", *things: Thing) -> ev.Previewed:
    return ev.Previewed(clip, f"{clip:0>64}", things, (), "ffmpeg 5")


def admitted(clip: str = "c1") -> ev.Admitted:
    return ev.Admitted(clip, f"clips/{clip}", "e0" * 32)


def quarantined(clip: str = "c1") -> ev.Quarantined:
    return ev.Quarantined(clip, f"quarantine/{clip}", "e0" * 32, "intact: said")


def transferred(clip: str = "c1") -> ev.Transferred:
    return ev.Transferred(clip, (receipt(clip, key="preview"),), ())


def delivered(clip: str = "c1", **changed: Any) -> ev.Delivered:
    return ev.Delivered(clip, receipt(clip, **changed), ())


def disposed(clip: str = "c1") -> ev.Disposed:
    return ev.Disposed(clip, "the dock's copy", f"receipt for clips/{clip}/master")


def trouble(clip: str = "c1", step: str = "send-master", *, retry: bool = True, link: bool = False) -> ev.ClipFailed:
    return ev.ClipFailed(clip, step, "as it happens", retry, link)


def session_trouble(bay: str = "A", step: str = "identify", *, retry: bool = True) -> ev.SessionFailed:
    return ev.SessionFailed(f"s/{bay}", step, "as it happens", retry)


def released(bay: str = "A", *, safe: bool = True) -> ev.Released:
    return ev.Released(f"s/{bay}", safe, "all 1 files delivered", "told")


def detached(bay: str = "A") -> ev.CameraDetached:
    return ev.CameraDetached(f"s/{bay}", True, 0)


def session_in(phase: SessionPhase | str) -> Story:
    """A dock whose camera in bay A is just so far; its card has one file."""
    steps: dict[SessionPhase | str, tuple[ev.Event, ...]] = {
        OVER: (attached(), detached()),
        S.ATTACHED: (attached(),),
        S.REFUSED: (attached(), session_trouble(retry=False)),
        S.IDENTIFIED: (attached(), identified()),
        S.LISTED: (attached(), identified(), inventory()),
        S.RELEASED: (attached(), identified(), inventory(), released()),
    }
    return Story().tell(ev.DockStarted("1.0", "c0", "first start"), *steps[phase])


def clip_in(phase: ClipPhase, doubt: str = "", *things: Thing) -> Story:
    """A dock that has one clip, c1, just so far; ``doubt``: why it is quarantined; ``things``: its previews."""
    doubted = quarantined() if doubt else admitted()
    steps: list[tuple[ClipPhase, ev.Event]] = [
        (C.VERIFIED, verified(reason=doubt)),
        (C.PREVIEWED, previewed("c1", *things)),
        (C.ADMITTED, doubted),
        (C.SHOWN, transferred()),
        (C.DELIVERED, delivered()),
        (C.DONE, disposed()),
    ]
    story = session_in(S.LISTED).tell(acquired())
    for _, event in steps:
        clip = story.state.clips["c1"]
        if clip.phase is phase:
            break
        if isinstance(event, ev.Transferred) and clip.phase is C.SHOWN:
            continue
        if isinstance(event, ev.Disposed) and clip.phase is C.DONE:
            continue
        story.tell(event)
    assert story.state.clips["c1"].phase is phase
    return story


def one_session(story: Story, bay: str = "A") -> Session:
    return story.state.sessions[bay]


def one_clip(story: Story, clip: str = "c1") -> Clip:
    return story.state.clips[clip]


def refused(story: Story, event: ev.Event) -> str:
    """The reason for which ``event`` is refused, the state being just as before."""
    before = deepcopy(story.state)
    with pytest.raises(Refused) as caught:
        advance(story.state, event, NOW)
    assert story.state == before, f"{type(event).__name__} was refused and left a trace"
    return caught.value.what


def check_order(state: State) -> None:
    """What is always true of a state, however it came about."""
    places = [clip_id for phase in C for clip_id in state.queues[phase]]
    assert sorted(places) == sorted(state.clips), "every clip stands in just one queue"
    for phase in C:
        assert all(state.clips[clip_id].phase is phase for clip_id in state.queues[phase])
    for bay, session in state.sessions.items():
        assert session.bay == bay
        assert session.to_pull.keys() <= session.items.keys()
        for item_id, one in session.items.items():
            waiting, done, gone = item_id in session.to_pull, bool(one.clip_id), one.trouble.final
            assert (waiting, done, gone).count(True) == 1, "a file is to be pulled, or is pulled, or was given up"
        unsent = {one.clip_id for one in session.items.values() if one.clip_id}
        unsent = {clip_id for clip_id in unsent if state.clips[clip_id].phase in UNDELIVERED}
        assert unsent <= session.undelivered, "a camera must not be let go before its clips are delivered"
        assert all(state.clips[clip_id].phase in UNDELIVERED for clip_id in session.undelivered)


# ---- sessions ------------------------------------------------------------------------------------------------------------

SESSION_EVENTS: dict[str, Callable[[], ev.Event]] = {
    "identified": identified,
    "measured": measured,
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
    (S.IDENTIFIED, "measured"): S.IDENTIFIED,
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


# ---- files of a session --------------------------------------------------------------------------------------------------


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
        inventory("A", entry("DCIM/a.MP4"), entry("DCIM/new.MP4"), held={item(): "c1"}, skipped=(Skipped("x", "private", "w"),))
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
    story.tell(acquired(), acquired(path="DCIM/copy.MP4"), acquired(path="DCIM/copy.MP4"))
    assert list(story.state.clips) == ["c1"]
    assert one_clip(story).path == "DCIM/a.MP4"
    assert one_clip(story).aliases == ["DCIM/copy.MP4"]
    assert story.state.known[CAMERA.id] == {item("DCIM/a.MP4"): ["c1"], item("DCIM/copy.MP4"): ["c1"]}


def test_other_bytes_under_a_known_clips_name_are_refused() -> None:
    """A clip's id is made of its digest: an event that says otherwise is no event."""
    story = clip_in(C.SHOWN)
    refused(story, ev.Acquired("s/A", item(), "c1", "DCIM/a.MP4", 100, 100, "ff" * 32, "f", "d", 0, 7))


def test_a_clip_remembers_where_it_came_from() -> None:
    clip = one_clip(session_in(S.LISTED).tell(acquired()))
    assert (clip.camera, clip.session, clip.path, clip.role) == ("BWC-0001", "s/A", "DCIM/a.MP4", "footage")
    assert (clip.bytes, clip.sha256, clip.chunk_root) == (100, f"{'c1':0>64}", "d0" * 32)
    assert (clip.mtime_ms, clip.profile, clip.acquired_ms > NOW) == (NOW, "reference-signed", True)


# ---- manifests -----------------------------------------------------------------------------------------------------------


def reading(sequence: int, signer: Any = "pass", digest: str = "m1", *, valid: bool = True) -> Reading:
    claims = {"DCIM/a.MP4": Claim("a0" * 32, 1, 100, NOW, "")}
    said = Manifest("BWC-0001", "Reference", "BWC-1", "1", sequence, NOW, claims, {}, ()) if valid else None
    return Reading(digest, "pass" if valid else "fail", "why", signer, "why", "BWC-0001", "key", NOW, 5, said, ())


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


# ---- clips ---------------------------------------------------------------------------------------------------------------

CLIP_EVENTS: dict[str, Callable[[], ev.Event]] = {
    "verified": verified,
    "previewed": lambda: previewed("c1", SPRITE),
    "admitted": admitted,
    "quarantined": quarantined,
    "transferred": transferred,
    "delivered": delivered,
    "disposed": disposed,
}
PLAIN = {
    (C.ACQUIRED, "verified"): C.VERIFIED,
    (C.VERIFIED, "previewed"): C.PREVIEWED,
    (C.PREVIEWED, "admitted"): C.ADMITTED,
    (C.ADMITTED, "transferred"): C.SHOWN,
    (C.SHOWN, "delivered"): C.DELIVERED,
    (C.DELIVERED, "disposed"): C.DONE,
}
DOUBTED = {
    (C.ACQUIRED, "verified"): C.VERIFIED,
    (C.VERIFIED, "previewed"): C.PREVIEWED,
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
        ("proxy", 100, "DCIM/x.MP4", C.PREVIEWED),
        ("sidecar", 100, "", C.PREVIEWED),
        ("photo", 100, "", C.PREVIEWED),
        ("other", 100, "", C.PREVIEWED),
    ],
)
def test_only_footage_and_lone_proxies_wait_for_a_preview(
    role: str, size: int, belongs_to: str, after: ClipPhase
) -> None:
    story = session_in(S.IDENTIFIED).tell(inventory("A", entry(size=size, role=role, belongs_to=belongs_to)))
    story.tell(acquired(size=size), verified())
    assert one_clip(story).phase is after


def test_without_previews_a_clip_goes_straight_to_its_master() -> None:
    assert one_clip(clip_in(C.SHOWN)).phase is C.SHOWN


@pytest.mark.parametrize("retry", [False, True])
def test_a_preview_that_fails_moves_on_with_a_finding(retry: bool) -> None:
    story = clip_in(C.VERIFIED).tell(trouble(step="preview", retry=retry))
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


# ---- a dock that starts anew --------------------------------------------------------------------------------------------


def test_a_start_forgets_stays_and_troubles_and_keeps_clips() -> None:
    story = clip_in(C.SHOWN).tell(trouble(retry=False, link=True), attached("B"))
    clip = deepcopy(one_clip(story))
    story.tell(ev.DockStarted("1.0", "c0", "crash or power cut"))
    assert story.state.sessions == {}
    assert story.state.running
    assert story.state.uplink.trouble == Trouble()
    clip.trouble = Trouble()
    assert one_clip(story) == clip
    assert story.state.known == {CAMERA.id: {item(): ["c1"]}}


def test_a_start_forgets_that_the_spool_was_full() -> None:
    story = session_in(S.LISTED).tell(unread(kind="spool-full"), unread(kind="spool-full"))
    story.tell(ev.DockStarted("1.0", "c0", "clean stop"))
    assert story.state.spool == Trouble()


def test_a_stop_is_known() -> None:
    story = clip_in(C.SHOWN).tell(ev.DockStopped("signal"))
    assert not story.state.running


# ---- whole lives --------------------------------------------------------------------------------------------------------

FILES = ("DCIM/a.MP4", "DCIM/b.MP4", "DCIM/c.GPS")


def possible(state: State) -> list[ev.Event]:
    """Everything that may happen next to a dock of two bays."""
    found: list[ev.Event] = [ev.DockStarted("1.0", "c0", "clean stop"), ev.DockStopped("asked")]
    for bay in ("A", "B"):
        session = state.sessions.get(bay)
        found += _possible_in(state, session) if session else [attached(bay)]
    for clip in state.clips.values():
        found += _possible_to(clip)
    return found


def _possible_in(state: State, session: Session) -> list[ev.Event]:
    bay = session.bay
    always = [detached(bay), session_trouble(bay), session_trouble(bay, "set-clock", retry=False)]
    if session.phase is S.ATTACHED:
        return [*always, identified(bay), identified(bay, console=True)]
    if session.phase is S.IDENTIFIED:
        known = {one: ids[-1] for one, ids in state.known.get(CAMERA.id, {}).items()}
        files = [entry(name, role="sidecar" if name.endswith("GPS") else "footage") for name in FILES]
        listing = inventory(bay, *files, manifest=reading(3), manifest_sha256="m1")
        return [*always, measured(bay), clock_set(bay), listing, inventory(bay, *files, held=known)]
    if session.phase is S.LISTED:
        reads = [acquired(bay, name, f"c{name[5]}") for name in FILES]
        fails = [unread(bay, name, kind) for name in FILES for kind in ("read", "changed", "spool-full")]
        return [*always, *reads, *fails, ev.CameraChanged(session.id), released(bay)]
    return [*always, ev.CameraChanged(session.id)] if session.phase is S.RELEASED else always


def _possible_to(clip: Clip) -> list[ev.Event]:
    name = clip.id
    after: dict[ClipPhase, list[ev.Event]] = {
        C.ACQUIRED: [verified(name), verified(name, "intact: no")],
        C.VERIFIED: [previewed(name), previewed(name, SPRITE), trouble(name, "preview")],
        C.PREVIEWED: [quarantined(name) if clip.quarantine else admitted(name)],
        C.ADMITTED: [transferred(name)],
        C.SHOWN: [delivered(name), trouble(name, retry=False), trouble(name, link=True)],
        C.DELIVERED: [disposed(name)],
        C.DONE: [],
    }
    return after[clip.phase]


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


def test_findings_of_a_camera_stay_and_those_of_a_listing_are_replaced() -> None:
    noticed = Finding("console", "silent", "warning")
    story = session_in(S.ATTACHED).tell(
        ev.CameraIdentified("s/A", CAMERA, "p", "d", False, False, -1, False, (noticed,)),
        inventory("A", findings=(Finding("counter-gap", "jumps", "notice"),)),
    )
    assert [one.code for one in one_session(story).findings] == ["console", "counter-gap"]
    story.tell(ev.CameraChanged("s/A"), inventory("A", findings=(Finding("empty-clip", "0 bytes", "warning"),)))
    assert [one.code for one in one_session(story).findings] == ["console", "empty-clip"]
