"""What is particular to a store in a folder: the medium, what a crash leaves, and a full disk."""

import errno
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from dockagent.durable import Appender, DiskFull, Reader, RealDisk
from dockagent.errors import Retryable
from dockagent.stores import Conflict
from dockagent.stores.directory import DirectoryStore
from dockagent.stores.open_store import open_store
from tests.contracts.store_sources import honest, some_bytes

KEY = "clips/BWC-0001/2026/11/22/one/master"
DATA = some_bytes(3_000_001)
URL = "file:///store"


class FaultyDisk(RealDisk):
    """A real disk with one fault: ``on_append``, ``on_reread`` or ``on_publish`` happens at that point."""

    def __init__(
        self,
        root: Path,
        *,
        on_append: Callable[[str], Appender] | None = None,
        on_reread: Callable[[bytes], bytes] = bytes,
        on_publish: Callable[[str, str], None] | None = None,
    ) -> None:
        super().__init__(root)
        self._on_append = on_append or super().append
        self._on_reread = on_reread
        self._on_publish = on_publish

    def append(self, path: str, *, scratch: bool = False, forget: bool = False) -> Appender:
        return self._on_append(path)

    def reader(self, path: str, *, cold: bool = False) -> Reader:
        return io.BytesIO(self._on_reread(self.read(path))) if cold else super().reader(path)

    def publish(self, part: str, final: str) -> None:
        if self._on_publish:
            self._on_publish(part, final)
        super().publish(part, final)


def test_what_a_crash_left_is_removed_at_the_next_start_and_nothing_else(tmp_path: Path) -> None:
    DirectoryStore(RealDisk(tmp_path), URL).put(KEY, honest(DATA))
    for left in (".part-0123", ".0123456789abcdef.tmp"):
        (tmp_path / left).write_bytes(b"half")
    (tmp_path / ".probe-4567").write_bytes(b"probe")
    (tmp_path / "not-ours").write_bytes(b"kept")
    store = DirectoryStore(RealDisk(tmp_path), URL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "not-ours"]
    assert store.put(KEY, honest(DATA)).proof == "re-read"


def test_a_crash_between_the_two_names_of_a_published_object_leaves_the_object(tmp_path: Path) -> None:
    DirectoryStore(RealDisk(tmp_path), URL).put(KEY, honest(DATA))
    (tmp_path / ".part-0123").hardlink_to(tmp_path / KEY)
    store = DirectoryStore(RealDisk(tmp_path), URL)
    assert not (tmp_path / ".part-0123").exists()
    assert (tmp_path / KEY).read_bytes() == DATA
    assert store.put(KEY, honest(DATA)).size == len(DATA)


def test_a_medium_that_gives_back_other_bytes_is_found_out_before_the_object_has_a_name(tmp_path: Path) -> None:
    rotten = FaultyDisk(tmp_path, on_reread=lambda data: data[:-1] + b"?")
    with pytest.raises(Retryable, match="gave back other bytes than were written"):
        DirectoryStore(rotten, URL).put(KEY, honest(DATA))
    assert list(tmp_path.rglob("*")) == []


def test_an_object_that_rotted_in_the_store_is_an_alarm_and_not_a_success(tmp_path: Path) -> None:
    store = DirectoryStore(RealDisk(tmp_path), URL)
    store.put(KEY, honest(DATA))
    with (tmp_path / KEY).open("r+b") as handle:
        handle.seek(1_000_000)
        handle.write(b"rot")
    with pytest.raises(Conflict, match="other bytes"):
        store.put(KEY, honest(DATA))


@pytest.mark.parametrize("theirs", [DATA, DATA + b"!"])
def test_a_writer_who_is_faster_by_a_moment_keeps_the_name(tmp_path: Path, theirs: bytes) -> None:
    def be_faster(_part: str, final: str) -> None:
        (tmp_path / final).parent.mkdir(parents=True)
        (tmp_path / final).write_bytes(theirs)

    store = DirectoryStore(FaultyDisk(tmp_path, on_publish=be_faster), URL)
    if theirs == DATA:
        assert store.put(KEY, honest(DATA)).proof == "re-read"
    else:
        with pytest.raises(Conflict):
            store.put(KEY, honest(DATA))
    assert (tmp_path / KEY).read_bytes() == theirs
    assert [path.name for path in tmp_path.iterdir()] == ["clips"]


def test_a_part_removed_by_another_start_over_the_same_folder_is_tried_again(tmp_path: Path) -> None:
    def start_another(_part: str, _final: str) -> None:
        DirectoryStore(RealDisk(tmp_path), URL)

    with pytest.raises(Retryable, match="No such file"):
        DirectoryStore(FaultyDisk(tmp_path, on_publish=start_another), URL).put(KEY, honest(DATA))
    assert not (tmp_path / KEY).exists()


def test_a_disk_that_fills_up_in_the_middle_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    def fills_up(path: str) -> Appender:
        return _Filling(RealDisk(tmp_path).append(path), room=2_000_000)

    told: list[int] = []
    with pytest.raises(DiskFull, match=f"cannot store {KEY} in {URL}: the disk is full; free some space"):
        DirectoryStore(FaultyDisk(tmp_path, on_append=fills_up), URL).put(KEY, honest(DATA), told.append)
    assert sum(told) <= 2_000_000
    assert list(tmp_path.rglob("*")) == []


def test_what_can_never_fit_is_not_even_begun(tmp_path: Path) -> None:
    def never(_path: str) -> Appender:
        raise AssertionError("began to write")

    class Small(FaultyDisk):
        def free(self) -> int:
            return len(DATA) - 1

    with pytest.raises(DiskFull, match="3000001 bytes do not fit into the 3000000 that are free"):
        DirectoryStore(Small(tmp_path, on_append=never), URL).put(KEY, honest(DATA))


def test_check_finds_a_file_system_without_hard_links(tmp_path: Path) -> None:
    def no_links(_part: str, _final: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    assert DirectoryStore(RealDisk(tmp_path), URL).check() == []
    assert list(tmp_path.iterdir()) == []
    (fault,) = DirectoryStore(FaultyDisk(tmp_path, on_publish=no_links), URL).check()
    assert "cannot write a probe in file:///store: Operation not permitted" in fault
    assert "hard links" in fault
    assert list(tmp_path.iterdir()) == []


class _Filling:
    """A file on a disk with ``room`` bytes left."""

    def __init__(self, inner: Appender, room: int) -> None:
        self._inner = inner
        self._room = room

    def write(self, data: bytes | memoryview) -> None:
        self._room -= len(data)
        if self._room < 0:
            raise DiskFull("the disk is full", "free some space")
        self._inner.write(data)

    def sync(self) -> None:
        self._inner.sync()

    def __enter__(self) -> "_Filling":
        return self

    def __exit__(self, *failure: object) -> None:
        self._inner.__exit__(None, None, None)


def test_a_store_that_is_taken_away_is_away_and_has_lost_nothing(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store = open_store(root.as_uri(), known={})
    store.put(KEY, honest(DATA))
    root.rename(tmp_path / "elsewhere")
    root.mkdir()  # as a mount point without its mount
    with pytest.raises(Retryable, match="is away"):
        store.stat(KEY)
    with pytest.raises(Retryable, match="is away"):
        store.put("clips/other/master", honest(DATA))
    assert list(root.iterdir()) == []
    root.rmdir()
    (tmp_path / "elsewhere").rename(root)
    assert store.stat(KEY) is not None
    assert store.stat("clips/other/master") is None
