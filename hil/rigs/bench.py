"""Rig R: real cameras in real bays. Plugging is switching a port on, or asking a person.

What a bench can do depends on its file: a bay that a person serves has no power to switch, so a bench with one cannot
carry ``power`` or ``yank``. Errors of the medium cannot be had from a camera that is well.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from hil.cameras.plate import Plate
from hil.cameras.specimen import Specimen, UsbPlate
from hil.rigs import Ability, Place, Unable
from hil.rigs.bench_faults import Meter, Saboteur, due
from hil.rigs.bench_file import Bay, Bench, read_bench
from hil.rigs.bench_seats import Seats, power_of
from hil.rigs.card_reader import CardError, Volume, digest, read_only, volumes
from hil.rigs.faults import Script
from hil.rigs.power import Hand, PowerPort, State
from hil.rigs.usb_tree import Changes, UsbTree


def lacks() -> str:
    """Why no bench can be used here, or nothing."""
    if os.geteuid() != 0:
        return "needs root: it switches ports and reads cards"
    return "" if UsbTree().devices() else "this machine shows no USB"


def open_bench(path: Path) -> BenchRig:
    """The rig of a bench's file. Raises OSError and bench_table.Mistakes as read_bench does."""
    return BenchRig(read_bench(path))


class BenchStay:
    """A real camera in its bay, from power on to power off."""

    def __init__(self, power: PowerPort, meter: Meter, saboteur: Saboteur, seats: Seats, bay: Bay) -> None:
        self._power, self._meter, self._saboteur, self._seats, self._bay = power, meter, saboteur, seats, bay

    @property
    def there(self) -> bool:
        return self._seats.occupant(self._bay) is not None

    @property
    def given(self) -> int:
        return self._meter.read()

    def unplug(self) -> None:
        """Switch its port off, or have it pulled. Raises PowerError if it stays, or if a fault could not be done."""
        self.end_count()
        try:
            self.end_faults()
        finally:
            # A port that is switched goes dark even if it looks empty: the camera may just be coming back.
            if self.there or not isinstance(self._power, Hand):
                self._power.off()

    def end_faults(self) -> None:
        """Wait until its faults are done with its port. Raises PowerError for one that could not be done."""
        self._saboteur.end()

    def end_count(self) -> int:
        """Bytes that it gave in this stay, at least 0; its bay is another's from now on."""
        self._meter.end()
        return max(self._meter.read(), 0)

    def power(self, on: bool) -> None:
        if isinstance(self._power, Hand):
            raise Unable(f"bay {self._bay.name} has no power that can be switched")
        if on:
            self._power.on()
        else:
            self._power.off()


