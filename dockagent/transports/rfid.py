"""A reader of 125 kHz tags (D302 EM card encoder, behind a CH341) on a serial line.

4800 baud, 8N1, DTR and RTS off. ``02 command length data check 03``, the command of two bytes, the check the XOR of all
bytes before it (the published notes on the D302). What comes in the first half second after the line was opened, the
reader throws away. The encoder can write tags; nothing here does.

**A tag's number is no proof of identity.** Anyone can copy one with this very device. It says which tag was held out,
never who held it.
"""

from collections.abc import Iterator
from functools import reduce
from operator import xor

from dockagent.clock import Clock
from dockagent.errors import Retryable
from dockagent.transports.serial_line import SerialLine

BAUD = 4800
WAKE_S = 0.5
TAG_BYTES = 5
PAUSE_S = 0.2  # between looks
_HELLO, _READ = b"\x01\x00", b"\x01\xa4"
_ANSWER = b"\x01\x00"  # the reader answers everything under this number
_LIMIT_S = 1.0
_ATTEMPTS = 3


class RfidReader:
    """The reader at ``path``; opening it takes half a second. Raises what
    :class:`dockagent.transports.serial_line.SerialLine` raises, and Retryable when the reader does not answer."""

    def __init__(self, path: str, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._line = SerialLine(path, BAUD, clock, modem=False)
        clock.sleep(WAKE_S)

    def hello(self) -> None:
        """Whether it is there: raises Retryable where it is not."""
        if self._line.ask(frame(_HELLO), lambda came: find_answer(came, 0), _LIMIT_S, _ATTEMPTS) is None:
            raise Retryable(f"the reader at {self._path} does not answer", "look at its cable and power")

    def read(self) -> str:
        """The number of the tag that lies on it, as 10 hex digits; empty where there is none. The reader says nothing
        at all then, which nobody can tell from a reader that is away: ask for :meth:`hello`."""
        found = self._line.ask(frame(_READ, bytes(11)), lambda came: find_answer(came, TAG_BYTES), _LIMIT_S, 1)
        return (found or b"").hex()

    def tags(self, seconds: float) -> Iterator[str]:
        """Each tag as it is laid on within so many seconds; again only after it was taken away."""
        last, started = "", self._clock.monotonic()
        while self._clock.monotonic() - started < seconds:
            tag = self.read()
            if tag and tag != last:
                yield tag
            last = tag
            self._clock.sleep(PAUSE_S)

    def close(self) -> None:
        """Let the line go. May be repeated."""
        self._line.close()


def frame(command: bytes, data: bytes = b"") -> bytes:
    """A request."""
    body = b"\x02" + command + bytes((len(data),)) + data
    return body + bytes((check(body), 3))


def find_answer(came: bytes, length: int) -> bytes | None:
    """The data of the first answer with so many bytes of it and a right check in what came, or None."""
    head = b"\x02" + _ANSWER + bytes((length,))
    start = came.find(head)
    while start >= 0:
        end = start + len(head) + length
        if came[end + 1 : end + 2] == b"\x03" and came[end] == check(came[start:end]):
            return came[start + len(head) : end]
        start = came.find(head, start + 1)
    return None


def check(body: bytes) -> int:
    """The XOR of all bytes."""
    return reduce(xor, body, 0)
