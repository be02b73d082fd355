"""A card over bulk-only transport, with the host's side by hand: every case of the specification that a host meets."""

from __future__ import annotations

import random
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hil.cameras.specimen import UsbPlate
from hil.cameras.usb.device import Device
from hil.cameras.usb.disk import Disk
from hil.cameras.usb.reach import Reach
from hil.cameras.usb.scsi import Unit
from hil.cameras.usb.storage import Storage
from hil.rigs.faults import Script
from tests.hil.usb.kernel import IN, STALL, Ended, Kernel, command, plugged, read_10, status

SECTORS = 4096
GOOD, FAILED, PHASE_ERROR = 0, 1, 2
IN_PIPE, OUT_PIPE = 1, 2
INQUIRY, SENSE = bytes((0x12, 0, 0, 0, 36, 0)), bytes((0x03, 0, 0, 0, 18, 0))


@dataclass
class Card:
    """A card whose device is plugged into the test."""

    storage: Storage
    content: bytes
    kernel: Kernel
    powered_off: threading.Event = field(default_factory=threading.Event)

    @property
    def unit(self) -> Unit:
        return self.storage.units[0]

    def ask(self, code: bytes, length: int, unit: int = 0) -> tuple[bytes, int, int]:
        """A command with data for us: the data, the residue, the status; a halt is cleared as a host does it."""
        assert self.kernel.write(OUT_PIPE, command(code, length, unit=unit)).status == 0
        got = self.kernel.read(IN_PIPE, length) if length else Ended(0, 0, 0, b"")
        if got.status == STALL:
            assert self.kernel.control(0x02, 1, 0, 0x80 | IN_PIPE).status == 0
        return (got.data, *status(self.kernel.read(IN_PIPE, 13).data))

    def sense(self) -> tuple[int, int, int]:
        """Key, code and sector of REQUEST SENSE."""
        data, _, _ = self.ask(SENSE, 18)
        assert data[0] & 0x7F == 0x70 and data[7] == 10
        return data[2], data[12], struct.unpack_from(">I", data, 3)[0]


@contextmanager
def carded(tmp_path: Path, letters: str = "", *, writable: bool = False, units: int = 1) -> Iterator[Card]:
    content = random.Random(1).randbytes(SECTORS * 512)
    image = tmp_path / "card.img"
    image.write_bytes(content)
    disks = [Disk(image, writable=writable) for _ in range(units)]
    off = threading.Event()
    storage = Storage(
        [Unit(disk, ("Maker", "A camera with a long name", "1"), "SN-1") for disk in disks],
        Reach(Script(letters), SECTORS),
        on_hang=lambda: device.hang(),  # noqa: PLW0108 - it is made below
        on_power=off.set,
    )
    device = Device(UsbPlate(1, 2), [storage])
    with plugged(device) as kernel:
        kernel.configure()
        yield Card(storage, content, kernel, off)
    for disk in disks:
        disk.close()


def test_what_it_says_of_itself(tmp_path: Path) -> None:
    with carded(tmp_path) as card:
        data, residue, ended = card.ask(INQUIRY, 36)
        assert (data[0], data[1], data[4], residue, ended) == (0, 0x80, 31, 0, GOOD)
        assert data[8:36] == b"Maker   A camera with a 1   "
        assert card.ask(bytes((0x12, 1, 0x80, 0, 64, 0)), 64)[0] == b"\0\x80\0\x04SN-1"
        assert card.ask(bytes((0x12, 1, 0x83, 0, 64, 0)), 64)[2] == FAILED
        assert card.ask(bytes((0x25, *bytes(9))), 8)[0] == struct.pack(">II", SECTORS - 1, 512)
        assert card.ask(bytes((0x23, *bytes(9))), 12)[0] == struct.pack(">III", 8, SECTORS, 0x02000200)
        assert card.ask(bytes((0x1A, 0, 0x3F, 0, 192, 0)), 192) == (b"\3\0\x80\0", 188, GOOD)
        assert card.ask(bytes(6), 0) == (b"", 0, GOOD)
        assert card.kernel.control(0xA1, 0xFE, 0, 0, 1).data == b"\0"
        assert card.unit.commands == [0x12, 0x12, 0x12, 0x25, 0x23, 0x1A, 0]


