"""A moment in time as records state it, and its text. Pure: nothing here asks what time it is."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment, as a custody record states it.

    ``utc_ms``: milliseconds since 1970-01-01T00:00:00Z. ``boot_id`` + ``mono_us``: the kernel's boot id and
    microseconds of CLOCK_BOOTTIME, which order events even when the wall clock steps (microseconds, so that the
    number stays below 2^53 for centuries). ``source``: where the wall clock's truth comes from (``ntp``, ``rtc``).
    ``uncertainty_ms``: how far it may be off, or -1 when nobody knows. ``offset_ms``: what the source said last that
    it is off, or None when there is no source.
    """

    utc_ms: int
    boot_id: str
    mono_us: int
    source: str
    uncertainty_ms: int
    offset_ms: int | None = None


def rfc3339(utc_ms: int) -> str:
    """``utc_ms`` as RFC 3339 in UTC with ``Z`` and exactly three digits of fraction."""
    whole, ms = divmod(utc_ms, 1000)
    moment = datetime.fromtimestamp(whole, UTC)
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}.{ms:03d}Z"


def parse_rfc3339(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 time that states its zone. Raises ValueError for one that does not."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {text}")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86400 + delta.seconds) * 1000 + delta.microseconds // 1000
