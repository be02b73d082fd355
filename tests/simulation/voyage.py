"""One seeded life of a dock: cameras come and go, the store fails, the power goes. Replay a life by its seed alone:

python -m tests.simulation SEED
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from random import Random
from typing import Literal

from cryptography import x509

from dockagent.config import load_profiles
from dockagent.core import custody, plan
from dockagent.core import events as ev
from dockagent.core.acts import Grounds, Recorded
from dockagent.core.model import CHUNK, ClipPhase, SessionPhase, State
from dockagent.core.orders import EarlyOrder, Limits, Order
from dockagent.core.review.catalogue import Cataloguer
from dockagent.core.uplink.turns import Terms
from dockagent.dock import Ask, Dock
from dockagent.errors import Refused
from dockagent.ledger.keys import PUBLIC, Keys
from dockagent.ledger.log import Ledger
from dockagent.steps.detect import Sighting
from dockagent.steps.tidy import tidy
from dockagent.steps.world import Sealer, World
from dockagent.workers import Done, Task
from hil.cameras import manifest, pki
from hil.cameras.plate import Plate
from tests.simulation import agency, promises
from tests.simulation.actors import MemoryStore, SimBays, SimCamera, SimGrowing, SimPreviewer, VirtualClock
from tests.simulation.custodian import WAITS_EVERY, SimCustodian
from tests.simulation.erasing import SimEraser, SimPermits, erased_rightly
from tests.simulation.memory_disk import MemoryDisk, PowerCut, SubDisk
from tests.simulation.outsiders import Outsiders

PROFILES = load_profiles(None)
MAKER = pki.make_maker("Simulated", pki.Validity(datetime(2020, 1, 1, tzinfo=UTC)), seed=0)
ROOTS = (x509.load_pem_x509_certificate(MAKER.root_pem()),)
TURNS = 4000
GROUNDS = Grounds(basis="order 17/26", authority="Sgt Kay")
SEALS_EVERY = 4  # in one of so many lives the dock seals what it stores


class Silent:
    """Nobody watches."""

    def moved(self, what: str, key: str, done: int, total: int) -> None:
        return


class Crew:
    """Carries orders out one at a time, in an order that the seed chooses among the lanes."""

    def __init__(self, random: Random) -> None:
        self.waiting: list[tuple[Order, Task]] = []
        self._random = random

    def start(self, order: Order, task: Task) -> None:
        self.waiting.append((order, task))

    def work(self, dock: Dock, kind: type[Order] = Order) -> bool:
        """Do one thing of this kind. False when there is nothing to do."""
        waiting = [one for one in self.waiting if isinstance(one[0], kind)]
        if not waiting:
            return False
        chosen = self._random.choice(waiting)
        self.waiting.remove(chosen)
        order, task = chosen
        dock.post(Done(order, task()))
        return True


@dataclass(slots=True)
class Life:
    """Everything of one seed. ``lies``, ``spoil``, ``forgets``, ``blunders`` and ``steals`` are for negative controls:
    a disk whose sync does nothing, a store that keeps other bytes, one that keeps none, a dock that seals other bytes,
    somebody who frees the room of held clips, a dock that does not wait for its custodian. ``blind``: the dock may only
    put, so that a put whose answer was lost is settled by the custodian. ``cut_at``: cut the
    power at just this durable call, and never again; otherwise the seed decides."""

    seed: int
    lies: bool = False
    spoil: bool = False
    forgets: bool = False
    blunders: bool = False
    steals: bool = False
    hasty: bool = False
    erases: bool = False
    blind: bool = False
    cut_at: int = 0
    spool_reserve: int = 0
    notary_every_ms: int = 60_000
    notary_records: int = 25
    terms: Terms = field(default_factory=Terms)
    random: Random = field(init=False)
    disk: MemoryDisk = field(init=False)
    store: MemoryStore = field(init=False)
    cameras: dict[str, SimCamera] = field(init=False)
    outsiders: Outsiders = field(init=False)
    custodian: SimCustodian = field(init=False)
    permits: SimPermits = field(init=False)
    eraser: SimEraser = field(init=False)
    sealer: Sealer | None = field(init=False)
    clock: VirtualClock = field(default_factory=VirtualClock)
    cuts: int = 0
    dock: Dock = field(init=False)
    crew: Crew = field(init=False)
    home: dict[str, bool] = field(default_factory=dict)
    held: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.disk = MemoryDisk(self.random, lies=self.lies)
        trouble = self.random.choice((0.0, 0.05, 0.3))
        self.store = MemoryStore(self.random, trouble, self._spoiler())
        self.store.blind, self.store.deaf = self.blind, 0.5 * self.blind
        self.cameras = {one.serial: one for one in (self._camera(n) for n in range(self.random.randint(1, 3)))}
        self.outsiders = Outsiders(self.seed, self.clock, self.random.choice((0.0, 0.2, 0.6)))
        away = 1.0 if self.hasty else Random(self.seed).choice((0.0, 0.3, 0.7))
        self.custodian = SimCustodian(self.seed, self.store, self.clock, away)
        self.permits = SimPermits(self.custodian, self.store, self.clock)
        self.eraser = SimEraser(self.cameras, self.disk)
        seals = self.blunders or self.seed % SEALS_EVERY == SEALS_EVERY - 1
        self.sealer = agency.sealer(blunders=self.blunders) if seals else None
        self.cuts = 0 if self.cut_at else self.random.randint(0, 3)
        self.disk.cut_at = self.cut_at

    def _spoiler(self) -> Callable[[bytes], bytes] | None:
        if self.forgets:
            return lambda data: b""
        return (lambda data: data[:-1] + bytes([data[-1] ^ 1]) if data else b"?") if self.spoil else None

    def _camera(self, number: int) -> SimCamera:
        serial = f"SIM-{number}"
        names = [f"DCIM/100BWC/BWC{n + 1:04}_20261122T08{n:02}00Z.MP4" for n in range(self.random.randint(0, 4))]
        files = {name.encode(): self._bytes() for name in names}
        if names and self.random.random() < 0.5:
            files[names[0].encode()[:-3] + b"GPS"] = self._bytes()
        if names and self.random.random() < 0.2:
            files[b"DCIM/100BWC/copy.MP4"] = files[names[0].encode()]
        files[b"camera.json"] = b'{"serial": "%s", "model": "BWC-1", "maker": "S", "firmware": "1"}' % serial.encode()
        if self.random.random() < 0.6:
            files |= signed_files(serial, names, files)
        if names and self.random.random() < 0.25:
            files[names[-1].encode()] = _altered(files[names[-1].encode()])
        camera = SimCamera(serial, files)
        if names and self.random.random() < 0.2:
            camera.bad.add(names[0].encode())
        if names and self.random.random() < 0.2:
            camera.growing, camera.grow_left = names[-1].encode(), self.random.randint(1, 5)
        camera.flaky = self.random.choice((0.0, 0.0, 0.02))
        return camera

    def _bytes(self) -> bytes:
        size = self.random.choice((0, 1, 1000, 5000, 60_000, CHUNK, CHUNK + 1, 2 * CHUNK + 77))
        return self.random.randbytes(size)

    @property
    def evidence(self) -> promises.Evidence:
        """What an outsider sees now."""
        return promises.Evidence(
            self.disk, self.store, self.cameras, self.outsiders, frozenset(self.held), waits=self.waits
        )

    @property
    def waits(self) -> bool:
        """Whether the dock's copy must stay until the custodian has read the clip back."""
        return self.hasty or self.seed % WAITS_EVERY == WAITS_EVERY - 1

    def live(self) -> None:
        """The whole life: a stormy part, then a quiet one in which everything must come to its end."""
        self._guarded(self._boot)
        for _ in range(self.random.randint(50, 400)):
            self._guarded(self._stormy_turn)
        self.store.trouble, self.store.away, self.cuts = 0.0, False, 0
        self.outsiders.trouble = self.custodian.trouble = 0.0
        self.eraser.calm = True
        for camera in self.cameras.values():
            camera.flaky, camera.leaves_at = 0.0, -1
        self._guarded(self._replug_all)
        for _ in range(TURNS):
            self._guarded(self._turn)
            if self.dock.idle and not self.crew.waiting and self._at_rest():
                break
        else:
            raise promises.Broken(f"the dock did not come to rest in {TURNS} turns")
        if self.steals:
            self._free_the_room_of_held_clips()
        promises.always(self.evidence)
        promises.at_end(self.evidence)

    def _at_rest(self) -> bool:
        bays_done = all(
            session.phase in (SessionPhase.RELEASED, SessionPhase.REFUSED)
            for session in self.dock.state.sessions.values()
        )
        if self.erases and self._erasing():
            return False
        if self.dock.state.history.trouble.attempts or not self.dock.state.history.witnessed:
            return False
        return len(self.dock.state.sessions) == len(self.cameras) and bays_done and not self._clips_under_way()

    def _erasing(self) -> bool:
        """Whether an erasing has no end yet, on a camera that is known: an emptied one may not be recognised again."""
        here = {one.camera.id for one in self.dock.state.sessions.values() if one.camera is not None}
        return any(one.camera in here for one in self.dock.state.permits.asks.values())

    def _clips_under_way(self) -> bool:
        """A clip that only a hold keeps stays where it is."""
        return any(clip.phase is not ClipPhase.DONE and not clip.kept for clip in self.dock.state.clips.values())

    def _guarded(self, act: Callable[[], None]) -> None:
        """Do it; when the power goes, look at what is left, and boot again."""
        try:
            act()
        except PowerCut:
            self._reboot()

    def _reboot(self) -> None:
        while True:
            self.disk.power_cut()
            promises.always(self.evidence)
            self.clock.boot += 1
            try:
                return self._boot()
            except PowerCut:
                continue

    def _boot(self) -> None:
        keys_disk = SubDisk(self.disk, "keys")
        whole = keys_disk.size(PUBLIC) is not None
        keys = Keys.load(keys_disk) if whole else Keys.create(keys_disk, "sim", Random(1).randbytes)
        ledger = Ledger.open(SubDisk(self.disk, "ledger"), keys)
        self.outsiders.meet(keys)
        state = State(dock="sim")
        world = World(
            clock=self.clock,
            disk=self.disk,
            store=self.store,
            keys=keys,
            bays=SimBays(self.cameras, self.random),
            previewer=SimPreviewer(self.disk, self.random),
            progress=Silent(),
            profiles=PROFILES,
            camera_roots=ROOTS,
            holds=state.clips.__contains__,
            console_wait_ms=0,
            spool_reserve=self.spool_reserve,
            terms=self.terms,
            notary=self.outsiders.notary(self.disk),
            sealer=self.sealer,
            part_size=CHUNK,
            growing=self._growing(),
            catalogue=Cataloguer("sim", "site", keys.origin),
            custodian=self.permits.peer if self.erases else self.custodian.peer,
            eraser=self.eraser if self.erases else None,
        )
        setting = custody.Setting(keys.origin, "sim", "site", "nobody", "0", "")
        self.crew = Crew(self.random)
        limits = Limits(
            pulls=2,
            uplinks=2,
            notary_every_ms=self.notary_every_ms,
            notary_records=self.notary_records,
            seals=1 if self.sealer is not None else 0,
            early=0 if self.sealer is not None else CHUNK,
            terms=self.terms,
            custodian_every_ms=20_000,
            custodian_first=self.waits and not self.hasty,
            erases=self.erases,
            permits_every_ms=15_000 if self.erases else 0,
        )
        self.dock = Dock(world, ledger, setting, limits, state)
        self.dock.start()
        tidy(self.disk, state)
        promises.nothing_in_the_clear(self.evidence)
        if self.erases:
            erased_rightly(self.evidence, self.eraser, self.permits)
        self.home = {}
        for serial, camera in self.cameras.items():
            camera.there = True
            self._see(serial, "appeared")

    def _growing(self) -> SimGrowing | None:
        """Where nothing is sealed, files go out while they are read."""
        if self.sealer is not None:
            return None
        board = SimGrowing(self.clock)
        board.meanwhile = self._while_a_file_is_read
        return board

    def _while_a_file_is_read(self) -> None:
        for _ in range(self.random.randint(0, 4)):
            self.dock.turn(self.crew, 0)
            self.crew.work(self.dock, EarlyOrder)

    def _see(self, serial: str, action: Literal["appeared", "gone", "changed"]) -> None:
        self.home[serial] = action != "gone"
        self.dock.post(Sighting(action, f"bay-{serial}", serial, "folder", serial))

    def _replug_all(self) -> None:
        for serial, camera in self.cameras.items():
            if self.home.get(serial):
                self._see(serial, "gone")
            camera.there = True
            self._see(serial, "appeared")

    def _stormy_turn(self) -> None:
        dice = self.random.random()
        if dice < 0.02 and self.cuts:
            self.cuts -= 1
            self.disk.cut_at = self.disk.calls + self.random.randint(1, 40)
        elif dice < 0.05:
            self.store.away = not self.store.away
        elif dice < 0.08:
            self.random.choice(list(self.cameras.values())).leaves_at = self.random.randint(0, 2 * CHUNK)
        elif dice < 0.12:
            self._notice_comings_and_goings()
        elif dice < 0.17:
            self._somebody_sets_or_clears_a_hold()
        self._turn()

    def _notice_comings_and_goings(self) -> None:
        for serial, camera in self.cameras.items():
            if not camera.there and self.home.get(serial):
                self._see(serial, "gone")
            elif not camera.there:
                camera.there = True
                self._see(serial, "appeared")

    def _somebody_sets_or_clears_a_hold(self) -> None:
        """A person at the desk: whatever the dock is doing with the clip, or did when the power went."""
        clips = list(self.dock.state.clips.values())
        if not clips:
            return
        clip = self.random.choice(clips)
        if clip.holds and self.random.random() < 0.5:
            hold = self.random.choice(clip.holds).record
            self.dock.post(Ask(ev.HoldCleared(clip.id, hold, grounds=GROUNDS), lambda _: None))
        else:
            self.dock.post(Ask(ev.HoldSet(clip.id, grounds=GROUNDS), partial(self._held, clip.id)))

    def _held(self, clip_id: str, answer: Recorded | Refused) -> None:
        """Note a hold that was set while the dock had the whole master: from here on it must stay."""
        clip = self.dock.state.clips.get(clip_id)
        if isinstance(answer, Recorded) and clip is not None and promises.in_spool(clip, self.disk):
            self.held.add(answer.index)

    def _free_the_room_of_held_clips(self) -> None:
        for clip in self.dock.state.clips.values():
            if clip.kept:
                for name in self.disk.names(plan.spool_folder(clip.id)):
                    self.disk.remove(f"{plan.spool_folder(clip.id)}/{name}")

    def _turn(self) -> None:
        worked = self.crew.work(self.dock)
        self.dock.turn(self.crew, 0)
        if not worked:
            self.clock.sleep(1)


