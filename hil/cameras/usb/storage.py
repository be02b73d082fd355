"""A card over USB: mass storage, bulk-only transport 1.0, that follows a script of faults.

A command is carried out by a thread of its own, so that a slow card does not keep the rest of its device waiting.
"""

from __future__ import annotations

import queue
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from hil.cameras.usb import Endpoint, Function, Host, Interface, Setup
from hil.cameras.usb.disk import SECTOR
from hil.cameras.usb.reach import Reach
from hil.cameras.usb.scsi import UNREADABLE, Failed, Oddities, Sectors, Sense, Unit, no_unit

RESET, MAX_LUN = 0xFF, 0xFE
GOOD, FAILED, PHASE_ERROR = 0, 1, 2

_IN, _OUT = 0, 1
_COMMAND = struct.Struct("<4sIIBBB16s")  # signature, tag, length, flags, unit, length of the command, command
_STATUS = struct.Struct("<4sIIB")  # signature, tag, residue, status
_SLOW_S = 1.0  # a step of the script with the letter S
_PIECE = 64  # sectors between two looks at the clock


class _Over(Exception):
    """The command under way is not wanted any more: the host reset, the cable is out, or the card hangs."""


@dataclass(frozen=True, slots=True)
class _Wrapper:
    """A command block wrapper (BOT, 5.1)."""

    tag: int
    length: int
    inward: bool
    unit: int
    command: bytes


class _News(Enum):
    """What the thread is told besides the bytes that came."""

    CLEARED = auto()
    RESET = auto()
    END = auto()


