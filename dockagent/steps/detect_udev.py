"""Detect cameras by the kernel's device events (libudev), by the port they sit in: disks, serial lines, and USB devices
that show neither."""

import errno
import os
import select
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyudev

from dockagent.clock import Clock
from dockagent.core.paths import to_text
from dockagent.errors import Missing
from dockagent.steps.detect import Deliver, Reporter, Sighting, Watch
from dockagent.steps.detect_sysfs import THIS_MACHINE, Device, Machine, Subsystem, Words

SETTLE_S = 0.25  # one plug makes a burst of events; a disk is announced before its partitions
LONGEST_SETTLE_S = 2.0  # a storm must not put off the look for ever
BARE_S = 12.0  # a USB disk may need so long until its medium is there; then it is reported without one
RESCAN_S = 10.0  # and without any event: a udevd that died says nothing
BUFFER = 4 << 20  # bytes of events the kernel may keep for us; the default overflows at some hundred
_IDS = {"vendor_id": "idVendor", "product_id": "idProduct"}
_HUB, _STILL_IMAGE, _WILL_SHOW = "09", "06", ("08", "0202")  # of USB's classes: usb.org, "Defined Class Codes"
_OF_BLOCK = {"filesystem": "ID_FS_TYPE", "label": "ID_FS_LABEL", "uuid": "ID_FS_UUID"}
# pyudev turns the errno of a failed call, which may be a stale one, into any of these
_ODD = (OSError, ValueError, KeyError, OverflowError, MemoryError, pyudev.DeviceNotFoundError)
# What libudev says of a message that is no event (sd-device-monitor.c); pyudev raises ValueError for EINVAL. A program
# with CAP_NET_ADMIN may broadcast one to all listeners of the machine.
_NO_EVENT = {errno.EINVAL, errno.ERANGE, errno.ENODEV}


