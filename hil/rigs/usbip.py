"""USB devices in pure Python, plugged into the kernel's virtual controller vhci_hcd: eight ports, every fault.

The kernel's own drivers stand on the dock's side: enumeration, usb-storage, cdc-acm, block devices, partitions. Needs
root and the driver (``modprobe vhci-hcd``, or the guest of :mod:`hil.rigs.uml`). Nobody else may use its ports.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hil.cameras.dialects.amba import AmbaCamera
from hil.cameras.specimen import Specimen, UsbPlate
from hil.cameras.usb import Function
from hil.cameras.usb.acm import Acm
from hil.cameras.usb.device import Device
from hil.cameras.usb.disk import Disk
from hil.cameras.usb.keyboard import Keyboard
from hil.cameras.usb.mtp import MtpFunction
from hil.cameras.usb.mtp_card import MtpStorage
from hil.cameras.usb.scsi import Oddities, Unit
from hil.cameras.usb.storage import Storage
from hil.cameras.usb.usbip import VHCI, Cable, attach, high_speed_ports, is_free
from hil.rigs import Ability, Place
from hil.rigs.cards import Cards
from hil.rigs.faults import Script
from hil.rigs.usb_tree import Changes

AWAY_S = 1.0
"""How long a device is away whose port loses its power, or which changes its mode."""

ANSWERED_S = 0.1
"""How long after a dialogue asked for another mode its last answer may still be on its way."""

PORT_FREE_S = 10.0


def lacks() -> str:
    """Why this rig cannot be used here, or nothing."""
    if os.geteuid() != 0:
        return "needs root, to attach devices to vhci_hcd; or add --in uml"
    return "" if (VHCI / "attach").exists() else "this kernel has no vhci_hcd: modprobe vhci-hcd, or add --in uml"


@dataclass(slots=True)
class Habits:
    """How a camera is odd on this rig, besides its script. ``oddities`` may be changed at any time, the rest counts
    from the next plug. ``second``: the image of a second card, read-only; ``text``: what its keyboard types."""

    oddities: Oddities = field(default_factory=Oddities)
    second: Path | None = None
    new_serials: bool = False  # another serial at each plug
    text: str = "open sesame\n"


Maker = Callable[[Specimen, "UsbipStay", Script], Function]
"""Makes a function of a camera, for a stay that begins (and that it may ask to ``become``, ``cycle`` or ``hang``)."""


class UsbipStay:
    """A camera on a port of the virtual controller. See :class:`hil.rigs.Stay`.

    ``device`` and its functions may be looked into, and changed, while it is there.
    """

    def __init__(self, port: int, camera: Specimen, build: Callable[[Specimen, UsbipStay], Device]) -> None:
        self.camera, self._port, self._build = camera, port, build
        self._lock = threading.RLock()
        self._there, self._expected = True, False
        self._out = threading.Event()
        self._past = 0
        self._cable: Cable | None = None
        self.device = build(camera, self)
        try:
            self._connect()
        except OSError as err:  # TimeoutError too
            self._gone()
            raise RuntimeError(
                f"port {port} of vhci_hcd does not take {camera.name}: {err}; unplug what is in it"
            ) from err

    @property
    def there(self) -> bool:
        """Whether it is plugged in; also while its port has no power."""
        return self._there

    @property
    def storage(self) -> Storage | None:
        """Its card's function, if it has one now."""
        return next((one for one in self.device.functions if isinstance(one, Storage)), None)

    @property
    def keyboard(self) -> Keyboard | None:
        """Its keyboard, if it is that too."""
        return next((one for one in self.device.functions if isinstance(one, Keyboard)), None)

    @property
    def given(self) -> int:
        """See :class:`hil.rigs.Stay`; what it gave before it changed its mode counts too."""
        now = (one.given for one in self.device.functions if isinstance(one, Storage | MtpFunction))
        return self._past + sum(now)

    @property
    def wrote(self) -> int:
        """Sectors that the dock wrote to its cards, or tried to, in this stay and mode."""
        units = self.storage.units if self.storage else ()
        return sum(count for unit in units for _, count in unit.disk.writes)

    def wait_out(self, limit_s: float) -> None:
        """Wait until it left, whoever pulled it. Raises TimeoutError."""
        if not self._out.wait(limit_s):
            raise TimeoutError(f"{self.camera.name} is still there after {limit_s:g} s")

    def unplug(self) -> None:
        """See :class:`hil.rigs.Stay`."""
        self._out.set()  # first: whoever waits to plug it in again must not
        with self._lock:
            self._disconnect()
            self._gone()

    def power(self, on: bool) -> None:
        """See :class:`hil.rigs.Stay`."""
        with self._lock:
            if not on:
                self._disconnect()
            elif self._cable is None and not self._out.is_set():
                self._connect()

    def hang(self) -> None:
        """Answer nothing any more, until it is pulled or its port is switched off."""
        self.device.hang()

    def cycle(self) -> None:
        """Take the port's power away for AWAY_S. Returns at once."""
        self._later(0, self.camera)

    def become(self) -> None:
        """Leave the port and come back on it as the camera's ``then``, after AWAY_S. Returns at once.

        This is what a function calls whose dialogue asked for another mode: a ``Callable[[], None]``, from any thread,
        after it sent its last answer. Raises ValueError for a camera that has no other mode.
        """
        if self.camera.then is None:
            raise ValueError(f"{self.camera.name} has no other mode: its specimen has no `then`")
        self._later(ANSWERED_S, self.camera.then)

    def _later(self, delay: float, camera: Specimen) -> None:
        threading.Thread(target=self._come_back, args=(delay, camera), name=f"port {self._port}", daemon=True).start()

    def _come_back(self, delay: float, camera: Specimen) -> None:
        if self._out.wait(delay):
            return
        with self._lock:
            self._disconnect()
        if self._out.wait(AWAY_S):
            return
        with self._lock:
            if self._out.is_set():
                return
            try:
                self._return_as(camera)
            except (OSError, RuntimeError):  # TimeoutError is an OSError
                self._gone()  # it did not come back: whoever waits for it is told; the thread's end says why
                raise

    def _return_as(self, camera: Specimen) -> None:
        if camera is not self.camera:
            self._past = self.given
            self._let_cards_go()
            self.camera = camera
            self.device = self._build(camera, self)
        self._connect()

    def _connect(self) -> None:
        with Changes() as changes:
            if not changes.wait(lambda: is_free(self._port), PORT_FREE_S):
                raise TimeoutError("it is still in use")
        self._expected = False
        self._cable = attach(self.device, self._port, self._left)

    def _disconnect(self) -> None:
        """Pull the cable and stay in the place."""
        self._expected = True
        if self._cable is not None:
            self._cable.pull()
            self._cable = None

    def _left(self) -> None:
        """Called by the cable when it is out."""
        if not self._expected:
            self._gone()

    def _gone(self) -> None:
        self._there = False
        self._let_cards_go()
        self._out.set()

    def _let_cards_go(self) -> None:
        for unit in self.storage.units if self.storage else ():
            unit.disk.close()


