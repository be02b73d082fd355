"""Part of ``make bench``: from the moment a camera is docked to its last receipt, where camera and line are as slow as
each other, with parts that go out while a file is read, and without.

The dock is real but for its previews: loop, workers, ledger, spool, S3 client, and a Ceph RGW. The camera is one signed
card in memory that gives so many bytes a second, the line is the dock's own rate limit. Sizes are an eighth of a 4 GiB
card in parts of 64 MiB, so that the same share of it is left over at each end.

    python -m tests.store_bench_overlap [--mib 512] [--part-mib 8] [--rate-mib 16] [--folder DIR]
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
    """Bytes: of the card, of a part, and a second of camera and line."""

    card: int
    part: int
    rate: int


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
    parser.add_argument("--part-mib", type=int, default=8, help="size of a part")
    parser.add_argument("--rate-mib", type=int, default=16, help="MiB a second of the camera and of the line")
    parser.add_argument("--folder", default=None, help="where to work (default: the system's temporary folder)")
    args = parser.parse_args()
    if absent := rgw.missing():
        print(f"no S3 server to measure with: {', '.join(absent)} not installed")
        return 0
    sizes = Sizes(args.mib * MIB, args.part_mib * MIB, args.rate_mib * MIB)
    card = _card(sizes)
    one_by_one = _docked(card, sizes, args.folder, early=False)
    longer = max(one_by_one.pull, one_by_one.rest)
    print(
        f"first read, then sent: {one_by_one.whole:.1f} s: {one_by_one.pull:.1f} s to the spool, then the rest",
        flush=True,
    )
    together = _docked(card, sizes, args.folder, early=True)
    ratio = together.whole / longer
    print(f"sent while it is read: {together.whole:.1f} s from dock to receipt, {ratio:.2f} x the longer of the two")
    return 0


def _card(sizes: Sizes) -> SimCamera:
    name = "DCIM/100BWC/BWC0001_20261122T080000Z.MP4"
    files = {name.encode(): os.urandom(sizes.card)}
    serial = "SIM-1"
    files[b"camera.json"] = b'{"serial": "SIM-1", "model": "BWC-1", "maker": "S", "firmware": "1"}'
    return SimCamera(serial, files | signed_files(serial, [name], files), there=True)


def _docked(card: SimCamera, sizes: Sizes, folder: str | None, *, early: bool) -> Times:
    """How long one docking takes. SystemExit where the store has not the card's bytes then."""
    clock = SystemClock()
    with ExitStack() as at_the_end:
        home = RealDisk(Path(at_the_end.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix="overlap-"))))
        gateway = at_the_end.enter_context(rgw.running())
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
        while not _delivered(state):
            dock.turn(workers, 0.1)
            pull = pull or (time.monotonic() - started if state.clips else 0.0)
        times = Times(pull, time.monotonic() - started)
        _check(gateway, state)
        return times


class _Bay(OneBay):
    """The camera comes, and stays."""

    def came(self, bay: str, kind: str, address: str, facts: Mapping[str, str]) -> None:
        return

    def left(self, bay: str, kind: str) -> None:
        return


def _delivered(state: State) -> bool:
    return any(clip.phase in (ClipPhase.DELIVERED, ClipPhase.DONE) for clip in state.clips.values())


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
