"""A world for steps, and a card in it that does as it is told."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from types import TracebackType
from typing import Any, Self

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.camera.inventory import Entry
from dockagent.core.camera.profile import Console
from dockagent.core.paths import to_text
from dockagent.durable import Disk
from dockagent.errors import DockError, Gone
from dockagent.ledger.keys import Keys
from dockagent.steps.pull import Task, fingerprint_of, pull
from dockagent.steps.world import Bays, World
from dockagent.transports import Control, FileFact, Footage, FootageReader
from tests.contracts.disk_files import tree
from tests.evidence.made import chunk_root
from tests.simulation.actors import MemoryStore, VirtualClock
from tests.simulation.memory_disk import MemoryDisk
from tests.simulation.voyage import PROFILES, ROOTS, Silent

PATH = b"DCIM/100BWC/BWC0001.MP4"


@cache
def keys() -> Keys:
    return Keys.create(MemoryDisk(Random(0)), "dock-7", Random(1).randbytes)


def world_over(disk: Disk, bays: Bays, **changed: Any) -> World:
    """Everything that a step may touch; whatever is not named is quiet and simulated."""
    world = World(
        clock=VirtualClock(),
        disk=disk,
        store=MemoryStore(Random(0)),
        keys=keys(),
        bays=bays,
        previewer=None,
        progress=Silent(),
        profiles=PROFILES,
        camera_roots=ROOTS,
        holds=lambda _: False,
        console_wait_ms=0,
        spool_reserve=0,
    )
    return replace(world, **changed)


@dataclass(frozen=True, slots=True)
class OneBay:
    """A dock with one camera in it."""

    card: Footage
    console: Control | None = None

    def came(self, bay: str, kind: str, address: str, facts: Mapping[str, str]) -> None:
        raise AssertionError("no step tells the bays who came")

    def left(self, bay: str, kind: str) -> None:
        raise AssertionError("no step tells the bays who left")

    def rest(self, bay: str) -> None:
        return

    def asked(self, bay: str, profile: str) -> None:
        raise AssertionError("this camera has no dialogue")

    def footage(self, bay: str) -> Footage:
        return self.card

    def control(self, bay: str, console: Console, wait_ms: int) -> Control | None:
        return self.console


@dataclass(slots=True)
class Card:
    """A card with one file, whose reader does as it is told. ``piece``: bytes that one read gives at most.
    ``fails``: offset and the error that reading at it raises. ``grows``: bytes written to it after it was read.
    ``sought``: the offsets to which its reader was sent, the last of which is where copying begins."""

    data: bytes
    piece: int = 1 << 30
    fails: tuple[int, DockError] | None = None
    grows: int = 0
    sought: list[int] = field(default_factory=list)

    def facts(self) -> Mapping[str, str]:
        return {}

    def list(self) -> Iterator[FileFact]:
        yield FileFact(PATH, len(self.data), 0)

    def open(self, path: bytes) -> FootageReader:
        if path != PATH:
            raise Gone(f"{path!r} went away")
        return CardReader(self)

    def close(self) -> None:
        return


@dataclass(slots=True)
class CardReader:
    card: Card
    at: int = 0

    def read(self, size: int, /) -> bytes:
        most = min(size, self.card.piece)
        if self.card.fails is not None:
            stop, error = self.card.fails
            if self.at >= stop:
                raise error
            most = min(most, stop - self.at)
        data = self.card.data[self.at : self.at + most]
        self.at += len(data)
        return data

    def seek(self, offset: int, /) -> int:
        self.at = offset
        self.card.sought.append(offset)
        return offset

    def size(self) -> int:
        return len(self.card.data) + self.card.grows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        return


def some_bytes(size: int, seed: int = 1) -> bytes:
    return Random(seed).randbytes(size)


def entry_of(size: int, path: bytes = PATH) -> Entry:
    text = to_text(path)
    return Entry(text, size, 0, "footage", text, None, "", False, 0)


def task_of(listed: int, relists: int = 0) -> Task:
    entry = entry_of(listed)
    return Task("session", "bay-1", "BWC-0001", plan.item_id("BWC-0001", entry.path, listed), entry, relists)


def pulled(disk: Disk, card: Footage, task: Task, **changed: Any) -> ev.Acquired | ev.AcquireFailed:
    (event,) = pull(world_over(disk, OneBay(card), **changed), task)
    assert isinstance(event, ev.Acquired | ev.AcquireFailed)
    return event


def check_whole(disk: Disk, event: ev.Event, data: bytes, resumed_at: int = 0) -> ev.Acquired:
    """The event tells the truth about ``data``, which lies in the spool, and nothing else does."""
    assert isinstance(event, ev.Acquired), event
    sha256 = hashlib.sha256(data).hexdigest()
    clip = hashlib.sha256(f"dockagent/clip/1\nBWC-0001\n{sha256}".encode()).hexdigest()[:32]
    assert (event.clip_id, event.sha256, event.bytes) == (clip, sha256, len(data))
    assert event.chunk_root == chunk_root(data)
    assert event.resumed_at == resumed_at
    assert event.path == to_text(PATH)
    assert tree(disk) == {f"spool/{clip}/master": data}
    return event


def failed(event: ev.Event, kind: str, *, retry: bool) -> ev.AcquireFailed:
    assert isinstance(event, ev.AcquireFailed), event
    assert (event.kind, event.retry) == (kind, retry), event
    assert event.path == to_text(PATH)
    assert event.reason
    assert "\n" not in event.reason
    return event


def flipped(at: int) -> Callable[[bytes], bytes]:
    """The bytes with one bit of the byte at ``at`` the other way."""
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def fingerprint(data: bytes, piece: int = 1 << 30) -> str:
    return fingerprint_of(Card(data, piece).open(PATH), len(data))
