"""The contract of ``dockagent.durable.Disk`` where it gets tight: many threads, no room, and what a real one has."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from dockagent.durable import Disk, DiskFull, RealDisk
from tests.contracts.disk_files import append, tree
from tests.simulation.memory_disk import MemoryDisk
from tests.transports.loops import needs_root

ROOM = 1 << 20


@pytest.fixture(params=["real", "memory"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A disk of 1 MiB."""
    if request.param == "memory":
        yield MemoryDisk(Random(1), ROOM)
        return
    with Mounted(tmp_path, f"size={ROOM}") as disk:
        yield disk


class Mounted:
    """A real file system of its own in memory, with these mount options."""

    def __init__(self, folder: Path, options: str) -> None:
        self._place, self._options = folder / "small", options

    def __enter__(self) -> RealDisk:
        needs_root("mount", "umount")
        self._place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", self._options, "tmpfs", self._place],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"no small file system to be had: {done.stderr.strip()}")
        return RealDisk(self._place)

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", self._place], check=True, capture_output=True)


# ---- many threads ---------------------------------------------------------------------------------------------------


def _together(*acts: Callable[[int], None], times: int) -> list[str]:
    """Each act ``times`` times in a thread of its own, all at once; the errors."""
    errors: list[str] = []
    ready = threading.Barrier(len(acts))

    def run(act: Callable[[int], None]) -> None:
        ready.wait()
        for number in range(times):
            try:
                act(number)
            except OSError as err:
                errors.append(f"{type(err).__name__}: {err}")

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def _appends_and_removes(disk: Disk, who: int) -> Callable[[int], None]:
    def act(number: int) -> None:
        append(disk, f"deep/parts/{who}", b"%d" % number)
        assert disk.read(f"deep/parts/{who}") == b"%d" % number
        disk.remove(f"deep/parts/{who}")

    return act


def _commits(disk: Disk, who: int) -> Callable[[int], None]:
    def act(number: int) -> None:
        append(disk, f"parts/{who}.leaves", b"x")
        append(disk, f"parts/{who}", b"x")
        disk.commit(f"parts/{who}", f"clips/{who}-{number}/master")
        disk.remove(f"parts/{who}.leaves")
        disk.remove(f"clips/{who}-{number}/master")

    return act


def _writes(disk: Disk, who: int) -> Callable[[int], None]:
    def act(number: int) -> None:
        disk.write(f"parts/w{who}", b"x")
        disk.remove(f"parts/w{who}")
        disk.create(f"parts/w{who}", b"x")
        append(disk, f"parts/p{who}", b"y")
        disk.publish(f"parts/p{who}", f"clips/p{who}")
        disk.remove(f"parts/w{who}")
        disk.remove(f"clips/p{who}")

    return act


@pytest.mark.parametrize("act", [_appends_and_removes, _commits, _writes])
def test_threads_do_not_take_each_others_folders_away(
    tmp_path: Path, act: Callable[[Disk, int], Callable[[int], None]]
) -> None:
    disk = RealDisk(tmp_path / "disk")
    assert _together(*(act(disk, who) for who in range(4)), times=20) == []
    assert tree(disk) == {}


def test_a_folder_that_empties_behind_a_commit_does_not_make_it_fail(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path / "disk")

    def commit(number: int) -> None:
        append(disk, "parts/a", b"x")
        disk.commit("parts/a", f"clips/{number % 3}/master")

    def empty(_: int) -> None:
        append(disk, "parts/b", b"x")
        disk.remove("parts/b")

    assert _together(commit, empty, empty, times=250) == []


def test_nobody_ever_sees_half_of_a_written_file(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path)
    states = [bytes([byte]) * (200_000 + byte) for byte in b"ab"]
    disk.write("a", states[0])
    seen: set[bytes] = set()
    errors = _together(lambda number: disk.write("a", states[number % 2]), lambda _: seen.add(disk.read("a")), times=40)
    assert errors == []
    assert seen <= set(states)


# ---- no room --------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_said_so_and_nothing_is_left_over(small: Disk) -> None:
    small.write("keep/old", b"old")
    for call in (small.write, small.create):
        with pytest.raises(DiskFull, match="full"):
            call("keep/new", bytes(2 * ROOM))
    with pytest.raises(DiskFull):
        small.write("keep/old", bytes(2 * ROOM))
    assert tree(small) == {"keep/old": b"old"}


def test_appending_to_a_full_disk_keeps_what_was_synced_and_goes_on_later(small: Disk) -> None:
    append(small, "ballast", bytes(ROOM // 2))
    with small.append("part") as part:
        part.write(b"a" * 1000)
        part.sync()
        with pytest.raises(DiskFull):
            for _ in range(1000):
                part.write(b"b" * 4096)
    assert small.read("part").startswith(b"a" * 1000)
    assert small.free() < 4096
    small.remove("ballast")
    assert small.free() >= ROOM // 2
    small.truncate("part", 1000)
    append(small, "part", b"c" * 4096)
    assert small.read("part") == b"a" * 1000 + b"c" * 4096


def test_no_room_for_one_more_name_is_a_full_disk_too(tmp_path: Path) -> None:
    with Mounted(tmp_path, f"size={ROOM},nr_inodes=4") as disk:  # the root, and three more
        disk.write("a/b", b"x")
        append(disk, "c", b"x")
        for call in (
            lambda: disk.write("d", b"x"),
            lambda: disk.append("d"),
            lambda: disk.commit("c", "new/c"),
            lambda: disk.publish("c", "new/c"),
        ):
            with pytest.raises(DiskFull):
                call()
        assert tree(disk) == {"a/b": b"x", "c": b"x"}


# ---- what only a real disk has --------------------------------------------------------------------------------------


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path)
    disk.write("folder/file", b"x")
    for call in (disk.write, disk.create):
        with pytest.raises(OSError, match="folder"):
            call("folder", b"y")
        assert disk.names("") == ["folder"]
        assert tree(disk) == {"folder/file": b"x"}


@pytest.mark.parametrize("call", ["write", "create"])
def test_modes_are_as_asked_and_never_wider(tmp_path: Path, call: str) -> None:
    disk = RealDisk(tmp_path / "home")
    getattr(disk, call)("keys/key", b"secret", 0o600)
    getattr(disk, call)("plain", b"x")
    append(disk, "log", b"x")
    modes = {path: disk.path(path).stat().st_mode & 0o777 for path in ("keys/key", "plain", "log", "keys")}
    assert modes["keys/key"] == 0o600
    assert not any(mode & 0o007 for mode in modes.values()), modes
    assert not disk.root.stat().st_mode & 0o007


@pytest.mark.parametrize("forget", [False, True])
def test_more_than_one_write_back_arrives_whole(tmp_path: Path, forget: bool) -> None:
    disk, data = RealDisk(tmp_path), Random(3).randbytes(1 << 20)
    with disk.append("big", forget=forget) as file:
        for piece in (b"head", *[data] * 25):
            file.write(piece)
        file.sync()
    for cold in (False, True):
        with disk.reader("big", cold=cold) as reader:
            assert b"".join(iter(lambda: reader.read(700_001), b"")) == b"head" + data * 25


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a path would hold one open itself)
    disk.write("a", b"x")
    append(disk, "b", b"x")
    for act in ("create", "commit", "truncate"):
        with pytest.raises(OSError, match=r"exists|No such"):
            getattr(disk, act)(*{"create": ("a", b"y"), "commit": ("no", "c"), "truncate": ("no", 1)}[act])
    with disk.reader("a", cold=True) as reader:
        reader.read(1)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
