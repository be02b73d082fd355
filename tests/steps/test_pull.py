"""Pull: what comes to rest is the camera's file, whole, also after the camera left and came back.

Cards that change and disks that fail are in test_pull_trouble.py.
"""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.model import CHUNK
from dockagent.durable import RealDisk
from dockagent.errors import Gone, Permanent
from dockagent.steps.pull import INLINE, RECHECKS, fingerprint_of, pull
from dockagent.transports.folder import FolderFootage
from tests.contracts.disk_files import tree
from tests.simulation.actors import SimBays, SimCamera
from tests.simulation.memory_disk import MemoryDisk
from tests.steps.card import (
    PATH,
    Card,
    check_whole,
    failed,
    fingerprint,
    flipped,
    pulled,
    some_bytes,
    task_of,
    world_over,
)

BORDERS = (0, 1, 4095, CHUNK - 1, CHUNK, CHUNK + 1, INLINE, INLINE + 1, 6 * CHUNK, 6 * CHUNK + 77)


@pytest.fixture
def disk(tmp_path: Path) -> RealDisk:
    return RealDisk(tmp_path / "home")


# ---- whole files ----------------------------------------------------------------------------------------------------


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

    def holds(clip: str) -> bool:
        asked.append(clip)
        return True

    event = pulled(disk, Card(data), task_of(len(data)), holds=holds)
    assert isinstance(event, ev.Acquired)
    assert asked == [event.clip_id]
    assert event.sha256 == hashlib.sha256(data).hexdigest()
    assert tree(disk) == {}


# ---- a camera that leaves, and comes back ---------------------------------------------------------------------------

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


PART, LEAVES = plan.part_file, plan.leaves_file
DAMAGES: dict[str, tuple[Callable[[RealDisk, str], None], int]] = {  # what happened to the part, chunks that survive
    "nothing": (lambda disk, item: None, 4),
    "one bit of the first chunk": (_rewrite(PART, flipped(7)), 0),
    "one bit of the third chunk": (_rewrite(PART, flipped(2 * CHUNK + 7)), 2),
    "one bit of the last chunk": (_rewrite(PART, flipped(4 * CHUNK - 1)), 3),
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


@pytest.mark.parametrize("changed", [0, CHUNK + 5, 3 * CHUNK, 4 * CHUNK - 1, 4 * CHUNK, 6 * CHUNK + 76])
def test_another_file_under_the_same_name_and_size_is_read_anew(disk: RealDisk, changed: int) -> None:
    size = 6 * CHUNK + 77
    before, task = some_bytes(size), task_of(size)
    failed(pulled(disk, Card(before, fails=(4 * CHUNK + 9, Gone("taken"))), task), "gone", retry=True)
    after = flipped(changed)(before)
    check_whole(disk, pulled(disk, Card(after), task), after, resumed_at=0 if changed < 4 * CHUNK else 4 * CHUNK)


@pytest.mark.parametrize("truth", ["after", "before", ""])
def test_a_long_file_that_was_altered_between_the_rechecks_is_caught_by_its_signature(truth: str) -> None:
    """Only some kept chunks are read again. Where that misses, the signed digest tells, and all is read anew."""
    disk, kept = MemoryDisk(Random(1)), 2 * RECHECKS + 1
    before = some_bytes(CHUNK) * kept + b"tail"
    after = flipped(CHUNK + 5)(before)
    task = task_of(len(before))
    failed(pulled(disk, Card(before, fails=(kept * CHUNK + 1, Gone("taken"))), task), "gone", retry=True)
    signed = {"after": hashlib.sha256(after).hexdigest(), "before": hashlib.sha256(before).hexdigest(), "": ""}[truth]
    event = pulled(disk, Card(after), replace(task, signed=signed))
    if truth == "after":
        check_whole(disk, event, after)
    else:  # what was signed is in the spool, or nobody can tell that it is not what the camera has now
        check_whole(disk, event, before, resumed_at=kept * CHUNK)


def test_a_camera_that_leaves_again_and_again_is_read_to_the_end(disk: RealDisk) -> None:
    whole, task = some_bytes(5 * CHUNK + 1), task_of(5 * CHUNK + 1)
    for leaves_at in (10, CHUNK + 5, CHUNK + 6, 3 * CHUNK, 5 * CHUNK):
        event = failed(pulled(disk, Card(whole, fails=(leaves_at, Gone("taken"))), task), "gone", retry=True)
        assert event.kept_bytes == leaves_at // CHUNK * CHUNK
    check_whole(disk, pulled(disk, Card(whole), task), whole, resumed_at=5 * CHUNK)


# ---- fingerprints ---------------------------------------------------------------------------------------------------


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
    assert fingerprint(flipped(at)(whole)) != fingerprint(whole) != fingerprint(whole + b"\0")


def test_a_file_shorter_than_it_says_has_no_fingerprint() -> None:
    with pytest.raises(Permanent, match="shorter"):
        fingerprint_of(Card(bytes(500)).open(PATH), 501)
