"""Weeks with a bad line: the spool keeps its bound, everybody is told why, and all arrives when the line is back."""

from itertools import pairwise

import pytest

from dockagent.clock import zone
from dockagent.core import events as ev
from dockagent.core.model import CHUNK
from dockagent.core.uplink.hours import UploadHours, stretch
from dockagent.core.uplink.link import RULES
from dockagent.core.uplink.trouble import Kind
from dockagent.core.uplink.turns import Terms
from tests.simulation.station import DAY, HOUR, MINUTE, Station, away, holding, refusing

RESERVE = 16 << 20
A_DAY_OF_RECORDS = 1 << 20  # bytes; so the reserve of a real dock, 256 MiB, lasts for most of a year
FEW = 6 * CHUNK  # room for a few of sixteen clips


def _arrives(station: Station, clips: int, within_ms: int = 2 * HOUR) -> None:
    station.go_on(within_ms, idle_s=10)
    assert station.delivered == clips
    assert station.undelivered() == []
    station.check()


def test_two_weeks_offline_the_spool_keeps_its_bound_and_then_all_is_delivered() -> None:
    station = Station(1, room=FEW + RESERVE, spool_reserve=RESERVE)
    station.far.mood = away(Kind.LINK)
    station.begin()
    began = station.clock.ms
    for _ in range(14):
        before = station.disk.free()
        waited = bool(station.undelivered())
        station.go_on(DAY, idle_s=600)
        assert station.spooled <= FEW
        if waited:
            assert before - station.disk.free() <= A_DAY_OF_RECORDS
    assert station.disk.free() >= RESERVE - 14 * A_DAY_OF_RECORDS
    station.check()
    assert 3 <= len(station.undelivered()) < 16
    told = station.words()
    assert "PULLS WAIT: the spool is full" in told
    assert "AWAY since" in told
    assert RULES[Kind.LINK].words in told
    assert len(station.far.asked) <= 14 * 24 * 16, "a probe about every five minutes, not for every clip"
    assert station.dock.state.uplink.since_ms - began < 20 * MINUTE, "it looks every ten minutes"
    assert len(station.events(ev.AcquireFailed)) < 14 * 24 * 4
    station.far.mood = None
    _arrives(station, 16)
    assert station.dock.state.spool.reason == ""


@pytest.mark.parametrize("seed", range(3))
def test_a_line_that_comes_and_goes_loses_and_doubles_nothing(seed: int) -> None:
    station = Station(seed, room=FEW + RESERVE, spool_reserve=RESERVE)
    station.begin()
    for turn in range(30):
        station.far.mood = away(station.random.choice((Kind.LINK, Kind.DNS, Kind.TLS, Kind.PORTAL, Kind.STORE)))
        station.go_on(station.random.randint(1, 20) * MINUTE, idle_s=5)
        station.words()
        station.far.mood = None
        station.go_on(station.random.randint(0, 2000), idle_s=0.1)
        assert station.disk.free() >= RESERVE // 2
        if turn % 10 == 9:
            station.check()
    _arrives(station, 16)


def test_a_full_store_is_asked_seldom_and_takes_the_rest_when_it_has_room() -> None:
    station = Station(2, room=FEW + RESERVE, spool_reserve=RESERVE)
    station.far.mood = holding(5 * CHUNK)
    station.begin()
    station.go_on(2 * DAY, idle_s=60)
    assert 0 < station.delivered < 16
    assert RULES[Kind.FULL].words in station.words()
    asked = len(station.far.asked)
    station.go_on(DAY, idle_s=60)
    assert len(station.far.asked) - asked <= 5 * 24 * 4 * 1.4, "each try asks for a few small objects and a master"
    station.check()
    station.far.mood = None
    _arrives(station, 16)


def test_a_store_that_asks_for_time_is_given_it() -> None:
    station = Station(3)
    station.far.mood = away(Kind.THROTTLED, after_s=600)
    station.begin()
    station.go_on(DAY, idle_s=5)
    tries = sorted({at // 1000 for at, _ in station.far.asked})
    gaps = [later - earlier for earlier, later in pairwise(tries[2:])]
    assert len(gaps) > 50
    assert min(gaps) >= 600
    assert RULES[Kind.THROTTLED].words in station.words()
    station.far.mood = None
    _arrives(station, 16)


def test_one_clip_that_is_refused_for_ever_keeps_nobody_waiting() -> None:
    station = Station(4)
    station.begin()
    station.go_on(1, idle_s=0.01)
    while not station.dock.state.clips:
        station.go_on(100, idle_s=0.01)
    bad = next(iter(station.dock.state.clips))
    station.far.mood = refusing(f"{bad}/record.json")
    station.far.refuses = {f"{bad}/record.json"}
    station.go_on(20 * MINUTE, idle_s=5)
    assert station.delivered == 15
    assert station.undelivered() == [bad]
    assert "forbids it" in station.words()
    assert not station.dock.state.uplink.trouble.attempts
    station.go_on(3 * DAY, idle_s=60)
    offered = sum(key.endswith(f"{bad}/record.json") for _, key in station.far.asked)
    assert 3 <= offered <= 5, "once a day"
    station.check()
    station.far.mood, station.far.refuses = None, set()
    station.go_on(DAY + HOUR, idle_s=60)
    assert station.delivered == 16


def test_nothing_goes_out_by_day_and_everything_by_night() -> None:
    hours = UploadHours((stretch("19:00-06:00"),), zone("Europe/London"))
    terms = Terms(hours=hours, always=frozenset({"preview"}))
    station = Station(5, terms=terms, room=FEW + RESERVE, spool_reserve=RESERVE)
    station.begin()
    station.go_on(4 * DAY, idle_s=60)
    by_day = [key for at, key in station.far.asked if not hours.open(at)]
    assert station.delivered == 16
    assert by_day, "previews may go at any hour"
    assert all("/preview/" in key for key in by_day)
    station.check()


def test_what_waits_for_the_night_says_until_when() -> None:
    hours = UploadHours((stretch("19:00-06:00"),), zone("Europe/London"))
    station = Station(6, terms=Terms(hours=hours))
    station.clock.ms -= station.clock.ms % DAY - 12 * HOUR  # noon
    station.begin()
    station.go_on(HOUR, idle_s=10)
    assert station.far.asked == []
    words = station.words()
    assert "waiting for the upload hours (19:00-06:00): it goes from" in words
    assert "19:00:00 GMT on" in words
    assert station.dock.state.uplink.trouble.attempts == 0
