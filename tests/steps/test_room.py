"""Room in the spool: promised before it is used, so that several cameras at once never take the ledger's."""

import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.durable import DiskFull
from dockagent.steps.derive import derive
from dockagent.steps.pull import pull
from dockagent.steps.room import Room
from dockagent.transports import FootageReader
from tests.simulation.actors import SimPreviewer
from tests.simulation.memory_disk import MemoryDisk
from tests.steps.card import Card, CardReader, OneBay, failed, pulled, some_bytes, task_of, world_over

MIB = 1 << 20


def _disk(room: int) -> MemoryDisk:
    return MemoryDisk(Random(1), room)


def test_two_promises_do_not_rest_on_the_same_bytes() -> None:
    room, disk = Room(), _disk(100)
    with room.promised(disk, "a", 60, 0, floor=10):
        with pytest.raises(DiskFull, match="promised to other pulls"), room.promised(disk, "b", 40, 0, floor=10):
            pass
        with room.promised(disk, "b", 30, 0, floor=10):
            pass
    with room.promised(disk, "b", 90, 0, floor=10):
        pass


def test_what_was_written_is_on_the_disk_and_not_promised_any_more() -> None:
    room, disk = Room(), _disk(100)
    with room.promised(disk, "a", 60, 0, floor=0) as promise:
        disk.write("spool/a", bytes(50))
        promise.written = 50
        with room.promised(disk, "b", 40, 0, floor=0):
            pass
        with pytest.raises(DiskFull), room.promised(disk, "b", 41, 0, floor=0):
            pass


def test_what_a_file_has_already_needs_no_room_again() -> None:
    room, disk = Room(), _disk(100)
    disk.write("spool/a", bytes(70))
    with room.promised(disk, "a", 100, 70, floor=0):
        pass


def test_a_file_that_grows_gets_more_only_where_there_is_more() -> None:
    room, disk = Room(), _disk(100)
    with room.promised(disk, "a", 40, 0, floor=10) as promise, room.promised(disk, "b", 30, 0, floor=10):
        room.grow(disk, promise, 60, floor=10)
        with pytest.raises(DiskFull):
            room.grow(disk, promise, 61, floor=10)
        room.grow(disk, promise, 60, floor=10)  # it has that


def test_a_pull_that_failed_gives_its_room_back() -> None:
    disk, world_room = _disk(5 * MIB), Room()
    card = Card(some_bytes(4 * MIB), fails=(0, DiskFull("no")))
    pulled(disk, card, task_of(4 * MIB), room=world_room)
    assert isinstance(pulled(disk, Card(some_bytes(4 * MIB)), task_of(4 * MIB), room=world_room), ev.Acquired)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60)), min_size=1, max_size=12), st.integers(0, 40))
def test_whoever_writes_what_it_was_promised_never_reaches_the_floor(plans: list[tuple[int, int]], floor: int) -> None:
    """Every pull that is let in writes all that it was promised, in any order; the floor stays free."""
    room, disk, writers = Room(), _disk(150), []
    with ExitStack() as stack:
        for number, (size, there) in enumerate(plans):
            written = min(size, there)
            if disk.free() - floor < written:
                continue
            path = f"spool/{number}"
            disk.write(path, bytes(written))
            try:
                promise = stack.enter_context(room.promised(disk, path, size, written, floor))
            except DiskFull:
                disk.remove(path)
                continue
            writers.append(promise)
        for promise in reversed(writers):
            with disk.append(promise.path) as sink:
                sink.write(bytes(promise.size - promise.written))
            promise.written = promise.size
            assert disk.free() >= floor


@dataclass(slots=True)
class MetAtTheStart:
    """Two cards whose readers wait for each other before their first byte: both pulls have begun by then, or one of
    them was not let in."""

    data: bytes
    both: threading.Barrier

    def open(self, path: bytes) -> FootageReader:
        return Waits(Card(self.data), self.both)

    def facts(self) -> dict[str, str]:
        return {}

    def list(self):  # type: ignore[no-untyped-def]
        raise AssertionError("a pull does not list")

    def close(self) -> None:
        return


class Waits(CardReader):
    def __init__(self, card: Card, both: threading.Barrier) -> None:
        super().__init__(card)
        self._both: threading.Barrier | None = both

    def seek(self, offset: int, /) -> int:
        if self._both is not None:
            both, self._both = self._both, None
            with suppress(threading.BrokenBarrierError):  # the other one was not let in
                both.wait(2)
        return super().seek(offset)


def test_of_two_pulls_at_once_only_those_that_fit_together_begin() -> None:
    """Each alone would fit. Without promises both would begin, and one would find the disk full in its middle."""
    disk, room = _disk(5 * MIB), Room()
    found: list[ev.Event] = []
    both = threading.Barrier(2)

    def one(number: int) -> None:
        data = some_bytes(3 * MIB, number)
        task = replace(task_of(len(data)), item=plan.item_id("BWC", str(number), len(data)))
        found.extend(pull(world_over(disk, OneBay(MetAtTheStart(data, both)), room=room), task))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    kinds = sorted(type(event).__name__ for event in found)
    assert kinds == ["AcquireFailed", "Acquired"]
    refused = next(event for event in found if isinstance(event, ev.AcquireFailed))
    assert refused.kind == "spool-full"
    assert refused.kept_bytes == 0, "it was not let in"


def test_a_file_longer_than_listed_stops_before_the_reserve() -> None:
    disk = _disk(4 * MIB)
    event = failed(
        pulled(disk, Card(some_bytes(3 * MIB)), task_of(2 * MIB), spool_reserve=3 * MIB // 2), "spool-full", retry=True
    )
    assert "the spool is full" in event.reason
    assert disk.free() >= 3 * MIB // 2


def test_a_preview_is_left_out_when_pulls_have_stopped_and_half_the_reserve_is_gone() -> None:
    disk = _disk(100)
    disk.write("spool/c1/master", bytes(60))
    for reserve, made in ((80, True), (82, False)):
        world = world_over(disk, OneBay(Card(b"")), previewer=SimPreviewer(disk, Random(5)), spool_reserve=reserve)
        (event,) = derive(world, "c1", "00" * 32)
        assert isinstance(event, ev.Previewed)
        assert bool(event.things) is made
        assert [("the ledger" in one.text) for one in event.findings] == ([] if made else [True])
