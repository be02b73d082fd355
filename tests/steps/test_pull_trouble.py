"""Pull, when files change and disks fail: the camera's file, whole, or nothing and a reason."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from dockagent.core import events as ev
from dockagent.core.model import CHUNK, RELISTS
from dockagent.durable import Appender, DiskFull, Reader, RealDisk
from dockagent.errors import DockError, Gone, Permanent, Retryable
from dockagent.steps.pull import pull
from dockagent.transports.folder import FolderFootage
from tests.contracts.disk_files import tree
from tests.simulation.memory_disk import MemoryDisk
from tests.steps.card import (
    PATH,
    Card,
    OneBay,
    check_whole,
    entry_of,
    failed,
    flipped,
    pulled,
    some_bytes,
    task_of,
    world_over,
)


@pytest.fixture
def disk(tmp_path: Path) -> RealDisk:
    return RealDisk(tmp_path / "home")


# ---- files that change ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listed", [0, 10, 2 * CHUNK, 5 * CHUNK])
def test_a_file_of_another_size_than_listed_is_listed_again(disk: RealDisk, listed: int) -> None:
    whole = some_bytes(2 * CHUNK + 9)
    event = failed(pulled(disk, Card(whole), task_of(listed)), "changed", retry=True)
    assert str(listed) in event.reason
    assert str(len(whole)) in event.reason


@pytest.mark.parametrize("listed", [0, 10, 2 * CHUNK, 5 * CHUNK])
def test_a_card_that_always_lies_about_a_size_is_taken_as_it_is(disk: RealDisk, listed: int) -> None:
    whole = some_bytes(2 * CHUNK + 9)
    event = check_whole(disk, pulled(disk, Card(whole), task_of(listed, relists=RELISTS)), whole)
    assert event.listed_bytes == listed


@pytest.mark.parametrize("relists", [0, RELISTS])
def test_a_file_that_is_still_being_written_is_never_taken(disk: RealDisk, relists: int) -> None:
    whole = some_bytes(CHUNK)
    failed(pulled(disk, Card(whole, grows=1), task_of(CHUNK, relists)), "changed", retry=True)
    assert not any(name.endswith("/master") for name in tree(disk))


def test_a_file_that_is_not_there_any_more_is_gone(disk: RealDisk, tmp_path: Path) -> None:
    card = FolderFootage(tmp_path)
    try:
        failed(pulled(disk, card, task_of(5)), "vanished", retry=False)
    finally:
        card.close()
    assert tree(disk) == {}


def test_a_file_that_vanishes_while_it_is_read_is_gone(disk: RealDisk, tmp_path: Path) -> None:
    file = tmp_path / "card" / PATH.decode()
    file.parent.mkdir(parents=True)
    file.write_bytes(some_bytes(9 * CHUNK))

    class Taken:
        """Somebody takes the file away after the first two chunks."""

        def moved(self, what: str, key: str, done: int, total: int) -> None:
            if done == 2 * CHUNK:
                file.unlink()

    card = FolderFootage(tmp_path / "card")
    try:
        failed(pulled(disk, card, task_of(9 * CHUNK), progress=Taken()), "vanished", retry=False)
    finally:
        card.close()


def test_a_path_that_leads_off_the_card_is_refused_for_good(disk: RealDisk, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"the dock's own")
    (tmp_path / "card").mkdir()
    card = FolderFootage(tmp_path / "card")
    try:
        task = replace(task_of(14), entry=entry_of(14, b"../secret"))
        (event,) = pull(world_over(disk, OneBay(card)), task)
    finally:
        card.close()
    assert isinstance(event, ev.AcquireFailed)
    assert not event.retry
    assert tree(disk) == {}


@pytest.mark.parametrize(("error", "retry"), [(Retryable("medium error"), True), (Permanent("damaged"), False)])
@pytest.mark.parametrize("size", [CHUNK + 5, 6 * CHUNK])
def test_a_medium_error_is_said_and_what_was_read_is_kept(
    disk: RealDisk, error: DockError, retry: bool, size: int
) -> None:
    whole = some_bytes(size)
    event = failed(pulled(disk, Card(whole, fails=(CHUNK + 1, error)), task_of(size)), "read", retry=retry)
    assert event.reason == str(error)
    assert event.kept_bytes == CHUNK
    check_whole(disk, pulled(disk, Card(whole), task_of(size)), whole, resumed_at=CHUNK)


# ---- the spool's disk -----------------------------------------------------------------------------------------------


def test_without_room_nothing_is_read(disk: RealDisk) -> None:
    card = Card(some_bytes(10))
    event = failed(pulled(disk, card, task_of(10), spool_reserve=1 << 60), "spool-full", retry=True)
    assert "the spool is full" in event.reason
    assert card.sought == []
    assert tree(disk) == {}


def test_what_lies_in_the_spool_already_needs_no_more_room() -> None:
    disk = MemoryDisk(Random(1))
    whole, task = some_bytes(3 * CHUNK), task_of(3 * CHUNK)
    failed(pulled(disk, Card(whole, fails=(2 * CHUNK, Gone("taken"))), task), "gone", retry=True)
    disk.room = 3 * CHUNK + 5000
    check_whole(disk, pulled(disk, Card(whole), task), whole, resumed_at=2 * CHUNK)


@pytest.mark.parametrize("chunks", [3, 8])
def test_a_disk_that_fills_up_meanwhile_stops_the_pull_and_keeps_what_it_has(chunks: int) -> None:
    disk = MemoryDisk(Random(1))
    whole, task = some_bytes(chunks * CHUNK), task_of(chunks * CHUNK)

    class Crowd:
        """Others take the rest of the disk while the first chunk is read."""

        def moved(self, what: str, key: str, done: int, total: int) -> None:
            disk.room = 2 * CHUNK + 4096

    event = failed(pulled(disk, Card(whole), task, progress=Crowd()), "spool-full", retry=True)
    assert event.kept_bytes == 2 * CHUNK
    disk.room = 1 << 40
    check_whole(disk, pulled(disk, Card(whole), task), whole, resumed_at=2 * CHUNK)


class Rotten(RealDisk):
    """A disk whose medium gives back other bytes than were written: seen only past the page cache."""

    def __init__(self, root: Path, rot: Callable[[bytes], bytes]) -> None:
        super().__init__(root)
        self.rot = rot

    def reader(self, path: str, *, cold: bool = False) -> Reader:
        if cold:
            Path(self.path(path)).write_bytes(self.rot(self.read(path)))
        return super().reader(path, cold=cold)


@pytest.mark.parametrize(
    "rot",
    [
        flipped(0),
        flipped(-1 + 3 * CHUNK),
        lambda data: data + b"x",
        lambda data: data[:-1],
        lambda data: data[:CHUNK],
        lambda data: b"",
        lambda data: bytes(len(data)),
    ],
    ids=["first bit", "last bit", "longer", "shorter", "cut", "empty", "zeros"],
)
def test_a_disk_that_gives_back_other_bytes_is_caught(tmp_path: Path, rot: Callable[[bytes], bytes]) -> None:
    disk, whole = Rotten(tmp_path, rot), some_bytes(3 * CHUNK)
    event = failed(pulled(disk, Card(whole), task_of(3 * CHUNK)), "read", retry=True)
    assert "gave back other bytes" in event.reason
    assert event.kept_bytes == 0
    assert tree(disk) == {}
    disk.rot = lambda data: data
    check_whole(disk, pulled(disk, Card(whole), task_of(3 * CHUNK)), whole)


class Failing(MemoryDisk):
    """A disk with a call that fails."""

    call = ""
    error: Exception = OSError(5, "Input/output error")

    def append(self, path: str, **how: bool) -> Appender:
        self._fail("append")
        return super().append(path, **how)

    def commit(self, part: str, final: str) -> None:
        self._fail("commit")
        super().commit(part, final)

    def reader(self, path: str, *, cold: bool = False) -> Reader:
        if cold:
            self._fail("cold")
        return super().reader(path, cold=cold)

    def _fail(self, call: str) -> None:
        if self.call == call:
            raise self.error


@pytest.mark.parametrize("call", ["append", "cold", "commit"])
@pytest.mark.parametrize(
    ("error", "kind"), [(OSError(5, "Input/output error"), "spool"), (DiskFull("the disk is full"), "spool-full")]
)
def test_a_failing_disk_is_an_event_and_heals(call: str, error: Exception, kind: str) -> None:
    disk, whole = Failing(Random(1)), some_bytes(2 * CHUNK + 1)
    disk.call, disk.error = call, error
    failed(pulled(disk, Card(whole), task_of(len(whole))), kind, retry=True)
    disk.call = ""
    event = pulled(disk, Card(whole), task_of(len(whole)))
    assert isinstance(event, ev.Acquired)
    check_whole(disk, event, whole, resumed_at=0 if call == "append" else 2 * CHUNK)
