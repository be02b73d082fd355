"""The locking cradles of a dock: which bay has one, and on which line."""

from collections.abc import Mapping
from contextlib import suppress

from dockagent.clock import Clock
from dockagent.errors import Retryable
from dockagent.transports.cradle_mc18 import LEAST_OPEN_S, Cradle

TRIES, BETWEEN_S = 3, 1.0  # a line that is in use, or garbled, may be well in a moment


class Cradles:
    """``lines``: bay to serial line; ``seconds``: how long a latch opens, 10 to 30."""

    def __init__(self, lines: Mapping[str, str], clock: Clock, seconds: int = LEAST_OPEN_S) -> None:
        self._lines, self._clock, self._seconds = dict(lines), clock, seconds

    def unlock(self, bay: str) -> str:
        """Open the latch of ``bay``, so that its camera can be taken. What was done, in words; empty for a bay without
        a cradle. Raises as :class:`Cradle` does; the camera is then still held."""
        if bay not in self._lines:
            return ""
        for _ in range(TRIES - 1):
            with suppress(Retryable):
                return self._unlock(bay)
            self._clock.sleep(BETWEEN_S)
        return self._unlock(bay)

    def _unlock(self, bay: str) -> str:
        cradle = Cradle(self._lines[bay], self._clock)
        try:
            cradle.unlock(self._seconds)
        finally:
            cradle.close()
        return f"its latch is open for {self._seconds} s"
