"""One interface of a USB device, held through the kernel's usbfs: two bulk pipes and the requests of the PTP class.

The node of the device (``/dev/bus/usb/BBB/DDD``) is all that is touched; no other device is opened or asked anything.
Sources: Linux, Documentation/driver-api/usb/usb.rst and include/uapi/linux/usbdevice_fs.h; USB 2.0, 9.6, for
descriptors; PIMA 15740, D.5.2, for the class requests.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import select
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dockagent.errors import DockError, Gone, Permanent, Retryable

MOST = 128 << 10  # bytes of one request: the kernel needs that much memory in one piece
CONTROL_MS = 5000
CANCEL, RESET, STATUS = 0x64, 0x66, 0x67

_TRANSFER = struct.Struct("@IIIP")  # usbdevfs_bulktransfer
_CONTROL = struct.Struct("@BBHHHIP")  # usbdevfs_ctrltransfer
_DRIVER = struct.Struct("@I256s")  # usbdevfs_getdriver
_NUMBER = struct.Struct("@I")
_READ, _WRITE = 2, 1
_AWAY = {errno.ENODEV, errno.ESHUTDOWN, errno.ENOENT, errno.ENXIO}
_LEAVES_MS = 1000  # how long the kernel may take to tell us that a device left, once its transfers fail


def _ioctl(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | ord("U") << 8 | number


_DO_CONTROL = _ioctl(_READ | _WRITE, 0, _CONTROL.size)
_DO_BULK = _ioctl(_READ | _WRITE, 2, _TRANSFER.size)
_GET_DRIVER = _ioctl(_WRITE, 8, _DRIVER.size)
_CLAIM = _ioctl(_READ, 15, _NUMBER.size)
_RELEASE = _ioctl(_READ, 16, _NUMBER.size)
_CLEAR_HALT = _ioctl(_READ, 21, _NUMBER.size)


class Stalled(Retryable):
    """The camera halted the pipe, or refuses the request."""


class Silent(Retryable):
    """The camera did not answer in time."""


class Port(Protocol):
    """What carries PTP. ``packet``: bytes of the largest bulk packet. Every call raises Gone when the camera left,
    :class:`Silent` when it does not answer within ``patience_s``, :class:`Stalled` when it refuses."""

    packet: int

    def write(self, data: bytes, patience_s: float) -> None:
        """Send one transfer: at most one packet."""
        ...

    def read(self, most: int, patience_s: float) -> bytes:
        """Receive until a short packet (which may be empty), or until ``most`` bytes (a multiple of ``packet``, and
        at most MOST)."""
        ...

    def ask(self, request: int, length: int) -> bytes:
        """A class request that the camera answers."""
        ...

    def tell(self, request: int, data: bytes = b"") -> None:
        """A class request with data, or without any."""
        ...

    def clear_halts(self) -> None:
        """Let both bulk pipes go on; what the camera had ready on them is dropped."""
        ...

    def check(self) -> None:
        """Raises Gone when the camera left."""
        ...

    def close(self) -> None:
        """Let the interface go. May be repeated."""
        ...


@dataclass(frozen=True, slots=True)
class Wiring:
    """Where PTP is on a device: the interface's number, its bulk endpoints' addresses, their packet's bytes."""

    interface: int
    inward: int
    outward: int
    packet: int


def find_wiring(descriptors: bytes) -> Wiring | None:
    """The first interface that speaks PTP, in the descriptors of a device and its first configuration.

    A still image interface (6/1/1), or a maker's own (255) with MTP's three endpoints: bulk in and out, interrupt in
    (MTP 1.1, 3.1.1).
    """
    interface: tuple[int, int] | None = None
    pipes: dict[tuple[int, bool], tuple[int, int]] = {}
    for kind, body in _descriptors(descriptors):
        if kind == 4:
            number, other, _, *triple = body[:6]
            speaks = not other and (triple == [6, 1, 1] or triple[0] == 0xFF)
            interface, pipes = ((number, triple[0]) if speaks else None), {}
        elif kind == 5 and interface is not None:
            address, attributes, packet = struct.unpack_from("<BBH", body)
            pipes[attributes & 3, address >= 0x80] = address, packet & 0x7FF
            if {(2, True), (2, False), (3, True)} <= pipes.keys():
                inward, size = pipes[2, True]
                return Wiring(interface[0], inward, pipes[2, False][0], size)
    return None