class Storage(Function):
    """``units``: its disks, by number. The first follows ``reach``. ``given``: bytes of its disks handed over.

    ``on_hang`` and ``on_power`` do what a function cannot: silence the whole device (letter H), and have the power of
    its port cut for a second (letter P); the second must not wait for the cable.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        reach: Reach | None = None,
        *,
        on_hang: Callable[[], None],
        on_power: Callable[[], None],
    ) -> None:
        super().__init__()
        self.interfaces = (Interface((8, 6, 0x50), (Endpoint("bulk-in"), Endpoint("bulk-out"))),)
        self.units, self.reach, self.given = tuple(units), reach, 0
        self._on_hang, self._on_power = on_hang, on_power
        self._news: queue.SimpleQueue[bytes | _News] = queue.SimpleQueue()
        self._stop, self._sending, self._interruptions = threading.Event(), threading.Lock(), 0
        self._thread: threading.Thread | None = None
        self._due = 0.0

    def attached(self, host: Host, first: int) -> None:
        super().attached(host, first)
        self._news, self._stop, self._interruptions = queue.SimpleQueue(), threading.Event(), 0
        self._thread = threading.Thread(target=self._serve, args=(host,), name="usb storage", daemon=True)
        self._thread.start()

    def detached(self) -> None:
        super().detached()
        self._tell(_News.END)
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def reset(self) -> None:
        self._tell(_News.RESET)

    def received(self, endpoint: int, data: bytes) -> None:
        self._news.put(data)

    def cleared(self, endpoint: int) -> None:
        if endpoint == _IN:
            self._news.put(_News.CLEARED)

    def control(self, setup: Setup, data: bytes) -> bytes | None:
        if setup.request == MAX_LUN:
            return bytes((len(self.units) - 1,))
        if setup.request == RESET:
            self._tell(_News.RESET)
            return b""
        return None

    def _tell(self, news: _News) -> None:
        """Interrupt the command that is under way: when this returns, nothing more is sent for it."""
        with self._sending:
            self._interruptions += 1
            self._stop.set()
        self._news.put(news)

    def _begin_anew(self) -> None:
        """A reset was reached; what came before another one is not to be carried out either."""
        with self._sending:
            self._interruptions -= 1
            if not self._interruptions:
                self._stop.clear()

    def _serve(self, host: Host) -> None:
        news: bytes | _News = b""
        while news is not _News.END:
            news = self._news.get()
            if isinstance(news, bytes):
                try:
                    self._take(host, news)
                except _Over:
                    continue
            elif news is _News.RESET:
                self._begin_anew()

    def _take(self, host: Host, data: bytes) -> None:
        """Carry one command out (BOT, 5.3). What is no command halts both ways until a reset (6.6.1)."""
        if self._stop.is_set():
            raise _Over
        wrapper = _unwrap(data)
        if wrapper is None:
            host.stall(_IN)
            host.stall(_OUT)
            raise _Over
        moved, status = self._data(host, wrapper)
        oddities = self._oddities(wrapper)
        signature = b"USBS"
        if oddities.wrong_signatures:
            oddities.wrong_signatures -= 1
            signature = b"USBX"
        if oddities.phase_errors:
            oddities.phase_errors -= 1
            status = PHASE_ERROR
        self._send(host, _STATUS.pack(signature, wrapper.tag, wrapper.length - moved, status))

    def _oddities(self, wrapper: _Wrapper) -> Oddities:
        return self.units[wrapper.unit].oddities if wrapper.unit < len(self.units) else Oddities()

    def _data(self, host: Host, wrapper: _Wrapper) -> tuple[int, int]:
        """The data phase: bytes that were moved, and the status."""
        unit = self.units[wrapper.unit] if wrapper.unit < len(self.units) else None
        counter = _Counter()
        status = GOOD
        try:
            answer = unit.take(wrapper.command) if unit else no_unit(wrapper.command)
            if isinstance(answer, Sectors):
                if not _agreed(answer, wrapper):
                    status = PHASE_ERROR
                elif answer.inward:
                    self._read(host, wrapper.unit, answer, counter)
                else:
                    self._write(self.units[wrapper.unit], answer, counter)
            elif wrapper.inward and answer:
                counter.moved = len(answer[: wrapper.length])
                self._send(host, answer[: wrapper.length])
        except Failed as failed:
            status = FAILED
            if unit is not None:
                unit.fail(failed.sense)
        self._end_data(host, wrapper, counter.moved)
        return counter.moved, status

    def _end_data(self, host: Host, wrapper: _Wrapper, moved: int) -> None:
        """The host expected more than came: a halt says so (BOT, 6.7.2), unless a short packet did. What it still
        sends is taken and dropped (6.7.3)."""
        if wrapper.inward:
            short_packet = moved % 512 != 0
            if moved < wrapper.length and not short_packet:
                host.stall(_IN)
                while self._next() is not _News.CLEARED:
                    pass
        else:
            while moved < wrapper.length:
                data = self._next()
                moved += len(data) if isinstance(data, bytes) else 0

    def _read(self, host: Host, number: int, asked: Sectors, counter: _Counter) -> None:
        unit, first, left = self.units[number], asked.first, asked.count
        while left:
            ahead = self.reach.ahead(first, left) if self.reach and number == 0 else None
            count = left if ahead is None else ahead.sectors
            slow = self.reach.script.step / _SLOW_S if self.reach and ahead and ahead.slowly else 0
            self._give(host, number, Sectors(first, count, True), slow or unit.oddities.rate, counter)
            first, left = first + count, left - count
            if left and ahead and ahead.letter and self._strike(host, ahead.letter, first, counter):
                first, left = first + 1, left - 1

    def _give(self, host: Host, number: int, part: Sectors, rate: float, counter: _Counter) -> None:
        """Hand sectors over, in pieces if there is a rate."""
        piece = _PIECE if rate else max(part.count, 1)
        for first in range(part.first, part.first + part.count, piece):
            count = min(piece, part.first + part.count - first)
            if rate:
                self._wait(count * SECTOR / rate)
            self._hand(host, self.units[number].disk.read(first, count), counter)
            if self.reach and number == 0:
                self.reach.gave(first, count)

    def _hand(self, host: Host, data: bytes, counter: _Counter) -> None:
        self._send(host, data)
        counter.moved += len(data)
        self.given += len(data)

    def _send(self, host: Host, data: bytes) -> None:
        with self._sending:
            if self._stop.is_set():
                raise _Over
            host.send(_IN, data)

    def _strike(self, host: Host, letter: str, sector: int, counter: _Counter) -> bool:
        """Let a letter take effect at a sector of the first disk; whether the sector was given all the same."""
        assert self.reach is not None
        self.reach.struck(letter, sector)
        if letter == "F":
            data = self.units[0].disk.read(sector, 1)
            self._hand(host, bytes((data[0] ^ 1,)) + data[1:], counter)
            self.reach.gave(sector, 1)
            return True
        if letter in "EB":
            raise Failed(Sense(3, UNREADABLE, 0, sector))
        {"H": self._on_hang, "U": host.leave, "P": self._on_power}[letter]()
        raise _Over

    def _write(self, unit: Unit, asked: Sectors, counter: _Counter) -> None:
        first = asked.first
        while counter.moved < asked.count * SECTOR:
            data = self._next()
            if isinstance(data, bytes):
                unit.disk.write(first, data)
                first += len(data) // SECTOR
                counter.moved += len(data)

    def _wait(self, seconds: float) -> None:
        """Keep to a rate: what was late before is made good now, so that the pieces add up."""
        now = time.monotonic()
        self._due = max(self._due, now - seconds) + seconds
        if self._stop.wait(max(self._due - now, 0)):
            raise _Over

    def _next(self) -> bytes | _News:
        """The next thing that comes in the middle of a command. Raises _Over for a reset or the end."""
        news = self._news.get()
        if news in (_News.RESET, _News.END):
            self._news.put(news)  # for _serve
            raise _Over
        return news


@dataclass(slots=True)
class _Counter:
    """Bytes that one command moved, which is told also if it fails."""

    moved: int = 0


def _unwrap(data: bytes) -> _Wrapper | None:
    """A command wrapper, or None for what is not a valid one (BOT, 6.2)."""
    if len(data) != _COMMAND.size:
        return None
    signature, tag, length, flags, unit, size, command = _COMMAND.unpack(data)
    if signature != b"USBC" or not 1 <= size <= 16:
        return None
    return _Wrapper(tag, length, bool(flags & 0x80), unit & 0x0F, command)


def _agreed(asked: Sectors, wrapper: _Wrapper) -> bool:
    """Whether wrapper and command speak of the same data (BOT, 6.7: cases 7, 8, 10, 13 are phase errors)."""
    size = asked.count * SECTOR
    return not size or (asked.inward == wrapper.inward and size <= wrapper.length)
