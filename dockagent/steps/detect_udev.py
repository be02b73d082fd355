"""Detect cameras by the kernel's device events (libudev), by the port they sit in: disks, serial lines, and USB devices
that show neither."""

import errno
import os
import select
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pyudev

from dockagent.clock import Clock
from dockagent.core.paths import to_text
from dockagent.errors import Missing
from dockagent.steps.detect import Deliver, Reporter, Sighting, Watch

SETTLE_S = 0.25  # one plug makes a burst of events; a disk is announced before its partitions
LONGEST_SETTLE_S = 2.0  # a storm must not put off the look for ever
BARE_S = 12.0  # a USB disk may need so long until its medium is there; then it is reported without one
RESCAN_S = 10.0  # and without any event: a udevd that died says nothing
BUFFER = 4 << 20  # bytes of events the kernel may keep for us; the default overflows at some hundred
_UDEVD = Path("/run/udev/control")
_OF_USB = {
    **{"vendor_id": "idVendor", "product_id": "idProduct"},
    **{name: name for name in ("manufacturer", "product", "serial")},
}
_HUB, _STILL_IMAGE, _WILL_SHOW = "09", "06", ("08", "0202")  # of USB's classes: usb.org, "Defined Class Codes"
_OF_BLOCK = {"filesystem": "ID_FS_TYPE", "label": "ID_FS_LABEL", "uuid": "ID_FS_UUID"}
# pyudev turns the errno of a failed call, which may be a stale one, into any of these
_ODD = (OSError, ValueError, KeyError, OverflowError, MemoryError, pyudev.DeviceNotFoundError)

Device = Any  # pyudev is not typed


