"""How many parts are under way: as many as the link rewards, few on a bad one, never more than a store is to have."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockagent.core.uplink.link_parts import GAIN, MOST, STAYS, Flight, failed, measured


def _rate(parts: int, each: float, whole: float) -> float:
    """What a link gives that takes ``each`` from one connection, and ``whole`` in all."""
    return min(parts * each, whole)


def _flown(each: float, whole: float, measures: int = 60, noise: float = 0.0) -> list[int]:
    """The number of parts after each measurement."""
    flight, random, found = Flight(), Random(7), []
    for _ in range(measures):
        rate = _rate(flight.parts, each, whole) * random.uniform(1 - noise, 1 + noise)
        flight = measured(flight, rate)
        found.append(flight.parts)
    return found


@pytest.mark.parametrize(
    ("each", "whole", "knee"),
    [(100.0, 100.0, 1), (10.0, 30.0, 3), (10.0, 60.0, 6), (1.0, 1000.0, MOST)],
    ids=["a short link is full with one", "three fill it", "six fill it", "a long fat one takes all"],
)
def test_it_finds_the_number_that_fills_the_link(each: float, whole: float, knee: int) -> None:
    found = _flown(each, whole)[20:]
    assert set(found) <= {knee, min(MOST, knee + 1)}  # one more is tried now and then
    assert found.count(knee) >= len(found) * STAYS // (STAYS + 3)
    given = [_rate(parts, each, whole) for parts in found]
    assert min(given) >= 0.9 * min(whole, MOST * each)


def test_noise_does_not_drive_it_up_or_down_for_good() -> None:
    found = _flown(10.0, 40.0, measures=600, noise=0.04)[50:]
    assert sum(_rate(parts, 10.0, 40.0) for parts in found) / len(found) >= 0.85 * 40.0


def test_a_failure_halves_it_and_it_climbs_again_later() -> None:
    flight = failed(Flight(8))
    assert flight == Flight(4, stays=STAYS)
    assert failed(failed(failed(flight))).parts == 1
    for _ in range(STAYS):
        flight = measured(flight, 100.0)
        assert flight.parts == 4
    assert measured(flight, 100.0) == Flight(5, before=100.0)


def test_one_more_that_brings_nothing_is_given_back() -> None:
    assert measured(Flight(3, before=100.0), 100.0 * GAIN - 1) == Flight(2, stays=STAYS)
    assert measured(Flight(3, before=100.0), 100.0 * GAIN + 1) == Flight(4, before=100.0 * GAIN + 1)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e12)), max_size=200))
def test_whatever_happens_it_stays_in_its_bounds(story: list[float | None]) -> None:
    flight = Flight()
    for rate in story:
        before = flight.parts
        flight = failed(flight) if rate is None else measured(flight, rate)
        assert 1 <= flight.parts <= MOST
        assert flight.parts <= before + 1