class UdevWatch(Watch):
    """Watches the subsystems block, tty and usb, through udevd where it runs, else straight from the kernel.

    ``ports`` maps a USB port path (``1-2.3``: bus 1, port 2, hub port 3) to a bay, for every interface of the device
    there; ``name:loop20`` maps a kernel device name, and the partitions of that disk, for readers that are not on
    USB. ``auto``: a USB port that is not mapped is a bay by its own name. All other devices are none of ours: the
    dock's own disks, consoles and virtual terminals.

    A USB device in a mapped port that is neither disk nor terminal is reported too, so that a camera in an odd mode is
    never taken for an empty bay; in other ports only what speaks PTP or MTP, and ids that ``is_camera`` knows. One that
    does not even answer who it is, is reported when it does.
    """

    def __init__(
        self,
        ports: Mapping[str, str],
        deliver: Deliver,
        on_error: Callable[[str], None],
        clock: Clock,
        *,
        auto: bool = False,
        is_camera: Callable[[str], bool] = lambda usb: False,
        machine: Machine = THIS_MACHINE,
    ) -> None:
        super().__init__("device watch", on_error)
        self._ports, self._auto, self._clock = dict(ports), auto, clock
        self._is_camera, self._machine = is_camera, machine
        self._words = Words(self._heard)
        self._reporter = Reporter(deliver)
        self._bare_since: dict[object, float] = {}
        self._monitor: Any = None  # pyudev is not typed
        self._through_udevd = False
        self._late = False
        self._lost = False
        self._last_look = float("-inf")
        self._first_event: float | None = None
        self._last_event = 0.0

    def _arm(self) -> None:
        self._through_udevd = self._machine.has_udevd
        try:
            source = "udev" if self._through_udevd else "kernel"
            self._monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source)
            for subsystem in ("block", "tty", "usb"):
                self._monitor.filter_by(subsystem)
            with suppress(PermissionError):  # without CAP_NET_ADMIN the default must do: an overflow costs a rescan
                self._monitor.set_receive_buffer_size(BUFFER)
            self._monitor.start()
        except (OSError, ImportError) as err:
            raise Missing(f"cannot listen to device events: {err}", "install libudev1 (package udev)") from err

    def _sources(self) -> Mapping[int, int]:
        return {self._monitor.fileno(): select.POLLIN}

    def _disarm(self) -> None:
        self._monitor = None  # libudev closes its socket with the last reference

    def _heard(self) -> None:
        """A device has answered that did not for a while."""
        self._late = True
        self.wake()

    def _look(self, ready: frozenset[int]) -> float:
        now = self._clock.monotonic()
        if (self._monitor.fileno() in ready and self._drain()) or self._late:
            self._late = False
            self._first_event = now if self._first_event is None else self._first_event
            self._last_event = now
        due = self._last_look + RESCAN_S
        if self._first_event is not None:
            due = min(due, self._last_event + SETTLE_S, self._first_event + LONGEST_SETTLE_S)
        if now < due:
            return due - now
        self._first_event, self._last_look = None, now
        if self._lost:
            self._lost = False
            self._on_error("device events came faster than they were read; looking at all devices again")
        self._scan()
        return RESCAN_S

    def _drain(self) -> bool:
        """Take the waiting events; whether there were any. What they say is not believed, so it is not read, and one
        that cannot be read is as good as any."""
        for taken in range(10_000):
            self._take_overflow()
            try:
                if self._monitor.poll(0) is None:
                    return taken > 0 or self._lost
            except _ODD as err:
                number = errno.EINVAL if isinstance(err, ValueError) else getattr(err, "errno", None)
                if number not in _NO_EVENT:
                    if not self._take_overflow(number):
                        self.complain(f"a device event cannot be read and is left out: {err}")
                    return True
        return True

    def _take_overflow(self, heard: int | None = None) -> bool:
        """Whether the kernel dropped events (netlink(7), ENOBUFS). Whoever asks first takes the error off the socket.
        So we ask before libudev does, which may keep it to itself; what it met between the two, it tells (``heard``).
        Left there, pyudev would raise for ever before it reads."""
        with socket.socket(fileno=os.dup(self._monitor.fileno())) as same:
            pending = same.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        lost = errno.ENOBUFS in (pending, heard)
        self._lost = self._lost or lost
        return lost

    def _scan(self) -> None:
        """Report all cameras that are there now, by what identifies one stay of a device."""
        try:
            disks = [*_readable(self._machine.devices("block"))]
            terminals = self._machine.devices("tty")
            on_usb = self._machine.devices("usb")
            here = {_stay(device): device for device in on_usb}
        except FileNotFoundError:
            return  # one left while we looked; its event makes us look again
        except OSError as err:
            self.complain(f"devices cannot be listed, so none is believed to have come or gone: {err}")
            return
        seen: dict[object, Sighting] = {}
        for device in disks:
            self._add(seen, "block", device)
        for device in terminals:
            self._add(seen, "tty", device)
        taken = {one.port for one in seen.values()}
        bare = {stay: device for stay, device in here.items() if device.name not in taken}
        self._bare_since = {stay: since for stay, since in self._bare_since.items() if stay in bare}
        for stay, device in bare.items():
            if self._is_bare(stay, device):
                self._add(seen, "usb", device)
        self._words.keep_only(here.keys())
        self._reporter.look(seen)

    def _is_bare(self, stay: object, device: Device) -> bool:
        """Whether a USB device that has shown no disk and no terminal so far is to be reported as it is."""
        interfaces = _interfaces(device).split()
        if not interfaces or any(one.startswith(_HUB) for one in interfaces):
            return False
        usb = ":".join(os.fsdecode(device.read(name) or b"") for name in _IDS.values())
        mapped = device.name in self._ports
        if not mapped and not any(one.startswith(_STILL_IMAGE) for one in interfaces) and not self._is_camera(usb):
            return False
        if not any(one.startswith(_WILL_SHOW) for one in interfaces):
            return True
        since = self._bare_since.setdefault(stay, self._clock.monotonic())
        return self._clock.monotonic() - since >= BARE_S

    def _add(self, seen: dict[object, Sighting], kind: Subsystem, device: Device) -> None:
        try:
            place = self._place(device)
            if place is None:
                return
            node, said = device.node, device.record()
            if node is None or (said is None and self._through_udevd):
                return  # before udevd is done with it, its node has no rights, and its file system is not known
            facts = self._facts(device, said or {})
            if facts is not None:
                seen[_identity(device)] = Sighting("appeared", *place, kind, node, facts)
        except FileNotFoundError:
            return  # it left while we looked; its event makes us look again
        except OSError as err:
            self.complain(f"device {to_text(os.fsencode(device.name))} cannot be looked at: {err}")

    def _facts(self, device: Device, said: Mapping[str, bytes]) -> dict[str, str] | None:
        """What the device and udevd say of it; None as long as its USB device does not answer."""
        facts = {fact: said.get(key) for fact, key in _OF_BLOCK.items()}
        usb = device.usb
        if usb is not None:
            words = self._words.of(_stay(usb), usb)
            if words is None:
                self.complain(f"the USB device in {usb.name} does not answer; it is taken up when it does")
                return None
            facts |= {**{fact: usb.read(name) for fact, name in _IDS.items()}, **words}
            facts |= {"interfaces": _interfaces(usb).encode(), "usb_port": os.fsencode(usb.name)}
        if device.subsystem == "block":
            facts["bytes"] = b"%d" % (_size(device) * 512)  # sysfs counts in 512-byte sectors whatever the medium has
        return {fact: to_text(value) for fact, value in facts.items() if value}

    def _place(self, device: Device) -> tuple[str, str] | None:
        """Bay and port of a device, or None for one that is none of ours."""
        for name in _names(device):
            if name in self._ports:
                return self._ports[name], name
        usb = device.usb
        if usb is None:
            return None
        bay = self._ports.get(usb.name, usb.name if self._auto else None)
        return None if bay is None else (bay, usb.name)


