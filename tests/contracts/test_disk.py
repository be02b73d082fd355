"""The contract of ``dockagent.durable.Disk``, held against the real disk and the simulated one.

Threads, full disks and what only a real one has are in test_disk_trouble.py.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.durable import Disk, RealDisk
from tests.contracts.disk_files import append, tree
from tests.simulation.memory_disk import MemoryDisk

LONG = ("n" * 255, "é" * 127 + "n", "\U0001f4f7" * 63 + "nnn")  # 255 bytes each
OUTSIDE = ("", ".", "..", "../x", "a/../../x", "a/../b", "a/./b", "a//b", "/x", "/etc/passwd", "a/")


@pytest.fixture(params=["real", "memory"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    return RealDisk(tmp_path / "disk") if request.param == "real" else MemoryDisk(Random(1))


# ---- what each call does --------------------------------------------------------------------------------------------


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


def test_scratch_is_written_like_any_other_and_gets_its_name(disk: Disk) -> None:
    with disk.append("parts/x", scratch=True) as file:
        file.write(b"one")
        file.sync()
    with disk.append("parts/x", scratch=True) as file:
        file.write(b"two")
        file.sync()
    disk.commit("parts/x", "final/x")
    assert tree(disk) == {"final/x": b"onetwo"}


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
    ids=["read", "read in no folder", "reader", "truncate", "commit", "publish"],
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


# ---- the simulated disk is the real one, as far as anybody can see --------------------------------------------------

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
        append(disk, path, more)
        return None
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
