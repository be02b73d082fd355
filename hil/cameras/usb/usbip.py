"""USB/IP as far as the kernel's vhci_hcd speaks it (Linux, Documentation/usb/usbip_protocol.rst): the URBs of one
device over one stream socket. No network and no tools: the kernel takes one end of a socket pair.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from hil.cameras.usb.device import Device, Urb

VHCI = Path("/sys/devices/platform/vhci_hcd.0")
HIGH_SPEED = 3
SUBMIT, UNLINK, DID_SUBMIT, DID_UNLINK = 1, 2, 3, 4
HEADER = 48

_BUFFER = 2 << 20
_BASIC = struct.Struct(">5I")  # command, seqnum, devid, direction, endpoint
_SUBMIT = struct.Struct(">IiiiI8s")  # flags, length, start frame, packets, interval, setup
_DID_SUBMIT = struct.Struct(">5I5i8x")  # the last five: status, actual length, start frame, packets, errors
_DID_UNLINK = struct.Struct(">5Ii24x")


class Stream(Protocol):
    """What messages are read from: ``read`` gives fewer bytes than were asked for only at the end."""

    def read(self, size: int, /) -> bytes: ...


class Gone(Exception):
    """The other end closed the stream; possibly in the middle of a message."""


class Unlinked(NamedTuple):
    """CMD_UNLINK: answer the request ``number``, and take ``victim`` back."""

    number: int
    victim: int


def read_command(stream: Stream) -> Urb | Unlinked:
    """The next message of the kernel. Raises Gone at the end, ValueError for what is no message of its."""
    header = _exactly(stream, HEADER)
    command, number, _, direction, endpoint = _BASIC.unpack_from(header)
    if command == UNLINK:
        return Unlinked(number, *struct.unpack_from(">I", header, _BASIC.size))
    if command != SUBMIT or direction > 1 or endpoint > 15:
        raise ValueError(
            f"{header[:20].hex()} is neither CMD_SUBMIT nor CMD_UNLINK; does the kernel speak USB/IP 1.1.1?"
        )
    _, length, _, _, _, setup = _SUBMIT.unpack_from(header, _BASIC.size)
    data = b"" if direction else _exactly(stream, length)
    return Urb(number, endpoint, bool(direction), length, setup, data)


def submitted(number: int, status: int, data: bytes, taken: int) -> bytes:
    """RET_SUBMIT: the URB ``number`` ended so; of an OUT URB ``taken`` bytes went out, of an IN URB ``data`` came."""
    return _DID_SUBMIT.pack(DID_SUBMIT, number, 0, 0, 0, status, len(data) or taken, 0, 0, 0) + data


def unlinked(number: int, status: int) -> bytes:
    """RET_UNLINK."""
    return _DID_UNLINK.pack(DID_UNLINK, number, 0, 0, 0, status)


def _exactly(stream: Stream, length: int) -> bytes:
    try:
        data = stream.read(length)
    except OSError as err:
        raise Gone from err
    if len(data) < length:
        raise Gone
    return data


class Cable:
    """A device on a stream socket, which is the cable's from now on. One thread takes the kernel's messages.

    ``on_out`` is called from that thread when the cable is out, whoever pulled it.
    """

    def __init__(self, device: Device, end: socket.socket, on_out: Callable[[], None] = lambda: None) -> None:
        self._device, self._socket, self._on_out = device, end, on_out
        self._sending = threading.Lock()
        self._cut = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"usb {device.plate.serial}", daemon=True)
        self._thread.start()

    def answer(self, number: int, status: int, data: bytes, taken: int) -> None:
        """See :class:`hil.cameras.usb.device.Wire`."""
        self._send(submitted(number, status, data, taken))

    def cut(self) -> None:
        """Pull it, without waiting."""
        self._cut.set()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other end was quicker

    def pull(self, limit_s: float = 10) -> None:
        """Pull it, and wait until the device has noticed. Raises TimeoutError; may be repeated."""
        self.cut()
        if threading.current_thread() is not self._thread:
            self._thread.join(limit_s)
            if self._thread.is_alive():
                raise TimeoutError(f"the device {self._device.plate.serial} did not end within {limit_s} s")

    def _send(self, message: bytes) -> None:
        try:
            with self._sending:
                self._socket.sendall(message)
        except OSError:
            self._cut.set()  # the reading thread meets the same end

    def _run(self) -> None:
        try:
            self._device.attached(self)
            with self._socket.makefile("rb", _BUFFER) as stream:
                while not self._cut.is_set():
                    self._take(read_command(stream))
        except Gone:
            pass
        finally:
            self.cut()
            self._device.detached()
            self._socket.close()
            self._on_out()

    def _take(self, command: Urb | Unlinked) -> None:
        if isinstance(command, Unlinked):
            self._send(unlinked(command.number, self._device.unlink(command.victim)))
        else:
            self._device.submit(command)


def high_speed_ports(vhci: Path = VHCI) -> tuple[str, ...]:
    """The port paths of the first virtual controller, by the number that ``attach`` takes: ``5-1``, ``5-2``, … Empty
    where there is no such controller."""
    for hub in sorted(vhci.glob("usb[0-9]*")):
        if (hub / "speed").read_text().strip() == "480":
            bus = (hub / "busnum").read_text().strip()
            return tuple(f"{bus}-{port}" for port in range(1, int((hub / "maxchild").read_text()) + 1))
    return ()


def is_free(port: int, vhci: Path = VHCI) -> bool:
    """Whether nothing is attached to this port. The kernel lets a port go a little after its cable is out."""
    free = 4  # VDEV_ST_NULL: drivers/usb/usbip/usbip_common.h
    for line in (vhci / "status").read_text().splitlines()[1:]:
        hub, number, state, *_ = line.split()
        if (hub, int(number)) == ("hs", port):
            return int(state) == free
    return False


def attach(device: Device, port: int, on_out: Callable[[], None] = lambda: None, vhci: Path = VHCI) -> Cable:
    """Plug a device into a port. Raises OSError where the kernel refuses, as it does for a port that is in use."""
    ours, kernels = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for end in (ours, kernels):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    identity = 1 << 16 | port + 2  # bus 1 of a machine that does not exist; never 0
    with kernels:  # the kernel takes a reference of its own
        try:
            with (vhci / "attach").open("w") as door:
                door.write(f"{port} {kernels.fileno()} {identity} {HIGH_SPEED}")
        except OSError:
            ours.close()
            raise
    return Cable(device, ours, on_out)
