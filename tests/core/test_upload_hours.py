"""When footage may go out, by the wall clock: also over midnight, and on the days on which the clock is changed."""

from datetime import UTC, datetime, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockagent.clock import zone
from dockagent.core.uplink.hours import MINUTE, UploadHours, stretch

HOUR = 60 * MINUTE
LONDON, BERLIN, LORD_HOWE = zone("Europe/London"), zone("Europe/Berlin"), zone("Australia/Lord_Howe")


def _at(text: str) -> int:
    """An RFC 3339 moment in UTC as ms since 1970."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _hours(*texts: str, zone_: tzinfo = UTC) -> UploadHours:
    return UploadHours(tuple(map(stretch, texts)), zone_)


def _open_for(hours: UploadHours, start: str, span_h: int) -> float:
    """For how many hours it is open in so many hours from ``start`` on."""
    first = _at(start)
    minutes = sum(hours.open(first + minute * MINUTE) for minute in range(span_h * 60))
    return minutes / 60


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("19:00-06:00", ["19:00", "23:59", "00:00", "05:59"], ["06:00", "12:00", "18:59"]),
        ("09:30-10:00", ["09:30", "09:59"], ["09:29", "10:00"]),
        ("22:00-24:00", ["22:00", "23:59"], ["00:00", "21:59"]),
        (" 00:00 - 24:00 ", ["00:00", "23:59"], []),
    ],
)
def test_a_stretch_of_the_day(text: str, inside: list[str], outside: list[str]) -> None:
    hours = _hours(text)
    assert [one for one in inside + outside if hours.open(_at(f"2026-03-01T{one}:00Z"))] == inside


@pytest.mark.parametrize(
    "text", ["", "19-06", "19:00", "24:00-06:00", "19:60-06:00", "19:00-24:01", "19:00-19:00", "9:00-10:00", "x"]
)
def test_what_is_no_stretch_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"HH:MM|no clock|leave the hours out"):
        stretch(text)


def test_without_stretches_it_is_always_open_and_never_changes() -> None:
    assert UploadHours().open(0)
    assert UploadHours().changes_ms(0) == 0
    assert _hours("00:00-24:00").changes_ms(_at("2026-03-01T12:00:00Z")) == 0


def test_it_says_when_it_opens_and_closes() -> None:
    hours = _hours("19:00-06:00", zone_=LONDON)
    assert hours.changes_ms(_at("2026-07-01T12:00:30Z")) == _at("2026-07-01T18:00:00Z")  # summer: one hour ahead
    assert hours.changes_ms(_at("2026-01-05T12:00:30Z")) == _at("2026-01-05T19:00:00Z")
    assert hours.changes_ms(_at("2026-01-05T19:00:00Z")) == _at("2026-01-06T06:00:00Z")
    assert hours.words() == "19:00-06:00"
    assert _hours("01:00-02:00", "13:00-14:00").changes_ms(_at("2026-01-05T02:00:00Z")) == _at("2026-01-05T13:00:00Z")


def test_a_night_has_twelve_hours_when_the_clock_goes_back_and_ten_when_it_goes_forward() -> None:
    hours = _hours("19:00-06:00", zone_=LONDON)
    assert _open_for(hours, "2026-10-24T12:00:00Z", 24) == 12
    assert _open_for(hours, "2026-03-28T12:00:00Z", 24) == 10
    assert _open_for(hours, "2026-05-01T12:00:00Z", 24) == 11


def test_a_stretch_in_the_skipped_hour_waits_for_the_next_day_and_one_in_the_double_hour_comes_twice() -> None:
    hours = _hours("02:00-03:00", zone_=BERLIN)
    assert _open_for(hours, "2026-03-28T12:00:00Z", 24) == 0
    assert hours.changes_ms(_at("2026-03-28T12:00:00Z")) == _at("2026-03-30T00:00:00Z")
    assert _open_for(hours, "2026-10-24T12:00:00Z", 24) == 2


def test_a_stretch_that_begins_in_the_skipped_hour_opens_when_the_clock_jumps_into_it() -> None:
    hours = _hours("02:30-05:00", zone_=BERLIN)
    assert hours.changes_ms(_at("2026-03-28T23:30:00Z")) == _at("2026-03-29T01:00:00Z")  # 01:59:59 is followed by 03:00
    half = _hours("02:15-04:00", zone_=LORD_HOWE)  # the clock there moves by half an hour
    assert _open_for(half, "2026-10-03T00:00:00Z", 24) == 1.5


@given(
    st.integers(_at("2020-01-01T00:00:00Z"), _at("2036-01-01T00:00:00Z")),
    st.lists(st.tuples(st.integers(0, 1439), st.integers(0, 1440)), min_size=1, max_size=3),
    st.sampled_from([UTC, LONDON, BERLIN, LORD_HOWE]),
)
def test_nothing_changes_before_it_is_said_to(at_ms: int, pairs: list[tuple[int, int]], zone_: tzinfo) -> None:
    texts = [f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in pairs if a != b]
    hours = _hours(*texts, zone_=zone_)
    change, now = hours.changes_ms(at_ms), hours.open(at_ms)
    last = change or at_ms + 50 * HOUR
    assert all(hours.open(step) == now for step in range(at_ms, last, 17 * MINUTE))
    assert hours.open(last - 1) == now
    if change:
        assert hours.open(change) != now
