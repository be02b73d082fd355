"""A clock that a test moves, and zones."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from dockagent.core.moment import Instant

LONDON = ZoneInfo("Europe/London")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def ms(text: str) -> int:
    """Milliseconds since 1970 of an ISO time with its zone."""
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


class Hands:
    """A :class:`dockagent.clock.Clock` that stands still until it is moved; sleeping moves it."""

    def __init__(self, utc_ms: int = 0) -> None:
        self.at = 0.0
        self._utc_ms = utc_ms

    def now(self) -> Instant:
        return Instant(self._utc_ms + round(self.at * 1000), "boot", round(self.at * 1_000_000), "ntp", 1)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds
