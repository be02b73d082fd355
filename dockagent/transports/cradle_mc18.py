"""A Zebra MC18/PS20 locking cradle on a serial line: the latch that holds a device, and what the cradle tells.

9600 baud, 8N1. ``01 command length data 03 check 00`` goes out, ``01 length 07 data 03 check`` comes back; a length
counts the whole packet but for the last 00, a check is the XOR of all bytes before it (the published notes on the
cradle's protocol; its packets are the vectors of the tests). The cradle cannot open its latch for good.
"""

import re
import struct
from dataclasses import dataclass
from functools import reduce
from operator import xor

from dockagent.clock import Clock
from dockagent.errors import Permanent, Retryable, UsageError
from dockagent.transports.serial_line import SerialLine

BAUD = 9600
LEAST_OPEN_S, MOST_OPEN_S = 10, 30
RELEASE, PART, SERIAL, HARDWARE, ROW, COLUMN, STATE = 0x65, 0x66, 0x69, 0x6D, 0x6F, 0x70, 0x71
FLASH, FIRMWARE, SUPPLY, LOGIC, WALL, DARK = 0x76, 0x77, 0x7A, 0x7B, 0x7E, 0x81
SHORTEST, LONGEST = 5, 64  # bytes of an answer
_FAST_CHARGE = 0x01
# A 10-bit converter with a reference of 5 V, the supply behind a divider by 1.5: the published readings, 710 = 5.205278
# V and 667 = 3.260019 V, fit to the last digit.
_VOLT, _SUPPLY_DIVIDER = 5 / 1023, 1.5


@dataclass(frozen=True, slots=True)
class Place:
    """Where the cradle says it hangs; 65535 where nobody told it."""

    row: int
    column: int
    wall: int


@dataclass(frozen=True, slots=True)
class Voltages:
    """Of its supply (about 5) and of its logic (about 3.3), in volts."""

    supply: float
    logic: float


class Cradle:
    """The cradle at ``path``. A question is asked at most ``attempts`` times, each with ``timeout_ms`` for the answer;
    raises Retryable for silence, Permanent for nonsense, Gone when the line is gone, and what
    :class:`dockagent.transports.serial_line.SerialLine` raises."""

    def __init__(self, path: str, clock: Clock, timeout_ms: int = 1000, attempts: int = 3) -> None:
        self._path, self._limit_s, self._attempts = path, timeout_ms / 1000, attempts
        self._line = SerialLine(path, BAUD, clock)

    def unlock(self, seconds: int = LEAST_OPEN_S, *, blink_ms: int = 500, fade: bool = False) -> None:
        """Open the latch for 10 to 30 seconds; after that it holds again by itself. The LEDs blink so long, or stay
        dark with ``blink_ms`` 0. Raises UsageError for another time."""
        if not LEAST_OPEN_S <= seconds <= MOST_OPEN_S:
            raise UsageError(f"a latch opens for {LEAST_OPEN_S} to {MOST_OPEN_S} seconds, not {seconds}")
        self._order(RELEASE, struct.pack(">BHHB", seconds, blink_ms, blink_ms, fade))

    def flash(self, cycles: int, *, blink_ms: int = 500, fade: bool = False) -> None:
        """Blink so many times, so that a person finds the cradle. The latch stays as it is."""
        self._order(FLASH, struct.pack(">HHHB", blink_ms, blink_ms, cycles, fade))

    def dark(self) -> None:
        """Switch the LEDs off."""
        self._order(DARK)

    def part(self) -> str:
        return self._text(PART)

    def serial(self) -> str:
        return self._text(SERIAL)

    def hardware(self) -> int:
        return self._ask(HARDWARE, 1)[0]

    def firmware(self) -> str:
        major, minor = self._ask(FIRMWARE, 2)
        return f"{major}.{minor}"

    def place(self) -> Place:
        return Place(self._number(ROW), self._number(COLUMN), self._number(WALL))

    def fast_charge(self) -> bool:
        return bool(self._ask(STATE, 1)[0] & _FAST_CHARGE)

    def voltages(self) -> Voltages:
        return Voltages(self._number(SUPPLY) * _VOLT * _SUPPLY_DIVIDER, self._number(LOGIC) * _VOLT)

    def close(self) -> None:
        """Let the line go. May be repeated."""
        self._line.close()

    def _order(self, command: int, data: bytes = b"") -> None:
        self._ask(command, 0, data)

    def _number(self, command: int) -> int:
        return int.from_bytes(self._ask(command, 2), "big")

    def _text(self, command: int) -> str:
        raw = self._ask(command).rstrip(b"\0")
        if not re.fullmatch(rb"[!-~]+", raw):
            raise self._nonsense(command, raw)
        return raw.decode()

    def _ask(self, command: int, length: int | None = None, data: bytes = b"") -> bytes:
        """The data of the answer, which has ``length`` bytes where that is known."""
        found = self._line.ask(packet(command, data), find_answer, self._limit_s, self._attempts)
        if found is None:
            raise Retryable(f"the cradle at {self._path} does not answer {command:02x}", "look at its cable and power")
        if length is not None and len(found) != length:
            raise self._nonsense(command, found)
        return found

    def _nonsense(self, command: int, data: bytes) -> Permanent:
        said = data.hex(" ") or "nothing"
        return Permanent(f"the cradle at {self._path} answers {command:02x} with {said}", "check what is on this line")


def packet(command: int, data: bytes = b"") -> bytes:
    """A packet to the cradle, its last 00 included."""
    body = bytes((1, command, len(data) + SHORTEST)) + data + b"\x03"
    return body + bytes((check(body), 0))


def find_answer(came: bytes) -> bytes | None:
    """The data of the first whole answer with a right check in what came, or None. Noise around it is skipped."""
    for start in range(len(came) - SHORTEST + 1):
        length = came[start + 1]
        found = came[start : start + length]
        framed = came[start] == 1 and SHORTEST <= length <= LONGEST and len(found) == length and found[2] == 7
        if framed and found[-2] == 3 and check(found[:-1]) == found[-1]:
            return found[3:-2]
    return None


def check(body: bytes) -> int:
    """The XOR of all bytes."""
    return reduce(xor, body, 0)
