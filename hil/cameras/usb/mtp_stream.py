"""Bytes of an object on their way to the host, and what a script does to them (:mod:`hil.rigs.faults`)."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable
from dataclasses import dataclass

from hil.cameras.usb.disk import SECTOR
from hil.cameras.usb.mtp_answers import Bytes
from hil.cameras.usb.reach import Reach, Stretch

Data = bytes | memoryview
PIECE = 64 << 10  # bytes that a slow camera gives at a time
_SLOW_S = 1.0  # how long a slow step takes


class Ended(Exception):
    """The host cancelled or left, or a fault ended the answer without a word."""


class Failed(Exception):
    """The medium could not be read: the data phase ends early, and the response says so."""


class DataPhase:
    """One data phase on the bulk-in endpoint. ``send`` takes whole packets, and at the end what is left.

    ``zero``: a phase of whole packets is ended by an empty one (PIMA 15740, D.3.2).
    """

    def __init__(self, send: Callable[[Data], None], packet: int, zero: bool) -> None:
        self._send, self._packet, self._zero = send, packet, zero
        self._rest = b""

    def write(self, data: Data) -> None:
        """Add bytes. A long run goes on as it is, uncopied: an object need not fit into memory."""
        head = self._packet - len(self._rest)
        if len(data) < head:
            self._rest += bytes(data)
            return
        self._send(self._rest + bytes(data[:head]))
        end = head + (len(data) - head) // self._packet * self._packet
        if end > head:
            self._send(data[head:end])
        self._rest = bytes(data[end:])

    def flush(self) -> None:
        """End a packet here, though it is short."""
        if self._rest:
            self._send(self._rest)
        self._rest = b""

    def end(self) -> None:
        """The phase is over."""
        if self._rest or self._zero:
            self._send(self._rest)


@dataclass(frozen=True, slots=True)
class Acts:
    """What the letters H, U and P do."""

    hang: Callable[[], None]
    leave: Callable[[], None]
    power: Callable[[], None]


class Giver:
    """Gives bytes of objects into data phases, along a script. ``given``: how many it gave."""

    def __init__(self, reach: Reach | None, acts: Acts) -> None:
        self._reach, self._acts = reach, acts
        self.given = 0

    def give(self, what: Bytes, sector: int | None, phase: DataPhase, stop: threading.Event) -> None:
        """Give them all. ``sector``: where the object lies for the script. Raises Ended or Failed."""
        body = _mapped(what)
        if self._reach is None or sector is None:
            self._hand(body, phase, stop)
            return
        at, end = what.offset, what.offset + what.count
        while at < end:
            first = sector + at // SECTOR
            ahead = self._reach.ahead(first, sector + -(-end // SECTOR) - first)
            well = min(end, (at // SECTOR + ahead.sectors) * SECTOR)
            if well > at:
                self._stretch(body[at - what.offset : well - what.offset], ahead, phase, stop)
                self._reach.gave(first, ahead.sectors)
                at = well
            if ahead.letter and at < end:
                self._strike(ahead.letter, sector + at // SECTOR, phase)
                flipped = bytes((body[at - what.offset] ^ 1,))
                self._hand(flipped, phase, stop)
                at += 1

    def _stretch(self, body: Data, ahead: Stretch, phase: DataPhase, stop: threading.Event) -> None:
        """Give what is well, slowly if the letter says so."""
        assert self._reach is not None
        piece = PIECE if ahead.slowly else len(body)
        for at in range(0, len(body), piece):
            part = body[at : at + piece]
            if ahead.slowly and stop.wait(_SLOW_S * len(part) / self._reach.script.step):
                raise Ended
            self._hand(part, phase, stop)

    def _strike(self, letter: str, sector: int, phase: DataPhase) -> None:
        """Let a letter take effect; returns only for a bit that is to be flipped."""
        assert self._reach is not None
        self._reach.struck(letter, sector)
        if letter == "F":
            return
        if letter in "EB":
            raise Failed
        phase.flush()
        {"H": self._acts.hang, "U": self._acts.leave, "P": self._acts.power}[letter]()
        raise Ended

    def _hand(self, body: Data, phase: DataPhase, stop: threading.Event) -> None:
        if stop.is_set():
            raise Ended
        phase.write(body)
        self.given += len(body)


def _mapped(what: Bytes) -> Data:
    """The bytes without reading them: a view of the mapped file."""
    if not what.count:
        return b""
    with what.object.path.open("rb") as file:
        whole = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    return memoryview(whole)[what.offset : what.offset + what.count]
