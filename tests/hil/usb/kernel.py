"""The kernel's side of USB/IP, by hand and by its page (Documentation/usb/usbip_protocol.rst): no code of hil's."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hil.cameras.usb.device import Device
from hil.cameras.usb.usbip import Cable

STALL, TAKEN_BACK = -32, -104
IN, OUT = 1, 0


@dataclass(frozen=True, slots=True)
class Ended:
    """A RET_SUBMIT."""

    number: int
    status: int
    length: int
    data: bytes


class Kernel:
    """Submits URBs and takes what comes back, in order."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.settimeout(10)
        self._number = 0
        self._inward: set[int] = set()

    def submit(self, direction: int, endpoint: int, length: int, setup: bytes = bytes(8), data: bytes = b"") -> int:
        """Send a CMD_SUBMIT; its number."""
        self._number += 1
        if direction == IN:
            self._inward.add(self._number)
        head = struct.pack(">5I", 1, self._number, 0x10002, direction, endpoint)
        self._end.sendall(head + struct.pack(">IiiiI", 0, length, 0, 0, 0) + setup + data)
        return self._number

    def unlink(self, victim: int) -> int:
        """Take an URB back; what RET_UNLINK says."""
        self._number += 1
        self._end.sendall(struct.pack(">6I24x", 2, self._number, 0x10002, 0, 0, victim))
        command, number, _, _, _, status = struct.unpack(">5Ii24x", self._take(48))
        assert (command, number) == (4, self._number)
        return int(status)

    def ended(self) -> Ended:
        """The next RET_SUBMIT."""
        head = self._take(48)
        command, number, devid, direction, endpoint, status, length = struct.unpack_from(">5Iii", head)
        assert (command, devid, direction, endpoint) == (3, 0, 0, 0)
        data = self._take(length) if number in self._inward and length else b""
        return Ended(number, status, length, data)

    def silent(self) -> bool:
        """Whether nothing comes for a moment."""
        self._end.settimeout(0.2)
        try:
            return self._end.recv(1, socket.MSG_PEEK) is None
        except TimeoutError:
            return True
        finally:
            self._end.settimeout(10)

    def control(self, kind: int, request: int, value: int, index: int, length: int = 0, data: bytes = b"") -> Ended:
        """One control request, done."""
        setup = struct.pack("<BBHHH", kind, request, value, index, length)
        self.submit(IN if kind & 0x80 else OUT, 0, length, setup, data)
        return self.ended()

    def read(self, endpoint: int, length: int) -> Ended:
        self.submit(IN, endpoint, length)
        return self.ended()

    def write(self, endpoint: int, data: bytes) -> Ended:
        self.submit(OUT, endpoint, len(data), data=data)
        return self.ended()

    def configure(self) -> None:
        assert self.control(0, 9, 1, 0).status == 0

    def closed(self) -> bool:
        """Whether the device has left: what it still sent is dropped."""
        while self._end.recv(4096):
            pass
        return True

    def _take(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._end.recv(size - len(data))
            assert more, "the device left"
            data += more
        return data


@contextmanager
def plugged(device: Device) -> Iterator[Kernel]:
    """A device whose cable ends here."""
    ours, theirs = socket.socketpair()
    with ours:
        cable = Cable(device, theirs)
        try:
            yield Kernel(ours)
        finally:
            cable.pull()


def command(code: bytes, length: int, *, inward: bool = True, tag: int = 7, unit: int = 0) -> bytes:
    """A command block wrapper around a SCSI command (bulk-only transport 1.0, 5.1)."""
    flags = 0x80 if inward else 0
    return struct.pack("<4sIIBBB16s", b"USBC", tag, length, flags, unit, len(code), code)


def read_10(first: int, count: int) -> bytes:
    return struct.pack(">BxIxHx", 0x28, first, count)


def status(data: bytes, tag: int = 7) -> tuple[int, int]:
    """Residue and status of a command status wrapper."""
    signature, its, residue, ended = struct.unpack("<4sIIB", data)
    assert (signature, its) == (b"USBS", tag)
    return residue, ended
