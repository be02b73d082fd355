"""The SCSI commands of a removable disk (SPC-4, SBC-3): what each asks for, answered or refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from hil.cameras.usb.disk import SECTOR, Disk

TEST_UNIT_READY, REQUEST_SENSE, INQUIRY, MODE_SENSE_6 = 0x00, 0x03, 0x12, 0x1A
START_STOP, PREVENT_REMOVAL, FORMAT_CAPACITIES, CAPACITY_10 = 0x1B, 0x1E, 0x23, 0x25
READ_10, WRITE_10, VERIFY_10, SYNCHRONIZE_10, READ_16, WRITE_16 = 0x28, 0x2A, 0x2F, 0x35, 0x88, 0x8A

_READS, _WRITES = {READ_10, READ_16}, {WRITE_10, WRITE_16}
_NEED_MEDIUM = {TEST_UNIT_READY, FORMAT_CAPACITIES, CAPACITY_10, *_READS, *_WRITES}
_SUPPORTED_PAGES, _SERIAL_PAGE = 0x00, 0x80
_NO_UNIT = 0x7F


@dataclass(frozen=True, slots=True)
class Sense:
    """Why a command failed: sense key, additional code and qualifier (SPC-4, 4.5), and the sector it is about."""

    key: int
    code: int
    qualifier: int = 0
    sector: int | None = None

    def as_bytes(self) -> bytes:
        """The fixed format, 18 bytes (SPC-4, 4.5.3)."""
        head = 0x70 | (0x80 if self.sector is not None else 0)
        return struct.pack(">BBBIB4xBB4x", head, 0, self.key, self.sector or 0, 10, self.code, self.qualifier)


NO_SENSE = Sense(0, 0)
UNKNOWN_COMMAND, WRONG_FIELD, OUT_OF_RANGE = Sense(5, 0x20), Sense(5, 0x24), Sense(5, 0x21)
NO_SUCH_UNIT, NO_MEDIUM, WRITE_PROTECTED = Sense(5, 0x25), Sense(2, 0x3A), Sense(7, 0x27)
UNREADABLE = 0x11


class Failed(Exception):
    """The command fails with this sense."""

    def __init__(self, sense: Sense) -> None:
        super().__init__(f"sense {sense.key:x}/{sense.code:02x}/{sense.qualifier:02x}")
        self.sense = sense


@dataclass(frozen=True, slots=True)
class Sectors:
    """A command that moves sectors: ``count`` from ``first`` on, in (a read) or out (a write)."""

    first: int
    count: int
    inward: bool


@dataclass(slots=True)
class Oddities:
    """What is odd about a disk now. Set its fields at any time; they count from the next command on."""

    no_medium: bool = False  # a reader without a card
    sectors: int = 0  # it says that it has so many, whatever it has
    wrong_signatures: int = 0  # so many answers more end with a status that is not signed as one
    phase_errors: int = 0  # so many commands more end with a phase error
    rate: int = 0  # bytes of its medium in a second; 0: as fast as it goes


class Unit:
    """One disk. ``inquiry``: vendor, product and revision; ``serial``: as its device has it; ``commands``: the
    operation codes that came, in order. The caller moves the sectors."""

    def __init__(
        self, disk: Disk, inquiry: tuple[str, str, str], serial: str, oddities: Oddities | None = None
    ) -> None:
        self.disk, self.inquiry, self.serial = disk, inquiry, serial
        self.oddities = oddities or Oddities()
        self.commands: list[int] = []
        self._sense = NO_SENSE

    def take(self, command: bytes) -> bytes | Sectors:
        """Answer a command's bytes: with data, or with the sectors to move. Raises Failed; :meth:`fail` notes it."""
        code = command[0]
        self.commands.append(code)
        if self.oddities.no_medium and code in _NEED_MEDIUM:
            raise Failed(NO_MEDIUM)
        if code in _READS | _WRITES:
            return self._sectors(command)
        if code not in _ANSWERS:
            raise Failed(UNKNOWN_COMMAND)
        return _ANSWERS[code](self, command)

    def fail(self, sense: Sense) -> None:
        """Keep for REQUEST SENSE why the last command failed."""
        self._sense = sense

    @property
    def size(self) -> int:
        """Sectors as it says."""
        return self.oddities.sectors or self.disk.sectors

    def _sectors(self, command: bytes) -> Sectors:
        code = command[0]
        long = code in (READ_16, WRITE_16)
        first, count = struct.unpack_from(">QI", command, 2) if long else struct.unpack_from(">IxH", command, 2)
        if code in _WRITES:
            self.disk.writes.append((first, count))
            if not self.disk.writable:
                raise Failed(WRITE_PROTECTED)
        else:
            self.disk.reads.append((first, count))
        if first + count > self.size:
            raise Failed(OUT_OF_RANGE)
        return Sectors(first, count, code in _READS)

    def _nothing(self, _: bytes) -> bytes:
        return b""

    def _request_sense(self, _: bytes) -> bytes:
        sense, self._sense = self._sense, NO_SENSE
        return sense.as_bytes()

    def _inquiry(self, command: bytes) -> bytes:
        if not command[1] & 1:
            said = _texts(self.inquiry)
            return struct.pack("8B", 0, 0x80, 4, 2, len(said) + 3, 0, 0, 0) + said
        if command[2] == _SUPPORTED_PAGES:
            return bytes((0, _SUPPORTED_PAGES, 0, 2, _SUPPORTED_PAGES, _SERIAL_PAGE))
        if command[2] == _SERIAL_PAGE:
            serial = self.serial.encode("ascii", "replace")
            return bytes((0, _SERIAL_PAGE, 0, len(serial))) + serial
        raise Failed(WRONG_FIELD)

    def _capacity(self, _: bytes) -> bytes:
        return struct.pack(">II", self.size - 1, SECTOR)

    def _format_capacities(self, _: bytes) -> bytes:
        return struct.pack(">3xBII", 8, self.size, 0x02 << 24 | SECTOR)

    def _mode_sense(self, _: bytes) -> bytes:
        return bytes((3, 0, 0 if self.disk.writable else 0x80, 0))


def no_unit(command: bytes) -> bytes:
    """What a device says for a number under which it has no disk (SPC-4, 6.6.2). Raises Failed."""
    if command[0] != INQUIRY:
        raise Failed(NO_SUCH_UNIT)
    return bytes((_NO_UNIT, 0, 4, 2, 31)).ljust(36, b"\0")


def _texts(inquiry: tuple[str, str, str]) -> bytes:
    widths = (8, 16, 4)
    return b"".join(
        text.encode("ascii", "replace")[:width].ljust(width) for text, width in zip(inquiry, widths, strict=True)
    )


_ANSWERS: dict[int, Callable[[Unit, bytes], bytes]] = {
    REQUEST_SENSE: Unit._request_sense,
    INQUIRY: Unit._inquiry,
    CAPACITY_10: Unit._capacity,
    FORMAT_CAPACITIES: Unit._format_capacities,
    MODE_SENSE_6: Unit._mode_sense,
}
_ANSWERS |= dict.fromkeys((TEST_UNIT_READY, START_STOP, PREVENT_REMOVAL, VERIFY_10, SYNCHRONIZE_10), Unit._nothing)