class BenchRig:
    """The bench of a file. As a context manager: every bay is emptied first, and left powered as it was found."""

    name = "bench"

    def __init__(self, bench: Bench, tree: UsbTree | None = None, ask: Callable[[str], None] = print) -> None:
        self._bench, self._tree = bench, tree or UsbTree()
        self._seats = Seats(bench, self._tree)
        self._powers = {bay.name: power_of(bay, bench, self._tree, ask) for bay in bench.bays.values()}
        self._stays: dict[str, tuple[str, BenchStay]] = {}  # by place: the camera's name and its stay
        self._scripts: dict[str, tuple[Script, int, BenchStay]] = {}  # by camera: where its last stay began in which
        self._found: dict[str, State] = {}
        self.places = tuple(Place(bay.name, bay.port) for bay in bench.bays.values())
        self.carries = _abilities(bench)

    def __enter__(self) -> Self:
        """Empty every bay. Raises PowerError for one that cannot be emptied."""
        for name, power in self._powers.items():
            self._found[name] = power.state()
            # A port that looks empty may have got its power just now, and its camera is about to come.
            if self._seats.occupant(self._bench.bays[name]) is not None or not isinstance(power, Hand):
                power.off()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def bays(self) -> Mapping[str, Any]:
        ports = {port: bay.name for bay in self._bench.bays.values() for port in (bay.port, bay.twin) if port}
        return {"udev": True, "auto": False, "ports": ports}

    def specimen(self, name: str) -> Specimen:
        """A camera of the bench as scenarios take it. Its card is in the camera, so ``card`` is no folder; what it
        says over USB is known once it is powered. Raises ValueError for a camera that the file does not know."""
        camera = self._bench.cameras.get(name)
        if camera is None:
            raise ValueError(f"no camera is called {name}; [cameras] has {', '.join(self._bench.cameras)}")
        vendor, _, product = (camera.usb or "0000:0000").partition(":")
        functions = ("storage", "acm") if camera.line is not None else ("storage",)
        usb = UsbPlate(int(vendor, 16), int(product, 16))
        return Specimen(name, Plate(name, "", "", ""), usb, Path("/nonexistent"), functions=functions)

    def plug(self, place: str, camera: Specimen, faults: Script) -> BenchStay:
        """Power a bay, and make sure that it is this camera that answers. A camera that comes with the script of its
        last stay goes on in it. Raises as :class:`hil.rigs.Rig` says, and PowerError; another camera than this one, or
        none, is a RuntimeError, and the bay is dark again."""
        bay = self._bay(place)
        if camera.name not in self._bench.cameras:
            raise ValueError(f"no camera is called {camera.name}; [cameras] has {', '.join(self._bench.cameras)}")
        if faults.needs - self.carries:
            raise ValueError(f"this bench cannot do {', '.join(sorted(faults.needs - self.carries))}")
        before = self._read_in(camera.name, faults)
        plan = due(faults, before)
        if place in self._stays and self._stays[place][1].there:
            raise RuntimeError(f"bay {place} is taken by {self._stays[place][0]}; unplug that one first")
        power = self._powers[place]
        self._call(bay, camera.name, power)
        meter = Meter(lambda: self._seats.occupant(bay), self._tree)
        meter.zero()
        stay = BenchStay(power, meter, Saboteur(plan, meter, power), self._seats, bay)
        self._stays[place] = camera.name, stay
        self._scripts[camera.name] = faults, before, stay
        return stay

    def digest(self, camera: Specimen) -> str:
        """A digest of the listing and the content of the camera's card, read from its block device. A camera that is
        not plugged in is powered for that, so no dock must be running then. Raises RuntimeError for a camera that
        shows no disk, or that no bay is known for."""
        bay = self._whereabouts(camera.name)
        if self._seats.occupant(bay) is not None:
            return self._read(bay)
        self._call(bay, camera.name, self._powers[bay.name])
        try:
            return self._read(bay)
        finally:
            self._powers[bay.name].off()

    def close(self) -> None:
        for _, stay in self._stays.values():
            stay.unplug()
        self._stays.clear()
        for name, state in self._found.items():
            if state == "on" and not isinstance(self._powers[name], Hand):
                self._powers[name].on()
        self._found.clear()

    def _read_in(self, name: str, faults: Script) -> int:
        """Bytes that a camera has given in earlier stays that followed this script one after the other."""
        if name not in self._scripts:
            return 0
        script, before, stay = self._scripts[name]
        return before + stay.end_count() if script == faults else 0

    def _call(self, bay: Bay, name: str, power: PowerPort) -> None:
        """Power on, and the right camera answers; else power off, and RuntimeError."""
        if bay.name in self._stays:
            self._stays[bay.name][1].end_faults()  # one that pulled a camera makes sure that it stays out
        power.on()
        limit = self._bench.limits.back
        device = self._seats.wait_occupant(bay, limit)
        if device is None:
            raise RuntimeError(
                f"nothing answers in bay {bay.name} (port {bay.port}) within {limit:g} s; is {name} in it?"
            )
        if self._seats.is_camera(device, self._bench.cameras[name], limit):
            return
        others = ", ".join(self._seats.names(device, limit)) or "no camera of this bench"
        power.off()
        raise RuntimeError(
            f"bay {bay.name} (port {bay.port}) holds {device}: {others}, not {name}; run: python -m hil check"
        )

    def _read(self, bay: Bay) -> str:
        """The digest of every volume of the camera in this bay, one after the other."""
        with Changes() as changes:  # a disk comes after its device, and its partitions after the disk
            changes.wait(lambda: bool(self._volumes(bay)), self._bench.limits.back)
        found = self._volumes(bay)
        if not found:
            raise CardError(f"the camera in bay {bay.name} shows no disk with a file system; switch it to storage mode")
        total = hashlib.sha256()
        for volume in found:
            with read_only(volume) as root:
                total.update(digest(root).encode())
        return total.hexdigest()

    def _volumes(self, bay: Bay) -> list[Volume]:
        device = self._seats.occupant(bay)
        disks = device.disks if device is not None else ()
        return [volume for disk in disks for volume in volumes(disk, self._tree)]

    def _bay(self, place: str) -> Bay:
        if place not in self._bench.bays:
            raise ValueError(f"no bay is called {place}; [bays] has {', '.join(self._bench.bays)}")
        return self._bench.bays[place]

    def _whereabouts(self, name: str) -> Bay:
        plugged = next((place for place, (camera, _) in self._stays.items() if camera == name), None)
        bay = self._bench.bays[plugged] if plugged is not None else self._bench.home_of(name)
        if bay is None:
            raise RuntimeError(f"nobody knows where {name} is: plug it in first, or give its bay camera = {name!r}")
        return bay


def _abilities(bench: Bench) -> frozenset[Ability]:
    found: set[Ability] = {"usb", "block"}
    if any(camera.line is not None for camera in bench.cameras.values()):
        found.add("serial")
    if all(bay.power != "none" for bay in bench.bays.values()):
        found |= {"power", "yank"}
    if any("." in bay.port for bay in bench.bays.values()):
        found.add("hub")
    return frozenset(found)
