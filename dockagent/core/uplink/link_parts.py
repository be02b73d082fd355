"""How many parts of a large object are under way at once, found by trying: one more as long as that brings something,
half as many after a failure.

A long or lossy path gives one connection only so much; a short one is full with one. Nobody knows beforehand, and it
changes. So the number climbs by one while the throughput climbs with it by a tenth, goes back by one where it does not,
and stays there for a while. A failure halves it at once (additive increase, multiplicative decrease: Chiu and Jain,
Computer Networks and ISDN Systems 17, 1989), because what fails on a bad link is to be small.
"""

from dataclasses import dataclass, replace

GAIN = 1.1  # what one more part must bring, as a factor
STAYS = 8  # measurements before the next try for one more
MOST = 8  # parts; more connections than that are unkind to the store, and no part is held in memory


@dataclass(frozen=True, slots=True)
class Flight:
    """``parts`` under way at once. ``before``: bytes a second that were measured with one fewer, while one more is on
    trial, else 0. ``stays``: measurements left before the next trial."""

    parts: int = 1
    before: float = 0.0
    stays: int = 0


def measured(flight: Flight, rate: float) -> Flight:
    """After a stretch without failure in which as many parts went out as are under way: ``rate`` bytes a second."""
    if flight.stays:
        return replace(flight, stays=flight.stays - 1)
    if flight.before and rate < flight.before * GAIN:
        return Flight(max(1, flight.parts - 1), stays=STAYS)
    if flight.parts == MOST:
        return Flight(MOST, stays=STAYS)
    return Flight(flight.parts + 1, before=rate)


def failed(flight: Flight) -> Flight:
    """After a part that did not arrive."""
    return Flight(max(1, flight.parts // 2), stays=STAYS)
