"""USB descriptors as they lie in sysfs: the device's, then each configuration's with all that belongs to it.

USB 2.0, chapter 9.6; interface associations: its ECN of 2003.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from hil.cameras.usb import Endpoint, Interface, Pipe

_DEVICE, _CONFIGURATION, _INTERFACE, _ENDPOINT, _ASSOCIATION = 1, 2, 4, 5, 11
_PIPES: dict[tuple[int, bool], Pipe] = {(2, True): "bulk-in", (2, False): "bulk-out", (3, True): "interrupt-in"}
_FUNCTIONS = {
    (0x08, 0x06, 0x50): "storage",
    (0x02, 0x02, 0x01): "acm",
    (0x02, 0x02, 0x00): "acm",
    (0x06, 0x01, 0x01): "mtp",
    (0x03, 0x01, 0x01): "keyboard",
}
_CDC_DATA = 0x0A  # an interface that carries another's bytes and is no function of its own


@dataclass(frozen=True, slots=True)
class DeviceHead:
    """What the device descriptor says (table 9-8). ``kind``: class, subclass and protocol of the whole device."""

    version: int
    kind: tuple[int, int, int]
    vendor: int
    product: int
    release: int


def head(raw: bytes) -> DeviceHead:
    """The head of a device's descriptors. Raises ValueError for what is none."""
    if len(raw) < 18 or raw[:2] != bytes((18, _DEVICE)):
        raise ValueError("these are no USB descriptors: they do not begin with a device descriptor of 18 bytes")
    version, cls, sub, protocol, _, vendor, product, release = struct.unpack("<HBBBBHHH", raw[2:14])
    return DeviceHead(version, (cls, sub, protocol), vendor, product, release)


def interfaces(raw: bytes) -> tuple[Interface, ...]:
    """The interfaces of the first configuration, each as it stands at first (alternate setting 0).

    Raises ValueError for what is cut or is no descriptor, and for an endpoint that cannot be emulated (isochronous,
    interrupt out).
    """
    head(raw)
    found: list[Interface] = []
    asleep = False  # inside an alternate setting, which no camera starts in
    for kind, body in _first_configuration(raw):
        if kind == _INTERFACE:
            if len(body) != 7:
                raise ValueError(f"an interface descriptor has {len(body) + 2} bytes, not 9")
            asleep = body[1] != 0
            if not asleep:
                found.append(Interface((body[3], body[4], body[5])))
        elif asleep or kind == _ASSOCIATION or not found:
            continue
        elif kind == _ENDPOINT:
            last = found[-1]
            found[-1] = Interface(last.triple, (*last.endpoints, _endpoint(body)), last.extra, last.text)
        else:
            last = found[-1]
            extra = last.extra + bytes((len(body) + 2, kind)) + body
            found[-1] = Interface(last.triple, last.endpoints, extra, last.text)
    return tuple(found)


def functions(raw: bytes) -> tuple[str, ...]:
    """What the interfaces make of the device, in the words of :class:`hil.cameras.specimen.Specimen`, in their order.

    A vendor's own class with a bulk pipe each way is a dialogue (``bulk``). Raises ValueError as :func:`interfaces`
    does, and for a class that no emulated camera has.
    """
    found = []
    for interface in interfaces(raw):
        if interface.triple[0] == _CDC_DATA:
            continue
        if interface.triple[0] == 0xFF and {"bulk-in", "bulk-out"} <= {one.pipe for one in interface.endpoints}:
            found.append("bulk")
        elif interface.triple in _FUNCTIONS:
            found.append(_FUNCTIONS[interface.triple])
        else:
            shown = "/".join(f"{byte:02x}" for byte in interface.triple)
            raise ValueError(f"no emulated camera has an interface {shown}; leave it out of the recording")
    return tuple(found)


def is_mtp(raw: bytes) -> bool:
    """Whether an interface speaks PTP or MTP (class 6, USB-IF still image)."""
    return any(interface == (6, 1, 1) for interface in _triples(raw))


def has_disk(raw: bytes) -> bool:
    """Whether an interface is a mass storage (class 8)."""
    return any(cls == 8 for cls, _, _ in _triples(raw))


def _triples(raw: bytes) -> Iterator[tuple[int, int, int]]:
    for kind, body in _first_configuration(raw):
        if kind == _INTERFACE and len(body) == 7:
            yield body[3], body[4], body[5]


def _first_configuration(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each descriptor in it, the head of the configuration left out."""
    rest = raw[18:]
    if len(rest) < 9 or rest[1] != _CONFIGURATION:
        raise ValueError("these USB descriptors have no configuration")
    total = int.from_bytes(rest[2:4], "little")
    if total > len(rest):
        raise ValueError(f"these USB descriptors are cut: {total} bytes of configuration, {len(rest)} are there")
    at = rest[0]
    while at < total:
        length = rest[at]
        if length < 2 or at + length > total:
            raise ValueError(f"a USB descriptor at byte {18 + at} says that it has {length} bytes")
        yield rest[at + 1], rest[at + 2 : at + length]
        at += length


def _endpoint(body: bytes) -> Endpoint:
    address, attributes, size, interval = struct.unpack("<BBHB", body[:5])
    pipe = _PIPES.get((attributes & 3, bool(address & 0x80)))
    if pipe is None:
        raise ValueError(f"endpoint 0x{address:02x} is of a kind that cannot be emulated (isochronous, interrupt out)")
    return Endpoint(pipe, size & 0x7FF, interval)
