"""Judges how footage is allowed to go out: the rate, the hours, and whether a day's footage gets through at all."""

from collections.abc import Callable
from datetime import tzinfo

from dockagent.config import Config, terms_of
from dockagent.core.moment import Instant
from dockagent.core.uplink.pace import rate_words
from dockagent.core.uplink.turns import Terms
from dockagent.doctor.check import Check, failure, ok, warning
from dockagent.errors import DockError

LEAST_DAY = 8 << 30  # bytes; what one camera brings from a shift, and less than any station's day
DAY_MINUTES = 24 * 60
NAME = "uplink"


def uplink(config: Config, zone: Callable[[str], tzinfo], now: Instant) -> Check:
    """Whether ``[uplink]`` can be understood, and lets enough through. ``zone`` knows time zones by name."""
    try:
        terms = terms_of(config, zone)
    except DockError as err:
        return failure(NAME, err.what, err.hint)
    what = f"{f'at most {rate_words(terms.rate)}' if terms.rate else 'as fast as it goes'}, {_hours(terms, now)}"
    a_day = terms.rate * 60 * open_minutes(terms, now)
    if terms.rate and a_day < LEAST_DAY:
        return warning(
            NAME,
            f"{what}: {a_day >> 20} MiB a day at most, less than one camera brings",
            "raise rate or widen hours in [uplink], else footage piles up in the spool",
        )
    return ok(NAME, what)


def open_minutes(terms: Terms, now: Instant) -> int:
    """For how many minutes of the next 24 hours footage may go out."""
    return sum(terms.hours.open(now.utc_ms + minute * 60_000) for minute in range(DAY_MINUTES))


def _hours(terms: Terms, now: Instant) -> str:
    if not terms.hours.stretches:
        return "at any hour"
    changes_ms = terms.hours.changes_ms(now.utc_ms)
    if not changes_ms:
        return f"{terms.hours.words()} (open all day)"
    word = "open" if terms.hours.open(now.utc_ms) else "closed"
    return f"{terms.hours.words()} ({word} until {terms.hours.wall(changes_ms):%H:%M %Z})"
