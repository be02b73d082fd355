"""What else a camera on the virtual controller can be: a console, a keyboard, files, two cards, another device."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import serial

from hil.cameras.console import Console
from hil.cameras.plate import Plate
from hil.cameras.usb.acm import Acm
from hil.rigs.faults import Script
from hil.rigs.usbip import Habits, UsbipRig, lacks
from tests.hil.bench import Dock
from tests.rigs.readers import MIB, TREE, a_camera, device, disk, gone, until

pytestmark = pytest.mark.skipif(bool(lacks()), reason=f"{lacks()} (python -m hil.rigs.uml -- pytest …)")

CLAIM_INTERFACE, BULK = 0x8004550F, 0xC0185502  # linux/usbdevice_fs.h, 64 bit
KEY_PRESS = struct.Struct("llHHi")  # struct input_event, linux/input.h
EV_KEY = 1
RULES = "60-dockagent.rules"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[UsbipRig]:
    rig = UsbipRig(tmp_path / "rig")
    yield rig
    rig.close()
    until(lambda: all(gone(place.port) for place in rig.places), "all ports empty again")


def test_a_console_answers_over_a_real_serial_line(rig: UsbipRig, tmp_path: Path) -> None:
    console = Console(Plate("BWC-0001"))
    camera = a_camera(tmp_path, functions=("storage", "acm"), talker=console)
    stay = rig.plug("bay03", camera, Script())
    port = rig.places[2].port
    until(lambda: device(port).terminals, "a serial line")
    acm = next(one for one in stay.device.functions if isinstance(one, Acm))
    with serial.Serial(f"/dev/{device(port).terminals[0]}", 115200, timeout=10) as line:
        assert "serial=BWC-0001" in Dock(line).ask("ID")
        assert acm.coding.baud == 115200 and acm.ready
        until(lambda: line.cd and line.dsr, "the carrier")
    until(lambda: not acm.ready, "DTR low again")
    assert disk(port).exists()  # both at once
    stay.unplug()
    until(lambda: gone(port), "the port empty")
    assert [exchange.request for exchange in console.transcript] == ["ID"]


def test_a_keyboard_types(rig: UsbipRig, tmp_path: Path) -> None:
    rig.habits["one"] = Habits(text="")
    stay = rig.plug("bay01", a_camera(tmp_path, functions=("keyboard",)), Script())
    port = rig.places[0].port
    until(lambda: _keys(port), "an input device")
    with _keys(port)[0].open("rb", buffering=0) as keys:
        os.set_blocking(keys.fileno(), False)
        assert stay.keyboard is not None
        stay.keyboard.type("Ab1\n")
        pressed: list[int] = []
        until(lambda: _pressed(keys.fileno(), pressed) and 28 in pressed, "Enter")
    assert pressed == [42, 30, 48, 2, 28]  # left Shift, A, B, 1, Enter: linux/input-event-codes.h


def test_a_card_that_types_is_silenced_by_the_dock_s_rules(rig: UsbipRig, tmp_path: Path) -> None:
    """``60-dockagent.rules`` takes the keyboard away from what is a disk too, and leaves the disk."""
    if not any((Path(folder) / RULES).exists() for folder in ("/run/udev/rules.d", "/etc/udev/rules.d")):
        pytest.skip(f"{RULES} is not installed here; the guest has it")
    rig.plug("bay01", a_camera(tmp_path, functions=("storage", "keyboard")), Script())
    port = rig.places[0].port
    allowed = device(port).folder / f"{port}:1.1" / "authorized"
    until(lambda: allowed.exists() and allowed.read_text() == "0\n", "the keyboard switched off")
    until(lambda: not _keys(port), "its input device gone")
    assert (device(port).folder / f"{port}:1.0" / "authorized").read_text() == "1\n"
    assert disk(port).exists()


def _keys(port: str) -> list[Path]:
    """The nodes of the input devices at a port that are there."""
    nodes = (Path("/dev/input") / event.name for event in device(port).folder.glob("*/*/input/input*/event*"))
    return [node for node in nodes if node.exists()]


def _pressed(file: int, pressed: list[int]) -> list[int]:
    """Add the keys that went down since the last time."""
    data = b""
    with suppress(BlockingIOError):
        data = os.read(file, KEY_PRESS.size * 64)
    for _, _, kind, code, value in KEY_PRESS.iter_unpack(data):
        if (kind, value) == (EV_KEY, 1):
            pressed.append(code)
    return pressed


def test_a_camera_changes_its_mode_on_its_port_after_its_dialogue(rig: UsbipRig, tmp_path: Path) -> None:
    then = a_camera(tmp_path, "disk", product=0x2002)
    stay = rig.plug("bay02", a_camera(tmp_path, functions=("bulk",), product=0x0001, then=then), Script())
    port = rig.places[1].port
    number = int((device(port).folder / "devnum").read_text())
    node = Path(f"/dev/bus/usb/{int(port.partition('-')[0]):03}/{number:03}")
    until(node.exists, str(node))
    assert not device(port).disks
    file = os.open(node, os.O_RDWR)
    try:
        fcntl.ioctl(file, CLAIM_INTERFACE, struct.pack("I", 0))
        assert _bulk(file, 0x01, b"@Ver;8;00000000;#") == 17
        assert _bulk_in(file, 0x82) == b"@Ver;OK;#"
        _bulk(file, 0x01, b"@ATH;8;12345678;#")
        assert _bulk_in(file, 0x82) == b"@ATH;OK;#"
    finally:
        os.close(file)
    until(lambda: (there := TREE.device(port)) is not None and there.product == 0x2002, "the other identity")
    assert disk(port).exists() and stay.there and stay.storage is not None


def _bulk(file: int, endpoint: int, data: bytes) -> int:
    return _transfer(file, endpoint, ctypes.create_string_buffer(data, len(data)))


def _bulk_in(file: int, endpoint: int) -> bytes:
    buffer = ctypes.create_string_buffer(512)
    count = _transfer(file, endpoint, buffer)
    return buffer.raw[:count]


def _transfer(file: int, endpoint: int, buffer: ctypes.Array[ctypes.c_char]) -> int:
    """struct usbdevfs_bulktransfer; a mutable argument makes ioctl give the kernel's answer, the bytes moved."""
    asked = bytearray(struct.pack("IIIxxxxQ", endpoint, len(buffer), 5000, ctypes.addressof(buffer)))
    return int(fcntl.ioctl(file, BULK, asked))