def _descriptors(data: bytes) -> list[tuple[int, bytes]]:
    """Type and body of each descriptor, the device's first; only those of the first configuration."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at + 2 <= len(data) and data[at] >= 2 and [kind for kind, _ in found].count(2) < 2:
        found.append((data[at + 1], data[at + 2 : at + data[at]]))
        at += data[at]
    return [(kind, body) for kind, body in found if len(body) >= {4: 7, 5: 5}.get(kind, 0)]


class UsbPort:
    """A :class:`Port` on a node of usbfs.

    Raises Gone when the device is not there, Retryable when it may not be opened or another program has it, Permanent
    when it speaks no PTP.
    """

    def __init__(self, node: Path) -> None:
        self._node = node
        try:
            self._fd = os.open(node, os.O_RDWR | os.O_CLOEXEC)
        except PermissionError as err:
            raise Retryable(f"{node} may not be opened", "let the dock's user open it: see the udev rules") from err
        except OSError as err:
            raise Gone(f"{node} cannot be opened: {err.strerror}", "put the camera back") from err
        try:
            wiring = find_wiring(os.read(self._fd, 1 << 16))
            if wiring is None:
                raise Permanent(f"the USB device {node} speaks no PTP", "name the camera's own node")
            self._wiring, self.packet = wiring, wiring.packet
            self._claim()
        except OSError as err:
            self.close()
            raise self._error(err, "held") from err
        except DockError:
            self.close()
            raise
        self._buffer = mmap.mmap(-1, MOST)
        self._address = ctypes.addressof((ctypes.c_char * MOST).from_buffer(self._buffer))

    def write(self, data: bytes, patience_s: float) -> None:
        self._buffer[: len(data)] = data
        self._bulk(self._wiring.outward, len(data), patience_s, "asked")

    def read(self, most: int, patience_s: float) -> bytes:
        count = self._bulk(self._wiring.inward, most, patience_s, "read")
        return self._buffer[:count]

    def ask(self, request: int, length: int) -> bytes:
        return self._control(0xA1, request, bytes(length))

    def tell(self, request: int, data: bytes = b"") -> None:
        self._control(0x21, request, data)

    def clear_halts(self) -> None:
        for endpoint in (self._wiring.inward, self._wiring.outward):
            self._ioctl(_CLEAR_HALT, _NUMBER.pack(endpoint), "cleared")

    def check(self) -> None:
        if self._fd < 0 or _hung_up(self._fd, 0):
            raise Gone(f"the camera at {self._node} went away", "put the camera back")

    def close(self) -> None:
        if self._fd < 0:
            return
        if hasattr(self, "_wiring"):
            with suppress(OSError):  # a device that left has let go already
                fcntl.ioctl(self._fd, _RELEASE, _NUMBER.pack(self._wiring.interface))
        os.close(self._fd)
        self._fd = -1

    def _claim(self) -> None:
        try:
            fcntl.ioctl(self._fd, _CLAIM, _NUMBER.pack(self._wiring.interface))
        except OSError as err:
            if err.errno != errno.EBUSY:
                raise
            raise Retryable(
                f"{self._holder()} has the camera at {self._node}", "end gvfs or mtp-probe; see `dockagent doctor`"
            ) from err

    def _holder(self) -> str:
        """Who holds the interface: a driver of the kernel, or another program."""
        asked = bytearray(_DRIVER.pack(self._wiring.interface, b""))
        try:
            fcntl.ioctl(self._fd, _GET_DRIVER, asked)
        except OSError:
            return "somebody"
        name = _DRIVER.unpack(asked)[1].split(b"\0")[0].decode(errors="replace")
        return "another program" if name == "usbfs" else f"the driver {name}"

    def _bulk(self, endpoint: int, length: int, patience_s: float, act: str) -> int:
        asked = _TRANSFER.pack(endpoint, length, max(1, int(patience_s * 1000)), self._address)
        return self._ioctl(_DO_BULK, asked, act)

    def _control(self, kind: int, request: int, data: bytes) -> bytes:
        self._buffer[: len(data)] = data
        asked = _CONTROL.pack(kind, request, 0, self._wiring.interface, len(data), CONTROL_MS, self._address)
        return self._buffer[: self._ioctl(_DO_CONTROL, asked, "asked")]

    def _ioctl(self, what: int, asked: bytes, act: str) -> int:
        if self._fd < 0:
            raise Gone(f"the camera at {self._node} was let go", "put the camera back")
        try:
            count: int = fcntl.ioctl(self._fd, what, bytearray(asked))
        except OSError as err:
            raise self._error(err, act) from err
        return count

    def _error(self, err: OSError, act: str) -> DockError:
        """What a failed transfer means. One that fails because the camera leaves does so before the kernel says it."""
        what = f"the camera at {self._node} cannot be {act}"
        plain = err.errno in (errno.EPIPE, errno.ETIMEDOUT)
        if err.errno in _AWAY or (self._fd >= 0 and _hung_up(self._fd, 0 if plain else _LEAVES_MS)):
            return Gone(f"{what}: it went away", "put the camera back")
        if err.errno == errno.EPIPE:
            return Stalled(f"{what}: it refuses", "put the camera back")
        if err.errno == errno.ETIMEDOUT:
            return Silent(f"{what}: it does not answer", "put the camera back, or restart it")
        return Retryable(f"{what}: {err.strerror}", "put the camera back, or try another cable")


def _hung_up(fd: int, wait_ms: int) -> bool:
    """Whether the device behind a node left (usbfs reports POLLHUP), now or within ``wait_ms``."""
    watch = select.poll()
    watch.register(fd, 0)
    return any(events & select.POLLHUP for _, events in watch.poll(wait_ms))
