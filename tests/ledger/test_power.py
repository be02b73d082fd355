"""The ledger and the keys on a disk that loses its power: what was answered for is there, and nothing half."""

import re
from collections.abc import Callable
from functools import partial
from random import Random

import pytest

from dockagent.core.proof import merkle
from dockagent.errors import UsageError
from dockagent.ledger.keys import Keys
from dockagent.ledger.log import Ledger
from tests.ledger import made
from tests.simulation.memory_disk import Inode, MemoryDisk, PowerCut


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys.create(MemoryDisk(Random(1)), "dock-7", Random(7).randbytes)


def filled(keys: Keys, count: int, pinned: int) -> MemoryDisk:
    disk = MemoryDisk(Random(1))
    with Ledger.open(disk, keys) as log:
        log.append([made.record(number) for number in range(pinned)])
        log.checkpoint()
        log.append([made.record(number) for number in range(pinned, count)])
    return disk


def until_the_power_goes(act: Callable[[], object]) -> bool:
    try:
        act()
    except PowerCut:
        return True
    return False


def test_a_cut_at_any_byte_of_the_last_two_records_leaves_whole_records(keys: Keys) -> None:
    disk = filled(keys, 6, pinned=4)
    whole = disk.read("entries.jsonl")
    ends = [match.end() for match in re.finditer(b"\n", whole)]
    for size in range(ends[3], len(whole) + 1):
        disk.files["entries.jsonl"] = Inode(bytearray(whole[:size]))
        kept = max(end for end in ends if end <= size)
        with Ledger.open(disk, keys) as log:
            assert (log.size, log.cut) == (ends.index(kept) + 1, size - kept)
            assert log.root() == merkle.root(map(merkle.leaf_hash, whole[:kept].splitlines()))
        assert disk.read("entries.jsonl") == whole[:kept]
        aside = [disk.read(f"cut/{name}") for name in disk.names("cut")]
        assert (whole[kept:size] in aside) == (size > kept)
    with Ledger.open(disk, keys) as log:
        log.append([made.record(6)])
        assert list(log.payloads()) == [made.record(number) for number in range(7)]


@pytest.mark.parametrize("seed", range(20))
def test_whenever_the_power_goes_what_was_answered_for_is_there(keys: Keys, seed: int) -> None:
    random = Random(seed)
    disk = MemoryDisk(random)
    believed = pinned = 0

    def live() -> None:
        nonlocal believed, pinned
        with Ledger.open(disk, keys) as log:
            assert log.size >= believed >= pinned
            assert list(log.payloads()) == [made.record(number) for number in range(log.size)]
            believed = log.size
            while True:
                batch = [made.record(believed + more) for more in range(random.randint(1, 4))]
                believed = log.append(batch).stop
                if random.random() < 0.3:
                    log.checkpoint()
                    pinned = log.size

    for _ in range(12):
        disk.cut_at = disk.calls + random.randint(1, 12)
        assert until_the_power_goes(live)
        disk.power_cut()
    with Ledger.open(disk, keys) as log:
        assert log.size >= believed > 12


def test_the_test_above_sees_a_disk_that_lies(keys: Keys) -> None:
    disk = filled(keys, 4, pinned=4)
    disk.lies = True
    with Ledger.open(disk, keys) as log:
        for number in range(4, 54):
            log.append([made.record(number)])
    disk.power_cut()
    with Ledger.open(disk, keys) as log:
        assert 4 <= log.size < 54


def test_what_a_killed_process_left_is_made_safe_before_it_is_believed(keys: Keys) -> None:
    disk = filled(keys, 4, pinned=4)
    with disk.append("entries.jsonl") as file:
        file.write(keys.sign_record(made.record(4)) + b"\n")  # written, and killed before the sync
    with Ledger.open(disk, keys) as log:
        assert log.size == 5
    disk.power_cut()
    with Ledger.open(disk, keys) as log:
        assert log.size == 5


@pytest.mark.parametrize("seed", range(4))
def test_wherever_the_making_of_keys_is_cut_it_can_be_finished(seed: int) -> None:
    for at in range(1, 4):
        disk = MemoryDisk(Random(seed))
        disk.cut_at = at
        assert until_the_power_goes(partial(Keys.create, disk, "dock-7", Random(7).randbytes))
        disk.power_cut()
        before = {name: disk.read(name) for name in disk.names("")}
        try:
            keys = Keys.create(disk, "dock-7", Random(8).randbytes)
        except UsageError:  # the last call had taken effect
            keys = Keys.load(disk)
        assert Keys.load(disk).vkey == keys.vkey
        assert {name: disk.read(name) for name in before} == before
