"""Sending parts of a file that is being pulled: when it starts, goes on, stops, and what it never does."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.model import CHUNK
from dockagent.core.uplink.early_parts import Parts
from dockagent.errors import Permanent, Retryable
from dockagent.steps import early
from dockagent.steps.early import Task, drop_early, send_early
from dockagent.steps.growing import Board, growing
from dockagent.steps.pull import pull
from dockagent.steps.world import World
from tests.simulation.actors import MemoryStore, SimGrowing, VirtualClock
from tests.simulation.memory_disk import MemoryDisk
from tests.steps.card import Card, OneBay, task_of, world_over

DATA = Random(5).randbytes(3 * CHUNK + 77)
PARTS = tuple(hashlib.sha256(DATA[at : at + CHUNK]).hexdigest() for at in range(0, len(DATA), CHUNK))
SHA256 = hashlib.sha256(DATA).hexdigest()
KEY = "clips/SIM/2026/11/23/one/master"
TASK = Task("session", "item", "clip", KEY, len(DATA), SHA256)


@pytest.fixture
def disk() -> MemoryDisk:
    return MemoryDisk(Random(0))


@pytest.fixture
def board() -> SimGrowing:
    return SimGrowing(VirtualClock())


def a_world(disk: MemoryDisk, board: SimGrowing) -> World:
    return world_over(disk, OneBay(Card(DATA)), growing=board, part_size=CHUNK, store=MemoryStore(Random(0)))


def half_pulled(disk: MemoryDisk, board: Board, parts: int) -> None:
    """As while the file is read: so many parts are written and told of."""
    disk.write(plan.part_file(TASK.item), DATA[: parts * CHUNK])
    board.begin(TASK.item)
    for sha256 in PARTS[:parts]:
        board.part(TASK.item, sha256)


def store_of(world: World) -> MemoryStore:
    assert isinstance(world.store, MemoryStore)
    return world.store


def only(events: tuple[ev.Event, ...]) -> ev.SentEarly:
    (event,) = events
    assert isinstance(event, ev.SentEarly)
    return event


def test_what_is_there_goes_out_and_the_turn_ends_where_nothing_more_comes(disk: MemoryDisk, board: SimGrowing) -> None:
    world = a_world(disk, board)
    half_pulled(disk, board, 2)
    event = only(send_early(world, TASK))
    assert (event.how, event.parts, event.bytes, event.reason) == ("turn", 2, 2 * CHUNK, "")
    assert (event.expected, event.key) == ("clip", KEY)
    assert store_of(world).parts == {KEY: {0: DATA[:CHUNK], 1: DATA[CHUNK : 2 * CHUNK]}}
    assert store_of(world).objects == {}


def test_when_all_parts_are_there_it_is_over(disk: MemoryDisk, board: SimGrowing) -> None:
    world = a_world(disk, board)
    half_pulled(disk, board, 3)
    disk.write(plan.part_file(TASK.item), DATA)
    board.part(TASK.item, PARTS[3])
    event = only(send_early(world, TASK))
    assert (event.how, event.parts, event.bytes) == ("sent", 4, len(DATA))


def test_a_pull_that_is_over_leaves_nothing_to_do_and_nothing_to_record(disk: MemoryDisk, board: SimGrowing) -> None:
    assert send_early(a_world(disk, board), TASK) == ()


def test_a_pull_that_ends_under_it_is_no_failure(disk: MemoryDisk, board: SimGrowing) -> None:
    """The part file got its final name between two looks at the board."""
    world = a_world(disk, board)
    half_pulled(disk, board, 1)

    class Ending(MemoryStore):
        def take_part(self, key: str, at: int, data: bytes, sha256: str) -> None:
            board.end(TASK.item)
            raise Retryable("cannot read what is to be stored: No such file or directory")

    event = only(send_early(replace(world, store=Ending(Random(0))), TASK))
    assert (event.how, event.parts, event.reason) == ("sent", 0, "")


def test_a_store_that_is_away_is_the_links_trouble(disk: MemoryDisk, board: SimGrowing) -> None:
    world = a_world(disk, board)
    half_pulled(disk, board, 2)
    store_of(world).away = True
    event = only(send_early(world, TASK))
    assert (event.how, event.link, event.kind) == ("stopped", True, "link")
    assert "away" in event.reason


def test_bytes_that_are_not_what_was_hashed_stop_this_file_only(disk: MemoryDisk, board: SimGrowing) -> None:
    world = a_world(disk, board)
    half_pulled(disk, board, 2)
    disk.write(plan.part_file(TASK.item), bytes(2 * CHUNK))
    event = only(send_early(world, TASK))
    assert (event.how, event.link, event.kind) == ("stopped", False, "object")
    assert store_of(world).parts == {}


def test_the_upload_hours_end_it(disk: MemoryDisk, board: SimGrowing) -> None:
    world = a_world(disk, board)
    half_pulled(disk, board, 2)
    event = only(send_early(world, replace(TASK, until_ms=1)))
    assert (event.how, event.link, event.kind, event.parts) == ("stopped", False, "hours", 0)


def test_what_went_another_way_is_thrown_away(disk: MemoryDisk, board: SimGrowing) -> None:
    world = a_world(disk, board)
    half_pulled(disk, board, 2)
    send_early(world, TASK)
    assert only(drop_early(world, TASK)).how == "dropped"
    assert store_of(world).parts == {}


def test_what_cannot_be_thrown_away_now_is_tried_again_and_what_never_can_is_left(
    disk: MemoryDisk, board: SimGrowing
) -> None:
    class Refusing(MemoryStore):
        def drop_early(self, key: str) -> None:
            raise Permanent("not allowed to abort")

    event = only(drop_early(replace(a_world(disk, board), store=Refusing(Random(0))), TASK))
    assert (event.how, event.reason) == ("dropped", "not allowed to abort")


def test_a_pull_tells_of_each_part_once_it_can_be_read_and_records_them_all(
    disk: MemoryDisk, board: SimGrowing
) -> None:
    """What is told of is on the disk, in order, and hashes to what was told."""
    world = a_world(disk, board)
    seen: list[tuple[str, ...]] = []
    item = replace(task_of(len(DATA)), part_size=CHUNK)

    def look() -> None:
        known = Board.known(board, item.item, 0, 0)
        assert known is not None
        written = disk.read(plan.part_file(item.item))
        for at, sha256 in enumerate(known):
            assert hashlib.sha256(written[at * CHUNK : (at + 1) * CHUNK]).hexdigest() == sha256
        seen.append(known)

    board.meanwhile = look
    (event,) = pull(world, item)
    assert isinstance(event, ev.Acquired)
    assert event.parts == Parts(CHUNK, PARTS)
    assert seen == [PARTS[:1], PARTS[:2], PARTS[:3], PARTS]
    assert Board.known(board, item.item, 0, 0) is None


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK])
def test_a_file_of_one_part_has_no_digests_but_its_own(disk: MemoryDisk, board: SimGrowing, size: int) -> None:
    world = world_over(disk, OneBay(Card(DATA[:size])), growing=board, part_size=CHUNK)
    (event,) = pull(world, replace(task_of(size), part_size=CHUNK))
    assert isinstance(event, ev.Acquired)
    assert event.parts == Parts()


@pytest.fixture
def real_board() -> Iterator[Board]:
    board = Board()
    with growing(board, "item"):
        yield board


def test_who_waits_is_woken_by_the_next_part_and_by_the_end(real_board: Board) -> None:
    heard: list[tuple[str, ...] | None] = []
    waiter = threading.Thread(target=lambda: heard.extend(real_board.known("item", n, 30) for n in range(2)))
    waiter.start()
    real_board.part("item", "aa")
    real_board.end("item")
    waiter.join(30)
    assert not waiter.is_alive()
    assert heard in ([("aa",), None], [None, None])


def test_a_turn_is_short_enough_for_those_who_wait() -> None:
    assert early.TURN_S <= 10
