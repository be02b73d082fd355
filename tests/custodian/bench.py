"""What a custodian costs: CPU and requests for each clip, and for a listing. Not a test:
``python -m tests.custodian.bench`` prints the figures of docs/custodian.md; ``--rgw``: against a real server too.
"""

import argparse
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from dockagent.custodian.folders import folders
from dockagent.custodian.receipts import Receipts
from dockagent.custodian.reports import Reports
from dockagent.custodian.rounds import once
from dockagent.custodian.world import Custodian, Settings, Tally
from dockagent.stores.archive import Archive, Facts, Listed, Reading
from hil.central import rgw
from tests.contracts.store_places import Bucket
from tests.custodian.made import PERMISSIVE, Folder, InBucket, Shelf, custodian, dock

MIB = 1 << 20
OBJECTS_OF_A_CLIP = ("manifest.dsse.json", "chain.pem", "master", "preview/proxy.mp4", "preview/sprite.jpg")
OTHERS = ("preview/sprite.vtt", "receipt.json", "record.json")


def cpu() -> float:
    """Seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(name: str, shelf: Shelf, folder: Path, clips: int, size: int) -> None:
    """A round over ``clips`` new clips of ``size`` bytes, one that looks at their receipts, one that signs permits, and
    one with nothing to do."""
    one, dice = dock(shelf, folder), random.Random(1)
    for number in range(clips):
        one.deliver(dice.randbytes(min(size, MIB)) * max(1, size // MIB), f"BWC-{number % 10}")
    one.publish()
    its = custodian(shelf, folder, [one], settings=Settings(ledger_wait_ms=0, settle_ms=0))
    for what in ("new", "received", "permitted", "done"):
        its = replace(its, settings=PERMISSIVE) if what == "permitted" else its
        its.archive.asked.clear()
        before, began = cpu(), time.monotonic()
        tally = once(its)
        used, wall = cpu() - before, time.monotonic() - began
        asked = ", ".join(f"{count / clips:.2f} {kind}" for kind, count in sorted(its.archive.asked.items()))
        print(
            f"{name}, {clips} {what} clips of {size // 1024} KiB: {1000 * used / clips:.2f} ms CPU a clip,"
            f" {asked} a clip, {tally.read / MIB / max(used, 1e-9):.0f} MiB read per CPU second, wall {wall:.1f} s,"
            f" peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB"
        )


@dataclass(slots=True)
class Listing:
    """A store behind the interface that only lists: so many finished clips, never in memory together."""

    clips: int
    url: str = "stub://listing"
    asked: Counter[str] = field(default_factory=Counter)
    knows_holds: bool = False

    def names(self, prefix: str) -> list[str]:
        return ["BWC-0001"] if prefix == "clips/" else []

    def versions(self, key: str) -> list[str]:
        raise AssertionError(f"nobody asks about its versions: {key}")

    def list(self, prefix: str) -> Iterator[Listed]:
        if not prefix.startswith("clips/"):
            return
        for number in range(self.clips):
            self.asked["listed"] += len(OBJECTS_OF_A_CLIP) + len(OTHERS)
            for name in sorted((*OBJECTS_OF_A_CLIP, *OTHERS)):
                yield Listed(f"clips/BWC-0001/2026/11/22/{number:032x}/{name}", 1000, 1_700_000_000_000)

    def held(self, key: str, version: str) -> str:
        raise AssertionError(f"nothing is on hold: {key}")

    def open(self, key: str, *, first: bool = False) -> AbstractContextManager[Reading]:
        raise AssertionError(f"a finished clip is not read: {key}")

    def locks(self, key: str, facts: Facts) -> Facts:
        return facts

    def hold(self, key: str, version: str, *, on: bool) -> None:
        raise AssertionError(f"nothing is on hold: {key}")

    def add(self, key: str, data: bytes) -> None:
        raise AssertionError(f"nothing is written: {key}")


def listing(objects: int) -> None:
    """A round over finished clips with so many objects."""
    stub: Archive = Listing(objects // 8)
    with tempfile.TemporaryDirectory() as folder:
        its = custodian(Folder(Path(folder) / "store"), Path(folder), [])
        its = Custodian(stub, its.key, its.clock, its.trust)
        receipts = Receipts(its, Reports(its, Tally()))
        for one in folders(stub.list("clips/BWC-0001/"), []):
            receipts.settled(replace(one, believed={"master": "receipt.json"}))
        before = cpu()
        tally = once(its)
        used = cpu() - before
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"a round over {objects} objects of {tally.seen} finished clips: {used:.2f} s CPU, peak RSS {rss} MiB")


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rgw", action="store_true", help="also against a real server")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for number, (clips, size) in enumerate(((50, 64 << 10), (4, 256 * MIB))):
            measure("directory", Folder(folder / f"s{number}"), folder / f"d{number}", clips, size)
        listing(100_000)
        if chosen.rgw:
            server = stack.enter_context(rgw.running())
            for number, (clips, size) in enumerate(((50, 64 << 10), (4, 64 * MIB))):
                bucket = Bucket(server.endpoint, f"bench-{number}", locked=True)
                measure("RGW", InBucket(bucket), folder / f"r{number}", clips, size)


if __name__ == "__main__":
    main()
