"""The camera's clock: measured first, set only when it is off, measured again."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from dockagent.clock import SystemClock
from dockagent.core import events as ev
from dockagent.errors import DockError, Gone, Missing, Permanent
from dockagent.steps.clocks import read_clock, set_clock
from dockagent.steps.world import World
from dockagent.transports import ClockNotSet, ClockReading
from dockagent.transports.serial_port import ReferenceConsole
from hil.cameras.console import CameraClock, Console
from hil.cameras.plate import Plate
from tests.simulation.memory_disk import MemoryDisk
from tests.steps.card import Card, OneBay, world_over

PROFILE = "reference-signed"


@dataclass(slots=True)
class Watch:
    """A camera's console of which only the clock is used; ``ahead_ms``: how far it is ahead."""

    ahead_ms: int
    error: DockError | None = None
    sets: list[int] = field(default_factory=list)

    def identity(self) -> Mapping[str, str]:
        raise AssertionError("nobody asks who it is")

    def battery(self) -> tuple[int, bool]:
        raise AssertionError("nobody asks for its battery")

    def clock(self) -> ClockReading:
        if self.error is not None:
            raise self.error
        return ClockReading(1_000_000 + self.ahead_ms, 999_990, 1_000_010, "Europe/London")

    def set_clock(self, utc_ms: int) -> None:
        self.sets.append(utc_ms)
        self.ahead_ms = 1

    def prove(self, nonce: bytes) -> bytes:
        raise AssertionError("nobody asks for a proof")

    def release(self, safe: bool, words: str) -> None:
        raise AssertionError("nobody lets it go")

    def close(self) -> None:
        return


def world(watch: Watch | None, **changed: Any) -> World:
    return world_over(MemoryDisk(Random(0)), OneBay(Card(b""), watch), **changed)


@pytest.mark.parametrize("ahead_ms", [0, 5000, -5000, -(10**12)])
def test_a_clock_is_measured_and_left_as_it_is(ahead_ms: int) -> None:
    watch = Watch(ahead_ms)
    (event,) = read_clock(world(watch), "s", "bay-1", PROFILE)
    assert event == ev.ClockMeasured("s", 1_000_000 + ahead_ms, 1_000_000, ahead_ms, 10, "Europe/London")
    assert watch.sets == []


@pytest.mark.parametrize("offset_ms", [0, 1000, -1000])
def test_within_the_tolerance_a_clock_is_left_alone(offset_ms: int) -> None:
    watch = Watch(offset_ms)
    (event,) = set_clock(world(watch), "s", "bay-1", PROFILE, offset_ms)
    assert event == ev.ClockSet("s", False, offset_ms, offset_ms, -1)
    assert watch.sets == []


@pytest.mark.parametrize("offset_ms", [1001, -1001, 10**12])
def test_beyond_it_a_clock_is_set_and_measured_again(offset_ms: int) -> None:
    watch = Watch(offset_ms)
    bench = world(watch)
    (event,) = set_clock(bench, "s", "bay-1", PROFILE, offset_ms)
    assert event == ev.ClockSet("s", True, offset_ms, 1, 10)
    assert len(watch.sets) == 1
    assert 0 <= bench.clock.now().utc_ms - watch.sets[0] < 10


def test_a_clock_that_has_no_time_is_said_and_set_whatever_it_says() -> None:
    (event,) = read_clock(world(Watch(0, ClockNotSet("the camera's clock is not set"))), "s", "bay-1", PROFILE)
    assert event == ev.ClockUnset("s", "the camera's clock is not set")
    watch = Watch(0)
    (event,) = set_clock(world(watch), "s", "bay-1", PROFILE, None)
    assert event == ev.ClockSet("s", True, None, 1, 10)
    assert len(watch.sets) == 1


def test_the_tolerance_is_the_docks_own() -> None:
    watch = Watch(500)
    set_clock(world(watch, clock_tolerance_ms=499), "s", "bay-1", PROFILE, 500)
    assert len(watch.sets) == 1


def test_a_console_that_is_not_there_any_more_is_gone() -> None:
    with pytest.raises(Gone, match="console"):
        read_clock(world(None), "s", "bay-1", PROFILE)
    with pytest.raises(Gone, match="console"):
        set_clock(world(None), "s", "bay-1", PROFILE, 10**6)


def test_what_the_console_says_comes_through() -> None:
    with pytest.raises(Permanent, match="NOTSET"):
        read_clock(world(Watch(0, Permanent("the camera refuses CLOCK: NOTSET"))), "s", "bay-1", PROFILE)


def test_a_profile_that_was_taken_away_is_missing() -> None:
    with pytest.raises(Missing, match="no-such-profile"):
        read_clock(world(Watch(0)), "s", "bay-1", "no-such-profile")


# ---- a real line ----------------------------------------------------------------------------------------------------


@pytest.fixture
def camera() -> Iterator[Console]:
    console = Console(Plate(), clock=CameraClock(offset=3600.0))
    yield console
    console.hang_up()


def test_a_real_console_is_measured_and_set(camera: Console) -> None:
    line = ReferenceConsole(os.fspath(camera.open()), SystemClock(), 115200, 2000, 2)
    try:
        bench = world_over(MemoryDisk(Random(0)), OneBay(Card(b""), line), clock=SystemClock())
        (measured,) = read_clock(bench, "s", "bay-1", PROFILE)
        assert isinstance(measured, ev.ClockMeasured)
        assert abs(measured.offset_ms - 3_600_000) <= measured.uncertainty_ms + 1000
        assert measured.zone == "Europe/London"
        (event,) = set_clock(bench, "s", "bay-1", PROFILE, measured.offset_ms)
    finally:
        line.close()
    assert isinstance(event, ev.ClockSet)
    assert event.done
    assert abs(event.offset_after_ms) < 1000
    assert len(camera.clock_sets) == 1