class UsbipRig:
    """Eight ports. Media are made and kept in ``folder``; ``writable``: a card can be written to, as real ones can, and
    a test sees whether it was (:meth:`digest`, :attr:`UsbipStay.wrote`); ``rate``: bytes of a medium in a second, 0: as
    fast as it goes. ``habits``: by the camera's name, for those that have any. ``makers``: a function for each word
    that a specimen's ``functions`` may hold. ``cards``: the cards of all cameras.

    A camera that is plugged in with the same script as the last time goes on in it. Raises RuntimeError where
    :func:`lacks` says why.
    """

    name = "usbip"
    carries: frozenset[Ability] = frozenset(
        {
            *("serial", "block", "usb", "yank", "read-error", "bit-flip", "hang", "slow", "power"),
            *("mode-switch", "mtp", "keyboard"),
        }
    )

    def __init__(self, folder: Path, *, writable: bool = True, rate: int = 0) -> None:
        if why := lacks():
            raise RuntimeError(why)
        self.places = tuple(Place(f"bay{index + 1:02}", port) for index, port in enumerate(high_speed_ports()))
        self.habits: dict[str, Habits] = {}
        self.makers: dict[str, Maker] = {
            "storage": self._storage,
            "acm": _acm,
            "mtp": self._mtp,
            "bulk": _bulk,
            "keyboard": self._keyboard,
        }
        self._writable, self._rate = writable, rate
        self._stays: dict[str, UsbipStay] = {}
        self.cards = Cards(folder, writable=writable)
        self._plugs: dict[str, int] = {}

    def bays(self) -> Mapping[str, Any]:
        """See :class:`hil.rigs.Rig`."""
        return {"udev": True, "auto": False, "ports": {place.port: place.name for place in self.places}}

    def plug(self, place: str, camera: Specimen, faults: Script) -> UsbipStay:
        """See :class:`hil.rigs.Rig`."""
        names = [one.name for one in self.places]
        if place not in names:
            raise ValueError(f"there is no place {place}; there are: {', '.join(names)}")
        if place in self._stays and self._stays[place].there:
            raise RuntimeError(f"{place} is taken")
        for one in (camera, camera.then):
            unknown = sorted(set(one.functions if one else ()) - set(self.makers))
            if unknown:
                raise ValueError(f"{camera.name}: this rig has no function {', '.join(unknown)}")
        self._plugs[camera.name] = self._plugs.get(camera.name, 0) + 1

        def build(which: Specimen, stay: UsbipStay) -> Device:
            return self._device(which, stay, faults)

        self._stays[place] = UsbipStay(names.index(place), camera, build)
        return self._stays[place]

    def digest(self, camera: Specimen) -> str:
        """See :class:`hil.rigs.Rig`; of its cards in all modes."""
        return self.cards.digest(camera)

    def image(self, camera: Specimen) -> Path:
        """The image of a camera's card, as it is now."""
        return self.cards.card(camera).path

    def close(self) -> None:
        """See :class:`hil.rigs.Rig`."""
        for stay in self._stays.values():
            stay.unplug()

    def _device(self, camera: Specimen, stay: UsbipStay, faults: Script) -> Device:
        return Device(self._plate(camera), [self.makers[word](camera, stay, faults) for word in camera.functions])

    def _plate(self, camera: Specimen) -> UsbPlate:
        if not self._habits(camera).new_serials:
            return camera.usb
        return replace(camera.usb, serial=f"{camera.usb.serial}{self._plugs[camera.name]}")

    def _habits(self, camera: Specimen) -> Habits:
        return self.habits.setdefault(camera.name, Habits(Oddities(rate=self._rate)))

    def _storage(self, camera: Specimen, stay: UsbipStay, faults: Script) -> Function:
        card, habits = self.cards.card(camera, faults), self._habits(camera)
        card.reach.plugged()
        disks = [Disk(card.path, writable=self._writable and not camera.locked)]
        if habits.second is not None:
            disks.append(Disk(habits.second))
        odd = (habits.oddities, Oddities())
        units = [Unit(disk, camera.usb.inquiry, camera.usb.serial, odd[index]) for index, disk in enumerate(disks)]
        return Storage(units, card.reach, on_hang=stay.hang, on_power=stay.cycle)

    def _mtp(self, camera: Specimen, stay: UsbipStay, faults: Script) -> Function:
        reach = self.cards.files(camera, faults)
        reach.plugged()
        card = MtpStorage(camera.card, volume=camera.label or "CARD")
        return MtpFunction([card], reach=reach, on_hang=stay.hang, on_power=stay.cycle)

    def _keyboard(self, camera: Specimen, _: UsbipStay, __: Script) -> Function:
        return Keyboard(self._habits(camera).text)


def _bulk(camera: Specimen, stay: UsbipStay, _: Script) -> Function:
    """A maker's dialogue. Its device id is the label of the card that it shows afterwards, as its software expects."""
    if camera.then is None:
        return AmbaCamera(camera.plate.serial)
    return AmbaCamera(camera.then.label or camera.plate.serial, stay.become)


def _acm(camera: Specimen, _: UsbipStay, __: Script) -> Function:
    if camera.talker is None:
        raise ValueError(f"{camera.name} has a serial line, but no talker that answers on it")
    return Acm(camera.talker)
