"""USB gadgets: the kernel's own mass storage and CDC-ACM on the loop-back controller dummy_hcd, four ports.

More real than the emulators in Python (the kernel's SCSI target, the line speed of USB 2), and with fewer faults: the
kernel reads the image itself, so nobody knows how far a dock has come. Needs root, configfs, libcomposite and dummy_hcd
(``modprobe dummy_hcd num=4``, or the guest of :mod:`hil.rigs.uml`).

A script is laid along the medium, not along what is read first: its n-th letter speaks of the n-th MiB of the contents
of files, as they lie. Only E and B can be carried out, once for a script: a camera that comes again with the same
script is well. E ends a moment after the host met it, so that a reader that asks again at once may meet it twice. A
port's power can be switched (:meth:`GadgetStay.power`), but not at a byte, as a script wants it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hil.cameras.specimen import Specimen, Talker
from hil.cameras.usb.pump import Pump
from hil.rigs import Ability, Place
from hil.rigs.bad_sectors import BadSectors, Complaints, bad_places
from hil.rigs.cards import Card, Cards
from hil.rigs.faults import Script
from hil.rigs.gadget_files import GADGETS, Gadget
from hil.rigs.power import SysfsPort
from hil.rigs.usb_tree import Changes, UsbTree

CONTROLLERS = Path("/sys/class/udc")
AWAY_S = 1.0
BACK_S = 20.0
_CARRIED = frozenset("rEB")


def lacks() -> str:
    """Why this rig cannot be used here, or nothing."""
    if os.geteuid() != 0:
        return "needs root, to make USB gadgets; or add --in uml"
    if not GADGETS.is_dir():
        return "this kernel has no USB gadgets: modprobe libcomposite, mount configfs, or add --in uml"
    return "" if controllers() else "this kernel has no dummy_hcd: modprobe dummy_hcd num=4, or add --in uml"


def controllers() -> tuple[str, ...]:
    """The names of the loop-back controllers, in their order."""
    found = (path.name for path in CONTROLLERS.glob("dummy_udc.*"))
    return tuple(sorted(found, key=lambda name: int(name.rpartition(".")[2])))


def port_of(controller: str) -> str:
    """The port path of a controller's only port; the kernel numbers buses as it likes."""
    root = Path("/sys/devices/platform") / controller.replace("udc", "hcd")
    return f"{next(root.glob('usb[0-9]*')).name.removeprefix('usb')}-1"


class GadgetStay:
    """A camera on a gadget. See :class:`hil.rigs.Stay`; ``given`` is -1, as the kernel gives and does not tell."""

    given = -1

    def __init__(self, controller: str, camera: Specimen, script: Script, cards: Cards, *, writable: bool) -> None:
        self.camera, self._controller, self._cards, self._writable = camera, controller, cards, writable
        self.port = port_of(controller)
        self._script = script
        self._lock = threading.RLock()
        self._out = threading.Event()
        self._gadget = Gadget(GADGETS / f"hil-{controller}")
        self._power = SysfsPort(self.port)
        self._pumps: list[Pump] = []
        self._bad: BadSectors | None = None
        self._complaints: Complaints | None = None
        self._plug()

    @property
    def there(self) -> bool:
        """See :class:`hil.rigs.Stay`: a gadget never leaves by itself."""
        return not self._out.is_set()

    def unplug(self) -> None:
        """See :class:`hil.rigs.Stay`."""
        self._out.set()
        with self._lock:
            self._pull()
            self._power.on()

    def power(self, on: bool) -> None:
        """See :class:`hil.rigs.Stay`."""
        with self._lock:
            if self._out.is_set():
                return
            if on:
                self._power.on()
            else:
                self._power.off()

    def become(self) -> None:
        """Leave the port and come back on it as the camera's ``then``, after AWAY_S. Returns at once. Raises ValueError
        for a camera that has no other mode."""
        if self.camera.then is None:
            raise ValueError(f"{self.camera.name} has no other mode: its specimen has no `then`")
        threading.Thread(target=self._become, args=(self.camera.then,), name=self.port, daemon=True).start()

    def _become(self, camera: Specimen) -> None:
        with self._lock:
            self._pull()
        if self._out.wait(AWAY_S):
            return
        with self._lock:
            if not self._out.is_set():
                self.camera = camera
                self._plug()

    def _plug(self) -> None:
        plate = self.camera.usb
        try:
            self._gadget.remove()  # of a run that was killed
            self._gadget.describe(plate, composite="acm" in self.camera.functions)
            self._line: tuple[Path, Talker] | None = None
            for word in self.camera.functions:
                if word == "storage":
                    card = self._cards.card(self.camera)
                    self._gadget.disk(plate, self._node(card), writable=self._writable)
                elif self.camera.talker is not None:
                    self._line = self._gadget.line(), self.camera.talker
            self._talk()
            with Changes() as changes:
                self._gadget.connect(self._controller)
                if not changes.wait(lambda: not UsbTree().silent(self.port), BACK_S):
                    raise RuntimeError(f"nothing came at port {self.port} within {BACK_S:g} s")
        except (OSError, RuntimeError) as err:
            self._out.set()
            self._pull()
            raise RuntimeError(f"{self._controller} does not take {self.camera.name}: {err}") from err

    def _node(self, card: Card) -> Path:
        """What stands behind the disk: the image, or a device with the script's errors over it."""
        places = bad_places(self._script, card.medium.contents, card.medium.sectors)
        bad = [*places["E"], *places["B"]]
        if not bad:
            return card.path
        device = BadSectors(card.path, f"hil-{self._controller}", bad, writable=self._writable)
        self._bad = device

        def complained(disk: str) -> None:
            usb = UsbTree().device(self.port)
            if usb is not None and disk in usb.disks:
                device.heal(places["E"])

        self._complaints = Complaints(complained)
        return device.node

    def _talk(self) -> None:
        if self._line is None:
            return
        node, talker = self._line
        with Changes() as changes:
            changes.wait(node.exists, BACK_S)

        def to_talker(data: bytes) -> None:
            # Nothing comes before the gadget is connected, and by then both pumps are there.
            self._pumps[1].put(data)

        self._pumps = [Pump(node, to_talker, gadget=True)]
        self._pumps.append(Pump(talker.open(), self._pumps[0].put))

    def _stop_talking(self) -> None:
        for pump in self._pumps:
            pump.close()
        if self._pumps and self._line is not None:
            self._line[1].hang_up()
        self._pumps = []

    def _pull(self) -> None:
        """Out, and everything taken down. A line that is open keeps its function from being removed, for ever."""
        self._gadget.disconnect()
        self._stop_talking()
        self._gadget.remove()
        if self._complaints is not None:
            self._complaints.close()
            self._complaints = None
        if self._bad is not None:
            self._bad.close()
            self._bad = None


