"""One pair of bulk endpoints of a USB device, through libusb (pyusb): bytes out, bytes in, each within a time limit."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from dockagent.clock import Clock
from dockagent.errors import DockError, Gone, Missing, Permanent, Retryable, UsageError

READ_SIZE = 512  # a multiple of every bulk packet's size (USB 2.0, 5.8.3), so that no answer overflows
LISTED_S = 3.0  # libusb learns of a new device through udevd, as we do, and perhaps after us
_LOOK_AGAIN_S = 0.05
_NODE = re.compile(r"/dev/bus/usb/(\d{3})/(\d{3})")
_VENDOR_CLASS = 0xFF
_BULK = 2
_AWAY = frozenset({errno.ENODEV, errno.EIO, errno.ESHUTDOWN, errno.EPROTO, errno.ENOENT})

Device = Any  # pyusb is not typed


class Pipe(Protocol):
    """Bytes to a device and from it. Raises Gone when the device left, Retryable when it takes nothing."""

    def write(self, data: bytes, timeout_ms: int) -> None: ...

    def read(self, timeout_ms: int) -> bytes:
        """What the device sends next, or b"" when nothing came in time."""
        ...

    def close(self) -> None:
        """May be repeated."""
        ...


class UsbPipe:
    """Interface 0 of the device at ``node`` (``/dev/bus/usb/BBB/DDD``), claimed for us alone.

    It must be of the vendor's own class, with one bulk endpoint each way; no kernel driver is ever taken off it.
    Raises Gone when there is no such device, Missing for rights and libraries, Permanent for another kind of device.
    """

    def __init__(self, node: str, clock: Clock) -> None:
        self._node = node
        self._device = _find(node, clock)
        with self._errors("opened"):
            self._interface = _bulk_interface(self._device, node)
            import usb.util

            usb.util.claim_interface(self._device, self._interface)
            self._out, self._in = _endpoints(self._interface, node)

    def write(self, data: bytes, timeout_ms: int) -> None:
        with self._errors("written to"):
            self._out.write(data, timeout_ms)

    def read(self, timeout_ms: int) -> bytes:
        import usb.core

        with self._errors("read from"):
            try:
                return bytes(self._in.read(READ_SIZE, timeout_ms))
            except usb.core.USBTimeoutError:
                return b""

    def close(self) -> None:
        import usb.util

        usb.util.dispose_resources(self._device)

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        import usb.core

        try:
            yield
        except usb.core.USBTimeoutError as err:
            raise Retryable(f"{self._node} could not be {what} in time", "seat the camera again") from err
        except usb.core.USBError as err:
            raise _named(err, f"{self._node} could not be {what}: {err.strerror}") from err


def _find(node: str, clock: Clock) -> Device:
    place = _NODE.fullmatch(node)
    if place is None:
        raise UsageError(f"{node} is not a USB device", "name it as /dev/bus/usb/BBB/DDD")
    import usb.core
    from usb.backend import libusb1

    backend = libusb1.get_backend()
    if backend is None:
        raise Missing("libusb is not there, so no camera can be asked over USB", "install the package libusb-1.0-0")
    started = clock.monotonic()
    while Path(node).exists() and clock.monotonic() - started < LISTED_S:
        try:
            device = usb.core.find(backend=backend, bus=int(place[1]), address=int(place[2]))
        except usb.core.USBError as err:
            raise _named(err, f"the USB devices cannot be listed: {err.strerror}") from err
        if device is not None:
            return device
        clock.sleep(_LOOK_AGAIN_S)
    raise Gone(f"{node} is not there", "put the camera back")


def _bulk_interface(device: Device, node: str) -> Any:
    configuration = device.get_active_configuration()
    interface = configuration[(0, 0)]
    if interface.bInterfaceClass != _VENDOR_CLASS:
        raise Permanent(f"{node} speaks class {interface.bInterfaceClass:02x}, not a maker's own dialogue", "see lsusb")
    if device.is_kernel_driver_active(0):
        raise Permanent(f"{node} belongs to a kernel driver", "it is not in the mode in which it can be asked")
    return interface


def _endpoints(interface: Any, node: str) -> tuple[Any, Any]:
    outward = [one for one in interface if one.bmAttributes & 3 == _BULK and not one.bEndpointAddress & 0x80]
    inward = [one for one in interface if one.bmAttributes & 3 == _BULK and one.bEndpointAddress & 0x80]
    if len(outward) != 1 or len(inward) != 1:
        raise Permanent(f"{node} has {len(outward)} bulk endpoints out and {len(inward)} in, not one each", "see lsusb")
    return outward[0], inward[0]


def _named(err: Any, what: str) -> DockError:
    if err.errno in _AWAY:
        return Gone(what, "put the camera back")
    if err.errno in (errno.EACCES, errno.EPERM):
        return Missing(what, "install the dock's udev rules, or run as root")
    if err.errno == errno.EPIPE:  # a halted endpoint: the device does not know this dialogue
        return Permanent(what, "it is not in the mode in which it can be asked; put it in again")
    if err.errno == errno.EBUSY:
        return Retryable(what, "stop the other program that uses it")
    return Retryable(what, "seat the camera again")