def signed_files(serial: str, names: list[str], files: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The files with which the camera signs all its clips and sidecars, as they are now: the same for the same ones,
    because waiting times follow from clip ids, those from bytes, and a life can be lived again."""
    return dict(_signed(serial, tuple(names), tuple(files.items())))


@cache
def _signed(serial: str, names: tuple[str, ...], content: tuple[tuple[bytes, bytes], ...]) -> dict[bytes, bytes]:
    files = dict(content)
    plate = Plate(serial=serial)
    identity = MAKER.identity(plate.model, plate.serial, pki.Validity(datetime(2020, 1, 1, tzinfo=UTC)))
    start = datetime(2026, 11, 1, 8, tzinfo=UTC)
    subjects = tuple(
        manifest.Subject(path.decode(), hashlib.sha256(data).hexdigest())
        for path, data in files.items()
        if path.startswith(b"DCIM/")
    )
    clips = tuple(
        manifest.ClipEntry(name, n + 1, len(files[name.encode()]), start, "UTC") for n, name in enumerate(names)
    )
    statement = manifest.Statement(plate, 1, start + timedelta(hours=1), subjects, clips)
    return {b"manifest.dsse.json": manifest.seal(statement, identity), b"chain.pem": identity.chain_pem()}


def _altered(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:] if data else data
