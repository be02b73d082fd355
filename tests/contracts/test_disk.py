"""The contract of ``dockagent.durable.Disk``, held against the real disk and the simulated one."""

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.durable import Disk, DiskFull, RealDisk
from tests.simulation.memory_disk import MemoryDisk
from tests.transports.loops import needs_root

ROOM = 1 << 20
LONG = ("n" * 255, "é" * 127 + "n", "\U0001f4f7" * 63 + "nnn")  # 255 bytes each
OUTSIDE = ("", ".", "..", "../x", "a/../../x", "a/../b", "a/./b", "a//b", "/x", "/etc/passwd", "a/")


@pytest.fixture(params=["real", "memory"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    return RealDisk(tmp_path / "disk") if request.param == "real" else MemoryDisk(Random(1))


@pytest.fixture(params=["real", "memory"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A disk of 1 MiB."""
    if request.param == "memory":
        yield MemoryDisk(Random(1), ROOM)
        return
    with _mounted(tmp_path, f"size={ROOM}") as disk:
        yield disk


class _mounted:
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


def append(disk: Disk, path: str, *pieces: bytes) -> None:
    with disk.append(path) as file:
        for piece in pieces:
            file.write(piece)
        file.sync()


def tree(disk: Disk, folder: str = "") -> dict[str, bytes]:
    """Every file by path, also those that no caller named."""
    found: dict[str, bytes] = {}
    for name in disk.names(folder):
        path = f"{folder}/{name}" if folder else name
        if disk.size(path) is None:
            found |= tree(disk, path)
        else:
            found[path] = disk.read(path)
    return found


# ---- what each call does ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 5000])
def test_what_was_written_is_there(disk: Disk, data: bytes) -> None:
    disk.write("a/b", data)
    assert (disk.read("a/b"), disk.size("a/b")) == (data, len(data))
    disk.write("a/b", b"other")
    assert tree(disk) == {"a/b": b"other"}


def test_create_never_replaces(disk: Disk) -> None:
    disk.create("a/b", b"first")
    with pytest.raises(FileExistsError):
        disk.create("a/b", b"second")
    assert tree(disk) == {"a/b": b"first"}


def test_commit_replaces(disk: Disk) -> None:
    disk.write("final/x", b"old")
    append(disk, "parts/x", b"new")
    disk.commit("parts/x", "final/x")
    assert tree(disk) == {"final/x": b"new"}


def test_publish_never_replaces_and_takes_the_part_away(disk: Disk) -> None:
    append(disk, "parts/1", b"first")
    append(disk, "parts/2", b"second")
    disk.publish("parts/1", "deep/er/final")
    with pytest.raises(FileExistsError):
        disk.publish("parts/2", "deep/er/final")
    assert tree(disk) == {"deep/er/final": b"first"}


def test_append_goes_on_at_the_end(disk: Disk) -> None:
    append(disk, "new/folder/log", b"one", b"", b"two")
    with disk.append("new/folder/log") as file:
        file.write(memoryview(b"-three-")[1:-1])
    append(disk, "new/folder/log")
    assert disk.read("new/folder/log") == b"onetwothree"


def test_append_alone_makes_an_empty_file(disk: Disk) -> None:
    with disk.append("made"):
        assert disk.size("made") == 0
    assert tree(disk) == {"made": b""}


@pytest.mark.parametrize("size", [0, 3, 9, 10])
def test_truncate_keeps_the_head(disk: Disk, size: int) -> None:
    disk.write("a", b"0123456789")
    disk.truncate("a", size)
    assert disk.read("a") == b"0123456789"[:size]
    append(disk, "a", b"x")
    assert disk.read("a") == b"0123456789"[:size] + b"x"


@pytest.mark.parametrize("cold", [False, True])
def test_a_reader_gives_some_bytes_until_the_end_and_seeks(disk: Disk, cold: bool) -> None:
    data = Random(5).randbytes(100_000)
    append(disk, "a", data)
    with disk.reader("a", cold=cold) as reader:
        pieces = list(iter(lambda: reader.read(30_001), b""))
        assert b"".join(pieces) == data
        assert all(0 < len(piece) <= 30_001 for piece in pieces)
        assert reader.read(1) == b""
        assert reader.seek(99_990) == 99_990
        assert reader.read(1000) == data[99_990:]
        assert reader.seek(200_000) == 200_000
        assert reader.read(1) == b""


def test_names_are_sorted_and_show_folders(disk: Disk) -> None:
    for path in ("b", "a", "folder/z/deep", "folder/a", "B"):
        disk.write(path, b"")
    assert disk.names("") == ["B", "a", "b", "folder"]
    assert disk.names("folder") == ["a", "z"]
    assert disk.names("nowhere") == disk.names("nowhere/deeper") == []
    assert disk.size("folder") is None
    assert disk.size("nowhere/deeper") is None


def test_removing_is_repeated_and_takes_empty_folders_away(disk: Disk) -> None:
    disk.write("a/b/c/file", b"")
    disk.write("a/beside", b"")
    for _ in range(2):
        disk.remove("a/b/c/file")
        assert disk.size("a/b/c/file") is None
        assert disk.names("a") == ["beside"]
    disk.remove("a/beside")
    assert disk.names("") == []
    disk.remove("never/was")
    disk.write("a/b/c/file", b"again")
    assert tree(disk) == {"a/b/c/file": b"again"}


@pytest.mark.parametrize(
    "call",
    [
        lambda disk: disk.read("no"),
        lambda disk: disk.read("no/where"),
        lambda disk: disk.reader("no"),
        lambda disk: disk.truncate("no", 0),
        lambda disk: disk.commit("no", "some/where"),
        lambda disk: disk.publish("no", "some/where"),
    ],
)
def test_a_missing_file_is_said_so_and_nothing_is_made(disk: Disk, call: Callable[[Disk], object]) -> None:
    with pytest.raises(FileNotFoundError):
        call(disk)
    assert disk.names("") == []


@pytest.mark.parametrize("name", LONG, ids=["ascii", "two bytes", "four bytes"])
def test_names_as_long_as_a_file_system_has_them(disk: Disk, name: str) -> None:
    assert len(name.encode()) == 255
    disk.write(name, b"1")
    disk.create(f"d/{name}", b"2")
    append(disk, f"p/{name}", b"3")
    disk.commit(f"p/{name}", f"e/{name}")
    append(disk, f"p/{name}", b"4")
    disk.publish(f"p/{name}", f"f/{name}/{name}")
    assert sorted(tree(disk).values()) == [b"1", b"2", b"3", b"4"]


CALLS: dict[str, Callable[[Disk, str], object]] = {
    "read": lambda disk, path: disk.read(path),
    "reader": lambda disk, path: disk.reader(path),
    "append": lambda disk, path: disk.append(path),
    "write": lambda disk, path: disk.write(path, b"x"),
    "create": lambda disk, path: disk.create(path, b"x"),
    "commit to": lambda disk, path: disk.commit("in", path),
    "commit from": lambda disk, path: disk.commit(path, "out"),
    "publish to": lambda disk, path: disk.publish("in", path),
    "publish from": lambda disk, path: disk.publish(path, "out"),
    "truncate": lambda disk, path: disk.truncate(path, 0),
    "remove": lambda disk, path: disk.remove(path),
    "size": lambda disk, path: disk.size(path),
    "names": lambda disk, path: disk.names(path or ".."),
}


@pytest.mark.parametrize("call", CALLS)
def test_no_path_leads_out(disk: Disk, call: str) -> None:
    disk.write("in", b"safe")
    for path in OUTSIDE:
        with pytest.raises(ValueError, match="not a path inside the disk"):
            CALLS[call](disk, path)
        assert tree(disk) == {"in": b"safe"}


# ---- the simulated disk is the real one, as far as anybody can see -----------------------------------------------------

PATHS = st.sampled_from(["a", "b/c", "b/d", "e/f/g", "e/h"])
ACTS = st.one_of(
    st.tuples(st.sampled_from(["write", "create", "append"]), PATHS, st.binary(max_size=8)),
    st.tuples(st.sampled_from(["commit", "publish"]), PATHS, PATHS),
    st.tuples(st.just("truncate"), PATHS, st.integers(0, 4)),
    st.tuples(st.sampled_from(["remove", "read", "size"]), PATHS, st.none()),
)


def _act(disk: Disk, act: tuple[str, str, object]) -> object:
    name, path, more = act
    size = disk.size(path) or 0
    if name == "append" and isinstance(more, bytes):
        return append(disk, path, more)
    if name == "truncate" and isinstance(more, int) and more > size:
        return None  # only cutting is promised
    if name in ("commit", "publish") and path == more:
        return None
    try:
        return getattr(disk, name)(*([path] if more is None else [path, more]))
    except (FileNotFoundError, FileExistsError) as err:
        return type(err)


@settings(max_examples=30, deadline=None)
@given(st.lists(ACTS, max_size=12))
def test_both_disks_answer_alike(acts: list[tuple[str, str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        real, memory = RealDisk(Path(folder)), MemoryDisk(Random(1))
        for act in acts:
            assert _act(real, act) == _act(memory, act), act
            assert tree(real) == tree(memory), act


# ---- many threads -------------------------------------------------------------------------------------------------------


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

    assert _together(commit, empty, empty, times=120) == []


def test_nobody_ever_sees_half_of_a_written_file(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path)
    states = [bytes([byte]) * (200_000 + byte) for byte in b"ab"]
    disk.write("a", states[0])
    seen: set[bytes] = set()
    errors = _together(lambda number: disk.write("a", states[number % 2]), lambda _: seen.add(disk.read("a")), times=40)
    assert errors == []
    assert seen <= set(states)


# ---- no room ------------------------------------------------------------------------------------------------------------


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
    with _mounted(tmp_path, f"size={ROOM},nr_inodes=4") as disk:  # the root, and three more
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


# ---- what only a real disk has ------------------------------------------------------------------------------------------


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


def test_more_than_one_write_back_arrives_whole(tmp_path: Path) -> None:
    disk, data = RealDisk(tmp_path), Random(3).randbytes(1 << 20)
    append(disk, "big", b"head", *[data] * 17)
    assert disk.read("big") == b"head" + data * 17


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a path would hold one open itself)
    disk.write("a", b"x")
    append(disk, "b", b"x")
    for call in (lambda: disk.create("a", b"y"), lambda: disk.commit("no", "c"), lambda: disk.truncate("no", 1)):
        with pytest.raises(OSError, match=r"exists|No such"):
            call()
    with disk.reader("a", cold=True) as reader:
        reader.read(1)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
