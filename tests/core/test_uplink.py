"""In which order footage goes: what matters first, nobody put off for ever, and one clip alone when a link is down."""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.core.model import Attribution, Clip, ClipPhase, Hold, State, Thing
from dockagent.core.uplink.hours import UploadHours, stretch
from dockagent.core.uplink.link import HOUR
from dockagent.core.uplink.trouble import Kind, Trouble
from dockagent.core.uplink.turns import SHARE, TIRED, Terms, choose

NOW = 1_795_000_000_000  # 2026-11-18T11:06:40Z
NIGHT = UploadHours((stretch("19:00-06:00"),))
C = ClipPhase
HOLD = Hold(7, "order 17/26", "Sgt Kay", "kay", NOW)


def clip(name: str, phase: ClipPhase = C.SHOWN, *, age_ms: int = 1000, size: int = 100, **more: Any) -> Clip:
    """A clip that waits for the uplink."""
    about = Attribution(marked=more.pop("marked", False), category=more.pop("category", ""))
    preview = (Thing("sprite.jpg", 9, "ab" * 32),) if phase is C.ADMITTED else ()
    return Clip(
        id=name,
        camera="BWC-1",
        session="s",
        path=f"DCIM/{name}.MP4",
        role="footage",
        recording=name,
        belongs_to="",
        mtime_ms=NOW,
        bytes=size,
        sha256=f"{name:0>64}",
        fingerprint="",
        chunk_root="",
        acquired_ms=NOW - age_ms,
        about=about,
        phase=phase,
        preview=preview,
        **more,
    )


def waiting(*clips: Clip) -> State:
    """A dock in which these wait."""
    state = State(running=True)
    for one in clips:
        state.clips[one.id] = one
        state.queues[one.phase][one.id] = None
    return state


def sent(state: State, terms: Terms | None = None, free: int = 99, now_ms: int = NOW, busy: int = 0) -> list[str]:
    return choose(state, now_ms, terms or Terms(), (), busy, free)


def test_previews_then_flagged_then_the_oldest() -> None:
    state = waiting(
        clip("young", age_ms=10),
        clip("old", age_ms=20),
        clip("marked", age_ms=5, marked=True),
        clip("held", age_ms=6, holds=(HOLD,)),
        clip("filed", age_ms=4, category="Use of Force"),
        clip("shown first", C.ADMITTED, age_ms=1),
        clip("shown and marked", C.ADMITTED, age_ms=1, marked=True),
    )
    first = ["shown and marked", "shown first", "held", "marked"]
    assert sent(state) == [*first, "old", "young", "filed"]
    assert sent(state, Terms(categories=frozenset({"use of force"}))) == [*first, "filed", "old", "young"]


def test_a_wrong_date_on_a_camera_lets_nobody_push_in() -> None:
    first, second = clip("a", age_ms=20), clip("b", age_ms=10)
    second.mtime_ms, second.about = 0, replace_start(second.about)
    assert sent(waiting(second, first)) == ["a", "b"]


def replace_start(about: Attribution) -> Attribution:
    return Attribution(**{**{name: getattr(about, name) for name in about.__struct_fields__}, "start_ms": 1})


def test_what_somebody_works_on_is_not_chosen_twice_and_no_more_than_there_are_workers() -> None:
    state = waiting(*(clip(f"c{n}", age_ms=100 - n) for n in range(5)))
    assert choose(state, NOW, Terms(), {"c0", "c2"}, 2, 2) == ["c1", "c3"]
    assert sent(state, free=0) == []


# ---- hours ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("always", "goes"),
    [((), []), (("preview",), ["p", "pf"]), (("flagged",), ["pf", "f"]), (("flagged", "preview"), ["p", "pf", "f"])],
)
def test_outside_the_hours_only_what_may_always_go_goes(always: Any, goes: list[str]) -> None:
    state = waiting(
        clip("p", C.ADMITTED), clip("pf", C.ADMITTED, marked=True), clip("f", marked=True), clip("m"), clip("n")
    )
    terms = Terms(hours=NIGHT, always=frozenset(always))
    assert sorted(sent(state, terms)) == sorted(goes)
    assert len(sent(state, terms, now_ms=NOW + 8 * HOUR)) == 5
    assert len(sent(state, terms.at_any_hour())) == 5


def test_a_send_has_to_stop_when_the_hours_are_over_unless_it_may_always_go() -> None:
    terms, late = Terms(hours=NIGHT, always=frozenset({"flagged"})), NOW + 8 * HOUR
    assert terms.until_ms(clip("a"), late) == NIGHT.changes_ms(late) > late
    assert terms.until_ms(clip("a", marked=True), late) == 0
    assert Terms().until_ms(clip("a"), late) == 0


