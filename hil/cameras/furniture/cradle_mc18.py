"""A Zebra MC18/PS20 locking cradle: its packets, its latch, its LEDs, and what it knows of itself.

A latch is open for a time and then holds again by itself; the cradle has no command that would leave it open.
"""

from __future__ import annotations

import struct
import threading
import time
from dataclasses import dataclass, replace
from functools import reduce
from operator import xor

from hil.cameras.furniture.port import OnALine
from hil.cameras.terminal import Line

ACK = b""
FEWEST, MOST = 10, 30
"""Seconds that a latch may be asked to stay open."""


@dataclass(slots=True)
class Faults:
    """What is wrong with the cradle now. Set its fields at any time."""

    silent: int = 0  # so many packets more are not answered
    wrong_checks: int = 0  # so many answers more have a wrong check
    noise: bytes = b""  # sent before every answer
    byte_delay: float = 0.0  # seconds before each byte of an answer
    answer: bytes | None = None  # the data of every answer, whatever was asked


@dataclass(slots=True)
class Knows:
    """What the cradle says of itself; numbers as they are on the wire."""

    part: bytes = b"CRD-MC18-1SLOT-01\0"
    serial: bytes = b"210355230239620"
    hardware: int = 1
    firmware: tuple[int, int] = (5, 1)
    row: int = 0xFFFF
    column: int = 0xFFFE
    wall: int = 0xFFFD
    state: int = 0x30
    supply: int = 710
    logic: int = 667


@dataclass(frozen=True, slots=True)
class Opening:
    """One release of the latch: for how long, and how the LEDs blink meanwhile (milliseconds)."""

    seconds: int
    on_ms: int
    off_ms: int
    fade: bool


class Cradle(OnALine):
    """Answers on its line while it is open. ``openings``: every release; ``flashes``: cycles asked for; ``asked``: the
    commands that came with a right check."""

    def __init__(self) -> None:
        super().__init__()
        self.knows, self.faults = Knows(), Faults()
        self.openings: tuple[Opening, ...] = ()
        self.flashes: tuple[int, ...] = ()
        self.lit = False
        self.asked: tuple[int, ...] = ()
        self._open_until = float("-inf")
        self._lock = threading.Lock()

    def unlatched(self) -> bool:
        """Whether a device could be taken now."""
        return time.monotonic() < self._open_until

    def _serve(self, data: bytes, line: Line) -> None:
        self._came = (self._came + data)[-256:]
        while (found := take_packet(self._came)) is not None:
            command, payload, self._came = found
            with self._lock:
                self.asked += (command,)
            said = self._answer(command, payload)
            self._reply(said, line)

    def _reply(self, said: bytes | None, line: Line) -> None:
        faults = replace(self.faults)
        if faults.silent or said is None:
            self.faults.silent = max(faults.silent - 1, 0)
            return
        self.faults.wrong_checks = max(faults.wrong_checks - 1, 0)
        line.send(faults.noise)
        data = said if faults.answer is None else faults.answer
        line.send(answer_packet(data, spoil=faults.wrong_checks > 0), faults.byte_delay)

    def _answer(self, command: int, payload: bytes) -> bytes | None:
        """The data of the answer; None for what the cradle does not know, to which it says nothing."""
        if command == 0x65:
            return self._release(payload)
        if command == 0x76 and len(payload) == 7:
            self.flashes, self.lit = (*self.flashes, int.from_bytes(payload[4:6], "big")), True
            return ACK
        if command == 0x81:
            self.lit = False
            return ACK
        knows = self.knows
        told = {
            **{0x66: knows.part, 0x69: knows.serial, 0x77: bytes(knows.firmware)},
            **{0x6D: bytes((knows.hardware,)), 0x71: bytes((knows.state,))},
            **{code: struct.pack(">H", value) for code, value in self._numbers().items()},
        }
        return told.get(command)

    def _numbers(self) -> dict[int, int]:
        knows = self.knows
        places = {0x6F: knows.row, 0x70: knows.column, 0x7E: knows.wall}
        return places | {0x7A: knows.supply, 0x7B: knows.logic, 0x7C: 0}

    def _release(self, payload: bytes) -> bytes | None:
        if len(payload) != 6 or not FEWEST <= payload[0] <= MOST:
            return None
        seconds, on_ms, off_ms, fade = struct.unpack(">BHHB", payload)
        self.openings += (Opening(seconds, on_ms, off_ms, bool(fade)),)
        self._open_until = time.monotonic() + seconds
        return ACK


def take_packet(came: bytes) -> tuple[int, bytes, bytes] | None:
    """Command, data and what follows, of the first right packet; None if there is none yet. Its last byte is 00."""
    for start in range(len(came) - 5):
        end = start + came[start + 2]
        packet, last = came[start:end], came[end : end + 1]
        framed = packet[:1] == b"\x01" and len(packet) >= 5 and packet[-2] == 3 and last == b"\0"
        if framed and reduce(xor, packet[:-1]) == packet[-1]:
            return packet[1], packet[3:-2], came[end + 1 :]
    return None


def answer_packet(data: bytes, *, spoil: bool = False) -> bytes:
    """An answer as it travels; with a check that is wrong by one bit if ``spoil``."""
    body = bytes((1, len(data) + 5, 7)) + data + b"\x03"
    return body + bytes((reduce(xor, body) ^ spoil,))
