"""In the guest: a dock whose home and store lie on the disk /dev/ubdb, draining two cameras.

``python -m tests.rigs.uml.dock_on_disk SHARE MOMENT``: says ``ACK n digest`` for the first n ledger records as soon as
they must be durable, and ``AT MOMENT`` when that moment has come. At the moment ``end`` everything is delivered; then
it leaves a copy of the ledger and what the store holds in SHARE, and ends.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hil.demo import agent
from hil.demo.agent import Agent
from hil.demo.place import Place, Settings
from hil.demo.records import Follower
from tests.rigs.uml.acknowledged import acknowledged, digest
from tests.rigs.uml.digests import masters

DISK, ROOT = "/dev/ubdb", Path("/run/dock")
SETTINGS: Settings = {
    "dock": {"id": "cut"},
    "bays": {"udev": False, "settle_ms": 100, "console_wait_ms": 0},
    "limits": {"spool_reserve_mib": 16, "pulls": 1, "uplinks": 1},
    "preview": {"enabled": False},
}


def mounted() -> Place:
    """The dock's disk, checked and mounted as a machine does it when it starts; its bays are empty."""
    status = subprocess.run(["e2fsck", "-p", DISK], stdout=subprocess.DEVNULL, check=False).returncode
    assert status in (0, 1), f"e2fsck: {status}"  # e2fsck(8): clean, or corrected without a question
    ROOT.mkdir()
    subprocess.run(["mount", DISK, ROOT], check=True)
    place = Place(ROOT)
    place.bays.mkdir(exist_ok=True)
    place.store.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "bays", place.bays], check=True)
    place.configure(SETTINGS)
    return place


def insert(place: Place, cards: Path) -> int:
    """Put every camera into a bay; how many there are."""
    found = sorted(cards.iterdir())
    for card in found:
        shutil.copytree(card, place.bays / f".{card.name}")
        (place.bays / f".{card.name}").rename(place.bays / card.name)
    return len(found)


def released(follower: Follower) -> int:
    """Cameras that were released since the last start."""
    start = max((record.index for record in follower.of("dock.start")), default=0)
    return sum(record.what["safe"] and record.index > start for record in follower.of("camera.release"))


def pulling(place: Place) -> bool:
    """A clip is being pulled, and some of it is there."""
    return place.in_parts() > 1 << 20


def uploading(place: Place) -> bool:
    """A part of a clip is in the store."""
    return any(_size(path) > 1 << 20 for path in place.store.glob(".part-*"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # it got its name just now


def main(share: Path, moment: str) -> int:
    place = mounted()
    follower = Follower(place.entries)
    follower.news()
    before = len(list(follower.of("acquire")))
    moments: dict[str, Callable[[], bool]] = {
        "acquired": lambda: len(list(follower.of("acquire"))) > before,
        "pulling": lambda: pulling(place),
        "uploading": lambda: uploading(place),
        "end": lambda: released(follower) >= cards,
    }
    told = 0
    with Agent(place) as dock:
        dock.start()
        cards = insert(place, share / "cards")
        end = time.monotonic() + 45
        while not moments[moment]():
            assert dock.alive() and time.monotonic() < end, f"{moment} did not come: {dock.last_words(20)}"
            told = tell(follower, told)
            time.sleep(0.003)
        print("AT", moment, flush=True)
        if moment != "end":
            time.sleep(60)  # the power goes now
            return 1
        assert dock.stop() == 0
    left(place, share)
    return 0


def tell(follower: Follower, told: int) -> int:
    """Say what is newly acknowledged; how many records are now."""
    follower.news()
    count = acknowledged(follower.all)
    if count > told:
        print("ACK", count, digest([one.line for one in follower.all[:count]]), flush=True)
    return max(count, told)


def left(place: Place, share: Path) -> None:
    """What the host judges by."""
    trust = share / "trust.json"
    trust.write_text(Agent(place).ask("keys", "show", "--json").out)
    verified = agent.run("verify", place.home, place.store, "--trust", trust)
    held = [str(path) for path in place.home.rglob("*") if path.name == "master" or path.suffix == ".part"]
    facts = {"masters": masters(place.store), "verify": [verified.code, verified.out[-2000:]], "held": held}
    (share / "facts.json").write_text(json.dumps(facts))
    shutil.copy(place.entries, share)
    subprocess.run(["umount", place.bays, place.root], check=True)
    assert subprocess.run(["e2fsck", "-fn", DISK], stdout=subprocess.DEVNULL, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
