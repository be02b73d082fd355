"""Detect: a camera came to a bay, changed, or left. The first arrow of the flow.

Two sources give the same event: ``detect_udev`` sees real devices, ``detect_bays`` sees folders that stand for
cameras (emulated ones, network shares, somebody else's mounts). Neither believes in single events, which get lost,
doubled and reordered: an event only says *look again*. What is reported is the difference between two looks.
"""

import os
import select
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from dockagent.errors import DockError

LONGEST_WAIT_S = 1.0  # a watch that says nothing else looks again at least this often


@dataclass(frozen=True, slots=True)
class Sighting:
    """What happened in a bay.

    ``port``: the place as the hardware names it (USB port path such as ``1-2.3``, ``name:loop20``, ``folder:bay1``).
    ``kind``: how to reach the camera at ``address``: a ``folder`` (path), a ``block`` device, a ``tty`` or a ``usb``
    device that shows neither (each by its node).
    One camera may give several sightings that share bay and port (its card and its console). ``facts``: what the
    device says of itself, shown safely: ``vendor_id``, ``product_id``, ``serial``, ``interfaces`` (class, subclass and
    protocol of each), ``usb_port`` (where it sits on USB), ``filesystem``, ``label``, …
    """

    action: Literal["appeared", "gone", "changed"]
    bay: str
    port: str
    kind: Literal["folder", "block", "tty", "usb"]
    address: str
    facts: Mapping[str, str] = field(default_factory=dict)


Deliver = Callable[[Sighting], None]


class Reporter:
    """Turns successive looks into sightings. A look maps the identity of each device (any value that a re-plugged
    device does not share with the one before) to its sighting."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._known: Mapping[object, Sighting] = {}

    def look(self, seen: Mapping[object, Sighting]) -> None:
        """Report what differs from the last look: first who left, then who changed, then who came."""
        before, self._known = self._known, dict(seen)
        for key, sighting in before.items():
            if key not in seen:
                self._deliver(replace(sighting, action="gone"))
        for key, sighting in seen.items():
            if key not in before:
                self._deliver(replace(sighting, action="appeared"))
            elif sighting != before[key]:
                self._deliver(replace(sighting, action="changed"))


class Watch(ABC):
    """A daemon thread that looks again when one of its descriptors speaks, when woken, and at the latest after
    ``longest_wait_s``. ``on_error`` gets one line for every trouble; a watch goes on after each."""

    def __init__(self, name: str, on_error: Callable[[str], None], longest_wait_s: float = LONGEST_WAIT_S) -> None:
        self._name, self._on_error, self._longest_wait_s = name, on_error, longest_wait_s
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._bell = -1  # an eventfd: rung by wake() and stop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._complained: set[str] = set()

    def start(self) -> None:
        """Begin to watch; what is there already is reported as appeared. Raises DockError where it cannot be."""
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            self._arm()
        except DockError:
            self._hang_up()
            raise
        self._thread.start()

    def stop(self, patience_s: float = 5.0) -> None:
        """End the watch; called from another thread, nothing is delivered after it returned. A thread that hangs in
        a dead device is left behind after ``patience_s`` and reported. May be repeated."""
        self._stopping.set()
        self.wake()
        if not self._thread.is_alive() or self._thread is threading.current_thread():
            return
        self._thread.join(patience_s)
        if self._thread.is_alive():
            self._on_error(f"{self._name} did not stop within {patience_s:g} s; it hangs in a device")

    def wake(self) -> None:
        """Make the watch look again now. From any thread, at any time."""
        with self._lock:
            if self._bell >= 0:
                os.eventfd_write(self._bell, 1)

    @abstractmethod
    def _arm(self) -> None:
        """Get hold of what is watched. Raises DockError."""

    @abstractmethod
    def _sources(self) -> Mapping[int, int]:
        """Descriptors to wait for, each with its poll(2) events. Asked before every wait."""

    @abstractmethod
    def _look(self, ready: frozenset[int]) -> float:
        """Look and report; ``ready``: the descriptors that spoke. Gives the seconds until the next look."""

    @abstractmethod
    def _disarm(self) -> None:
        """Let go of what :meth:`_arm` took."""

    def complain(self, words: str) -> None:
        """Report a trouble once, however often it is looked at, until :meth:`relieve`."""
        if words not in self._complained:
            self._complained.add(words)
            self._on_error(words)

    def relieve(self) -> None:
        """Things changed for the better: report the same troubles anew when they come again."""
        self._complained.clear()

    def _run(self) -> None:
        try:
            wait_s = 0.0
            while not self._stopping.is_set():
                wait_s = self._look(self._wait(min(wait_s, self._longest_wait_s)))
        finally:
            self._disarm()
            self._hang_up()
            if not self._stopping.is_set():
                self._on_error(f"{self._name} ended; cameras are not seen any more: restart dockagent")

    def _wait(self, seconds: float) -> frozenset[int]:
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        for fd, events in self._sources().items():
            poll.register(fd, events)
        ready = frozenset(fd for fd, _ in poll.poll(seconds * 1000))
        if self._bell in ready:
            os.eventfd_read(self._bell)
        return ready

    def _hang_up(self) -> None:
        with self._lock:
            os.close(self._bell)
            self._bell = -1
