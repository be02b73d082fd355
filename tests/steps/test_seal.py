"""Seal and strip: what only the agency can open, and when the plaintext may go."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.model import Clip, Seal, Thing
from dockagent.durable import Appender, Disk, DiskFull, Reader, RealDisk
from dockagent.errors import DockError, Missing, Retryable
from dockagent.sealing.age import AgeSealer, Write
from dockagent.steps.seal import in_the_clear, seal, strip
from dockagent.steps.world import World
from tests.contracts.disk_files import tree
from tests.simulation import agency
from tests.simulation.memory_disk import MemoryDisk, PowerCut
from tests.steps.card import Card, OneBay, flipped, some_bytes, world_over
from tests.steps.test_admit import ID, SPRITE, clip

MASTER = some_bytes((4 << 20) + 77)  # more than is sealed in one thread
FOLDER = f"spool/{ID}"


def spool(disk: Disk, master: bytes = MASTER) -> Disk:
    disk.write(f"{FOLDER}/master", master)
    disk.write(f"{FOLDER}/preview/sprite.jpg", SPRITE)
    return disk


def one_clip(master: bytes = MASTER) -> Clip:
    return clip(sha256=hashlib.sha256(master).hexdigest(), bytes=len(master))


def world(disk: Disk) -> World:
    return world_over(disk, OneBay(Card(b"")), sealer=agency.sealer())


def sealed(disk: Disk, one: Clip) -> ev.Sealed:
    (event,) = seal(world(disk), one)
    assert isinstance(event, ev.Sealed), event
    return event


def thing(name: str, data: bytes) -> Thing:
    return Thing(name, len(data), hashlib.sha256(data).hexdigest())


@pytest.fixture
def disk() -> Disk:
    return spool(MemoryDisk(Random(1)))


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 1 << 20, (4 << 20) + 1])
def test_what_is_sealed_opens_to_the_same_bytes_and_the_event_tells_both(size: int) -> None:
    master = some_bytes(size)
    disk = spool(MemoryDisk(Random(1)), master)
    event = sealed(disk, one_clip(master))
    made = disk.read(f"{FOLDER}/master.age")
    assert agency.opened(made) == master
    assert (event.plaintext, event.seal.master) == (thing("master", master), thing("master.age", made))
    assert (event.seal.format, event.seal.recipients) == ("age-encryption.org/v1", (agency.RECIPIENT,))


def test_previews_are_sealed_too_and_the_plaintext_is_still_there(disk: Disk) -> None:
    event = sealed(disk, one_clip())
    made = disk.read(f"{FOLDER}/preview/sprite.jpg.age")
    assert agency.opened(made) == SPRITE
    assert event.seal.previews == (thing("sprite.jpg.age", made),)
    assert event.findings == ()
    assert disk.read(f"{FOLDER}/master") == MASTER
    assert sorted(tree(disk)) == [
        f"{FOLDER}/master", f"{FOLDER}/master.age", f"{FOLDER}/preview/sprite.jpg", f"{FOLDER}/preview/sprite.jpg.age",
    ]  # fmt: skip


def test_it_can_be_done_again_and_gives_others_each_time(disk: Disk) -> None:
    first, again = sealed(disk, one_clip()), sealed(disk, one_clip())
    assert first.plaintext == again.plaintext
    assert first.seal.master.sha256 != again.seal.master.sha256
    assert again.seal.master == thing("master.age", disk.read(f"{FOLDER}/master.age"))


def test_a_real_disk_reads_it_back_from_its_medium(tmp_path: Path) -> None:
    disk = spool(RealDisk(tmp_path))
    event = sealed(disk, one_clip())
    assert agency.opened((tmp_path / FOLDER / "master.age").read_bytes()) == MASTER
    assert isinstance(strip(world(disk), ID, event.seal)[0], ev.Disposed)
    assert sorted(tree(disk)) == [f"{FOLDER}/master.age", f"{FOLDER}/preview/sprite.jpg.age"]


class Torn(MemoryDisk):
    """A disk that gives back other bytes than were written, when it is asked past its cache."""

    def reader(self, path: str, *, cold: bool = False) -> Reader:
        if cold and path.endswith(".part"):
            self.files[path].data[-1] ^= 1
        return super().reader(path, cold=cold)


def test_a_sealed_copy_that_does_not_read_back_is_none() -> None:
    disk = spool(Torn(Random(1)))
    with pytest.raises(Retryable, match="other bytes than were sealed"):
        seal(world(disk), one_clip())
    assert tree(disk) == tree(spool(MemoryDisk(Random(1))))


class Full(MemoryDisk):
    """A disk without room for one more file of a MiB."""

    def append(self, path: str, *, scratch: bool = False, forget: bool = False) -> Appender:
        return _Little(super().append(path, scratch=scratch))


class _Little:
    def __init__(self, inner: Appender) -> None:
        self.inner, self.room = inner, 1 << 20

    def write(self, data: bytes | memoryview) -> None:
        self.room -= len(data)
        if self.room < 0:
            raise DiskFull("the disk is full")
        self.inner.write(data)

    def sync(self) -> None:
        self.inner.sync()

    def __enter__(self) -> "_Little":
        return self

    def __exit__(self, *_: object) -> None:
        return


@pytest.mark.parametrize("size", [3 << 20, 9 << 20])
def test_a_full_disk_is_called_that_and_costs_nothing(size: int) -> None:
    master = some_bytes(size)
    disk = spool(Full(Random(1)), master)
    with pytest.raises(DiskFull, match="the disk is full"):
        seal(world(disk), one_clip(master))
    assert disk.read(f"{FOLDER}/master") == master
    assert not [path for path in tree(disk) if ".age" in path]


class Scratched(MemoryDisk):
    """A disk with a bad sector in the master."""

    def reader(self, path: str, *, cold: bool = False) -> Reader:
        if path.endswith("/master"):
            raise OSError(5, "Input/output error")
        return super().reader(path, cold=cold)


def test_a_master_that_cannot_be_read_stays_for_another_try() -> None:
    disk = spool(Scratched(Random(1)))
    with pytest.raises(OSError, match="Input/output"):
        seal(world(disk), one_clip())
    assert disk.read(f"{FOLDER}/master") == MASTER


@pytest.mark.parametrize("change", [flipped(3), lambda data: data[:-1], lambda data: data + b"x"])
def test_a_master_that_rotted_is_kept_aside_sealed_and_pulled_again(change: Callable[[bytes], bytes]) -> None:
    disk = spool(MemoryDisk(Random(1)), change(MASTER))
    (event,) = seal(world(disk), one_clip())
    assert isinstance(event, ev.ClipFailed)
    assert (event.step, event.lost, event.retry, event.link) == ("seal", True, True, False)
    assert agency.opened(disk.read(f"quarantine/{ID}.damaged/master.age")) == change(MASTER)
    assert not [path for path, data in tree(disk).items() if data == change(MASTER)]


class Fickle(MemoryDisk):
    """A disk that gives a wrong byte, but not when it is asked past its cache."""

    def reader(self, path: str, *, cold: bool = False) -> Reader:
        found = super().reader(path, cold=cold)
        if path.endswith("/master") and not cold:
            found.seek(0)
            found.write(b"?")  # type: ignore[attr-defined]
            found.seek(0)
        return found


def test_a_misreading_is_not_called_rot() -> None:
    disk = spool(Fickle(Random(1)))
    with pytest.raises(Retryable, match="sealed again"):
        seal(world(disk), one_clip())
    assert tree(disk) == tree(spool(MemoryDisk(Random(1))))


def test_a_master_that_is_gone_is_pulled_again(disk: Disk) -> None:
    disk.remove(f"{FOLDER}/master")
    (event,) = seal(world(disk), one_clip())
    assert isinstance(event, ev.ClipFailed)
    assert event.lost


@pytest.mark.parametrize("data", [None, b"another picture"])
def test_a_preview_that_is_not_what_was_made_is_left_out_and_said(disk: Disk, data: bytes | None) -> None:
    path = f"{FOLDER}/preview/sprite.jpg"
    disk.remove(path) if data is None else disk.write(path, data)
    event = sealed(disk, one_clip())
    assert event.seal.previews == ()
    assert [finding.code for finding in event.findings] == ["preview"]
    strip(world(disk), ID, event.seal)
    assert list(tree(disk)) == [f"{FOLDER}/master.age"]


def test_nobody_seals_where_nobody_is_named(disk: Disk) -> None:
    with pytest.raises(Missing, match="encrypt_to"):
        seal(world_over(disk, OneBay(Card(b""))), one_clip())


def test_an_error_of_the_sealer_is_the_clips(disk: Disk) -> None:
    class Broken(AgeSealer):
        def seal(self, read: Callable[[int], bytes], write: Write) -> None:
            write(read(10))
            raise DockError("age cannot seal: so")

    with pytest.raises(DockError, match="age cannot seal"):
        seal(world_over(disk, OneBay(Card(b"")), sealer=Broken((agency.RECIPIENT,))), one_clip())
    assert not [path for path in tree(disk) if ".age" in path]


# ---- strip ----------------------------------------------------------------------------------------------------------


def test_strip_says_on_which_record_it_rests_and_how_it_went(disk: Disk) -> None:
    disk.write(plan.put_aside(ID), MASTER)
    made = sealed(disk, one_clip()).seal
    for _ in range(2):  # it may be repeated
        (event,) = strip(world(disk), ID, made)
        assert isinstance(event, ev.Disposed)
        assert (event.what, event.method) == ("plaintext", "unlinked plaintext")
        assert made.master.sha256 in event.authority
        assert sorted(tree(disk)) == [f"{FOLDER}/master.age", f"{FOLDER}/preview/sprite.jpg.age"]
        assert list(in_the_clear(disk, ID, made)) == []


@pytest.mark.parametrize("left", [None, b"half of it"])
def test_plaintext_does_not_go_when_its_sealed_copy_is_not_there(disk: Disk, left: bytes | None) -> None:
    made = sealed(disk, one_clip()).seal
    path = f"{FOLDER}/master.age"
    disk.remove(path) if left is None else disk.write(path, left)
    (event,) = strip(world(disk), ID, made)
    assert isinstance(event, ev.ClipFailed)
    assert (event.step, event.lost) == ("strip", True)
    assert disk.read(f"{FOLDER}/master") == MASTER


@pytest.mark.parametrize("seed", range(6))
def test_a_power_cut_at_any_durable_call_leaves_the_plaintext_or_a_recorded_copy(seed: int) -> None:
    """The record is made between seal and strip, as the dock does; a copy without its record counts for nothing."""
    cuts, master = 0, some_bytes(100_000)
    for call in range(1, 12):
        disk = MemoryDisk(Random(seed))
        spool(disk, master)
        disk.cut_at = disk.calls + call
        recorded: Seal | None = None
        try:
            recorded = sealed(disk, one_clip(master)).seal
            strip(world(disk), ID, recorded)
        except PowerCut:
            cuts += 1
        disk.power_cut()
        if recorded is None:
            assert disk.read(f"{FOLDER}/master") == master
            recorded = sealed(disk, one_clip(master)).seal
        strip(world(disk), ID, recorded)
        assert thing("master.age", disk.read(f"{FOLDER}/master.age")) == recorded.master
        assert agency.opened(disk.read(f"{FOLDER}/master.age")) == master
        assert list(in_the_clear(disk, ID, recorded)) == []
    assert cuts == 4  # two syncs and two final names
