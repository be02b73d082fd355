"""What a device says of itself: its descriptors, put together from its functions (USB 2.0, 9.6), and who is behind
which endpoint and interface."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from hil.cameras.specimen import UsbPlate
from hil.cameras.usb import Endpoint, Function, Interface

DEVICE, CONFIGURATION, STRING, INTERFACE, ENDPOINT, QUALIFIER = 1, 2, 3, 4, 5, 6
ASSOCIATION = 11  # USB interface association ECN
IN = 0x80
MOST_ENDPOINTS = 15

_CONTROL_PACKET = 64
_ENGLISH = b"\x04\x03\x09\x04"
_LONGEST_STRING = 126  # characters: bLength is one byte
_ATTRIBUTES = {"bulk-in": 2, "bulk-out": 2, "interrupt-in": 3}
_BUS_POWERED, _MILLIAMPERE_2 = 0x80, 250
_CDC, _CALL_MANAGEMENT, _UNION = 2, 1, 6
_SINGLE, _COMPOSITE = (0, 0, 0), (0xEF, 2, 1)


@dataclass(frozen=True, slots=True)
class Wired:
    """One endpoint as it is on the wire: its address, and of which ``function`` it is number ``endpoint``."""

    address: int
    function: int
    endpoint: int
    size: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A device's descriptors as bytes, and its tables. ``firsts``: the number of each function's first interface;
    ``owners``: for each interface the function that it belongs to."""

    device: bytes
    qualifier: bytes
    configuration: bytes
    strings: tuple[bytes, ...]
    wired: tuple[Wired, ...]
    firsts: tuple[int, ...]
    owners: tuple[int, ...]

    def descriptor(self, value: int) -> bytes | None:
        """What GET_DESCRIPTOR with this wValue gives; None for what there is not (USB 2.0, 9.4.3)."""
        kind, index = value >> 8, value & 0xFF
        if kind == STRING:
            return self.strings[index] if index < len(self.strings) else None
        return {DEVICE: self.device, CONFIGURATION: self.configuration, QUALIFIER: self.qualifier}.get(kind)


class _Strings:
    """The strings in the order of their first use; index 0 is the table of languages."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def index(self, text: str) -> int:
        if not text:
            return 0
        if text not in self._texts:
            self._texts.append(text)
        return self._texts.index(text) + 1

    def descriptors(self) -> tuple[bytes, ...]:
        return (_ENGLISH, *(_descriptor(STRING, _utf16(text)) for text in self._texts))


def lay_out(plate: UsbPlate, functions: Sequence[Function]) -> Layout:
    """Put a high-speed device together. Endpoints are numbered from 1 in the order of functions and interfaces, each
    with a number of its own. A function of several interfaces gets an interface association.

    Raises ValueError for a device without a function, and where endpoints run out.
    """
    if not functions:
        raise ValueError("a device needs a function")
    strings = _Strings()
    maker, name, serial = (strings.index(text) for text in (plate.manufacturer, plate.name, plate.serial))
    body, firsts = b"", []
    wired: list[Wired] = []
    owners: list[int] = []
    for number, function in enumerate(functions):
        firsts.append(len(owners))
        mine = _wire(function, number, len(wired))
        body += _function(function, firsts[-1], mine, strings)
        wired += mine
        owners += [number] * len(function.interfaces)
    if len(wired) > MOST_ENDPOINTS:
        raise ValueError(f"{len(wired)} endpoints; a device has at most {MOST_ENDPOINTS} numbers for them")
    triple = _COMPOSITE if any(len(one.interfaces) > 1 for one in functions) else _SINGLE
    ids = struct.pack("<HHH4B", plate.vendor, plate.product, plate.device, maker, name, serial, 1)
    head = struct.pack("<H4B", 0x0200, *triple, _CONTROL_PACKET)
    whole = struct.pack("<HBBBBB", 9 + len(body), len(owners), 1, 0, _BUS_POWERED, _MILLIAMPERE_2)
    return Layout(
        device=_descriptor(DEVICE, head + ids),
        qualifier=_descriptor(QUALIFIER, head + bytes((1, 0))),
        configuration=_descriptor(CONFIGURATION, whole) + body,
        strings=strings.descriptors(),
        wired=tuple(wired),
        firsts=tuple(firsts),
        owners=tuple(owners),
    )


def _wire(function: Function, number: int, taken: int) -> list[Wired]:
    endpoints = [endpoint for interface in function.interfaces for endpoint in interface.endpoints]
    return [
        Wired(taken + index + 1 | (0 if one.pipe == "bulk-out" else IN), number, index, one.size)
        for index, one in enumerate(endpoints)
    ]


def _function(function: Function, first: int, wired: Sequence[Wired], strings: _Strings) -> bytes:
    said = b""
    if len(function.interfaces) > 1:
        count = len(function.interfaces)
        said += _descriptor(ASSOCIATION, bytes((first, count, *function.interfaces[0].triple, 0)))
    addresses = iter(wired)
    for offset, interface in enumerate(function.interfaces):
        said += _interface(interface, first + offset, offset, strings)
        said += b"".join(_endpoint(one, next(addresses).address) for one in interface.endpoints)
    return said


def _interface(interface: Interface, number: int, own: int, strings: _Strings) -> bytes:
    """``number``: among all of the device; ``own``: among those of its function."""
    text = strings.index(interface.text)
    said = bytes((number, 0, len(interface.endpoints), *interface.triple, text))
    extra = _renumbered(interface.extra, number - own) if interface.triple[0] == _CDC else interface.extra
    return _descriptor(INTERFACE, said) + extra


def _renumbered(extra: bytes, first: int) -> bytes:
    """The descriptors of a CDC function, in which interfaces are counted from its own first, with the device's
    numbers (CDC 1.2, 5.2.3.2; PSTN 1.2, 5.3.1)."""
    said = bytearray(extra)
    at = 0
    while at < len(said):
        numbered = {_UNION: range(3, said[at]), _CALL_MANAGEMENT: range(4, 5)}.get(said[at + 2], range(0))
        for offset in numbered:
            said[at + offset] += first
        at += said[at]
    return bytes(said)


def _endpoint(endpoint: Endpoint, address: int) -> bytes:
    return _descriptor(
        ENDPOINT, struct.pack("<BBHB", address, _ATTRIBUTES[endpoint.pipe], endpoint.size, endpoint.interval)
    )


def _descriptor(kind: int, said: bytes) -> bytes:
    return bytes((len(said) + 2, kind)) + said


def _utf16(text: str) -> bytes:
    return text[:_LONGEST_STRING].encode("utf-16-le")