class GadgetRig:
    """A port for each loop-back controller. Media are made and kept in ``folder``; ``writable`` as for
    :class:`hil.rigs.usbip.UsbipRig`. ``makers``: the functions that a camera can have on it. Raises RuntimeError where
    :func:`lacks` says why."""

    name = "gadget"
    makers = frozenset({"storage", "acm"})
    carries: frozenset[Ability] = frozenset({"serial", "block", "usb", "read-error"})

    def __init__(self, folder: Path, *, writable: bool = True) -> None:
        if why := lacks():
            raise RuntimeError(why)
        self.cards = Cards(folder, writable=writable)
        self._writable = writable
        self._controllers = {f"bay{index + 1:02}": name for index, name in enumerate(controllers())}
        self.places = tuple(Place(bay, port_of(name)) for bay, name in self._controllers.items())
        self._stays: dict[str, GadgetStay] = {}
        self._followed: dict[str, Script] = {}

    def bays(self) -> Mapping[str, Any]:
        """See :class:`hil.rigs.Rig`."""
        return {"udev": True, "auto": False, "ports": {place.port: place.name for place in self.places}}

    def plug(self, place: str, camera: Specimen, faults: Script) -> GadgetStay:
        """See :class:`hil.rigs.Rig`."""
        if place not in self._controllers:
            raise ValueError(f"there is no place {place}; there are: {', '.join(self._controllers)}")
        if place in self._stays and self._stays[place].there:
            raise RuntimeError(f"{place} is taken")
        if others := sorted(set(faults.letters) - _CARRIED):
            raise ValueError(f"a gadget carries out only E and B, not {', '.join(others)}; use the rig usbip")
        for one in (camera, camera.then):
            self._can_be(one)
        script = Script() if self._followed.get(camera.name) == faults else faults
        self._followed[camera.name] = faults
        stay = GadgetStay(self._controllers[place], camera, script, self.cards, writable=self._writable)
        self._stays[place] = stay
        return stay

    def digest(self, camera: Specimen) -> str:
        """See :class:`hil.rigs.Rig`; of its cards in all modes."""
        return self.cards.digest(camera)

    def close(self) -> None:
        """See :class:`hil.rigs.Rig`."""
        for stay in self._stays.values():
            stay.unplug()

    def _can_be(self, camera: Specimen | None) -> None:
        words = camera.functions if camera else ()
        if unknown := sorted(set(words) - self.makers):
            raise ValueError(f"a gadget is no {', '.join(unknown)}; use the rig usbip")
        if camera and "acm" in words and camera.talker is None:
            raise ValueError(f"{camera.name} has a serial line, but no talker that answers on it")