def test_an_mtp_camera_says_that_it_is_one(rig: UsbipRig, tmp_path: Path) -> None:
    rig.plug("bay01", a_camera(tmp_path, functions=("mtp",)), Script())
    folder = device(rig.places[0].port).folder
    until(lambda: list(folder.glob("*:1.0/interface")), "its interface")
    assert [path.read_text() for path in folder.glob("*:1.0/interface")] == ["MTP\n"]


def test_two_cards_in_one_camera(rig: UsbipRig, tmp_path: Path) -> None:
    second = tmp_path / "second.img"
    second.write_bytes(b"second".ljust(3 * MIB, b"\0"))
    rig.habits["one"] = Habits(second=second)
    rig.plug("bay01", a_camera(tmp_path), Script())
    node = disk(rig.places[0].port, 1)
    with node.open("rb") as file:
        assert file.read(6) == b"second"
    assert disk(rig.places[0].port, 0) != node


def test_a_reader_without_a_card_and_a_card_that_lies_about_its_size(rig: UsbipRig, tmp_path: Path) -> None:
    stay = rig.plug("bay01", a_camera(tmp_path), Script())
    port = rig.places[0].port
    true_size = _sectors(disk(port))
    stay.unplug()
    until(lambda: gone(port), "the port empty")
    rig.habits["one"].oddities.sectors = 1 << 24
    rig.plug("bay01", a_camera(tmp_path), Script())
    assert _sectors(disk(port)) == 1 << 24 != true_size
    rig.close()
    until(lambda: gone(port), "the port empty")
    rig.habits["one"].oddities.no_medium = True
    rig.plug("bay01", a_camera(tmp_path), Script())
    until(lambda: device(port).disks, "a disk")
    assert _sectors(Path(device(port).disks[0])) == 0


def _sectors(node: Path) -> int:
    return int(Path(f"/sys/block/{node.name}/size").read_text())


def test_another_serial_at_each_plug(rig: UsbipRig, tmp_path: Path) -> None:
    rig.habits["one"] = Habits(new_serials=True)
    port, seen = rig.places[0].port, []
    for _ in range(2):
        stay = rig.plug("bay01", a_camera(tmp_path), Script())
        seen.append(device(port).serial)
        stay.unplug()
        until(lambda: gone(port), "the port empty")
    assert seen == ["SN-one1", "SN-one2"]


def test_answers_with_a_wrong_status_are_asked_for_again(rig: UsbipRig, tmp_path: Path) -> None:
    stay = rig.plug("bay01", a_camera(tmp_path), Script())
    node = disk(rig.places[0].port)
    oddities = rig.habits["one"].oddities
    for fault in ("wrong_signatures", "phase_errors"):
        setattr(oddities, fault, 1)
        Path("/proc/sys/vm/drop_caches").write_text("3")
        with node.open("rb") as file:
            assert len(file.read(MIB)) == MIB
        assert getattr(oddities, fault) == 0
    assert stay.there
