"""Part of ``make bench``: from the moment a camera is docked to its last receipt, where camera and line are as slow as
each other, with parts that go out while a file is read, and without.

The dock is real but for its previews: loop, workers, ledger, spool, S3 client, and a Ceph RGW. The camera is one signed
card in memory that gives so many bytes a second, the line is the dock's own rate limit. Sizes are an eighth of a 4 GiB
card in parts of 64 MiB, so that the same share of it is left over at each end. ``--whole`` is that card itself, in
eight clips: 205 s at 20 MiB/s. It is measured only as the dock does it, against what each line alone needs by its rate,
which is less than either takes.

    python -m tests.store_bench_overlap [--mib 512] [--clips 1] [--part-mib 8] [--rate-mib 16] [--folder DIR]
    python -m tests.store_bench_overlap --whole [--folder DIR]
"""

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

from dockagent.clock import SystemClock
from dockagent.core import custody
from dockagent.core.model import ClipPhase, State
from dockagent.core.orders import Limits
from dockagent.dock import Dock
from dockagent.durable import RealDisk
from dockagent.ledger.keys import Keys
from dockagent.ledger.log import Ledger
from dockagent.steps import unforeseen
from dockagent.steps.detect import Sighting
from dockagent.steps.growing import Board
from dockagent.steps.world import World
from dockagent.stores import PART_SIZE
from dockagent.stores.paced import Meter, PacedReader, paced
from dockagent.stores.s3 import S3Store
from dockagent.stores.s3_settings import S3Settings
from dockagent.transports import FileFact, FootageReader
from dockagent.workers import Workers
from hil.central import rgw
from tests.contracts.store_places import s3_client
from tests.simulation.actors import SimCamera, SimReader
from tests.simulation.voyage import PROFILES, ROOTS, Silent, signed_files
from tests.steps.card import OneBay

MIB = 1 << 20
BUCKET = "overlap"


@dataclass(frozen=True, slots=True)
class SlowCard:
    """A camera's files at so many bytes a second for all that is read of it."""

    camera: SimCamera
    meter: Meter

    def facts(self) -> Mapping[str, str]:
        return {}

    def list(self) -> Iterator[FileFact]:
        for path, data in sorted(self.camera.files.items()):
            yield FileFact(path, len(data), 1_795_000_000_000)

    def open(self, path: bytes) -> FootageReader:
        return _SlowReader(SimReader(self.camera, path, Random(0)), self.meter)

    def close(self) -> None:
        return


class _SlowReader(PacedReader):
    def __init__(self, reader: SimReader, meter: Meter) -> None:
        super().__init__(reader, meter)
        self.size = reader.size


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes: of the card, of a part, and a second of camera and line; and how many clips the card has."""

    card: int
    part: int
    rate: int
    clips: int = 1


WHOLE = Sizes(4096 * MIB, PART_SIZE, 20 * MIB, 8)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from the sighting to rest in the spool, and to the last receipt."""

    pull: float
    whole: float

    @property
    def rest(self) -> float:
        return self.whole - self.pull


