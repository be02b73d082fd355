"""When footage may go out: stretches of the day by the clock on the station's wall.

The zone is handed in as a :class:`datetime.tzinfo`, so that this stays a function of its arguments. An instant is
inside a stretch if the wall clock shows a time of it then. So a night from 19:00 to 06:00 has twelve hours when the
clock goes back, ten when it goes forward, and a stretch that lies in the skipped hour does not happen on that day.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

_STRETCH = re.compile(r"(\d\d):(\d\d)\s*-\s*(\d\d):(\d\d)")
MINUTE = 60_000  # ms
DAY_MINUTES = 24 * 60
_LOOK_MINUTES = 2 * DAY_MINUTES + 60  # every stretch comes within two days, a skipped one included


@dataclass(frozen=True, slots=True)
class Stretch:
    """From one minute of the day to before another (0 to 1440); ``start`` after ``end``: over midnight."""

    start: int
    end: int

    def covers(self, minute: int) -> bool:
        """Whether the wall clock's ``minute`` of the day lies in it."""
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


@dataclass(frozen=True, slots=True)
class UploadHours:
    """The stretches, in one zone. With none, it is always open. Times are ms since 1970 UTC."""

    stretches: tuple[Stretch, ...] = ()
    zone: tzinfo = UTC

    def open(self, at_ms: int) -> bool:
        """Whether footage may go out at this moment."""
        if not self.stretches:
            return True
        wall = self.wall(at_ms)
        return any(one.covers(wall.hour * 60 + wall.minute) for one in self.stretches)

    def changes_ms(self, at_ms: int) -> int:
        """When it opens next, or closes next where it is open; 0 where it never does. To the minute."""
        now = self.open(at_ms)
        start = at_ms - at_ms % MINUTE + MINUTE
        steps = (start + minute * MINUTE for minute in range(_LOOK_MINUTES if self.stretches else 0))
        return next((step for step in steps if self.open(step) != now), 0)

    def wall(self, at_ms: int) -> datetime:
        """What the clock on the wall shows."""
        return datetime.fromtimestamp(at_ms / 1000, self.zone)

    def words(self) -> str:
        """The stretches as they are written."""
        return ", ".join(f"{_clock(one.start)}-{_clock(one.end)}" for one in self.stretches)


def stretch(text: str) -> Stretch:
    """``HH:MM-HH:MM`` as a stretch; the end may be 24:00. Raises ValueError for anything else, and for an empty one."""
    found = _STRETCH.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not HH:MM-HH:MM")
    hour, minute, end_hour, end_minute = map(int, found.groups())
    start, end = hour * 60 + minute, end_hour * 60 + end_minute
    if minute > 59 or end_minute > 59 or start >= DAY_MINUTES or end > DAY_MINUTES:
        raise ValueError(f"{text!r} has a time that no clock shows")
    if start == end:
        raise ValueError(f"{text!r} begins when it ends: leave the hours out to send all day")
    return Stretch(start, end)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
