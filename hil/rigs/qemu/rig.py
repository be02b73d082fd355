"""The rig ``qemu``: cameras as devices that QEMU emulates, plugged from inside the guest over QEMU's own protocol.

What only this rig has: another vendor's USB device models (``usb-storage``, ``usb-mtp``), an xHCI controller whose
ports are on two buses, and ports behind hubs. Every camera has its own serial number and QEMU's own ids (46f4:0001,
46f4:0004), whatever its family has: what it is must be told from its card. Nothing goes wrong inside a transfer but a
pull. A camera on a serial line is plugged in from outside: :mod:`hil.rigs.qemu.adapter`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hil.cameras.specimen import Specimen
from hil.rigs import Ability, Place, Unable, medium
from hil.rigs.faults import Script
from hil.rigs.qemu import devices
from hil.rigs.qemu.wire import MONITOR, Wire
from hil.rigs.usb_tree import Changes, UsbTree

_HUB, _HUB_PORT = "hub", 8
_HUB_S = 30.0
_SEATS = {f"bay{number:02}": str(number) for number in (1, 2, 3, 4)}
_SEATS |= {f"bay{number + 4:02}": f"{_HUB_PORT}.{number}" for number in (1, 2, 3, 4)}
"""Bay to port of the xHCI controller; ``8.1`` is port 1 of the hub in port 8."""


def lacks() -> str:
    """Why this rig cannot be used here, or nothing."""
    return "" if Path(MONITOR).exists() else "this machine is no guest of QEMU: add --in qemu"


class QemuStay:
    """A camera that QEMU emulates, in its port. See :class:`hil.rigs.Stay`."""

    def __init__(self, wire: Wire, name: str, *, is_disk: bool) -> None:
        self._wire, self._name, self._is_disk = wire, name, is_disk
        self._there = True

    @property
    def there(self) -> bool:
        """Whether it is plugged in."""
        return self._there

    @property
    def given(self) -> int:
        """Bytes that QEMU read of its medium for the guest, 0 after it was pulled; -1 for a camera without one."""
        return devices.bytes_read(self._wire, self._name) if self._is_disk else -1

    def unplug(self) -> None:
        """Pull it out."""
        if self._there:
            self._there = False
            (devices.pull_disk if self._is_disk else devices.pull)(self._wire, self._name)

    def power(self, on: bool) -> None:
        """Raises Unable: QEMU's ports have no switch."""
        raise Unable("QEMU's ports have no power switch")


class QemuRig:
    """Eight bays: four ports of the controller, four behind a hub. ``folder``: one that QEMU sees under the same
    path (the guest's share), for images and MTP folders. ``buses``: the numbers of the controller's two buses, the slow
    one first. Raises RuntimeError where :func:`lacks` says why, OSError
    when another rig is open in this guest."""

    name = "qemu"
    carries: frozenset[Ability] = frozenset({"block", "usb", "hub", "mtp"})

    def __init__(self, folder: Path) -> None:
        if why := lacks():
            raise RuntimeError(why)
        self._folder = folder
        self._stays: dict[str, QemuStay] = {}
        self._plugged = 0
        self.buses = buses()
        with ExitStack() as undo:
            self._wire = Wire()
            undo.callback(self._wire.close)
            self._plug_hub()
            undo.pop_all()
        self._open = True
        self.places = tuple(Place(bay, f"{self.buses[0]}-{port}") for bay, port in _SEATS.items())

    def bays(self) -> Mapping[str, Any]:
        """See :class:`hil.rigs.Rig`. Each bay has two names: the controller's ports are on two buses, and a device
        shows on that of its speed."""
        ports = {f"{bus}-{port}": bay for bay, port in _SEATS.items() for bus in self.buses}
        return {"udev": True, "auto": False, "ports": ports}

    def plug(self, place: str, camera: Specimen, faults: Script) -> QemuStay:
        """See :class:`hil.rigs.Rig`. Raises ValueError for a camera or fault beyond QEMU."""
        if faults.needs:
            raise ValueError(f"the rig qemu cannot carry {', '.join(sorted(faults.needs))}")
        if camera.functions not in (("mtp",), ("storage",)):
            raise ValueError(f"the rig qemu has no camera that is {' and '.join(camera.functions)}")
        if place not in _SEATS:
            raise ValueError(f"no bay is called {place}; there are {', '.join(_SEATS)}")
        held = self._stays.get(place)
        if held is not None and held.there:
            raise RuntimeError(f"{place} is taken")
        self._plugged += 1
        name, port, is_disk = f"camera{self._plugged}", _SEATS[place], camera.functions == ("storage",)
        if is_disk:
            image = medium.medium_of(camera, self._folder).path
            devices.plug_disk(self._wire, name, port, image, serial=camera.usb.serial)
        else:
            facts = {"desc": camera.usb.name, "serial": camera.usb.serial, "readonly": True}
            devices.plug(self._wire, "usb-mtp", name, port, rootdir=str(camera.card), **facts)
        stay = self._stays[place] = QemuStay(self._wire, name, is_disk=is_disk)
        return stay

    def digest(self, camera: Specimen) -> str:
        """Of the image, or of every file in an MTP camera's folder."""
        if camera.functions == ("storage",):
            return medium.digest(medium.medium_of(camera, self._folder).path)
        whole = hashlib.sha256()
        for path in sorted(one for one in camera.card.rglob("*") if one.is_file()):
            whole.update(str(path.relative_to(camera.card)).encode() + b"\0")
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
        return whole.hexdigest()

    def close(self) -> None:
        """Unplug everything, the hub last. May be repeated."""
        if not self._open:
            return
        self._open = False
        for stay in self._stays.values():
            stay.unplug()
        devices.pull(self._wire, _HUB)
        self._wire.close()

    def _plug_hub(self) -> None:
        """A hub whose ports the kernel has set up: until then, what is plugged into them is not seen."""
        port = f"{self.buses[0]}-{_HUB_PORT}"
        with Changes() as changes:
            devices.plug(self._wire, "usb-hub", _HUB, str(_HUB_PORT), ports=8)
            if not changes.wait(lambda: not UsbTree().silent(port), _HUB_S):
                raise RuntimeError(f"no hub came at {port} within {_HUB_S:g} s")


def buses() -> tuple[int, int]:
    """The numbers of the xHCI controller's two buses, the slow one first."""
    found = []
    for hub in Path("/sys/bus/usb/devices").glob("usb*"):
        if "xhci" in (hub / "product").read_text().lower():
            found.append((float((hub / "speed").read_text()), int((hub / "busnum").read_text())))
    if len(found) != 2:
        raise RuntimeError(f"one xHCI controller has two buses; here are {len(found)}")
    (_, slow), (_, fast) = sorted(found)
    return slow, fast
