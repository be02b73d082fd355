"""A witness never goes back and never takes a fork: not under many at once, not after its power went at any moment."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from dockagent.clock import SystemClock
from dockagent.core.moment import Instant
from dockagent.core.proof import note
from dockagent.core.proof.witnessing import SIZE_TYPE, Head, Request
from dockagent.durable import RealDisk
from dockagent.errors import DockError, UsageError
from dockagent.ledger.keys import Keys
from dockagent.ledger.witness import Answer, Witness
from dockagent.ledger.witness_key import PRIVATE, PUBLIC, WitnessKey, name_of, read_public
from tests.ledger import made, witnesses
from tests.simulation.memory_disk import MemoryDisk, PowerCut

HASHES = witnesses.leaves(300)
FORK = witnesses.leaves(300, fork_at=2)


@pytest.fixture
def dock(tmp_path: Path) -> Keys:
    return made.keys(tmp_path / "dock")


def ask(one: Witness, dock: Keys, old: int, size: int, hashes: list[bytes] = HASHES) -> Answer:
    return one.add_checkpoint(witnesses.request(dock, hashes, old, size).encode())


def test_it_cosigns_and_remembers(tmp_path: Path, dock: Keys) -> None:
    one = witnesses.witness_in(tmp_path / "witness", dock)
    first = ask(one, dock, 0, 7)
    text = note.parse(witnesses.checkpoint(dock, HASHES, 7)).text
    assert first.status == 200
    assert abs(witnesses.seconds(first.body, text, witnesses.key().public) - SystemClock().now().utc_ms // 1000) < 60
    again = witnesses.witness_in(tmp_path / "witness", dock)
    assert again.known(dock.origin).size == 7
    stale = ask(again, dock, 0, 9)
    assert (stale.status, stale.kind, stale.body) == (409, SIZE_TYPE, b"7\n")
    assert ask(again, dock, 7, 9).status == 200


class Passing(SystemClock):
    """A clock by which a minute goes by between two looks."""

    looks = 0

    def now(self) -> Instant:
        self.looks += 1
        return replace(super().now(), utc_ms=1_790_000_000_000 + 60_000 * self.looks)


def test_the_same_tree_again_gets_its_first_cosignature(tmp_path: Path, dock: Keys) -> None:
    """Who asks again, also after a restart, also for the same tree under another text, gets no second time, out of
    which a seed could be chosen."""
    clock = Passing()
    one = Witness(RealDisk(tmp_path / "witness"), witnesses.key(), witnesses.logs(dock), clock)
    first = ask(one, dock, 0, 7)
    again = [ask(one, dock, 7, 7) for _ in range(3)]
    assert [(answer.status, answer.body) for answer in again] == [(200, first.body)] * 3
    restarted = Witness(RealDisk(tmp_path / "witness"), witnesses.key(), witnesses.logs(dock), clock)
    assert ask(restarted, dock, 7, 7).body == first.body
    head = note.parse_checkpoint(note.parse(witnesses.checkpoint(dock, HASHES, 7)))
    text = head.text() + "an extension line\n"
    sealed = note.seal(text, dock.dock.log_key, dock._log.sign).encode()
    other = restarted.add_checkpoint(Request(7, (), sealed).encode())
    public = witnesses.key().public
    assert other.status == 200 and other.body != first.body
    assert witnesses.seconds(other.body, text, public) == witnesses.seconds(first.body, head.text(), public)
    assert ask(restarted, dock, 7, 7).body == first.body
    later = ask(restarted, dock, 7, 9)
    nine = note.parse(witnesses.checkpoint(dock, HASHES, 9)).text
    assert witnesses.seconds(later.body, nine, public) > witnesses.seconds(first.body, head.text(), public)


def test_a_fork_with_the_docks_own_key_is_refused_at_every_size(tmp_path: Path, dock: Keys) -> None:
    one = witnesses.witness_in(tmp_path / "witness", dock)
    assert ask(one, dock, 0, 7).status == 200
    assert [ask(one, dock, 7, size, FORK).status for size in (7, 8, 12, 16)] == [409, 422, 422, 422]
    assert ask(one, dock, 5, 5).status == 409
    assert ask(one, dock, 7, 5).status == 400
    assert one.known(dock.origin).size == 7


def test_logs_do_not_mix(tmp_path: Path, dock: Keys) -> None:
    other = made.keys(tmp_path / "other", "dock-8", 8)
    one = witnesses.witness_in(tmp_path / "witness", dock, other)
    assert ask(one, dock, 0, 7).status == 200
    assert one.known(other.origin) == Head()
    assert ask(one, other, 0, 3, FORK).status == 200
    stranger = made.keys(tmp_path / "stranger", "dock-9", 9)
    assert ask(one, stranger, 0, 3).status == 404
    imposter = made.keys(tmp_path / "imposter", "dock-7", 9)
    assert ask(one, imposter, 0, 3).status == 403


def test_of_many_at_once_nobody_gets_it_to_go_back(tmp_path: Path, dock: Keys) -> None:
    """Every thread climbs on its own; sizes that were cosigned must be in the order in which they were stored."""
    one = witnesses.witness_in(tmp_path / "witness", dock)
    given: list[int] = []
    guard, ready = threading.Lock(), threading.Barrier(8)

    def climb(seed: int) -> None:
        random, known = Random(seed), 0
        ready.wait(10)
        while known < len(HASHES) - 8:
            size = known + random.randint(1, 8)
            answer = ask(one, dock, known, size)
            if answer.status == 200:
                with guard:
                    given.append(size)
                known = size
            else:
                assert answer.status == 409
                known = int(answer.body)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(climb, range(8)))
    assert len(set(given)) == len(given), "one size was cosigned from two different states"
    assert one.known(dock.origin).size == max(given)


def test_the_power_may_go_at_every_durable_call(tmp_path: Path, dock: Keys) -> None:
    for cut in range(1, 13):
        for seed in range(6):
            disk = MemoryDisk(Random(seed))
            disk.cut_at = cut
            given = _climb_until_cut(disk, dock)
            disk.power_cut()
            after = witnesses.witness(dock, disk=disk)
            known = after.known(dock.origin).size
            assert known >= given, "a cosignature was given out for a head that was forgotten"
            assert ask(after, dock, known, known + 20, FORK if known > 2 else HASHES).status == (
                422 if known > 2 else 200
            )


def _climb_until_cut(disk: MemoryDisk, dock: Keys) -> int:
    """The largest size that was given out."""
    given = 0
    one = witnesses.witness(dock, disk=disk)
    try:
        for size in range(3, 60, 5):
            assert ask(one, dock, given, size).status == 200
            given = size
    except PowerCut:
        return given
    return given


class Full(MemoryDisk):
    """No room, whatever is written."""

    def free(self) -> int:
        return 0


def test_without_room_for_its_state_it_signs_nothing(dock: Keys) -> None:
    one = witnesses.witness(dock, disk=Full(Random(0)))
    answer = ask(one, dock, 0, 7)
    assert (answer.status, "—" in answer.body.decode()) == (500, False)


@pytest.mark.parametrize("damage", [b"", b"garbage", "other"])
def test_a_damaged_state_is_not_taken_for_none(tmp_path: Path, dock: Keys, damage: bytes | str) -> None:
    one = witnesses.witness_in(tmp_path / "witness", dock)
    assert ask(one, dock, 0, 7).status == 200
    (state,) = (tmp_path / "witness").iterdir()
    if isinstance(damage, bytes):
        state.write_bytes(damage)
    else:  # an older head, which the thief of the log's key can sign, but this witness has not
        state.write_bytes(witnesses.checkpoint(dock, FORK, 3))
    assert ask(one, dock, 0, 9, FORK).status == 500
    with pytest.raises(DockError):
        one.known(dock.origin)


def test_what_a_crash_left_is_tidied(tmp_path: Path, dock: Keys) -> None:
    (tmp_path / "witness").mkdir()
    (tmp_path / "witness" / ".0123456789abcdef.tmp").write_bytes(b"half")
    witnesses.witness_in(tmp_path / "witness", dock)
    assert list((tmp_path / "witness").iterdir()) == []


# ---- its key --------------------------------------------------------------------------------------------------------


def test_the_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path)
    assert read_public(disk) is None
    first = WitnessKey.open(disk, name_of("dockagent.local/dock-7"))
    assert first.public.name == "dockagent.local/dock-7/witness"
    assert (tmp_path / PRIVATE).stat().st_mode & 0o777 == 0o600
    assert WitnessKey.open(disk, name_of("dockagent.local/renamed")).public == first.public == read_public(disk)
    assert "PRIVATE" not in repr(first)


def test_a_creation_cut_short_is_finished_with_the_same_key(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path)
    first = WitnessKey.open(disk, "w.example/1")
    (tmp_path / PUBLIC).unlink()
    assert WitnessKey.open(disk, "w.example/1").public == first.public


def test_keys_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path)
    WitnessKey.open(disk, "w.example/1")
    (tmp_path / PRIVATE).chmod(0o640)
    with pytest.raises(UsageError, match="others can read"):
        WitnessKey.open(disk, "w.example/1")
    (tmp_path / PRIVATE).chmod(0o600)
    (tmp_path / PUBLIC).write_text(witnesses.key(seed=5).public.text())
    with pytest.raises(UsageError, match="not that of"):
        WitnessKey.open(disk, "w.example/1")
    (tmp_path / PUBLIC).write_text("nonsense")
    with pytest.raises(UsageError, match="damaged"):
        WitnessKey.open(disk, "w.example/1")
    (tmp_path / PRIVATE).unlink()
    with pytest.raises(UsageError, match="is not"):
        WitnessKey.open(disk, "w.example/1")
    with pytest.raises(UsageError, match="not a witness's name"):
        WitnessKey.open(disk, "with space")
