"""The outside world of a simulated dock: cameras that may leave, a store that may be away or lie, a clock that only
moves when told."""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Self

from dockagent.core.camera.inventory import Finding
from dockagent.core.camera.profile import Console
from dockagent.core.model import CHUNK, Thing
from dockagent.core.moment import Instant
from dockagent.errors import Gone, Permanent, Retryable
from dockagent.steps.growing import Board
from dockagent.stores import MOST_REPLACED, Conflict, Source, Stored, Unseen
from dockagent.stores.keys import replaceable
from dockagent.transports import Control, FileFact, FootageReader
from tests.simulation.memory_disk import MemoryDisk


class VirtualClock:
    """Time as an argument. Every look at it moves it by a millisecond."""

    def __init__(self) -> None:
        self.ms = 1_795_000_000_000
        self.boot = 1

    def now(self) -> Instant:
        self.ms += 1
        return Instant(self.ms, f"boot-{self.boot}", self.ms * 1000, "ntp", 5)

    def monotonic(self) -> float:
        self.ms += 1
        return self.ms / 1000

    def sleep(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)


@dataclass(slots=True)
class SimCamera:
    """A card: path to bytes. ``bad``: paths that give a medium error for good. ``leaves_at``: bytes to be read from
    it until somebody takes it, or -1. ``growing``: a path that gets longer each time that it is opened."""

    serial: str
    files: dict[bytes, bytes]
    bad: set[bytes] = field(default_factory=set)
    flaky: float = 0.0
    growing: bytes = b""
    grow_left: int = 0
    leaves_at: int = -1
    there: bool = False
    offered: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.offered = {hashlib.sha256(data).hexdigest() for data in self.files.values()}

    def grow(self, path: bytes) -> None:
        """Write more to a file that is being read."""
        self.grow_left -= 1
        self.files[path] += b"more"
        self.offered.add(hashlib.sha256(self.files[path]).hexdigest())

    def read_from(self, count: int) -> None:
        """Count bytes read; raise Gone when the camera is (or has just been) taken."""
        if self.leaves_at >= 0:
            self.leaves_at -= count
            if self.leaves_at < 0:
                self.there, self.leaves_at = False, -1
        self.check()

    def check(self) -> None:
        if not self.there:
            raise Gone("the camera was taken")


class SimReader:
    """An open file of a :class:`SimCamera`."""

    def __init__(self, camera: SimCamera, path: bytes, random: Random) -> None:
        self._camera, self._path, self._random = camera, path, random
        if path == camera.growing and camera.grow_left:
            camera.grow(path)
        self._data = io.BytesIO(camera.files[path])

    def read(self, size: int, /) -> bytes:
        self._camera.read_from(min(size, 65536))
        if self._path in self._camera.bad or self._random.random() < self._camera.flaky:
            raise Retryable("medium error (simulated)")
        return self._data.read(self._random.randint(1, size) if self._random.random() < 0.2 else size)

    def seek(self, offset: int, /) -> int:
        return self._data.seek(offset)

    def size(self) -> int:
        self._camera.check()
        return len(self._camera.files[self._path])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        return


class SimBays:
    """A :class:`dockagent.steps.world.Bays` over simulated cameras; ``address`` is the camera's serial."""

    def __init__(self, cameras: Mapping[str, SimCamera], random: Random) -> None:
        self._cameras, self._random = cameras, random
        self._in: dict[str, SimCamera] = {}

    def came(self, bay: str, kind: str, address: str, facts: Mapping[str, str]) -> None:
        self._in[bay] = self._cameras[address]

    def left(self, bay: str, kind: str) -> None:
        self._in.pop(bay, None)

    def rest(self, bay: str) -> None:
        return

    def asked(self, bay: str, profile: str) -> None:
        raise AssertionError("no simulated camera has a dialogue")

    def footage(self, bay: str) -> "SimFootage":
        if bay not in self._in:
            raise Gone("the bay is empty")
        return SimFootage(self._in[bay], self._random)

    def control(self, bay: str, console: Console, wait_ms: int) -> Control | None:
        return None


class SimFootage:
    """The :class:`dockagent.transports.Footage` of a simulated card."""

    def __init__(self, camera: SimCamera, random: Random) -> None:
        self._camera, self._random = camera, random

    def facts(self) -> Mapping[str, str]:
        self._camera.check()
        return {"label": "SIM"}

    def list(self) -> Iterator[FileFact]:
        self._camera.check()
        for path in sorted(self._camera.files):
            yield FileFact(path, len(self._camera.files[path]), 1_795_000_000_000)

    def open(self, path: bytes) -> FootageReader:
        self._camera.check()
        if path not in self._camera.files:
            raise Gone(f"{path!r} went away")
        return SimReader(self._camera, path, self._random)

    def close(self) -> None:
        return


