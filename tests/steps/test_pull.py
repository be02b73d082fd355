"""Pull: whatever camera and disk do, what comes to rest is the camera's file, whole, or nothing and a reason."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.inventory import Entry
from dockagent.core.model import CHUNK, RELISTS
from dockagent.core.paths import to_text
from dockagent.core.profile import Console
from dockagent.durable import Disk, DiskFull, Reader, RealDisk
from dockagent.errors import DockError, Gone, Permanent, Retryable
from dockagent.ledger.keys import Keys
from dockagent.steps.pull import INLINE, Task, fingerprint_of, pull
from dockagent.steps.world import Bays, World
from dockagent.transports import Control, FileFact, Footage, FootageReader
from dockagent.transports.folder import FolderFootage
from tests.contracts.test_disk import tree
from tests.evidence.made import chunk_root
from tests.simulation.actors import MemoryStore, SimBays, SimCamera, VirtualClock
from tests.simulation.memory_disk import MemoryDisk
from tests.simulation.voyage import PROFILES, ROOTS, Silent

PATH = b"DCIM/100BWC/BWC0001.MP4"
BORDERS = (0, 1, 4095, CHUNK - 1, CHUNK, CHUNK + 1, INLINE, INLINE + 1, 6 * CHUNK, 6 * CHUNK + 77)


# ---- a world for steps ------------------------------------------------------------------------------------------------


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


@pytest.fixture
def disk(tmp_path: Path) -> RealDisk:
    return RealDisk(tmp_path / "home")


# ---- whole files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", BORDERS)
def test_a_file_of_a_folder_comes_to_rest_whole(disk: RealDisk, tmp_path: Path, size: int) -> None:
    data = some_bytes(size)
    file = tmp_path / "card" / PATH.decode()
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    card = FolderFootage(tmp_path / "card")
    try:
        check_whole(disk, pulled(disk, card, task_of(size)), data)
    finally:
        card.close()


@pytest.mark.parametrize("size", BORDERS)
@pytest.mark.parametrize("piece", [1 << 30, 65_537])
def test_short_reads_change_nothing(size: int, piece: int) -> None:
    disk, data = MemoryDisk(Random(1)), some_bytes(size)
    check_whole(disk, pulled(disk, Card(data, piece), task_of(size)), data)


def test_a_simulated_camera_comes_to_rest_whole(disk: RealDisk) -> None:
    data = some_bytes(5 * CHUNK + 5)
    camera = SimCamera("BWC-0001", {PATH: data}, there=True)
    bays = SimBays({"BWC-0001": camera}, Random(4))
    bays.came("bay-1", "folder", "BWC-0001", {})
    (event,) = pull(world_over(disk, bays), task_of(len(data)))
    check_whole(disk, event, data)


def test_what_the_dock_holds_is_not_kept_twice(disk: RealDisk) -> None:
    data = some_bytes(CHUNK + 9)
    asked: list[str] = []
    event = pulled(disk, Card(data), task_of(len(data)), holds=lambda clip: not asked.append(clip))
    assert isinstance(event, ev.Acquired)
    assert asked == [event.clip_id]
    assert event.sha256 == hashlib.sha256(data).hexdigest()
    assert tree(disk) == {}


# ---- a camera that leaves, and comes back -------------------------------------------------------------------------------

SIZES = st.one_of(
    st.integers(1, 6 * CHUNK),
    st.builds(lambda chunks, off: max(1, chunks * CHUNK + off), st.integers(1, 6), st.integers(-1, 1)),
)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_pull_goes_on_after_the_camera_left_at_any_byte(data: st.DataObject) -> None:
    size = data.draw(SIZES, "size")
    cut = data.draw(st.integers(0, size - 1), "camera leaves at")
    piece = data.draw(st.sampled_from([1 << 30, CHUNK // 3, 100_003]), "bytes of one read")
    whole = some_bytes(size, cut)
    with tempfile.TemporaryDirectory() as folder:
        disk = RealDisk(Path(folder))
        card = Card(whole, piece, (cut, Gone("the camera was taken")))
        event = failed(pulled(disk, card, task_of(size)), "gone", retry=True)
        kept = cut // CHUNK * CHUNK
        assert event.kept_bytes == kept
        again = Card(whole, piece)
        check_whole(disk, pulled(disk, again, task_of(size)), whole, resumed_at=kept)
        assert again.sought[-1] == kept


def _rewrite(path: Callable[[str], str], change: Callable[[bytes], bytes]) -> Callable[[RealDisk, str], None]:
    def act(disk: RealDisk, item: str) -> None:
        disk.write(path(item), change(disk.read(path(item))))

    return act


def _flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


PART, LEAVES = plan.part_file, plan.leaves_file
DAMAGES: dict[str, tuple[Callable[[RealDisk, str], None], int]] = {  # what happened to the part, chunks that survive
    "nothing": (lambda disk, item: None, 4),
    "one bit of the first chunk": (_rewrite(PART, _flipped(7)), 0),
    "one bit of the third chunk": (_rewrite(PART, _flipped(2 * CHUNK + 7)), 2),
    "one bit of the last chunk": (_rewrite(PART, _flipped(4 * CHUNK - 1)), 3),
    "a tail of zeros": (_rewrite(PART, lambda data: data[: CHUNK + 5] + bytes(len(data) - CHUNK - 5)), 1),
    "all zeros": (_rewrite(PART, lambda data: bytes(len(data))), 0),
    "a shorter part": (_rewrite(PART, lambda data: data[: 2 * CHUNK + 3]), 2),
    "an empty part": (_rewrite(PART, lambda data: b""), 0),
    "a part with a tail that was never synced": (_rewrite(PART, lambda data: data + some_bytes(2 * CHUNK)), 4),
    "no part": (lambda disk, item: disk.remove(PART(item)), 0),
    "no leaves": (lambda disk, item: disk.remove(LEAVES(item)), 0),
    "empty leaves": (_rewrite(LEAVES, lambda data: b""), 0),
    "leaves cut within one": (_rewrite(LEAVES, lambda data: data[:-5]), 3),
    "leaves of more than the part": (_rewrite(LEAVES, lambda data: data + some_bytes(64)), 4),
    "garbage for leaves": (_rewrite(LEAVES, lambda data: some_bytes(len(data))), 0),
    "leaves in another order": (_rewrite(LEAVES, lambda data: data[32:] + data[:32]), 0),
    "swapped chunks": (_rewrite(PART, lambda data: data[CHUNK : 2 * CHUNK] + data[:CHUNK] + data[2 * CHUNK :]), 0),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_part_is_never_believed(disk: RealDisk, damage: str) -> None:
    size, survive = 6 * CHUNK + 77, DAMAGES[damage][1] * CHUNK
    whole, task = some_bytes(size), task_of(size)
    failed(pulled(disk, Card(whole, fails=(4 * CHUNK + 9, Gone("taken"))), task), "gone", retry=True)
    DAMAGES[damage][0](disk, task.item)
    card = Card(whole)
    check_whole(disk, pulled(disk, card, task), whole, resumed_at=survive)
    assert card.sought[-1] == survive


@pytest.mark.parametrize("changed", [0, 4 * CHUNK - 1, 4 * CHUNK, 6 * CHUNK + 76])
def test_another_file_under_the_same_name_and_size_is_read_anew(disk: RealDisk, changed: int) -> None:
    """Its first and its last kept chunk are read again: a file of its own differs there."""
    size = 6 * CHUNK + 77
    before, task = some_bytes(size), task_of(size)
    failed(pulled(disk, Card(before, fails=(4 * CHUNK + 9, Gone("taken"))), task), "gone", retry=True)
    after = _flipped(changed)(before)
    check_whole(disk, pulled(disk, Card(after), task), after, resumed_at=0 if changed < 4 * CHUNK else 4 * CHUNK)


def test_a_camera_that_leaves_again_and_again_is_read_to_the_end(disk: RealDisk) -> None:
    whole, task = some_bytes(5 * CHUNK + 1), task_of(5 * CHUNK + 1)
    for leaves_at in (10, CHUNK + 5, CHUNK + 6, 3 * CHUNK, 5 * CHUNK):
        event = failed(pulled(disk, Card(whole, fails=(leaves_at, Gone("taken"))), task), "gone", retry=True)
        assert event.kept_bytes == leaves_at // CHUNK * CHUNK
    check_whole(disk, pulled(disk, Card(whole), task), whole, resumed_at=5 * CHUNK)


# ---- files that change ------------------------------------------------------------------------------------------------


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
        failed(pulled(disk, card, task_of(5)), "gone", retry=True)
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
        failed(pulled(disk, card, task_of(9 * CHUNK), progress=Taken()), "gone", retry=True)
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


# ---- the spool's disk ---------------------------------------------------------------------------------------------------


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
        _flipped(0),
        _flipped(-1 + 3 * CHUNK),
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

    def append(self, path: str) -> Any:
        return self._or(super().append, "append", path)

    def commit(self, part: str, final: str) -> None:
        self._or(super().commit, "commit", part, final)

    def reader(self, path: str, *, cold: bool = False) -> Reader:
        if cold and self.call == "cold":
            raise self.error
        return super().reader(path, cold=cold)

    def _or(self, act: Callable[..., Any], name: str, *words: str) -> Any:
        if self.call == name:
            raise self.error
        return act(*words)


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


# ---- fingerprints -------------------------------------------------------------------------------------------------------


def fingerprint(data: bytes, piece: int = 1 << 30) -> str:
    return fingerprint_of(Card(data, piece).open(PATH), len(data))


def test_pull_and_listing_arrive_at_the_same_fingerprint(disk: RealDisk) -> None:
    for size in (0, 1, 128 << 10, (128 << 10) + 1, 3 * CHUNK + 5):
        whole = some_bytes(size)
        event = pulled(disk, Card(whole), task_of(size))
        assert isinstance(event, ev.Acquired)
        assert event.fingerprint == fingerprint(whole) == fingerprint(whole, piece=1000)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_fingerprint_changes_with_any_probed_byte_and_with_the_size(data: st.DataObject) -> None:
    size = data.draw(st.one_of(st.integers(1, 3 * CHUNK), st.sampled_from([1, 128 << 10, (128 << 10) + 1])), "size")
    whole = bytes(size)
    offset, length = data.draw(st.sampled_from(plan.fingerprint_ranges(size)), "range")
    at = data.draw(st.sampled_from([offset, offset + length - 1, offset + length // 2]), "byte")
    assert fingerprint(_flipped(at)(whole)) != fingerprint(whole) != fingerprint(whole + b"\0")


def test_a_file_shorter_than_it_says_has_no_fingerprint() -> None:
    with pytest.raises(Permanent, match="shorter"):
        fingerprint_of(Card(bytes(500)).open(PATH), 501)
