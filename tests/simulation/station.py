"""A dock whose way to the store is bad for weeks: by the clock, not by dice, so that waits can be measured."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from dockagent.core import custody
from dockagent.core import events as ev
from dockagent.core.model import CHUNK, ClipPhase
from dockagent.core.uplink.trouble import Kind, LinkTrouble
from dockagent.core.uplink.words import clip_waits, spool_words, store_words
from dockagent.errors import Permanent
from dockagent.ledger.log import Ledger
from dockagent.stores import Source, Stored
from tests.simulation import promises
from tests.simulation.actors import MemoryStore, SimCamera, VirtualClock
from tests.simulation.custodian import SimCustodian
from tests.simulation.erasing import SimPermits
from tests.simulation.memory_disk import SubDisk
from tests.simulation.voyage import Life

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
Mood = Callable[["FarStore", str, Source], None]


class FarStore(MemoryStore):
    """A store at the other end of a line. ``mood`` looks at each put first, and raises what the store would say; each
    put takes ``slow_ms``. ``asked``: when it was asked for what (ms, key)."""

    def __init__(self, clock: VirtualClock, mood: Mood | None = None, slow_ms: int = 200) -> None:
        super().__init__(Random(0))
        self.clock, self.mood, self.slow_ms = clock, mood, slow_ms
        self.asked: list[tuple[int, str]] = []

    @property
    def bytes(self) -> int:
        """How much it holds."""
        return sum(map(len, self.objects.values()))

    def put(self, key: str, source: Source, progress: Callable[[int], None] | None = None) -> Stored:
        if key.startswith("ledgers/"):  # what the notary publishes is not footage
            return super().put(key, source, progress)
        self.asked.append((self.clock.ms, key))
        self.clock.ms += self.slow_ms
        if self.mood is not None:
            self.mood(self, key, source)
        return super().put(key, source, progress)


def away(kind: Kind, after_s: float = 0.0) -> Mood:
    """It answers nothing else."""

    def say(store: FarStore, key: str, source: Source) -> None:
        raise LinkTrouble(kind, f"simulated {kind}", after_s=after_s)

    return say


def refusing(name: str) -> Mood:
    """It takes everything but objects of one clip."""

    def say(store: FarStore, key: str, source: Source) -> None:
        if name in key:
            raise Permanent("the policy of this store forbids it (simulated)")

    return say


def holding(room: int) -> Mood:
    """It has room for so many bytes."""

    def say(store: FarStore, key: str, source: Source) -> None:
        if store.bytes + source.size > room:
            raise LinkTrouble(Kind.FULL, "507 Insufficient Storage (simulated)")

    return say


@dataclass(slots=True)
class Station(Life):
    """``shifts`` cameras with ``each`` clips of a MiB; a spool of ``room`` bytes, of which ``spool_reserve`` is for the
    ledger. Nothing here is left to chance but the bytes."""

    shifts: int = 4
    each: int = 4
    room: int = 1 << 40
    far: FarStore = field(init=False)

    def __post_init__(self) -> None:
        Life.__post_init__(self)
        self.cuts = 0
        self.outsiders.trouble = 0.0
        self.notary_every_ms, self.notary_records = 12 * HOUR, 100_000  # outsiders have lives of their own
        self.disk.room = self.room
        self.cameras = {f"SIM-{n}": self._shift(f"SIM-{n}") for n in range(self.shifts)}
        self.far = self.store = FarStore(self.clock)
        self.custodian = SimCustodian(self.seed, self.store, self.clock, 0.0)
        self.permits = SimPermits(self.custodian, self.store, self.clock)

    def _shift(self, serial: str) -> SimCamera:
        files = {
            f"DCIM/100BWC/BWC{n:04}_20261122T08{n:02}00Z.MP4".encode(): self.random.randbytes(CHUNK)
            for n in range(self.each)
        }
        files[b"camera.json"] = b'{"serial": "%s", "model": "BWC-1", "maker": "S", "firmware": "1"}' % serial.encode()
        return SimCamera(serial, files)

    def begin(self) -> None:
        """Start the dock; all cameras are in their bays."""
        self._boot()

    def go_on(self, for_ms: int, idle_s: float = 1.0) -> None:
        """Live so long, looking every ``idle_s`` seconds when nothing is to be done."""
        ends = self.clock.ms + for_ms
        while self.clock.ms < ends:
            worked = self.crew.work(self.dock)
            self.dock.turn(self.crew, 0)
            if self.disk.free() < 0:
                raise promises.Broken("the spool took more than there is")
            if not worked:
                self.clock.sleep(idle_s)

    @property
    def spooled(self) -> int:
        """Bytes of footage in the dock, what is being pulled included."""
        return sum(len(one.data) for path, one in self.disk.files.items() if path.startswith(("spool/", "quarantine/")))

    @property
    def delivered(self) -> int:
        """How many clips the store has taken."""
        return sum(key.endswith(("/master", "/master.age")) for key in self.far.objects)

    def undelivered(self) -> list[str]:
        """Ids of the clips that the dock has and the store has not, in no order."""
        state = self.dock.state
        return [one.id for one in state.clips.values() if one.phase in (ClipPhase.ADMITTED, ClipPhase.SHOWN)]

    def words(self) -> str:
        """All that a person is told about what waits."""
        state, now = self.dock.state, self.clock.ms
        told = [clip_waits(state.clips[name], state, now, self.terms) for name in self.undelivered()]
        if not all(told):
            raise promises.Broken("promise 7: a clip waits and nobody says why")
        return "\n".join([store_words(state, now, self.terms), spool_words(state, now, self.terms), *told])

    def events(self, kind: type[Any]) -> list[ev.Event]:
        """All events of a kind that are in the ledger."""
        payloads = Ledger.read(SubDisk(self.disk, "ledger"))
        return [event for payload in payloads if isinstance(event := custody.event_of(payload)[0], kind)]

    def check(self) -> None:
        """Every promise, by what an outsider sees."""
        promises.always(self.evidence)