class MemoryStore:
    """A :class:`dockagent.stores.Store` that outlives every crash of the dock. ``trouble``: how often it fails, before
    or after it took the object. ``spoil``: what a lying store does to bytes it says it holds (negative controls).
    ``blind``: the dock may only put, and is not told what lies under a key that is taken. ``deaf``: how often it is not
    told that a master arrived."""

    url = "memory://store"

    def __init__(self, random: Random, trouble: float = 0.0, spoil: Callable[[bytes], bytes] | None = None) -> None:
        self.random, self.trouble, self.spoil = random, trouble, spoil
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}  # by key: what no reader sees
        self.used = 0
        self.careless = False  # keeps early parts badly, and joins them without comparing (a negative control)
        self.refuses: set[str] = set()
        self.away = self.blind = False
        self.deaf = 0.0

    def put(self, key: str, source: Source, progress: Callable[[int], None] | None = None) -> Stored:
        self._maybe("the store is away")
        with source.open() as reader:
            data = b"".join(iter(lambda: reader.read(1 << 16), b""))
        if len(data) != source.size or hashlib.sha256(data).hexdigest() != source.sha256:
            raise Permanent(f"{key}: the bytes are not those that were announced")
        if key in self.refuses:
            raise Permanent(f"{key}: refused for good (simulated)")
        held = self.objects.get(key)
        if held is not None and self.blind:
            raise Unseen(key, f"{key} is taken")
        if held is not None and held != data and self.spoil is None:
            raise Conflict(f"{key} holds other bytes")
        data = self._joined(key, data, source)
        self.objects[key] = self.spoil(data) if self.spoil else data
        self._maybe("the answer was lost")
        if self.deaf and "/master" in key and self.random.random() < self.deaf:
            raise Retryable("the answer about a master was lost (simulated)")
        if progress:
            progress(len(data))
        return Stored(key, source.size, source.sha256, proof="re-read")

    def replace(self, key: str, data: bytes) -> Stored:
        self._maybe("the store is away")
        self.objects[replaceable(key, len(data), MOST_REPLACED)] = data
        self._maybe("the answer was lost")
        return Stored(key, len(data), hashlib.sha256(data).hexdigest(), proof="re-read")

    @property
    def part_size(self) -> int:
        return CHUNK

    def early(self, key: str, source: Source, progress: Callable[[int], None]) -> "SimEarly":
        return SimEarly(self, key, source, progress)

    def drop_early(self, key: str) -> None:
        self._maybe("the store is away")
        self.parts.pop(key, None)
        self._maybe("the answer was lost")

    def take_part(self, key: str, at: int, data: bytes, sha256: str) -> None:
        """A part under its signed hash."""
        self._maybe("the store is away")
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Permanent(f"{key}: part {at} is not what was signed")
        self.parts.setdefault(key, {})[at] = bytes(len(data)) if self.careless else data
        self._maybe("the answer was lost")

    def _joined(self, key: str, data: bytes, source: Source) -> bytes:
        """The object: of the parts that came early and are the source's by their digests, and of its own bytes."""
        early = self.parts.pop(key, {})
        for at, sha256 in enumerate(source.part_sha256):
            if at in early and (self.careless or hashlib.sha256(early[at]).hexdigest() == sha256):
                data = data[: at * CHUNK] + early[at] + data[at * CHUNK + len(early[at]) :]
                self.used += 1
        return data

    def stat(self, key: str) -> Stored | None:
        data = self.objects.get(key)
        return None if data is None else Stored(key, len(data), "", proof="size")

    def check(self) -> Sequence[str]:
        return ()

    def _maybe(self, words: str) -> None:
        if self.away or self.random.random() < self.trouble:
            raise Retryable(words)


class SimEarly:
    """An upload to a :class:`MemoryStore` that is not completed."""

    def __init__(self, store: MemoryStore, key: str, source: Source, progress: Callable[[int], None]) -> None:
        self._store, self._key, self._source, self._progress = store, key, source, progress
        self.count = 0

    @property
    def whole(self) -> bool:
        return self.count * CHUNK >= self._source.size

    def send(self, known: Sequence[str]) -> int:
        there = self._store.parts.get(self._key, {})
        missing = [at for at in range(len(known)) if hashlib.sha256(there.get(at, b"")).hexdigest() != known[at]]
        for at in missing:
            with self._source.open() as reader:
                reader.seek(at * CHUNK)
                data = reader.read(min(CHUNK, self._source.size - at * CHUNK))
            self._store.take_part(self._key, at, data, known[at])
            self._progress(len(data))
        self.count = len(known)
        return len(missing)


class SimGrowing(Board):
    """The board of pulls in a world with one thread: ``meanwhile`` is what the dock's other workers do while a part
    has just come to rest."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] = lambda: None
        self._clock = clock

    def part(self, item: str, sha256: str) -> None:
        super().part(item, sha256)
        self.meanwhile()

    def known(self, item: str, more_than: int, wait_s: float) -> tuple[str, ...] | None:
        """What is there: nothing comes while somebody waits, and so all of that time passes."""
        found = super().known(item, more_than, 0)
        if found is not None and len(found) <= more_than:
            self._clock.sleep(wait_s)
        return found


class SimPreviewer:
    """Makes one small file, or finds that it cannot."""

    tool = "simulated"

    def __init__(self, disk: MemoryDisk, random: Random) -> None:
        self._disk, self._random = disk, random

    def make(self, master: str, folder: str) -> tuple[tuple[Thing, ...], tuple[Finding, ...]]:
        if self._random.random() < 0.2:
            return (), (Finding("preview", "cannot be decoded (simulated)", "warning"),)
        data = hashlib.sha256(self._disk.read(master)).digest()
        self._disk.write(f"{folder}/sprite.jpg", data)
        return (Thing("sprite.jpg", len(data), hashlib.sha256(data).hexdigest()),), ()
