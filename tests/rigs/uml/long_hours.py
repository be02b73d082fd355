"""In the guest, whose clocks run ahead: the agent over long hours. ``python -m tests.rigs.uml.long_hours SHARE PLAN``.

PLAN is ``night``, ``shifts`` or ``month``. What it measures, and what is in store and ledger at the end, goes to
SHARE/facts.json.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from hil.cameras import card
from hil.cameras.card import Shift
from hil.cameras.plate import Plate
from hil.demo import agent
from hil.demo.agent import Agent
from hil.demo.place import Place, Settings
from hil.demo.records import Follower
from tests.rigs.uml.digests import footage, masters

KIB = 1 << 10
BAYS = 4
HOUR = 3600
DAY = 24 * HOUR
SETTINGS: Settings = {
    "dock": {"id": "hours"},
    "bays": {"udev": False, "settle_ms": 100, "console_wait_ms": 0},
    "limits": {"spool_reserve_mib": 16},
    "preview": {"enabled": False},
}


@dataclass(frozen=True, slots=True)
class Load:
    """What the agent holds while nothing is docked: KiB of memory, and counts."""

    rss_kib: int
    fds: int
    threads: int
    mounts: int
    children: int
    leftovers: int


@dataclass(slots=True)
class Station:
    """A dock, its cameras, and what was filmed so far."""

    place: Place
    dock: Agent
    follower: Follower
    filmed: set[str]

    def shift(self, number: int, during: Callable[[], None] = lambda: None) -> None:
        """Every camera comes with one more clip, is drained, and is taken. ``during``: after the first is released."""
        released, gone = self.count("camera.release"), self.count("camera.detach")
        for bay in range(BAYS):
            self.insert(f"C{bay}", number)
        self.until(lambda: self.count("camera.release") > released, "the first camera's release")
        during()
        self.until(lambda: self.count("camera.release") == released + BAYS, "every camera's release")
        for bay in range(BAYS):
            (self.place.bays / f"C{bay}").rename(self.place.cards / f"C{bay}")
        self.until(lambda: self.count("camera.detach") == gone + BAYS, "every camera's leaving")

    def insert(self, serial: str, number: int) -> None:
        home = self.place.cards / serial
        film = Shift(1, first=number, size=64 * KIB, seed=int(serial[1:]) + 1, sidecars=False)
        card.film_gopro(home, Plate(serial, "GoPro", "HERO10 Black", "H21"), film, chapters=1)
        self.filmed |= footage(home)
        home.rename(self.place.bays / serial)

    def count(self, kind: str) -> int:
        self.follower.news()
        return sum(1 for _ in self.follower.of(kind))

    def until(self, true: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + HOUR
        while not true():
            assert self.dock.alive() and time.monotonic() < end, f"{what}: {self.dock.last_words(12)}"
            time.sleep(0.25)

    def load(self) -> Load:
        """Measured when its workers have come to rest."""
        time.sleep(60)
        (pid,) = children_of(os.getpid())
        process = Path(f"/proc/{pid}")
        lines = (process / "status").read_text().splitlines()
        status = {name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if value.strip()}
        left = [*Path(tempfile.gettempdir()).iterdir(), *self.place.parts.glob("*"), *self.place.store.glob(".*")]
        mounts = len((process / "mountinfo").read_text().splitlines())
        fds = len(list((process / "fd").iterdir()))
        return Load(int(status["VmRSS"]), fds, int(status["Threads"]), mounts, len(children_of(pid)), len(left))


def children_of(pid: int) -> list[int]:
    """Processes whose parent this is (proc(5), field 4 of stat)."""
    stats = (path.read_text().rpartition(") ") for path in Path("/proc").glob("[0-9]*/stat"))
    return [int(head.split()[0]) for head, _, tail in stats if int(tail.split()[1]) == pid]


def night(station: Station) -> list[Load]:
    """From 22:00 to 01:30 as summer time ends; somebody sets the clock an hour forward, and an hour back."""
    loads = []
    station.shift(1, lambda: set_clock(time.time() + HOUR))
    loads.append(station.load())
    time.sleep(3.5 * HOUR)
    station.shift(2, lambda: set_clock(time.time() - HOUR))
    return [*loads, station.load()]


def shifts(station: Station) -> list[Load]:
    """Seven, one after the other, and what is held after each."""
    loads = []
    for number in range(1, 8):
        station.shift(number)
        loads.append(station.load())
    return loads


def month(station: Station) -> list[Load]:
    """Thirty days, and a shift at the end of each tenth."""
    loads = []
    for number in range(1, 5):
        station.shift(number)
        loads.append(station.load())
        if number < 4:
            time.sleep(10 * DAY)
        print(f"shift {number}: {loads[-1]}", flush=True)
    return loads


def set_clock(to: float) -> None:
    """As `date -s`."""
    subprocess.run(["date", "-u", "-s", f"@{to:.0f}"], check=True, stdout=subprocess.DEVNULL)


PLANS = {"night": night, "shifts": shifts, "month": month}


def main(share: Path, plan: str) -> int:
    set_clock(1792875600)  # 2026-10-24 21:00 UTC, 22:00 in London; summer time ends four hours later
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        place = Place(Path(folder))
        for path in (place.bays, place.cards, place.store):
            path.mkdir()
        place.configure(SETTINGS)
        with Agent(place, environment={"TZ": "Europe/London"}) as dock:
            dock.start()
            station = Station(place, dock, Follower(place.entries), set())
            begun = time.time()
            loads = PLANS[plan](station)
            assert dock.stop() == 0
        trust = share / "trust.json"
        trust.write_text(Agent(place).ask("keys", "show", "--json").out)
        verified = agent.run("verify", place.home, place.store, "--trust", trust)
        facts = {
            "loads": [asdict(load) for load in loads],
            "hours": (time.time() - begun) / HOUR,
            "filmed": sorted(station.filmed),
            "masters": masters(place.store),
            "verify": [verified.code, verified.out[-2000:]],
            "failures": [record.what for record in station.follower.all if record.type.endswith("failed")],
        }
        (share / "facts.json").write_text(json.dumps(facts))
        shutil.copy(place.entries, share)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
