"""What is done next: read from the state alone, one order for each lane, nobody forgotten and nothing done twice."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.core import events as ev
from dockagent.core import orders as od
from dockagent.core import plan
from dockagent.core.camera.inventory import Finding
from dockagent.core.model import UNLISTED, ClipPhase, SessionPhase
from dockagent.core.orders import Limits, Order, anything_waits, card_is_done, orders
from dockagent.core.session import ITEM_TRIES
from dockagent.core.uplink.trouble import Trouble
from tests.core.story import (
    CAMERA,
    SPRITE,
    Story,
    acquired,
    admitted,
    attached,
    clip_in,
    clock_set,
    delivered,
    detached,
    entry,
    identified,
    inventory,
    item,
    measured,
    possible,
    previewed,
    released,
    session_in,
    session_trouble,
    trouble,
    unread,
    verified,
)

S, C = SessionPhase, ClipPhase
LIMITS = Limits()
HOUR = 3_600_000
LONGEST_ORDERED_MS = 375_000  # the longest wait of plan.backoff_ms with what session.py asks for, spread included


def given_out(story: Story, busy: tuple[Order, ...] = (), limits: Limits = LIMITS, later_ms: int = 0) -> list[Order]:
    return orders(story.state, story.at_ms + later_ms, busy, limits)


def kinds(found: list[Order]) -> list[type[Order]]:
    return [type(order) for order in found]


# ---- each phase has its order ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "kind"),
    [
        (S.ATTACHED, od.Identify),
        (S.IDENTIFIED, od.TakeInventory),
        (S.LISTED, od.Pull),
        (S.RELEASED, None),
        (S.REFUSED, None),
        ("over", None),
    ],
)
def test_a_session_is_moved_on(phase: SessionPhase | str, kind: type[Order] | None) -> None:
    found = given_out(session_in(phase))
    assert kinds(found) == ([kind] if kind else [])
    for order in found:
        assert isinstance(order, od.BayOrder)
        assert (order.lane, order.session, order.bay) == ("bay:A", "s/A", "A")


def test_a_console_is_asked_for_its_clock_before_it_is_set() -> None:
    story = session_in(S.ATTACHED).tell(identified(console=True))
    assert kinds(given_out(story)) == [od.ReadClock]
    assert kinds(given_out(story.tell(measured()))) == [od.SetClock]
    assert kinds(given_out(story.tell(clock_set()))) == [od.TakeInventory]


@pytest.mark.parametrize(
    ("phase", "kind", "lane"),
    [
        (C.ACQUIRED, od.Verify, "desk:0"),
        (C.VERIFIED, od.Measure, "preview:0"),
        (C.MEASURED, od.MakePreview, "preview:0"),
        (C.PREVIEWED, od.Admit, "desk:0"),
        (C.SEALED, od.Strip, "desk:0"),
        (C.LOCKED, od.Admit, "desk:0"),
        (C.ADMITTED, od.SendPreview, "uplink:0"),
        (C.SHOWN, od.SendMaster, "uplink:0"),
        (C.DELIVERED, od.Dispose, "desk:0"),
    ],
)
def test_a_clip_is_moved_on(phase: ClipPhase, kind: type[od.ClipOrder], lane: str) -> None:
    story = clip_in(phase, "", SPRITE).tell(detached())
    assert given_out(story) == [kind(lane, "c1")]


def test_where_the_dock_seals_a_clip_is_sealed_before_its_record_is_signed() -> None:
    seals = Limits(seals=1)
    story = clip_in(C.PREVIEWED, "", SPRITE).tell(detached())
    assert given_out(story, limits=seals) == [od.Seal("seal:0", "c1")]
    assert given_out(story, (od.Seal("seal:0", "c2"),), seals) == []  # one at a time
    assert given_out(story) == [od.Admit("desk:0", "c1")]  # as it is, when the configuration says so again


@pytest.mark.parametrize(
    ("phase", "kind"), [(C.ADMITTED, od.SendPreview), (C.SHOWN, od.SendMaster), (C.DELIVERED, od.Dispose)]
)
def test_a_clip_that_is_past_it_is_not_sealed_any_more(phase: ClipPhase, kind: type[Order]) -> None:
    assert kinds(given_out(clip_in(phase, "", SPRITE).tell(detached()), limits=Limits(seals=1))) == [kind]


def test_a_clip_that_is_done_is_left_alone() -> None:
    assert given_out(clip_in(C.DONE).tell(detached())) == []


# ---- release --------------------------------------------------------------------------------------------------------


def _release(story: Story) -> od.Release:
    (order,) = [order for order in given_out(story) if isinstance(order, od.BayOrder)]
    assert isinstance(order, od.Release)
    return order


def test_a_camera_is_let_go_when_all_is_delivered() -> None:
    story = clip_in(C.SHOWN)
    assert not any(isinstance(order, od.Release) for order in given_out(story))
    order = _release(story.tell(delivered()))
    assert order.safe
    assert "1 files" in order.words


def test_a_camera_whose_files_could_not_all_be_read_must_stay() -> None:
    order = _release(session_in(S.LISTED).tell(unread(retry=False)))
    assert not order.safe
    assert "1 of 1" in order.words


def test_a_camera_that_could_not_be_listed_whole_must_stay() -> None:
    finding = Finding(UNLISTED, "part of the card cannot be listed", "warning")
    story = session_in(S.IDENTIFIED).tell(inventory("A", findings=(finding,)), acquired(), verified())
    story.tell(previewed(), admitted(), delivered())
    assert not _release(story).safe


def test_an_empty_card_is_let_go() -> None:
    story = session_in(S.IDENTIFIED)
    story.tell(ev.InventoryTaken("s/A", (), (), (), {}, None, ""))
    assert _release(story).safe


def test_a_held_clip_that_is_not_delivered_keeps_its_camera() -> None:
    story = clip_in(C.SHOWN).tell(detached(), attached(), identified(), inventory("A", held={item(): "c1"}))
    assert not any(isinstance(order, od.BayOrder) for order in given_out(story))
    assert _release(story.tell(delivered())).safe


# ---- lanes, limits, fairness ----------------------------------------------------------------------------------------


def two_bays(sizes: tuple[int, int] = (3, 3), size: int = 100) -> Story:
    """Two cameras of the same family with so many files each, all to be pulled."""
    story = Story()
    for bay, count in zip("AB", sizes, strict=True):
        files = [entry(f"DCIM/{bay}{number}.MP4", size) for number in range(count)]
        story.tell(attached(bay), identified(bay), inventory(bay, *files))
    return story


def test_every_bay_has_its_own_lane() -> None:
    found = given_out(two_bays())
    assert [order.lane for order in found] == ["bay:A", "bay:B"]
    assert given_out(two_bays(), busy=(found[0],)) == [found[1]]
    assert given_out(two_bays(), busy=tuple(found)) == []


def test_only_so_many_cameras_are_read_at_the_same_time() -> None:
    story, one = two_bays(), Limits(pulls=1)
    (first,) = given_out(story, limits=one)
    assert given_out(story, (first,), one) == []
    assert kinds(given_out(story.tell(attached("C")), (first,), one)) == [od.Identify]


def test_the_camera_with_the_fewest_bytes_read_comes_first() -> None:
    story, turns = two_bays((20, 3)), []
    for number in range(8):
        (order,) = [one for one in given_out(story, limits=Limits(pulls=1)) if isinstance(one, od.Pull)]
        path = story.state.sessions[order.bay].items[order.item].entry.path
        story.tell(acquired(order.bay, path, f"c{number}"))
        turns.append(order.bay)
    assert turns[:6] == ["A", "B", "A", "B", "A", "B"]
    assert turns[6:] == ["A", "A"]


def test_a_camera_with_many_known_files_does_not_wait_behind_a_full_one() -> None:
    story = Story().tell(attached("A"), identified("A"))
    known = [f"DCIM/old{number}.MP4" for number in range(6)]
    story.tell(inventory("A", *map(entry, known)))
    for number, path in enumerate(known):
        story.tell(acquired("A", path, f"k{number}"))
    held = {item(path): f"k{number}" for number, path in enumerate(known)}
    story.tell(
        detached("A"), attached("A"), identified("A"), inventory("A", *map(entry, [*known, "DCIM/new.MP4"]), held=held)
    )
    story.tell(attached("B"), identified("B"), inventory("B", *(entry(f"DCIM/b{n}.MP4") for n in range(9))))
    (first,) = [one for one in given_out(story, limits=Limits(pulls=1)) if isinstance(one, od.Pull)]
    assert first.bay == "A"


def test_one_order_for_each_worker_and_no_clip_twice() -> None:
    story = session_in(S.IDENTIFIED)
    paths = [f"DCIM/{number}.MP4" for number in range(7)]
    story.tell(inventory("A", *map(entry, paths)))
    for number, path in enumerate(paths):
        story.tell(
            acquired("A", path, f"c{number}"), verified(f"c{number}"), previewed(f"c{number}"), admitted(f"c{number}")
        )
    limits = Limits(uplinks=3)
    first = [one for one in given_out(story, limits=limits) if isinstance(one, od.ClipOrder)]
    assert [(one.lane, one.clip) for one in first] == [("uplink:0", "c0"), ("uplink:1", "c1"), ("uplink:2", "c2")]
    later = [one for one in given_out(story, (first[1],), limits) if isinstance(one, od.ClipOrder)]
    assert [(one.lane, one.clip) for one in later] == [("uplink:0", "c0"), ("uplink:2", "c2")]


def test_previews_go_out_before_any_master_and_admission_before_new_judgements() -> None:
    story = session_in(S.IDENTIFIED)
    story.tell(inventory("A", *(entry(f"DCIM/{name}.MP4") for name in "abcd")))
    for name in "abcd":
        story.tell(acquired("A", f"DCIM/{name}.MP4", f"c{name}"))
    story.tell(verified("ca"), previewed("ca"), admitted("ca"))  # its master waits first ...
    story.tell(verified("cb"), previewed("cb", SPRITE), admitted("cb"))  # ... but this one can be looked at first
    found = [one for one in given_out(story) if isinstance(one, od.ClipOrder)]
    assert found == [od.Verify("desk:0", "cc"), od.SendPreview("uplink:0", "cb")]
    both = [one for one in given_out(story, limits=Limits(uplinks=2)) if one.lane.startswith("uplink")]
    assert kinds(both) == [od.SendPreview, od.SendMaster]


# ---- trouble --------------------------------------------------------------------------------------------------------


def test_a_full_spool_holds_pulls_and_nothing_else() -> None:
    story = two_bays().tell(unread("A", "DCIM/A0.MP4", "spool-full"), attached("C"))
    story.tell(acquired("B", "DCIM/B0.MP4", "c1"))
    story.tell(unread("A", "DCIM/A0.MP4", "spool-full"))
    assert kinds(given_out(story)) == [od.Identify, od.Verify]
    assert od.Pull in kinds(given_out(story, later_ms=40_000))


def test_a_store_that_is_away_holds_the_uplink_and_nothing_else() -> None:
    story = clip_in(C.ADMITTED, "", SPRITE).tell(trouble(step="send-preview", link=True), attached("B"))
    story.tell(ev.CameraChanged("s/A"), inventory("A", entry("DCIM/b.MP4"), held={}), acquired("A", "DCIM/b.MP4", "c2"))
    assert kinds(given_out(story)) == [od.Identify, od.Verify]
    assert od.SendPreview in kinds(given_out(story, later_ms=2000))


def test_a_clip_in_trouble_waits_alone() -> None:
    story = clip_in(C.SHOWN).tell(ev.CameraChanged("s/A"), inventory("A", entry("DCIM/b.MP4")))
    story.tell(acquired("A", "DCIM/b.MP4", "c2"), verified("c2"), previewed("c2"), admitted("c2"), trouble("c1"))
    assert [one.clip for one in given_out(story) if isinstance(one, od.ClipOrder)] == ["c2"]
    assert [one.clip for one in given_out(story.tell(trouble("c1", retry=False), trouble("c2")), later_ms=HOUR // 2)
            if isinstance(one, od.ClipOrder)] == ["c2"]  # fmt: skip


def test_a_file_in_trouble_does_not_keep_the_others_waiting() -> None:
    story = session_in(S.IDENTIFIED).tell(inventory("A", entry("DCIM/A0.MP4"), entry("DCIM/A1.MP4")))
    story.tell(unread("A", "DCIM/A0.MP4"))
    (order,) = [one for one in given_out(story) if isinstance(one, od.Pull)]
    assert order.item == item("DCIM/A1.MP4")


def test_a_session_in_trouble_waits_and_tries_again() -> None:
    story = session_in(S.ATTACHED).tell(session_trouble())
    assert given_out(story) == []
    assert kinds(given_out(story, later_ms=2000)) == [od.Identify]


@pytest.mark.parametrize("back_ms", [1, 1000, 60_000, HOUR // 2, HOUR, 24 * HOUR, 10_000 * HOUR])
def test_a_clock_that_steps_back_does_not_stall_what_is_to_be_tried_again(back_ms: int) -> None:
    story = clip_in(C.SHOWN).tell(*[trouble(link=True)] * 12)
    stepped = -back_ms
    waited = next(
        wait for wait in range(0, 2 * HOUR, 5000) if od.SendMaster in kinds(given_out(story, later_ms=stepped + wait))
    )
    assert waited <= LONGEST_ORDERED_MS + min(back_ms, LONGEST_ORDERED_MS)


def test_a_clock_that_steps_forward_only_makes_us_try_sooner() -> None:
    story = clip_in(C.SHOWN).tell(trouble(link=True))
    assert od.SendMaster in kinds(given_out(story, later_ms=10_000 * HOUR))


@settings(max_examples=200)
@given(st.integers(1, 40), st.text(max_size=9), st.sampled_from([(1000, 300_000), (1000, 30_000), (5000, 30_000)]))
def test_waits_grow_up_to_the_longest_and_are_spread(attempts: int, key: str, bounds: tuple[int, int]) -> None:
    first, longest = bounds
    wait = plan.backoff_ms(attempts, key, first, longest)
    plain = min(longest, first * 2 ** (attempts - 1))
    assert plain * 0.75 <= wait <= plain * 1.25 <= LONGEST_ORDERED_MS
    assert wait == plan.backoff_ms(attempts, key, first, longest)


# ---- always ---------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=50), st.builds(Limits, *[st.integers(1, 3)] * 3))
def test_in_every_state_no_lane_and_no_subject_has_two_orders(choices: list[int], limits: Limits) -> None:
    story = Story()
    busy: list[Order] = []
    for choice in choices:
        events = possible(story.state)
        story.tell(events[choice % len(events)])
        busy = [order for order in busy if choice % 3]
        new = given_out(story, tuple(busy), limits)
        at_work = [*busy, *new]
        assert len({order.lane for order in at_work}) == len(at_work)
        clips = [order.clip for order in at_work if isinstance(order, od.ClipOrder)]
        assert len(set(clips)) == len(clips)
        items = [order.item for order in at_work if isinstance(order, od.Pull)]
        assert len(set(items)) == len(items) <= limits.pulls
        assert given_out(story, tuple(at_work), limits) == [] or len(new) < len(at_work)
        busy = at_work[:2]


# ---- when ingest may end --------------------------------------------------------------------------------------------

TRIES = 3


def _tired(story: Story, event: Callable[[], ev.Event], times: int = TRIES) -> Story:
    return story.tell(*(event() for _ in range(times)))


ENDS: dict[str, tuple[Callable[[], Story], bool]] = {
    "no camera": (Story, False),
    "just attached": (lambda: session_in(S.ATTACHED), False),
    "never identified": (lambda: _tired(session_in(S.ATTACHED), session_trouble), True),
    "not identified yet": (lambda: _tired(session_in(S.ATTACHED), session_trouble, TRIES - 1), False),
    "to be listed": (lambda: session_in(S.IDENTIFIED), False),
    "never listed": (lambda: _tired(session_in(S.IDENTIFIED), session_trouble), True),
    "refused": (lambda: session_in(S.REFUSED), True),
    "to be pulled": (lambda: session_in(S.LISTED), False),
    "pulled": (lambda: clip_in(C.ACQUIRED), False),
    "under way": (lambda: clip_in(C.ADMITTED, "", SPRITE), False),
    "store away": (lambda: _tired(clip_in(C.SHOWN), lambda: trouble(link=True)), True),
    "store away a little": (lambda: _tired(clip_in(C.SHOWN), lambda: trouble(link=True), TRIES - 1), False),
    "store away, but not all is admitted": (
        lambda: _tired(clip_in(C.SHOWN), lambda: trouble(link=True)).tell(
            ev.CameraChanged("s/A"), inventory("A", entry("DCIM/b.MP4")), acquired("A", "DCIM/b.MP4", "c2")
        ),
        False,
    ),
    "rejected for good": (lambda: clip_in(C.SHOWN).tell(trouble(retry=False)), True),
    "all delivered, not released": (lambda: clip_in(C.SHOWN).tell(delivered()), False),
    "released, its room not free yet": (lambda: clip_in(C.DELIVERED).tell(released()), False),
    "all done": (lambda: clip_in(C.DONE).tell(released()), True),
    "spool full": (lambda: _tired(session_in(S.LISTED), lambda: unread(kind="spool-full")), True),
    "spool full a little": (lambda: session_in(S.LISTED).tell(unread(kind="spool-full")), False),
    "a file given up, not released": (lambda: _tired(session_in(S.LISTED), unread, ITEM_TRIES), False),
    "a file given up": (lambda: _tired(session_in(S.LISTED), unread, ITEM_TRIES).tell(released(safe=False)), True),
    "spool full in a life before": (
        lambda: _tired(session_in(S.LISTED), lambda: unread(kind="spool-full")).tell(
            ev.DockStarted("1", "c", "clean stop"), attached(), identified(), inventory()
        ),
        False,
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_one_card_is_done_when_nothing_more_can_be_done_for_it(name: str) -> None:
    story, done = ENDS[name]
    assert card_is_done(story().state, "A", TRIES) is done


def test_the_camera_is_the_same_in_all_these_stories() -> None:
    story = session_in(S.LISTED)
    session = story.state.sessions["A"]
    assert (session.camera, session.trouble) == (CAMERA, Trouble())


def test_nothing_waits_until_something_failed_that_is_tried_again() -> None:
    story = session_in(S.ATTACHED)
    assert not anything_waits(story.state)
    assert anything_waits(story.tell(session_trouble()).state)
    assert not anything_waits(story.tell(identified()).state)
    assert not anything_waits(session_in(S.ATTACHED).tell(session_trouble(retry=False)).state)
    assert anything_waits(session_in(S.LISTED).tell(unread()).state)
    assert anything_waits(clip_in(C.SHOWN).tell(trouble()).state)