class UdevWatch(Watch):
    """Watches the subsystems block, tty and usb, through udevd where it runs, else straight from the kernel.

    ``ports`` maps a USB port path (``1-2.3``: bus 1, port 2, hub port 3) to a bay, for every interface of the device
    there; ``name:loop20`` maps a kernel device name, and the partitions of that disk, for readers that are not on
    USB. ``auto``: a USB port that is not mapped is a bay by its own name. All other devices are none of ours: the
    dock's own disks, consoles and virtual terminals.

    A USB device in a mapped port that is neither disk nor terminal is reported too, so that a camera in an odd mode is
    never taken for an empty bay; in other ports only what speaks PTP or MTP, and ids that ``is_camera`` knows.
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
    ) -> None:
        super().__init__("device watch", on_error)
        self._ports, self._auto, self._clock = dict(ports), auto, clock
        self._is_camera = is_camera
        self._reporter = Reporter(deliver)
        self._bare_since: dict[object, float] = {}
        self._monitor: Device = None
        self._context: Device = None
        self._through_udevd = False
        self._lost = False
        self._last_look = float("-inf")
        self._first_event: float | None = None
        self._last_event = 0.0

    def _arm(self) -> None:
        self._through_udevd = _UDEVD.exists()
        try:
            self._context = pyudev.Context()
            self._monitor = pyudev.Monitor.from_netlink(self._context, "udev" if self._through_udevd else "kernel")
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
        self._monitor = self._context = None  # libudev closes its socket with the last reference

    def _look(self, ready: frozenset[int]) -> float:
        now = self._clock.monotonic()
        if self._monitor.fileno() in ready and self._drain():
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
        """Take the waiting events; whether there were any. What they say is not believed, so it is not read."""
        for taken in range(10_000):
            try:
                if self._monitor.poll(0) is None:
                    return taken > 0
            except _ODD as err:
                if not self._overflowed(err):
                    self.complain(f"a device event cannot be read and is left out: {err}")
                return True
        return True

    def _overflowed(self, err: Exception) -> bool:
        """Whether the kernel dropped events (netlink(7), ENOBUFS). Whoever asks first takes the error off the socket:
        libudev, if events were lost after pyudev looked and before it read; else we do, as pyudev raises before it
        reads, without the number, and would do so for ever."""
        with socket.socket(fileno=os.dup(self._monitor.fileno())) as same:
            pending = same.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        lost = errno.ENOBUFS in (pending, getattr(err, "errno", None))
        self._lost = self._lost or lost
        return lost

    def _scan(self) -> None:
        """Report all cameras that are there now, by what identifies one stay of a device."""
        try:
            disks = [*_readable(self._context.list_devices(subsystem="block"))]
            terminals = [*self._context.list_devices(subsystem="tty")]
            on_usb = [*self._context.list_devices(subsystem="usb", DEVTYPE="usb_device")]
        except _ODD as err:
            self.complain(f"devices cannot be listed, so none is believed to have come or gone: {err}")
            return
        seen: dict[object, Sighting] = {}
        for device in disks:
            self._add(seen, "block", device)
        for device in terminals:
            self._add(seen, "tty", device)
        taken = {one.port for one in seen.values()}
        bare = [device for device in on_usb if device.sys_name not in taken]
        self._bare_since = {key: since for key, since in self._bare_since.items() if key in map(_stay, bare)}
        for device in bare:
            if self._is_bare(device):
                self._add(seen, "usb", device)
        self._reporter.look(seen)

    def _is_bare(self, device: Device) -> bool:
        """Whether a USB device that has shown no disk and no terminal so far is to be reported as it is."""
        interfaces = _interfaces(device).split()
        if not interfaces or any(one.startswith(_HUB) for one in interfaces):
            return False
        usb = ":".join(os.fsdecode(device.attributes.get(name) or b"") for name in ("idVendor", "idProduct"))
        mapped = device.sys_name in self._ports
        if not mapped and not any(one.startswith(_STILL_IMAGE) for one in interfaces) and not self._is_camera(usb):
            return False
        if not any(one.startswith(_WILL_SHOW) for one in interfaces):
            return True
        since = self._bare_since.setdefault(_stay(device), self._clock.monotonic())
        return self._clock.monotonic() - since >= BARE_S

    def _add(self, seen: dict[object, Sighting], kind: Literal["block", "tty", "usb"], device: Device) -> None:
        try:
            place = self._place(device)
            if place is None or device.device_node is None or not self._is_ready(device):
                return
            bay, port = place
            facts = _facts(device)
            seen[_identity(device)] = Sighting("appeared", bay, port, kind, device.device_node, facts)
        except FileNotFoundError:
            return  # it left while we looked; its event makes us look again
        except _ODD as err:
            self.complain(f"device {to_text(os.fsencode(device.sys_name))} cannot be looked at: {err}")

    def _is_ready(self, device: Device) -> bool:
        """Not before udevd is done with it: before that its node has no rights, and its file system is not known."""
        return not self._through_udevd or bool(device.is_initialized)

    def _place(self, device: Device) -> tuple[str, str] | None:
        """Bay and port of a device, or None for one that is none of ours."""
        for name in _names(device):
            if name in self._ports:
                return self._ports[name], name
        usb = _on_usb(device)
        if usb is None:
            return None
        bay = self._ports.get(usb.sys_name, usb.sys_name if self._auto else None)
        return None if bay is None else (bay, usb.sys_name)


def _names(device: Device) -> Iterator[str]:
    yield f"name:{device.sys_name}"
    if device.device_type == "partition" and device.parent is not None:
        yield f"name:{device.parent.sys_name}"


def _readable(devices: Iterable[Device]) -> Iterator[Device]:
    """What may be mounted: the partitions with a file system; all partitions where none is known to have one (so
    that mounting says why not); the disk itself where it has no partitions."""
    disks: dict[str, Device] = {}
    partitions: dict[str, list[Device]] = {}
    for device in devices:
        if device.device_type == "partition":
            partitions.setdefault(str(Path(device.sys_path).parent), []).append(device)
        elif _size(device) > 0:  # a reader without a card, a loop device without a file
            disks[device.sys_path] = device
    for path, disk in disks.items():
        parts = partitions.get(path, [])
        if parts:
            yield from [part for part in parts if part.properties.get("ID_FS_USAGE") == "filesystem"] or parts
        elif disk.properties.get("ID_PART_TABLE_TYPE") is None or disk.properties.get("ID_FS_USAGE") == "filesystem":
            yield disk


def _size(device: Device) -> int:
    raw = device.attributes.get("size") or b"0"
    return int(raw) if raw.strip().isdigit() else 0


def _identity(device: Device) -> object:
    """sysfs never gives a number again to another device, unlike names; ``diskseq`` counts the media in a reader."""
    if device.subsystem == "usb":
        return _stay(device)
    disk = device.parent if device.device_type == "partition" else device
    sequence = disk.attributes.get("diskseq") if disk is not None else None
    return device.sys_path, Path(device.sys_path).stat().st_ino, sequence


def _stay(device: Device) -> object:
    """What tells one stay of a USB device from the next in the same port."""
    return device.sys_path, os.fsdecode(device.attributes.get("devnum") or b"")


def _on_usb(device: Device) -> Device:
    """The USB device that this is, or is a part of; None for others."""
    return device if device.subsystem == "usb" else device.find_parent("usb", "usb_device")


def _interfaces(device: Device) -> str:
    """Class, subclass and protocol of each interface of a USB device: ``080650 020201``. Empty before it is set up."""
    folders = sorted(Path(device.sys_path).glob(f"{device.sys_name}:*"))
    names = ("bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol")
    return " ".join("".join((folder / name).read_text().strip() for name in names) for folder in folders)


def _facts(device: Device) -> dict[str, str]:
    facts = {fact: device.properties.get(key) for fact, key in _OF_BLOCK.items()}
    usb = _on_usb(device)
    if usb is not None:
        facts |= {fact: usb.attributes.get(key) for fact, key in _OF_USB.items()}
        facts["interfaces"], facts["usb_port"] = _interfaces(usb), usb.sys_name
    if device.subsystem == "block":
        facts["bytes"] = str(_size(device) * 512)  # sysfs counts in 512-byte sectors whatever the medium has
    return {fact: _shown(value) for fact, value in facts.items() if value}


def _shown(value: str | bytes) -> str:
    return to_text(value if isinstance(value, bytes) else os.fsencode(value))