def test_reading(tmp_path: Path) -> None:
    with carded(tmp_path) as card:
        assert card.ask(read_10(8, 16), 8192) == (card.content[4096:12288], 0, GOOD)
        long = struct.pack(">BxQIxx", 0x88, SECTORS - 1, 1)
        assert card.ask(long, 512) == (card.content[-512:], 0, GOOD)
        assert card.storage.given == 17 * 512 and card.unit.disk.reads == [(8, 16), (SECTORS - 1, 1)]
        assert card.ask(read_10(0, 1), 1024) == (card.content[:512], 512, GOOD)  # less than was expected: a halt
        assert card.ask(read_10(SECTORS, 1), 512) == (b"", 512, FAILED)
        assert card.sense() == (5, 0x21, 0)
        assert card.sense() == (0, 0, 0)


def test_one_command_in_several_urbs(tmp_path: Path) -> None:
    with carded(tmp_path) as card:
        card.kernel.write(OUT_PIPE, command(read_10(0, 16), 8192))
        parts = [card.kernel.read(IN_PIPE, 1024).data for _ in range(8)]
        assert b"".join(parts) == card.content[:8192]
        assert status(card.kernel.read(IN_PIPE, 13).data) == (0, GOOD)


def test_writing(tmp_path: Path) -> None:
    write = struct.pack(">BxIxHx", 0x2A, 3, 2)
    with carded(tmp_path, writable=True) as card:
        card.kernel.write(OUT_PIPE, command(write, 1024, inward=False))
        card.kernel.write(OUT_PIPE, b"a" * 512)
        card.kernel.write(OUT_PIPE, b"b" * 512)
        assert status(card.kernel.read(IN_PIPE, 13).data) == (0, GOOD)
        assert card.unit.disk.image.read_bytes()[1536:2560] == b"a" * 512 + b"b" * 512
        assert card.ask(bytes((0x1A, 0, 0x3F, 0, 192, 0)), 192)[0] == b"\3\0\0\0"
    with carded(tmp_path) as card:
        card.kernel.write(OUT_PIPE, command(write, 1024, inward=False))
        card.kernel.write(OUT_PIPE, bytes(1024))
        assert status(card.kernel.read(IN_PIPE, 13).data) == (1024, FAILED)
        assert card.sense()[:2] == (7, 0x27)
        assert card.unit.disk.image.read_bytes() == card.content
        assert card.unit.disk.writes == [(3, 2)]


def test_an_unknown_command_and_an_unknown_disk(tmp_path: Path) -> None:
    with carded(tmp_path, units=2) as card:
        assert card.ask(bytes((0xEE, *bytes(5))), 64) == (b"", 64, FAILED)
        assert card.sense()[:2] == (5, 0x20)
        assert card.kernel.control(0xA1, 0xFE, 0, 0, 1).data == b"\1"
        assert card.ask(read_10(0, 1), 512, unit=1)[0] == card.content[:512]
        assert card.ask(INQUIRY, 36, unit=2)[0][0] == 0x7F
        assert card.ask(bytes(6), 0, unit=2)[2] == FAILED


def test_what_host_and_command_disagree_about_is_a_phase_error(tmp_path: Path) -> None:
    with carded(tmp_path) as card:
        assert card.ask(read_10(0, 4), 512) == (b"", 512, PHASE_ERROR)
        card.kernel.write(OUT_PIPE, command(read_10(0, 1), 512, inward=False))
        card.kernel.write(OUT_PIPE, bytes(512))
        assert status(card.kernel.read(IN_PIPE, 13).data) == (512, PHASE_ERROR)


def test_what_is_no_command_halts_both_ways_until_a_reset(tmp_path: Path) -> None:
    with carded(tmp_path) as card:
        card.kernel.write(OUT_PIPE, b"USBX" + command(INQUIRY, 36)[4:])
        assert card.kernel.read(IN_PIPE, 13).status == STALL
        assert card.kernel.control(0x21, 0xFF, 0, 0).status == 0
        for address in (0x80 | IN_PIPE, OUT_PIPE):
            assert card.kernel.control(0x02, 1, 0, address).status == 0
        assert card.ask(INQUIRY, 36)[2] == GOOD


