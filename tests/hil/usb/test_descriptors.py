"""Descriptors taken apart by hand, as USB 2.0, chapter 9 has them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from hil.cameras.console import Console
from hil.cameras.plate import Plate
from hil.cameras.specimen import UsbPlate
from hil.cameras.usb import Endpoint, Function, Interface
from hil.cameras.usb.acm import Acm
from hil.cameras.usb.descriptors import lay_out
from hil.cameras.usb.keyboard import REPORT_DESCRIPTOR, Keyboard

PLATE = UsbPlate(0x2E1A, 0x1001, 0x0123, "Made Up", "BodyCam Ü", "SN-1")


class Plain(Function):
    def __init__(self, *interfaces: Interface) -> None:
        super().__init__()
        self.interfaces = interfaces

    def received(self, endpoint: int, data: bytes) -> None:
        raise AssertionError


def pieces(configuration: bytes) -> Iterator[bytes]:
    while configuration:
        assert 2 <= configuration[0] <= len(configuration)
        yield configuration[: configuration[0]]
        configuration = configuration[configuration[0] :]


DISK = Interface((8, 6, 0x50), (Endpoint("bulk-in"), Endpoint("bulk-out")))


def test_a_disk_alone() -> None:
    layout = lay_out(PLATE, [Plain(DISK)])
    assert struct.unpack("<BBH4BHHH4B", layout.device) == (
        *(18, 1, 0x0200, 0, 0, 0, 64, 0x2E1A, 0x1001, 0x0123),
        *(1, 2, 3, 1),
    )
    assert layout.qualifier == bytes((10, 6, 0, 2, 0, 0, 0, 64, 1, 0))
    head, interface, first, second = pieces(layout.configuration)
    assert struct.unpack("<BBHBBBBB", head) == (9, 2, len(layout.configuration), 1, 1, 0, 0x80, 250)
    assert interface == bytes((9, 4, 0, 0, 2, 8, 6, 0x50, 0))
    assert (first, second) == (bytes((7, 5, 0x81, 2, 0, 2, 0)), bytes((7, 5, 0x02, 2, 0, 2, 0)))
    assert layout.strings[0] == bytes((4, 3, 9, 4))
    assert [text[2:].decode("utf-16-le") for text in layout.strings[1:]] == ["Made Up", "BodyCam Ü", "SN-1"]
    assert all(text[:2] == bytes((len(text), 3)) for text in layout.strings)


def test_a_serial_line_behind_a_disk_is_one_function_with_its_own_numbers() -> None:
    layout = lay_out(PLATE, [Plain(DISK), Acm(Console(Plate()))])
    assert layout.device[4:7] == bytes((0xEF, 2, 1))
    parts = list(pieces(layout.configuration))
    assert bytes((8, 11, 1, 2, 2, 2, 1, 0)) in parts
    assert bytes((5, 0x24, 6, 1, 2)) in parts  # the union: interface 1 rules interface 2
    assert bytes((5, 0x24, 1, 0, 2)) in parts
    numbers = [part[2] for part in parts if part[1] == 4]
    addresses = [part[2] for part in parts if part[1] == 5]
    assert numbers == [0, 1, 2] and layout.owners == (0, 1, 1) and layout.firsts == (0, 1)
    assert addresses == [0x81, 0x02, 0x83, 0x84, 0x05]


def test_a_keyboard_says_how_long_its_report_descriptor_is() -> None:
    parts = list(pieces(lay_out(PLATE, [Keyboard()]).configuration))
    assert parts[2] == struct.pack("<BBHBBBH", 9, 0x21, 0x0111, 0, 1, 0x22, len(REPORT_DESCRIPTOR))


def test_a_device_without_strings_has_no_numbers_for_them() -> None:
    layout = lay_out(UsbPlate(1, 2), [Plain(Interface((8, 6, 0x50), (), text="one"))])
    assert layout.device[14:17] == bytes(3)
    assert layout.configuration[-1] == 1 and len(layout.strings) == 2


def test_what_cannot_be_a_device_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a function"):
        lay_out(PLATE, [])
    with pytest.raises(ValueError, match="16 endpoints"):
        lay_out(PLATE, [Plain(DISK)] * 8)
