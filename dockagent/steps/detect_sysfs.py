"""What sysfs and udevd's database say of devices, read so that nobody ever waits for a device.

libudev reads a device's file ``uevent``, for which the kernel takes that device's lock (drivers/base/core.c,
uevent_show). It holds the lock of a USB device for minutes while it tries to revive one that hangs, and a reader then
sleeps where no signal reaches: the watch would be blind for every bay, and its process could not end. So only files
that take no lock are read here, and udevd's database as a file. What a USB device calls itself takes the lock in every
kernel (drivers/usb/core/sysfs.c, usb_string_attr), though in a sleep that ends with the process: :class:`Words`.
"""

import errno
import os
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Subsystem = Literal["block", "tty", "usb"]

FIRST_S = 0.5  # the kernel keeps these texts: a device that is well answers at once
_OF_BUS = 128  # minor numbers (drivers/usb/core/hub.c, usb_new_device)
_WORDS = ("manufacturer", "product", "serial")
_LISTS = {"block": "class/block", "tty": "class/tty", "usb": "bus/usb/devices"}


@dataclass(frozen=True, slots=True)
class Device:
    """A disk, a partition, a terminal or a USB device. ``folder``: its place in sysfs. ``udev``: udevd's folder."""

    subsystem: Subsystem
    folder: Path
    udev: Path

    @property
    def name(self) -> str:
        """The kernel's name; for a USB device its port path."""
        return self.folder.name.replace("!", "/")  # sysfs(5) has no slashes in names

    @property
    def node(self) -> str | None:
        """Its device node; None where it has none."""
        number = self.read("dev")
        if number is None:
            return None
        if self.subsystem != "usb":
            return f"/dev/{self.name}"
        bus, device = divmod(int(number.split(b":")[1]), _OF_BUS)
        return f"/dev/bus/usb/{bus + 1:03}/{device + 1:03}"

    @property
    def partition(self) -> bool:
        return self.subsystem == "block" and (self.folder / "partition").exists()

    @property
    def disk(self) -> "Device":
        """The disk of a partition; any other device itself."""
        return Device(self.subsystem, self.folder.parent, self.udev) if self.partition else self

    @property
    def usb(self) -> "Device | None":
        """The USB device that this is, or is a part of; None for others."""
        for folder in (self.folder, *self.folder.parents):
            if (folder / "idVendor").exists():
                return Device("usb", folder, self.udev)
        return None

    def read(self, attribute: str) -> bytes | None:
        """An attribute without its line end; None where it, or the device, is not there. Raises OSError."""
        try:
            return (self.folder / attribute).read_bytes().rstrip(b"\r\n")
        except FileNotFoundError:
            return None
        except OSError as err:
            if err.errno == errno.ENODEV:  # it left between open(2) and read(2)
                return None
            raise

    def record(self) -> Mapping[str, bytes] | None:
        """udevd's properties of it; None as long as udevd is not done with it. Raises OSError."""
        number = self.read("dev")
        if number is None:
            return None
        name = ("b" if self.subsystem == "block" else "c") + os.fsdecode(number)
        try:
            lines = (self.udev / "data" / name).read_bytes().split(b"\n")
        except FileNotFoundError:
            return None
        pairs = (line[2:].partition(b"=") for line in lines if line.startswith(b"E:"))
        return {os.fsdecode(key): value for key, _, value in pairs}


@dataclass(frozen=True, slots=True)
class Machine:
    """Where devices are told of. ``sysfs``, ``udev``: other folders than a running system's are for tests."""

    sysfs: Path = Path("/sys")
    udev: Path = Path("/run/udev")

    @property
    def has_udevd(self) -> bool:
        return (self.udev / "control").exists()

    def devices(self, subsystem: Subsystem) -> list[Device]:
        """All of one kind that are there; none where the kernel lacks that kind. Raises OSError."""
        folder = self.sysfs / _LISTS[subsystem]
        try:
            links = sorted(folder.iterdir())
        except FileNotFoundError:
            return []
        found: list[Device] = []
        for link in links:
            if subsystem == "usb" and ":" in link.name:  # an interface of a device
                continue
            with suppress(FileNotFoundError):  # it left while we looked
                place = os.path.normpath(folder / link.readlink())
                found.append(Device(subsystem, Path(place), self.udev))
        return found


THIS_MACHINE = Machine()


@dataclass(slots=True)
class _Answer:
    """``late``: somebody asked for it before it was there."""

    words: Mapping[str, bytes] | None = None
    late: bool = False


class Words:
    """What USB devices call themselves: maker, product and serial number, each asked for once in its stay, by a thread
    that nobody waits for. ``heard`` is called when a late one answers, from that thread."""

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard
        self._answers: dict[object, _Answer] = {}

    def of(self, stay: object, device: Device) -> Mapping[str, bytes] | None:
        """The words of the device in this ``stay``; None as long as it does not answer."""
        if stay not in self._answers:
            answer = self._answers[stay] = _Answer()
            thread = threading.Thread(target=self._ask, args=(device, answer), name=f"ask {device.name}", daemon=True)
            thread.start()
            thread.join(FIRST_S)
            answer.late = True  # before it is looked at, so that none is missed
        return self._answers[stay].words

    def keep_only(self, stays: Collection[object]) -> None:
        """Forget the devices that have left."""
        self._answers = {stay: answer for stay, answer in self._answers.items() if stay in stays}

    def _ask(self, device: Device, answer: _Answer) -> None:
        found: dict[str, bytes] = {}
        for name in _WORDS:
            with suppress(OSError):  # it has left, or refuses to say
                found[name] = device.read(name) or b""
        answer.words = found
        if answer.late:
            self._heard()