def main() -> int:
    """Print how long both ways take, and how that compares with the slower of the two lines alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=512, help="size of the card")
    parser.add_argument("--clips", type=int, default=1, help="clips on it")
    parser.add_argument("--part-mib", type=int, default=8, help="size of a part")
    parser.add_argument("--rate-mib", type=int, default=16, help="MiB a second of the camera and of the line")
    parser.add_argument("--whole", action="store_true", help="a card of 4 GiB instead")
    parser.add_argument("--folder", default=None, help="where to work (default: the system's temporary folder)")
    args = parser.parse_args()
    if absent := rgw.missing():
        print(f"no S3 server to measure with: {', '.join(absent)} not installed")
        return 0
    if args.whole:
        _measure_whole(args.folder)
    else:
        _measure_both(Sizes(args.mib * MIB, args.part_mib * MIB, args.rate_mib * MIB, args.clips), args.folder)
    return 0


def _measure_both(sizes: Sizes, folder: str | None) -> None:
    card = _card(sizes)
    one_by_one = _docked(card, sizes, folder, early=False)
    print(
        f"first read, then sent: {one_by_one.whole:.1f} s: {one_by_one.pull:.1f} s to the spool, then the rest",
        flush=True,
    )
    _say_together(_docked(card, sizes, folder, early=True), max(one_by_one.pull, one_by_one.rest))


def _measure_whole(folder: str | None) -> None:
    together = _docked(_card(WHOLE), WHOLE, folder, early=True, objects="bluestore")
    _say_together(together, WHOLE.card / WHOLE.rate)


def _say_together(together: Times, longer: float) -> None:
    print(
        f"sent while it is read: {together.pull:.1f} s to the spool, {together.whole:.1f} s from dock to receipt,"
        f" {together.whole / longer:.2f} x the longer of the two ({longer:.1f} s)"
    )


def _card(sizes: Sizes) -> SimCamera:
    names = [f"DCIM/100BWC/BWC{number:04}_20261122T08{number:02}00Z.MP4" for number in range(1, sizes.clips + 1)]
    files = {name.encode(): os.urandom(sizes.card // sizes.clips) for name in names}
    serial = "SIM-1"
    files[b"camera.json"] = b'{"serial": "SIM-1", "model": "BWC-1", "maker": "S", "firmware": "1"}'
    return SimCamera(serial, files | signed_files(serial, names, files), there=True)


def _docked(card: SimCamera, sizes: Sizes, folder: str | None, *, early: bool, objects: str = "memstore") -> Times:
    """How long one docking takes. SystemExit where the store has not the card's bytes then."""
    clock = SystemClock()
    with ExitStack() as at_the_end:
        home = RealDisk(Path(at_the_end.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix="overlap-"))))
        gateway = at_the_end.enter_context(rgw.running(objects))
        s3_client(gateway.endpoint, rgw.ADMIN).create_bucket(Bucket=BUCKET)
        settings = S3Settings(
            bucket=BUCKET,
            endpoint=gateway.endpoint,
            access_key=rgw.ADMIN.access_key,
            secret_key=rgw.ADMIN.secret_key,
        )
        keys = Keys.create(RealDisk(home.root / "keys"), "bench", os.urandom)
        ledger = at_the_end.enter_context(Ledger.open(RealDisk(home.root / "ledger"), keys))
        state = State(dock="bench")
        world = World(
            clock=clock,
            disk=home,
            store=paced(S3Store(settings, clock, part_size=sizes.part), sizes.rate, clock),
            keys=keys,
            bays=_Bay(SlowCard(card, Meter(sizes.rate, clock))),
            previewer=None,
            progress=Silent(),
            profiles=PROFILES,
            camera_roots=ROOTS,
            holds=state.clips.__contains__,
            console_wait_ms=0,
            set_clocks=False,
            part_size=sizes.part,
            growing=Board() if early else None,
        )
        setting = custody.Setting(keys.origin, "bench", "site", "nobody", "0", "")
        dock = Dock(world, ledger, setting, Limits(early=sizes.part if early else 0), state)
        dock.start()
        workers = Workers(dock.post, unforeseen)
        at_the_end.callback(workers.stop, 5.0)
        started = time.monotonic()
        dock.post(Sighting("appeared", "bay-1", "SIM-1", "folder", "SIM-1"))
        pull = 0.0
        while _delivered(state) < sizes.clips:
            dock.turn(workers, 0.1)
            pull = pull or (time.monotonic() - started if len(state.clips) == sizes.clips else 0.0)
        times = Times(pull, time.monotonic() - started)
        _check(gateway, state)
        return times


class _Bay(OneBay):
    """The camera comes, and stays."""

    def came(self, bay: str, kind: str, address: str, facts: Mapping[str, str]) -> None:
        return

    def left(self, bay: str, kind: str) -> None:
        return


def _delivered(state: State) -> int:
    return sum(clip.phase in (ClipPhase.DELIVERED, ClipPhase.DONE) for clip in state.clips.values())


def _check(gateway: rgw.Gateway, state: State) -> None:
    client = s3_client(gateway.endpoint, rgw.ADMIN)
    for clip in state.clips.values():
        if clip.receipt is None:
            continue
        body = client.get_object(Bucket=BUCKET, Key=clip.receipt.key)["Body"]
        digest = hashlib.sha256()
        while data := body.read(MIB):
            digest.update(data)
        if digest.hexdigest() != clip.sha256:
            raise SystemExit(f"the store has other bytes of {clip.path}")


if __name__ == "__main__":
    sys.exit(main())