# ---- a link in trouble ----------------------------------------------------------------------------------------------


def _down(state: State, attempts: int = 3, wait_ms: int = 0) -> State:
    state.uplink.trouble = Trouble("away", attempts, NOW + wait_ms, wait_ms=wait_ms, kind=Kind.LINK)
    return state


def test_a_link_in_trouble_is_tried_by_the_smallest_clip_alone_and_not_before_its_time() -> None:
    clips = [clip("big", marked=True, size=4 << 30), clip("small", size=7), clip("shown", C.ADMITTED, size=4 << 30)]
    assert sent(_down(waiting(*clips))) == ["small"]
    assert sent(_down(waiting(*clips)), busy=1) == []
    assert sent(_down(waiting(*clips), wait_ms=1)) == []
    assert sent(_down(waiting(*clips[::2]))) == ["shown"]  # nine bytes of preview


def test_it_is_not_always_the_same_clip_that_tries() -> None:
    tried = clip("small", size=1, trouble=Trouble("away", 2, NOW - 1, wait_ms=1, kind=Kind.LINK))
    assert sent(_down(waiting(tried, clip("big", size=1000)))) == ["big"]


def test_a_clip_that_failed_often_by_itself_goes_behind_the_others() -> None:
    fresh = clip("fresh", age_ms=1)
    tired = Trouble("refused", TIRED, NOW - 1, wait_ms=1, kind=Kind.OBJECT)
    away = replace(tired, kind=Kind.LINK)
    state = waiting(clip("tired", age_ms=99, trouble=tired), clip("was away", age_ms=98, trouble=away))
    state.clips["fresh"], state.queues[C.SHOWN]["fresh"] = fresh, None
    assert sent(state) == ["was away", "fresh", "tired"]


# ---- nobody is put off for ever -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Line:
    """A link that sends one clip a minute, while others arrive; when each arrived and was sent."""

    terms: Terms
    state: State = field(default_factory=State)
    now_ms: int = NOW
    came: dict[str, int] = field(default_factory=dict)
    went: dict[str, int] = field(default_factory=dict)

    def arrive(self, *, flagged: bool, preview: bool) -> None:
        name = f"{'f' if flagged else 'o'}{len(self.came)}"
        one = clip(name, C.ADMITTED if preview else C.SHOWN, marked=flagged)
        one.acquired_ms = self.came[name] = self.now_ms
        self.state.clips[name] = one
        self.state.queues[one.phase][name] = None

    def minute(self) -> None:
        self.now_ms += 60_000
        for name in choose(self.state, self.now_ms, self.terms, (), 0, 1):
            one = self.state.clips.pop(name)
            del self.state.queues[one.phase][name]
            self.state.uplink.sent += 1
            self.went[name] = self.now_ms


def _flooded(seed: int, overdue_ms: int, minutes: int) -> Line:
    """More flagged clips arrive than the link takes, and ordinary ones and previews among them."""
    random, line = Random(seed), Line(Terms(overdue_ms=overdue_ms))
    for _ in range(minutes):
        for _ in range(random.choice((0, 1, 1, 2, 3))):
            line.arrive(flagged=random.random() < 0.95, preview=random.random() < 0.3)
        line.minute()
    return line


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from([30, 60, 120]))
def test_an_ordinary_clip_goes_in_bounded_time_however_many_flagged_ones_come(seed: int, overdue_min: int) -> None:
    """Once overdue it has the place in line that its age gives it, and the line moves with every eighth send."""
    line, checked = _flooded(seed, overdue_min * 60_000, 500), 0
    for name, came in line.came.items():
        overdue = came + overdue_min * 60_000
        before = [other for other, then in line.came.items() if then <= came and other != name]
        left = sum(line.went.get(other, line.now_ms) > overdue for other in before)
        bound = overdue + SHARE * (left + 2) * 60_000
        if name[0] == "o" and bound <= line.now_ms:
            checked += 1
            assert line.went.get(name, bound + 1) <= bound, f"{name} waited too long"
    assert checked


def test_without_the_overdue_turn_the_flood_would_starve_them() -> None:
    """The property above can fail: this is what it protects from."""
    starved = _flooded(5, 10_000 * HOUR, 900)
    fair = _flooded(5, HOUR, 900)
    left = {name for name in starved.came if name[0] == "o" and starved.came[name] < NOW + HOUR} - starved.went.keys()
    assert left
    assert left & fair.came.keys() <= fair.went.keys()


def test_flagged_ones_have_seven_of_eight_turns_all_the_same() -> None:
    line = _flooded(9, HOUR, 900)
    late = [name for name, then in line.went.items() if then > NOW + 300 * 60_000]
    assert sum(name[0] == "f" for name in late) >= len(late) * 3 // 4
