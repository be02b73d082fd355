"""No more goes out than the rate allows, over any stretch of time; and no less than that, while there is something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockagent.core.uplink.pace import BURST_S, LEAST_PIECE, MOST_PIECE, Pace, rate_of, rate_words


def _sent(rate: int, takes: list[tuple[int, float]]) -> list[tuple[float, int]]:
    """(when it went out, bytes) for each of (bytes, seconds of idleness before it); one sender, who waits as told."""
    pace, now, found = Pace(rate), 1000.0, []
    for size, idle in takes:
        now += idle
        pace, wait = pace.take(size, now)
        now += wait
        found.append((now, size))
    return found


@given(
    st.integers(1000, 10**9),
    st.lists(st.tuples(st.integers(0, MOST_PIECE), st.floats(0, 5)), min_size=1, max_size=60),
)
def test_no_stretch_of_time_has_more_than_the_rate_allows(rate: int, takes: list[tuple[int, float]]) -> None:
    out = _sent(rate, takes)
    for first in range(len(out)):
        total = 0
        for when, size in out[first:]:
            total += size
            most = rate * (when - out[first][0] + BURST_S) + max(one for _, one in out)
            assert total <= most * (1 + 1e-9) + 1


def test_it_gives_the_rate_and_not_less() -> None:
    out = _sent(1_000_000, [(10_000, 0.0)] * 1000)
    assert out[-1][0] - out[0][0] == pytest.approx(10, rel=0.05)


def test_an_idle_link_is_not_made_up_for() -> None:
    out = _sent(1_000_000, [(10_000, 0.0), (10_000, 3600.0)] + [(10_000, 0.0)] * 200)
    assert out[-1][0] - out[1][0] == pytest.approx(2 - BURST_S, rel=0.05)


def test_several_senders_share_it() -> None:
    pace = Pace(1_000_000)
    waits = []
    for _ in range(100):  # all at the same moment
        pace, wait = pace.take(10_000, 50.0)
        waits.append(wait)
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(1.0 - BURST_S, rel=0.05)


def test_pieces_are_small_enough_to_be_even_and_large_enough_to_be_cheap() -> None:
    assert Pace(1000).piece == LEAST_PIECE
    assert Pace(1_000_000).piece == 100_000
    assert Pace(10**9).piece == MOST_PIECE


@pytest.mark.parametrize(
    ("text", "rate"),
    [("", 0), ("8 Mbit/s", 1_000_000), ("8Mbit/s", 1_000_000), ("1.5 MB/s", 1_500_000), ("1 Gbit/s", 125_000_000),
     ("64 kbit/s", 8000), ("9000 B/s", 9000)],
)  # fmt: skip
def test_a_rate_as_people_write_it(text: str, rate: int) -> None:
    assert rate_of(text) == rate


@pytest.mark.parametrize("text", ["8", "8 Mbps", "8 mbit/s", "-1 MB/s", "0 MB/s", "100 bit/s", "8 MiB/s", "1e3 B/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a rate|less than"):
        rate_of(text)


def test_a_rate_in_words() -> None:
    assert [rate_words(rate) for rate in (1_000_000, 125_000_000, 8000, 60)] == [
        "8 Mbit/s", "1 Gbit/s", "64 kbit/s", "480 bit/s",
    ]  # fmt: skip