def _names(device: Device) -> Iterator[str]:
    yield f"name:{device.name}"
    if device.partition:
        yield f"name:{device.disk.name}"


def _readable(devices: Iterable[Device]) -> Iterator[Device]:
    """What may be mounted: the partitions with a file system; all partitions where none is known to have one (so
    that mounting says why not); the disk itself where it has no partitions."""
    disks: dict[Path, Device] = {}
    partitions: dict[Path, list[Device]] = {}
    for device in devices:
        if device.partition:
            partitions.setdefault(device.disk.folder, []).append(device)
        elif _size(device) > 0:  # a reader without a card, a loop device without a file
            disks[device.folder] = device
    for folder, disk in disks.items():
        parts = partitions.get(folder, [])
        if parts:
            yield from [part for part in parts if _has_files(part)] or parts
        elif "ID_PART_TABLE_TYPE" not in (disk.record() or {}) or _has_files(disk):
            yield disk


def _has_files(device: Device) -> bool:
    return (device.record() or {}).get("ID_FS_USAGE") == b"filesystem"


def _size(device: Device) -> int:
    raw = device.read("size") or b"0"
    return int(raw) if raw.strip().isdigit() else 0


def _identity(device: Device) -> object:
    """What tells one stay from the next; ``diskseq`` counts the media in a reader."""
    return _stay(device), device.disk.read("diskseq")


def _stay(device: Device) -> object:
    """sysfs never gives a number again to another folder. USB's ``devnum`` would not do: it is 0 during a reset."""
    return device.folder, device.folder.stat().st_ino


def _interfaces(device: Device) -> str:
    """Class, subclass and protocol of each interface of a USB device: ``080650 020201``. Empty before it is set up."""
    parts = [Device("usb", folder, device.udev) for folder in sorted(device.folder.glob(f"{device.name}:*"))]
    names = ("bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol")
    return " ".join("".join(os.fsdecode(part.read(name) or b"") for name in names) for part in parts)
