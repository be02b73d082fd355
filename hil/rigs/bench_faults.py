"""The two faults that a bench can do to a real camera, done when the dock has read so much: pulled, and unpowered.

How much was read is what the kernel counts for the camera's disk (Documentation/block/stat.rst, third field). Nobody is
told when that changes, so it is asked up to two hundred times a second (:mod:`rest`). A hub takes its time to switch:
the cut comes near its MiB, not at its byte. What is read again counts again: nobody can tell from outside.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from hil.rigs.faults import Script
from hil.rigs.power import PowerError, PowerPort
from hil.rigs.rest import rest
from hil.rigs.usb_tree import UsbDevice, UsbTree, read

_ASK_S = 0.005
_SECTOR = 512  # the unit of the kernel's statistics, whatever the medium has
OUTAGE_S = 1.0


class Meter:
    """Bytes read from a camera's disks since :meth:`zero`, over outages, after which the kernel counts anew."""

    def __init__(self, find: Callable[[], UsbDevice | None], tree: UsbTree) -> None:
        self._find, self._tree = find, tree
        self._lock = threading.Lock()
        self._before = self._last = self._ours = 0
        self._seen = self._over = False

    def zero(self) -> None:
        """Count from now on: what was read until now was read by us, to know who it is."""
        self._ours = max(self.read(), 0)

    def end(self) -> None:
        """Count no more: whoever is found there from now on may be another camera."""
        self.read()
        self._over = True

    def read(self) -> int:
        """Bytes until now, or until the end; -1 while it has shown no disk."""
        device = None if self._over else self._find()
        disks = device.disks if device is not None else ()
        with self._lock:
            if not disks:
                return self._before + self._last - self._ours if self._seen else -1
            now = sum(self._of(disk) for disk in disks)
            if now < self._last:
                self._before += self._last
            self._seen, self._last = True, now
            return self._before + now - self._ours

    def _of(self, disk: str) -> int:
        fields = read(self._tree.sysfs / "class" / "block" / disk / "stat").split()
        return int(fields[2]) * _SECTOR if len(fields) > 2 else 0


@dataclass(frozen=True, slots=True)
class Due:
    """A fault and the number of bytes at which it is due."""

    at: int
    letter: str


def due(script: Script, after: int = 0) -> tuple[Due, ...]:
    """The faults of a script that are still due when so many bytes were read before, in bytes from there on, each in
    the middle of its step. Raises ValueError for those that no bench can do."""
    impossible = sorted(set(script.letters) - set("rUP"))
    if impossible:
        raise ValueError(f"a bench can do U and P to a real camera, not {', '.join(impossible)}; use an emulated one")
    half = script.step // 2
    places = ((n * script.step + half - after, letter) for n, letter in enumerate(script.letters) if letter != "r")
    return tuple(Due(at, letter) for at, letter in places if at > 0)


class Saboteur:
    """A thread that does what is due. What went wrong in it is raised by :meth:`end`."""

    def __init__(self, faults: tuple[Due, ...], meter: Meter, power: PowerPort) -> None:
        self._faults, self._meter, self._power = faults, meter, power
        self._over = threading.Event()
        self._trouble: PowerError | None = None
        self._thread = threading.Thread(target=self._run, name=f"faults at {power.port}", daemon=True)
        if faults:
            self._thread.start()

    def end(self) -> None:
        """Stop. Raises PowerError for a fault that could not be done. May be repeated."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._trouble is not None:
            trouble, self._trouble = self._trouble, None
            raise trouble

    def _run(self) -> None:
        try:
            for fault in self._faults:
                if not self._reached(fault.at):
                    return
                self._power.off()
                if fault.letter == "U":
                    return
                if self._over.wait(OUTAGE_S):
                    return
                self._power.on()
        except PowerError as err:
            self._trouble = err

    def _reached(self, at: int) -> bool:
        """Wait until so many bytes were read; whether they were before the end."""
        while True:
            began = time.monotonic()
            if self._meter.read() >= at:
                return True
            if self._over.wait(rest(time.monotonic() - began, _ASK_S)):
                return False
