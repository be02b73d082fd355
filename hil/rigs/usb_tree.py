"""The USB devices of this machine as sysfs shows them, by port path, and a wait for the kernel's word of a change.

A port path is the bus, then the ports from its root hub outwards: ``1-2.3`` is bus 1, root port 2, port 3 of the hub
there (Linux, Documentation/ABI/stable/sysfs-bus-usb). It names a place, whatever is plugged in.
"""

from __future__ import annotations

import os
import re
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PORT_PATH = re.compile(r"[1-9]\d*-[1-9]\d*(\.[1-9]\d*)*")
_NETLINK_KOBJECT_UEVENT = 15  # linux/netlink.h
_KERNEL_GROUP = 1  # events as the kernel sends them; group 2 is udevd's
_LOOK_AGAIN_S = 0.25  # an event may be lost when they come faster than they are read


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """What is plugged in at ``port``. ``vendor``, ``product`` and ``release`` are idVendor, idProduct and bcdDevice;
    ``folder`` is its directory in sysfs. The three texts are empty where the device has no such string."""

    port: str
    folder: Path
    vendor: int
    product: int
    release: int
    manufacturer: str
    name: str
    serial: str

    @property
    def id(self) -> str:
        """``2672:000f``."""
        return f"{self.vendor:04x}:{self.product:04x}"

    def __str__(self) -> str:
        words = " ".join(word for word in (self.manufacturer, self.name) if word)
        return f"{self.id} {words}".rstrip() + (f", serial {self.serial}" if self.serial else "")

    @property
    def interfaces(self) -> tuple[Path, ...]:
        """The directories of its interfaces; none while it is not authorized or not configured."""
        return tuple(sorted(self.folder.glob(f"{self.port}:*")))

    @property
    def is_hub(self) -> bool:
        """Whether other devices can be plugged into it (class 9)."""
        return read(self.folder / "bDeviceClass") == "09"

    @property
    def disks(self) -> tuple[str, ...]:
        """Kernel names of its disks, such as ``sda``."""
        return tuple(found.name for one in self.interfaces for found in sorted(one.glob("host*/target*/*:*/block/*")))

    @property
    def terminals(self) -> tuple[str, ...]:
        """Kernel names of its serial lines, such as ``ttyACM0``: CDC-ACM's hang off the interface itself, those of
        USB-to-serial chips off a port below it."""
        below = ("tty/*", "*/tty/*")
        return tuple(found.name for one in self.interfaces for how in below for found in sorted(one.glob(how)))

    @property
    def endpoints(self) -> int:
        """Endpoints that its host controller keeps for it, the one for control included."""
        return 1 + sum(len(tuple(one.glob("ep_*"))) for one in self.interfaces)

    @property
    def controller(self) -> str:
        """The host controller that it hangs off, as sysfs names it: ``0000:00:14.0``, ``dummy_hcd.0``."""
        for above in self.folder.resolve().parents:
            if re.fullmatch(r"usb\d+", above.name):
                return above.parent.name
        return self.folder.resolve().parent.name if self.port.startswith("usb") else ""


@dataclass(frozen=True, slots=True)
class UsbTree:
    """The devices below a sysfs. Nothing is kept: every question looks again."""

    sysfs: Path = field(default=Path("/sys"))

    @property
    def _folder(self) -> Path:
        return self.sysfs / "bus" / "usb" / "devices"

    def device(self, port: str) -> UsbDevice | None:
        """What is plugged in at this port path; None for nothing, and for what leaves while it is looked at."""
        folder = self._folder / port
        vendor, product = read(folder / "idVendor"), read(folder / "idProduct")
        if not vendor or not product:
            return None
        return UsbDevice(
            port=port,
            folder=folder,
            vendor=int(vendor, 16),
            product=int(product, 16),
            release=int(read(folder / "bcdDevice") or "0", 16),
            manufacturer=read(folder / "manufacturer"),
            name=read(folder / "product"),
            serial=read(folder / "serial"),
        )

    def devices(self) -> tuple[UsbDevice, ...]:
        """Everything that is plugged in, hubs and root hubs included, in order of their port paths."""
        found = (self.device(path.name) for path in self._folder.glob("*") if ":" not in path.name)
        return tuple(sorted((one for one in found if one is not None), key=lambda one: port_key(one.port)))

    def hub(self, port: str) -> UsbDevice | None:
        """The hub that this port is on; None if it is not there."""
        return self.device(hub_of(port))

    def switch(self, port: str) -> Path | None:
        """The directory of the port itself, which is there with nothing plugged in; None without such a port."""
        hub = hub_of(port)
        stem = f"{port.partition('-')[0]}-0" if hub.startswith("usb") else hub
        return next(iter(sorted(self._folder.glob(f"{stem}:*/{hub}-port{number_of(port)}"))), None)

    def silent(self, port: str) -> bool:
        """Whether nothing speaks there: no device, or one whose interfaces were all taken away."""
        device = self.device(port)
        return device is None or not device.interfaces


def hub_of(port: str) -> str:
    """The name of the hub that a port is on: ``1-2`` for ``1-2.3``, ``usb1`` for ``1-2``."""
    hub, dot, _ = port.rpartition(".")
    return hub if dot else f"usb{port.partition('-')[0]}"


def number_of(port: str) -> int:
    """The port's number on its hub: 3 for ``1-2.3``."""
    return int(re.split(r"[-.]", port)[-1])


def port_key(port: str) -> tuple[int, ...]:
    """Sorts port paths as people do: ``1-2`` before ``1-10``."""
    return tuple(int(number) for number in re.findall(r"\d+", port))


def read(attribute: Path) -> str:
    """An attribute's text without white space around it; empty if it is not there or its device is leaving."""
    try:
        return attribute.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


class Changes:
    """Hears the kernel's device events from the moment it is made, so that none is missed between an act and the wait
    for what it does. An event only means *look again*: what it says is not read."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_KOBJECT_UEVENT)
        self._socket.bind((0, _KERNEL_GROUP))
        self._socket.setblocking(False)

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def wait(self, until: Callable[[], bool], limit_s: float) -> bool:
        """Look after every event until ``until`` holds; False when it does not within ``limit_s`` seconds."""
        end = time.monotonic() + limit_s
        while not until():
            left = end - time.monotonic()
            if left <= 0:
                return False
            select.select([self._socket], [], [], min(left, _LOOK_AGAIN_S))
            self._drain()
        return True

    def _drain(self) -> None:
        while True:
            try:
                self._socket.recv(os.sysconf("SC_PAGESIZE") * 4)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: some were lost, which is why we look at least four times a second
                return
