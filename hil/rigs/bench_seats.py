"""Who sits where on a bench: what is plugged in at a bay, which camera of the bench that is, and how to switch it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hil.rigs.bench_file import Bay, Bench, Pass
from hil.rigs.card_reader import volumes
from hil.rigs.power import Hand, LockedDevice, PowerPort, Switched, SysfsPort
from hil.rigs.uhubctl import Uhubctl
from hil.rigs.usb_tree import Changes, UsbDevice, UsbTree


def power_of(bay: Bay, bench: Bench, tree: UsbTree, ask: Callable[[str], None] = print) -> PowerPort:
    """How the power of a bay is switched, with what it falls back to."""
    if bay.power == "none":
        return Hand(bay.port, bay.name, tree, ask=ask, limit_s=bench.limits.hand)
    ways: list[PowerPort] = [SysfsPort(bay.port, tree), LockedDevice(bay.port, tree)]
    if bay.power == "uhubctl":
        ways.insert(0, Uhubctl(bay.port, twin=bay.twin))
    return Switched(ways, tree, limit_s=bench.limits.gone)


@dataclass(frozen=True, slots=True)
class Seats:
    """The bays of a bench as they are now."""

    bench: Bench
    tree: UsbTree

    def occupant(self, bay: Bay) -> UsbDevice | None:
        """What is plugged in: at the bay's port, or at its twin, where a USB 3 device shows up."""
        found = (self.tree.device(port) for port in (bay.port, bay.twin) if port and not self.tree.silent(port))
        return next((device for device in found if device is not None), None)

    def wait_occupant(self, bay: Bay, limit_s: float) -> UsbDevice | None:
        """The same, as soon as there is somebody; None if nobody comes."""
        with Changes() as changes:
            changes.wait(lambda: self.occupant(bay) is not None, limit_s)
        return self.occupant(bay)

    def names(self, device: UsbDevice, limit_s: float) -> tuple[str, ...]:
        """The cameras of the bench that a device may be: one, if the patterns are good. Where nobody fits without it,
        its disk is waited for, whose label may tell."""
        labelled = any(one.label for one in self.bench.cameras.values())
        if labelled and not self._fitting(device, frozenset()):
            self._wait_label(device, limit_s)
        return self._fitting(device, self._labels(device) if labelled else frozenset())

    def is_camera(self, device: UsbDevice, camera: Pass, limit_s: float) -> bool:
        """Whether a device is this camera. Its disk, whose label may tell, comes some seconds after the device."""
        if camera.label is not None:
            self._wait_label(device, limit_s)
        return camera.fits(device.id, device.serial, self._labels(device) if camera.label else frozenset())

    def _fitting(self, device: UsbDevice, labels: frozenset[str]) -> tuple[str, ...]:
        return tuple(one.name for one in self.bench.cameras.values() if one.fits(device.id, device.serial, labels))

    def _wait_label(self, device: UsbDevice, limit_s: float) -> None:
        with Changes() as changes:
            changes.wait(lambda: bool(self._labels(device)), limit_s)

    def _labels(self, device: UsbDevice) -> frozenset[str]:
        return frozenset(one.label for disk in device.disks for one in volumes(disk, self.tree) if one.label)
