"""Which letter a read meets, however the host cuts, repeats and reads ahead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.cameras.usb.reach import Reach, Stretch
from hil.rigs.faults import Script

STEP = 2048  # sectors in a MiB


def take(reach: Reach, first: int, count: int) -> list[tuple[str, int]]:
    """Read as a card does that goes on behind each letter; what struck, and where."""
    met = []
    while count:
        ahead = reach.ahead(first, count)
        assert ahead.sectors <= count
        reach.gave(first, ahead.sectors)
        first, count = first + ahead.sectors, count - ahead.sectors
        if ahead.letter:
            met.append((ahead.letter, first))
            reach.struck(ahead.letter, first)
            if ahead.letter == "B":
                return met
    return met


def test_a_letter_strikes_in_the_middle_of_its_step_and_once() -> None:
    reach = Reach(Script("rEF"), 8 * STEP)
    assert take(reach, 0, 8 * STEP) == [("E", STEP * 3 // 2), ("F", STEP * 5 // 2)]
    assert take(reach, 0, 8 * STEP) == []
    assert reach.fresh == 8 << 20


def test_reading_again_does_not_move_the_script() -> None:
    reach = Reach(Script("rU"), 8 * STEP)
    for _ in range(5):
        assert take(reach, 0, STEP) == []
    assert reach.fresh == 1 << 20
    assert take(reach, STEP // 2, STEP) == []  # half of it is known
    assert take(reach, 6 * STEP, 1) == [("U", 6 * STEP)]


def test_only_contents_count() -> None:
    reach = Reach(Script("U"), 8 * STEP, [range(100, 200), range(4 * STEP, 6 * STEP)])
    assert take(reach, 0, 4 * STEP) == [] and reach.fresh == 100 * 512
    assert take(reach, 4 * STEP, STEP) == [("U", 4 * STEP + STEP // 2 - 100)]


def test_what_stays_bad_is_bad_until_it_is_plugged_in_again() -> None:
    reach = Reach(Script("B"), 4 * STEP)
    bad = STEP // 2
    assert take(reach, 0, STEP) == [("B", bad)]
    assert reach.ahead(bad - 8, 64) == Stretch(8, letter="B")
    assert reach.ahead(bad, 1) == Stretch(0, letter="B")
    assert reach.ahead(bad + 1, 8) == Stretch(8)
    reach.plugged()
    assert take(reach, 0, 4 * STEP) == []


def test_a_slow_step_is_slow_to_its_end() -> None:
    reach = Reach(Script("rS"), 4 * STEP)
    assert reach.ahead(0, 4 * STEP) == Stretch(STEP)
    reach.gave(0, STEP)
    assert reach.ahead(STEP, 2 * STEP) == Stretch(STEP, slowly=True)
    reach.gave(STEP, STEP)
    assert reach.ahead(2 * STEP, STEP) == Stretch(STEP)


@given(st.lists(st.tuples(st.integers(0, 63), st.integers(1, 16)), max_size=60), st.text("rEFU", max_size=8))
def test_letters_strike_in_order_and_where_half_a_step_was_given(reads: list[tuple[int, int]], letters: str) -> None:
    reach = Reach(Script(letters, step=8 * 512), 80)
    seen: set[int] = set()
    met: list[tuple[int, str]] = []
    for at, size in reads:
        first, count = at, size
        while count:
            ahead = reach.ahead(first, count)
            seen |= set(range(first, first + ahead.sectors))
            reach.gave(first, ahead.sectors)
            first, count = first + ahead.sectors, count - ahead.sectors
            if ahead.letter:
                assert first not in seen
                met.append((len(seen), ahead.letter))
                reach.struck(ahead.letter, first)
    assert reach.fresh == len(seen) * 512
    due = [(index * 8 + 4, letter) for index, letter in enumerate(letters) if letter != "r"]
    assert met == due[: len(met)]
    assert all(place >= len(seen) for place, _ in due[len(met) :])


def test_a_script_of_another_step() -> None:
    assert take(Reach(Script("E", step=4096), 64), 0, 64) == [("E", 4)]
    with pytest.raises(ValueError, match="X"):
        Script("X")