def test_a_reset_ends_a_command(tmp_path: Path) -> None:
    with carded(tmp_path, "SSSS") as card:
        for _ in range(20):
            card.kernel.write(OUT_PIPE, command(read_10(0, 2048), 1 << 20))
            assert card.kernel.control(0x21, 0xFF, 0, 0).status == 0
            assert card.kernel.control(0x02, 1, 0, 0x80 | IN_PIPE).status == 0
            assert card.ask(INQUIRY, 36)[2] == GOOD
            card.kernel.write(OUT_PIPE, command(read_10(0, 2048), 1 << 20))
            card.kernel.configure()
            assert card.ask(INQUIRY, 36)[2] == GOOD


def test_an_error_once_and_an_error_each_time(tmp_path: Path) -> None:
    for letter, again in (("E", GOOD), ("B", FAILED)):
        with carded(tmp_path, letter) as card:
            data, residue, ended = card.ask(read_10(1000, 240), 240 * 512)
            assert (len(data), ended) == (240 * 512, GOOD)
            data, residue, ended = card.ask(read_10(0, 1000), 1000 * 512)
            assert (data, residue, ended) == (card.content[: 784 * 512], 216 * 512, FAILED)
            assert card.sense() == (3, 0x11, 784)
            assert card.ask(read_10(784, 1), 512)[2] == again


def test_one_bit_once(tmp_path: Path) -> None:
    with carded(tmp_path, "F") as card:
        data, _, ended = card.ask(read_10(1000, 100), 51200)
        assert ended == GOOD and data == card.content[512000:563200]
        data = card.ask(read_10(0, 1000), 512000)[0]
        wrong = [index for index in range(512000) if data[index] != card.content[index]]
        assert wrong == [(1024 - 100) * 512]
        assert card.ask(read_10(0, 1000), 512000)[0] == card.content[:512000]


def test_a_slow_step(tmp_path: Path) -> None:
    with carded(tmp_path, "S") as card:
        took = []
        for _ in range(2):
            began = time.monotonic()
            assert card.ask(read_10(0, 2048), 1 << 20)[2] == GOOD
            took.append(time.monotonic() - began)
        assert took[0] > 0.95 and took[1] < 0.5
        card.unit.oddities.rate = 1 << 20
        began = time.monotonic()
        card.ask(read_10(0, 1024), 1 << 19)
        assert time.monotonic() - began > 0.45


def test_a_pull_gives_what_came_before_it_and_no_status(tmp_path: Path) -> None:
    with carded(tmp_path, "U") as card:
        assert card.ask(read_10(0, 1000), 512000)[2] == GOOD
        card.kernel.submit(IN, IN_PIPE, 240 * 512)
        card.kernel.submit(0, OUT_PIPE, 31, data=command(read_10(1000, 240), 240 * 512))
        assert card.kernel.closed()
        assert card.storage.given == 1 << 19


def test_a_hang_and_a_loss_of_power(tmp_path: Path) -> None:
    with carded(tmp_path, "H") as card:
        card.kernel.write(OUT_PIPE, command(read_10(0, 1100), 1100 * 512))
        card.kernel.submit(IN, IN_PIPE, 1100 * 512)
        assert card.kernel.silent()
        card.kernel.submit(IN, 0, 18, struct.pack("<BBHHH", 0x80, 6, 0x0100, 0, 18))
        assert card.kernel.silent()
    with carded(tmp_path, "P") as card:
        card.kernel.write(OUT_PIPE, command(read_10(0, 1100), 1100 * 512))
        card.kernel.submit(IN, IN_PIPE, 1100 * 512)
        assert card.powered_off.wait(5)


def test_oddities(tmp_path: Path) -> None:
    with carded(tmp_path) as card:
        odd = card.unit.oddities
        odd.no_medium = True
        assert card.ask(read_10(0, 1), 512)[2] == FAILED and card.sense()[:2] == (2, 0x3A)
        assert card.ask(INQUIRY, 36)[2] == GOOD
        odd.no_medium, odd.sectors = False, 2 * SECTORS
        assert card.ask(bytes((0x25, *bytes(9))), 8)[0] == struct.pack(">II", 2 * SECTORS - 1, 512)
        assert card.ask(read_10(SECTORS, 1), 512) == (bytes(512), 0, GOOD)
        odd.phase_errors, odd.wrong_signatures = 1, 0
        assert [card.ask(bytes(6), 0)[2] for _ in range(2)] == [PHASE_ERROR, GOOD]
        odd.wrong_signatures = 1
        with pytest.raises(AssertionError):
            card.ask(bytes(6), 0)
        assert card.ask(bytes(6), 0)[2] == GOOD
