"""The serial line and the keyboard, without a kernel."""

from __future__ import annotations

import struct

import pytest

from hil.cameras.console import Console
from hil.cameras.plate import Plate
from hil.cameras.specimen import UsbPlate
from hil.cameras.usb.acm import Acm, LineCoding
from hil.cameras.usb.device import Device
from hil.cameras.usb.keyboard import REPORT_DESCRIPTOR, Keyboard
from tests.hil.bench import framed
from tests.hil.usb.kernel import STALL, plugged

EVENTS, INPUT, OUTPUT = 1, 2, 3


def test_a_talker_answers_behind_the_line() -> None:
    console = Console(Plate("BWC-7"))
    acm = Acm(console)
    with plugged(Device(UsbPlate(1, 2), [acm])) as kernel:
        kernel.configure()
        assert kernel.read(EVENTS, 16).data == struct.pack("<BBHHHH", 0xA1, 0x20, 0, 0, 2, 3)
        kernel.write(OUTPUT, framed("> q1 ID")[:5])
        kernel.write(OUTPUT, framed("> q1 ID")[5:])
        answer = b""
        while not answer.endswith(b"\r\n"):
            answer += kernel.read(INPUT, 1024).data
        assert b"serial=BWC-7" in answer
    assert [exchange.request for exchange in console.transcript] == ["ID"]
    with plugged(Device(UsbPlate(1, 2), [acm])) as kernel:  # it can be plugged in again
        kernel.write(OUTPUT, framed("> q2 BATTERY"))
        assert kernel.read(INPUT, 1024).data.startswith(b"< q2 OK")


def test_a_talker_that_hangs_up_leaves_a_silent_line() -> None:
    console = Console(Plate())
    console.faults.hang_up_on = "ID"
    with plugged(Device(UsbPlate(1, 2), [Acm(console)])) as kernel:
        kernel.write(OUTPUT, framed("> q1 ID"))
        console.wait_until(lambda one: bool(one.transcript), 5)
        assert kernel.write(OUTPUT, framed("> q2 ID")).status == 0
        assert kernel.silent()


def test_what_the_host_sets_is_kept() -> None:
    acm = Acm(Console(Plate()))
    with plugged(Device(UsbPlate(1, 2), [acm])) as kernel:
        assert kernel.control(0xA1, 0x21, 0, 0, 7).data == struct.pack("<IBBB", 9600, 0, 0, 8)
        coding = struct.pack("<IBBB", 115200, 2, 1, 7)
        assert kernel.control(0x21, 0x20, 0, 0, 7, coding).status == 0
        assert kernel.control(0xA1, 0x21, 0, 0, 7).data == coding
        assert kernel.control(0x21, 0x22, 1, 0).status == 0
        assert kernel.control(0x21, 0x99, 0, 0).status == STALL
        assert acm.coding == LineCoding(115200, 2, 1, 7) and acm.ready


def test_keys() -> None:
    keyboard = Keyboard("a")
    with plugged(Device(UsbPlate(1, 2), [keyboard])) as kernel:
        assert kernel.control(0x81, 6, 0x2200, 0, 255).data == REPORT_DESCRIPTOR
        assert kernel.control(0x21, 9, 0x0200, 0, 1, b"\2").status == 0
        assert kernel.control(0x21, 10, 0x0400, 0).status == 0
        assert kernel.control(0xA1, 2, 0, 0, 1).data == b"\4"
        kernel.configure()
        keyboard.type("Z0")
        down = [kernel.read(1, 8).data for _ in range(6)]
    assert keyboard.lamps == 2
    assert down[1::2] == [bytes(8)] * 3
    assert [(report[0], report[2]) for report in down[::2]] == [(0, 4), (2, 29), (0, 39)]


def test_there_is_not_a_key_for_everything() -> None:
    with pytest.raises(ValueError, match="ü"):
        Keyboard("ü")
