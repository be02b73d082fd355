"""RawCard against the kernel: the same images give the same files, byte for byte."""

import os
from contextlib import closing
from pathlib import Path

import pytest

from dockagent.transports import FileFact, Footage
from dockagent.transports.mass_storage import MassStorage
from dockagent.transports.raw_card import RawCard
from tests.transports import loops, volumes

TOOLS = ("blkid", "losetup", "mount")


def _whole(footage: Footage) -> dict[bytes, tuple[FileFact, bytes]]:
    found = {}
    for fact in footage.list():
        with footage.open(fact.path) as reader:
            data = b""
            while piece := reader.read(100_000):
                data += piece
            assert reader.size() == fact.size
        found[fact.path] = (fact, data)
    return found


def _scattered(root: Path) -> None:
    """Files whose clusters lie between those of others, holes of deleted ones, and a folder of many names."""
    files = [(root / f"scatter{number}.bin").open("wb", buffering=0) for number in range(4)]
    for _ in range(12):
        for file in files:
            file.write(os.urandom(9_000))
            os.fsync(file.fileno())
    for file in files:
        file.close()
    (root / "scatter1.bin").unlink()
    (root / "refill.bin").write_bytes(os.urandom(200_000))
    (root / "many").mkdir()
    for number in range(300):
        (root / f"many/a rather long name of file number {number}.txt").write_bytes(b"%d" % number)
    for number in range(0, 300, 3):
        (root / f"many/a rather long name of file number {number}.txt").unlink()
    (root / "was a folder").mkdir()
    (root / "was a folder").rmdir()


@pytest.mark.parametrize("kind", volumes.MAKE)
def test_the_same_as_the_kernel(kind: str, tmp_path: Path) -> None:
    loops.needs_root(*TOOLS)
    image = volumes.make(tmp_path / "card.img", kind)
    if not volumes.kernel_reads(kind):
        pytest.skip(f"needs a kernel with {kind}")
    with volumes.filled(image, kind) as root:
        volumes.write(root, volumes.TREE)
        _scattered(root)
    before = loops.sha256(image)
    with closing(MassStorage(image, under=tmp_path / "mounts")) as mounted:
        wanted, facts = _whole(mounted), mounted.facts()
    with closing(RawCard(image)) as raw:
        found = _whole(raw)
        assert {fact: raw.facts()[fact] for fact in ("filesystem", "label", "uuid")} == {
            fact: facts[fact] for fact in ("filesystem", "label", "uuid")
        }
        assert raw.facts()["dirty"] == "no"
    assert sorted(found) == sorted(wanted)
    assert [path for path in wanted if found[path][1] != wanted[path][1]] == []
    moved = [path for path in wanted if abs(found[path][0].mtime_ms - wanted[path][0].mtime_ms) >= 1000]
    assert moved == []
    assert loops.sha256(image) == before


@pytest.mark.parametrize("kind", ["exfat", "ext4"])
def test_offsets_beyond_4_gib(kind: str, tmp_path: Path) -> None:
    """A sparse file of 6 GiB, with marks before and behind the places where 32 bits end."""
    loops.needs_root(*TOOLS)
    image = volumes.make(tmp_path / "card.img", kind, megabytes=8 << 10)
    marks = {0: b"first", (2 << 30) - 3: b"two GiB", (4 << 30) - 4: b"four GiB", (6 << 30) - 4: b"last"}
    sparse = kind == "ext4"  # exFAT writes what lies between
    if not sparse and os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize < 8 << 30:
        pytest.skip("needs 8 GiB on the disk")
    with volumes.filled(image, kind) as root, (root / "long.MP4").open("wb") as file:
        for at, mark in marks.items():
            file.seek(at)
            file.write(mark)
    with closing(RawCard(image)) as raw, raw.open(b"long.MP4") as reader:
        assert reader.size() == 6 << 30
        for at, mark in marks.items():
            reader.seek(at)
            assert reader.read(len(mark)) == mark
        assert reader.read(1) == b""
        reader.seek(5 << 30)
        assert reader.read(4096) == bytes(4096)


def test_a_card_that_was_pulled_out_while_writing_says_so(tmp_path: Path) -> None:
    image = volumes.fat_without_root(tmp_path / "card.img", {"a.MP4": b"a"})
    with image.open("r+b") as file:  # fatgen103: the second entry of the FAT, bit 27, is set when all is well
        file.seek(32 * 512 + 7)
        file.write(b"\x07")
    with closing(RawCard(image)) as raw:
        assert raw.facts()["dirty"] == "yes"
        assert [fact.path for fact in raw.list()] == [b"a.MP4"]


def test_a_fat_that_mtools_wrote(tmp_path: Path) -> None:
    tree = volumes.FOR_MTOOLS
    image = volumes.fat_without_root(tmp_path / "card.img", tree)
    with closing(RawCard(image)) as raw:
        found = {path: data for path, (_, data) in _whole(raw).items()}
        assert found == {path.encode(): data for path, data in tree.items()}
        assert (raw.facts()["label"], raw.facts()["uuid"]) == ("BWCAM", "1234-ABCD")
