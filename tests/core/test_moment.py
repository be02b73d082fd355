"""Moments and their text."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dockagent.core.moment import parse_rfc3339, rfc3339

FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999  # the years 1 to 9999


@given(st.integers(FIRST_MS, LAST_MS))
@example(0)
@example(-1)
@example(999)
@example(FIRST_MS)
@example(LAST_MS)
def test_a_moment_survives_its_text(utc_ms: int) -> None:
    text = rfc3339(utc_ms)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text), text
    assert parse_rfc3339(text) == utc_ms


@given(st.integers(0, LAST_MS), st.integers(0, LAST_MS))
def test_texts_sort_as_moments_do(one: int, other: int) -> None:
    assert (rfc3339(one) < rfc3339(other)) == (one < other)


@pytest.mark.parametrize(
    ("text", "utc_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-22T08:15:00Z", 1_795_335_300_000),
        ("2026-11-22T08:15:00.123Z", 1_795_335_300_123),
        ("2026-11-22T08:15:00.123999Z", 1_795_335_300_123),
        ("2026-11-22T10:15:00+02:00", 1_795_335_300_000),
        ("2026-11-22T02:45:00-05:30", 1_795_335_300_000),
        ("1969-12-31T23:59:59.999Z", -1),
        ("0001-01-01T00:00:00+14:00", FIRST_MS - 14 * 3_600_000),
    ],
)
def test_times_of_any_zone_are_read(text: str, utc_ms: int) -> None:
    assert parse_rfc3339(text) == utc_ms


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-22", "2026-11-22T08:15:00", "2026-02-30T08:15:00Z", "2026-11-22T25:15:00Z"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_rfc3339(text)
