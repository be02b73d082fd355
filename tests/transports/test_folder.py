"""FolderFootage against hostile cards, real medium errors and unplugging. No access check below is faked: the
kernel's own /proc gives EIO at the unmapped start of a process's memory, and a folder that dies with its process."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.errors import Gone, Permanent, Refused, Retryable, UsageError
from dockagent.transports.folder import CHECK_EVERY, FolderFootage

names = st.binary(min_size=1, max_size=12).filter(lambda raw: raw not in (b".", b"..") and not set(raw) & {0, 0x2F})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(names, min_size=1, max_size=4), max_size=8))
def test_any_tree_is_listed_in_byte_order(paths: list[list[bytes]]) -> None:
    with tempfile.TemporaryDirectory() as root:
        made = set()
        for parts in paths:
            target = os.fsencode(root) + b"/" + b"/".join(parts)
            try:
                os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120 (pathlib has no bytes)
                with open(target, "xb"):  # noqa: PTH123
                    made.add(b"/".join(parts))
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                continue
        with closing(FolderFootage(Path(root))) as card:
            assert [fact.path for fact in card.list()] == sorted(made)


def test_ten_thousand_files_in_a_second(tmp_path: Path) -> None:
    for number in range(100, 110):
        folder = tmp_path / f"{number}BWC"
        folder.mkdir()
        for clip in range(1000):
            (folder / f"BWC{clip:04}.MP4").touch()
    with closing(FolderFootage(tmp_path)) as card:
        started = time.process_time()
        assert len(list(card.list())) == 10_000
        assert time.process_time() - started < 1


def test_folders_nested_without_end_do_not_hide_the_others(tmp_path: Path) -> None:
    deep = os.open(tmp_path, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=deep)
        deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = deeper
    os.close(deep)
    (tmp_path / "z.MP4").write_bytes(b"z")
    with closing(FolderFootage(tmp_path)) as card:
        found = []
        with pytest.raises(Permanent, match="nested too deep"):
            for fact in card.list():
                found.append(fact.path)
        assert found == [b"z.MP4"]


def test_reading_leaves_no_trace(tmp_path: Path) -> None:
    clip = tmp_path / "a.MP4"
    clip.write_bytes(b"a" * 1000)
    os.utime(clip, (1, 2))
    os.utime(tmp_path, (1, 2))
    with closing(FolderFootage(tmp_path)) as card:
        list(card.list())
        with card.open(b"a.MP4") as reader:
            assert reader.read(1000)
        card.facts()
    assert (clip.stat().st_atime, clip.stat().st_mtime) == (1, 2)
    assert (tmp_path.stat().st_atime, tmp_path.stat().st_mtime) == (1, 2)


def test_a_link_swapped_in_after_listing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "DCIM").mkdir()
    (tmp_path / "DCIM/passwd").write_bytes(b"x")
    with closing(FolderFootage(tmp_path)) as card:
        assert [fact.path for fact in card.list() if not fact.special] == [b"DCIM/passwd"]
        (tmp_path / "DCIM").rename(tmp_path / "was")
        (tmp_path / "DCIM").symlink_to("/etc")
        with pytest.raises(Refused):
            card.open(b"DCIM/passwd")


def _take_away(card: Path) -> None:
    card.rename(card.with_name("pulled"))


def _swap(card: Path) -> None:
    _take_away(card)
    card.mkdir()
    (card / "a.MP4").write_bytes(b"another camera's")


def _swap_file(card: Path) -> None:
    (card / "a.MP4").rename(card / "b.MP4")
    (card / "a.MP4").write_bytes(b"another")


@pytest.mark.parametrize("unplug", [_take_away, _swap, _swap_file])
def test_unplugged_while_reading_is_gone_within_a_few_megabytes(tmp_path: Path, unplug: Callable[[Path], None]) -> None:
    root = tmp_path / "card"
    root.mkdir()
    (root / "a.MP4").write_bytes(bytes(3 * CHECK_EVERY))
    with closing(FolderFootage(root)) as card, card.open(b"a.MP4") as reader:
        assert reader.read(1 << 20)
        unplug(root)
        with pytest.raises(Gone):
            for _ in range(2 * CHECK_EVERY >> 20):
                reader.read(1 << 20)


def test_unplugged_before_the_end_of_a_small_file_is_gone(tmp_path: Path) -> None:
    root = tmp_path / "card"
    root.mkdir()
    (root / "a.MP4").write_bytes(b"small")
    with closing(FolderFootage(root)) as card, card.open(b"a.MP4") as reader:
        assert reader.read(100) == b"small"
        _take_away(root)
        with pytest.raises(Gone, match="went away"):
            reader.read(100)


def test_unplugged_while_listing_is_gone(tmp_path: Path) -> None:
    root = tmp_path / "card"
    (root / "1").mkdir(parents=True)
    (root / "1/a").touch()
    (root / "2").mkdir()
    with closing(FolderFootage(root)) as card:
        listing = card.list()
        assert next(listing).path == b"1/a"
        _take_away(root)
        with pytest.raises(Gone):
            next(listing)


def test_a_growing_file_tells_its_new_size(tmp_path: Path) -> None:
    clip = tmp_path / "a.MP4"
    clip.write_bytes(b"12345")
    with closing(FolderFootage(tmp_path)) as card, card.open(b"a.MP4") as reader:
        clip.write_bytes(b"1234567890")
        assert reader.size() == 10


def test_a_medium_error_is_retryable_and_says_where() -> None:
    with closing(FolderFootage(Path("/proc/self"))) as card, card.open(b"mem") as reader:
        reader.seek(4096)
        with pytest.raises(Retryable, match="medium error at byte 4096 of mem") as caught:
            reader.read(10)
        assert not isinstance(caught.value, Gone)


def test_a_folder_that_dies_under_us_is_gone() -> None:
    child = subprocess.Popen(["sleep", "60"])
    card = FolderFootage(Path(f"/proc/{child.pid}"))
    child.kill()
    child.wait()
    with closing(card), pytest.raises(Gone):
        card.open(b"comm")


def test_nothing_there_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(Gone):
        FolderFootage(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError):
        FolderFootage(tmp_path / "file")


def test_an_ordinary_folder_does_not_lend_itself_the_disks_name(tmp_path: Path) -> None:
    with closing(FolderFootage(tmp_path)) as card:
        assert set(card.facts()) == {"filesystem", "readonly"}
