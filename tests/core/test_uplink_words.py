"""What people are told about footage that waits: why, since when, until when."""

from dockagent.clock import zone
from dockagent.core.model import ClipPhase
from dockagent.core.uplink import words as uplink_words
from dockagent.core.uplink.hours import UploadHours, stretch
from dockagent.core.uplink.link import RULES
from dockagent.core.uplink.trouble import Kind, Trouble
from dockagent.core.uplink.turns import Terms
from dockagent.core.uplink.words import clip_waits, spool_words, store_words
from tests.core.test_link import dock_with, failing
from tests.core.test_uplink import HOLD, NOW, clip, waiting

NIGHT = Terms(hours=UploadHours((stretch("19:00-06:00"),), zone("Europe/London")), always=frozenset({"flagged"}))
AFTER = Trouble("503 Slow Down", 2, NOW + 60_000, wait_ms=60_000, kind=Kind.THROTTLED)


def test_a_clip_in_its_turn() -> None:
    one, flagged, shown = clip("a"), clip("b", marked=True), clip("c", ClipPhase.ADMITTED)
    state = waiting(one, flagged, shown)
    assert clip_waits(one, state, NOW, Terms()) == "waiting: it is sent in turn, as fast as the link takes it"
    assert "among the flagged ones" in clip_waits(flagged, state, NOW, Terms())
    assert "its preview" in clip_waits(shown, state, NOW, Terms())
    assert "at 8 Mbit/s at most" in clip_waits(one, state, NOW, Terms(rate=1_000_000))


def test_a_clip_that_the_store_has_or_that_is_not_ready_waits_for_nothing_here() -> None:
    for phase in set(ClipPhase) - {ClipPhase.ADMITTED, ClipPhase.SHOWN}:
        assert clip_waits(clip("a", phase), waiting(clip("a", phase)), NOW, Terms()) == ""


def test_hours_say_until_when_and_who_goes_all_the_same() -> None:
    one, flagged = clip("a"), clip("b", marked=True)
    state = waiting(one, flagged)
    assert clip_waits(one, state, NOW, NIGHT) == (
        "waiting for the upload hours (19:00-06:00): it goes from 2026-11-18 19:00:00 GMT on"
    )
    assert "sent in turn" in clip_waits(flagged, state, NOW, NIGHT)
    line = store_words(state, NOW, NIGHT)
    assert "upload hours 19:00-06:00: closed until 2026-11-18 19:00:00 GMT, but for flagged clips" in line
    assert "open until 2026-11-19 06:00:00 GMT" in store_words(state, NOW + 8 * 3_600_000, NIGHT)


def test_a_store_that_is_away_says_since_when_why_and_when_it_is_tried_again() -> None:
    state = waiting(clip("a", size=5 << 20))
    state.uplink.trouble, state.uplink.since_ms = AFTER, NOW - 3_600_000
    line = store_words(state, NOW, Terms())
    assert line.startswith("AWAY since 2026-11-18 10:06:40 UTC: the store asks us to come later: 503 Slow Down")
    assert "it is tried again at 2026-11-18 11:07:40 UTC, with one clip alone" in line
    assert "1 clip waits for it, 5.0 MiB" in line
    assert "tried again now" in store_words(state, NOW + 60_000, Terms())
    assert clip_waits(state.clips["a"], state, NOW, Terms()).startswith("waiting: the store is away since 2026-11-18")


def test_each_kind_has_words_of_its_own() -> None:
    for kind in set(Kind) - {Kind.HOURS}:
        story = dock_with(2).tell(failing(kind))
        told = store_words(story.state, story.at_ms, Terms()) + clip_waits(
            story.state.clips["c0"], story.state, story.at_ms, Terms()
        )
        assert RULES[kind].words in told
        assert "as it happens" in told
    assert len({rule.words for rule in RULES.values()}) == len(RULES)


def test_a_clip_s_own_trouble_is_said_before_the_link_s() -> None:
    own = clip("a", trouble=Trouble("412", 1, NOW + 5000, wait_ms=5000, kind=Kind.OBJECT))
    final = clip("b", trouble=Trouble("too long", 1, final=True, kind=Kind.OBJECT))
    state = waiting(own, final)
    state.uplink.trouble = AFTER
    assert "the store will not take this object: 412; it is tried again at" in clip_waits(own, state, NOW, Terms())
    assert "not tried again before the dock starts anew" in clip_waits(final, state, NOW, Terms())


def test_a_full_spool_says_that_pulls_wait_and_what_holds_it() -> None:
    state = waiting(clip("a", ClipPhase.DELIVERED, size=3 << 30, holds=(HOLD,)))
    assert spool_words(state, NOW, Terms()) == "no trouble seen"
    state.spool = Trouble("the spool is full: 4 MiB are free", 1, NOW + 5000, wait_ms=5000)
    line = spool_words(state, NOW, Terms())
    assert line.startswith("PULLS WAIT: the spool is full")
    assert "3.0 GiB of it are on hold" in line


def test_the_row_for_programs() -> None:
    state = waiting(clip("a", marked=True), clip("b"))
    state.uplink.trouble, state.uplink.since_ms = AFTER, NOW
    assert uplink_words.row(state, NOW, NIGHT) == {
        "away": True,
        "away_since": "2026-11-18T11:06:40.000Z",
        "kind": "throttled",
        "reason": "503 Slow Down",
        "attempts": 2,
        "next_try_at": "2026-11-18T11:07:40.000Z",
        "answered_at": "",
        "open": False,
        "opens_or_closes_at": "2026-11-18T19:00:00.000Z",
        "hours": "19:00-06:00",
        "bytes_per_second": 0,
        "waiting_clips": 2,
        "waiting_flagged": 1,
        "waiting_bytes": 200,
    }


def test_a_dock_that_does_not_run_tries_nothing() -> None:
    state = waiting(clip("a"))
    state.uplink.trouble, state.running = AFTER, False
    assert "it is tried again when the dock runs" in store_words(state, NOW, Terms())
    assert "it is tried again when the dock runs" in clip_waits(state.clips["a"], state, NOW, Terms())
