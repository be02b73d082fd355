"""A dock in memory whose orders are carried out when a test says so."""

from collections.abc import Iterator
from random import Random
from typing import Literal

from dockagent.core import custody
from dockagent.core import events as ev
from dockagent.core.model import State
from dockagent.core.orders import Limits, Order
from dockagent.dock import Dock
from dockagent.ledger.log import Ledger
from dockagent.steps.detect import Sighting
from dockagent.transports import FileFact
from dockagent.workers import Done, Task
from tests.simulation.actors import MemoryStore, SimBays, SimCamera, SimFootage, VirtualClock
from tests.simulation.memory_disk import MemoryDisk, SubDisk
from tests.steps.card import keys, some_bytes, world_over

Action = Literal["appeared", "gone", "changed"]
Kind = Literal["folder", "block", "tty"]
CARD = b'{"serial": "%s", "model": "BWC-1", "maker": "S", "firmware": "1"}'


def camera(serial: str = "SIM-1", **files: bytes) -> SimCamera:
    """A reference camera that signs nothing."""
    data = {b"camera.json": CARD % serial.encode(), b"DCIM/100BWC/a.MP4": some_bytes(5000)}
    return SimCamera(serial, data | {path.encode(): one for path, one in files.items()}, there=True)


class Hands:
    """A crew that does an order only when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Order, Task]] = []
        self.given: list[Order] = []

    def start(self, order: Order, task: Task) -> None:
        self.waiting.append((order, task))
        self.given.append(order)

    def work(self) -> Done:
        order, task = self.waiting.pop(0)
        return Done(order, task())


class Liar(SimFootage):
    """A card whose directory says a size that no number of a record can hold (a damaged or hostile file system)."""

    def __init__(self, honest: SimFootage) -> None:
        super().__init__(honest._camera, Random(0))

    def list(self) -> Iterator[FileFact]:
        for fact in super().list():
            yield FileFact(fact.path, 2**60 if fact.path.endswith(b".MP4") else fact.size, fact.mtime_ms)


class Bays(SimBays):
    """The cameras that stand in the dock; ``told``: what the loop said about them, in order; ``liars``: bays whose
    card is a :class:`Liar`."""

    def __init__(self, cameras: dict[str, SimCamera]) -> None:
        super().__init__(cameras, Random(0))
        self.told: list[tuple[str, str]] = []
        self.liars: set[str] = set()

    def footage(self, bay: str) -> SimFootage:
        honest = super().footage(bay)
        return Liar(honest) if bay in self.liars else honest

    def came(self, bay: str, kind: str, address: str, facts: object) -> None:
        self.told.append(("came", address))
        if kind != "tty":
            super().came(bay, kind, address, {})

    def left(self, bay: str, kind: str) -> None:
        self.told.append(("left", kind))
        if kind != "tty":
            super().left(bay, kind)

    def rest(self, bay: str) -> None:
        return


class Bench:
    """One dock in memory, over a home that outlives it."""

    def __init__(self, *cameras: SimCamera, home: MemoryDisk | None = None, store: MemoryStore | None = None) -> None:
        self.home = home or MemoryDisk(Random(0))
        self.store = store or MemoryStore(Random(0))
        self.clock, self.hands = VirtualClock(), Hands()
        self.bays = Bays({one.serial: one for one in cameras})
        self.ledger = Ledger.open(SubDisk(self.home, "ledger"), keys())
        state = State(dock="dock-7")
        world = world_over(self.home, self.bays, store=self.store, clock=self.clock, holds=state.clips.__contains__)
        setting = custody.Setting(keys().origin, "dock-7", "station 4", "Sgt Kay", "1.0", "c0")
        self.dock = Dock(world, self.ledger, setting, Limits(), state)
        self.dock.start()

    def see(self, action: Action, serial: str = "SIM-1", kind: Kind = "folder", bay: str = "A") -> None:
        self.dock.post(Sighting(action, bay, "1-2", kind, serial))

    def turn(self) -> None:
        self.dock.turn(self.hands, 0)

    def run(self, turns: int = 400) -> None:
        """Until nobody has anything to do any more, or for so many turns."""
        for _ in range(turns):
            self.turn()
            if self.hands.waiting:
                self.dock.post(self.hands.work())
            else:
                self.clock.sleep(1)

    @property
    def events(self) -> list[ev.Event]:
        """What the ledger says."""
        return [custody.event_of(payload)[0] for payload in Ledger.read(SubDisk(self.home, "ledger"))]

    def kinds(self) -> list[str]:
        return [str(type(event).__struct_config__.tag) for event in self.events]

    def safe(self, bay: str = "A") -> bool:
        """Whether the camera in this bay may be taken."""
        return self.dock.state.sessions[bay].safe

    def close(self) -> None:
        self.dock.stop()
        self.ledger.close()
