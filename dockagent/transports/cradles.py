"""The locking cradles of a dock: which bay has one, and on which line."""

from collections.abc import Mapping

from dockagent.clock import Clock
from dockagent.transports.cradle_mc18 import LEAST_OPEN_S, Cradle


class Cradles:
    """``lines``: bay to serial line; ``seconds``: how long a latch opens, 10 to 30."""

    def __init__(self, lines: Mapping[str, str], clock: Clock, seconds: int = LEAST_OPEN_S) -> None:
        self._lines, self._clock, self._seconds = dict(lines), clock, seconds

    def unlock(self, bay: str) -> str:
        """Open the latch of ``bay``, so that its camera can be taken. What was done, in words; empty for a bay without
        a cradle. Raises as :class:`Cradle` does; the camera is then still held."""
        if bay not in self._lines:
            return ""
        cradle = Cradle(self._lines[bay], self._clock)
        try:
            cradle.unlock(self._seconds)
        finally:
            cradle.close()
        return f"its latch is open for {self._seconds} s"
