"""A listener for watches, and bays to watch."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dockagent.clock import SystemClock
from dockagent.steps.detect import Sighting, Watch
from dockagent.steps.detect_bays import HANG_S, BaysFolderWatch
from dockagent.steps.detect_udev import RESCAN_S, UdevWatch

SETTLE_S = 0.3
PATIENCE_S = 2 * RESCAN_S  # an event that is lost costs a watch of devices one look that it makes anyway
TOOLS = ("mkfs.ext4", "losetup", "partx", "mount")


class Seen:
    """Collects what a watch delivers, for tests to wait on."""

    def __init__(self) -> None:
        self.sightings: list[Sighting] = []
        self.errors: list[str] = []
        self._before: set[str] = set()  # of until(): what was there when it last forgot
        self._more = threading.Condition()

    def __call__(self, sighting: Sighting) -> None:
        with self._more:
            self.sightings.append(sighting)
            self._more.notify_all()

    def told(self) -> list[tuple[str, str, str]]:
        return [(one.action, one.bay, one.kind) for one in self.sightings]

    def wait(self, *expected: tuple[str, str, str], seconds: float = PATIENCE_S) -> list[Sighting]:
        """Wait until exactly these were delivered since the last wait; then give and forget them."""
        with self._more:
            self._more.wait_for(lambda: len(self.sightings) >= len(expected), seconds)
            assert self.told() == list(expected), (self.told(), self.errors)
            got, self.sightings = self.sightings, []
            return got

    def until(self, *addresses: str, seconds: float = PATIENCE_S) -> None:
        """Wait until just these are there, whatever was there in between; then forget how it came about. For changes
        that take the kernel several steps: a watch that looks between two of them tells of that too, and is right."""
        with self._more:
            self._more.wait_for(lambda: self._there() == set(addresses), seconds)
            assert self._there() == set(addresses), (self.sightings, self.errors)
            self._before, self.sightings = set(addresses), []

    def _there(self) -> set[str]:
        there = set(self._before)
        for one in self.sightings:
            assert (one.address in there) == (one.action != "appeared"), self.sightings
            if one.action == "appeared":
                there.add(one.address)
            elif one.action == "gone":
                there.remove(one.address)
        return there

    def complained(self, words: str, seconds: float = PATIENCE_S) -> None:
        """Wait until a trouble was told of in these words."""
        end = time.monotonic() + seconds
        while not any(words in one for one in list(self.errors)):
            assert time.monotonic() < end, self.errors
            time.sleep(0.02)

    def quiet(self, seconds: float) -> None:
        time.sleep(seconds)
        assert self.told() == []


@contextmanager
def watching(make: Callable[[Seen], Watch]) -> Iterator[Seen]:
    seen = Seen()
    watch = make(seen)
    watch.start()
    try:
        yield seen
    finally:
        watch.stop()
        assert not watch._thread.is_alive()
    assert not any("watch ended" in words for words in seen.errors)


def bays_of(root: Path, hang_s: float = HANG_S) -> Callable[[Seen], Watch]:
    clock = SystemClock()
    return lambda seen: BaysFolderWatch(root, seen, seen.errors.append, clock, settle_s=SETTLE_S, hang_s=hang_s)


def card_in(folder: Path) -> Path:
    (folder / "DCIM/100BWC").mkdir(parents=True)
    (folder / "DCIM/100BWC/BWC0001.MP4").write_bytes(b"clip")
    return folder


def standing(sightings: list[Sighting]) -> set[str]:
    """The bays that hold a camera after these sightings, each of which must make sense after those before it."""
    bays: set[str] = set()
    for one in list(sightings):
        assert (one.bay in bays) == (one.action != "appeared"), one
        if one.action == "appeared":
            bays.add(one.bay)
        elif one.action == "gone":
            bays.remove(one.bay)
    return bays


APPEARED, GONE, CHANGED = (
    ("appeared", "bay1", "folder"),
    ("gone", "bay1", "folder"),
    ("changed", "bay1", "folder"),
)


def devices_of(ports: dict[str, str], *, auto: bool = False) -> Callable[[Seen], Watch]:
    return lambda seen: UdevWatch(ports, seen, seen.errors.append, SystemClock(), auto=auto)
