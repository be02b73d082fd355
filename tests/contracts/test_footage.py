"""What every transport owes: one suite for a folder, a mounted card, and a card as a device or an image; read by the
process itself, or by a child; by the kernel, or without mounting."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dockagent.errors import Gone, Refused
from dockagent.transports import Footage
from dockagent.transports.folder import FolderFootage
from dockagent.transports.isolated import IsolatedFootage
from dockagent.transports.mass_storage import MassStorage
from dockagent.transports.raw_card import RawCard
from tests.transports import loops

FILES = {
    b"camera.json": b"{}",
    b"DCIM/100BWC/BWC0001.MP4": os.urandom(300_000),
    b"DCIM/100BWC/BWC0001.GPS": b"$GPRMC\n",
    b"DCIM/100BWC/empty.MP4": b"",
    b"DCIM/100BWC/new\nline.MP4": b"a",
    b"DCIM/100BWC/\xff\xfe latin.MP4": b"b",
    b"DCIM/100BWC/" + b"n" * 255: b"c",
    b"DCIM/100BWC-x/after.MP4": b"d",
    b"DCIM/100BWC.txt": b"e",
    b".hidden/file": b"f",
}
CARD_TIME_S = 1_700_000_000


def make_card(root: Path) -> None:
    for path, data in FILES.items():
        target = os.fsencode(root) + b"/" + path
        Path(os.fsdecode(target)).parent.mkdir(parents=True, exist_ok=True)
        Path(os.fsdecode(target)).write_bytes(data)
        os.utime(target, (CARD_TIME_S, CARD_TIME_S))
    (root / "to-the-dock").symlink_to("/etc/passwd")
    (root / "DCIM/to-a-folder").symlink_to("/etc")
    os.mkfifo(root / "DCIM/pipe")


def _folder(card: Path, work: Path, stack: ExitStack) -> Footage:
    return FolderFootage(card)


def _image(card: Path, work: Path, stack: ExitStack) -> Footage:
    loops.needs_root("mkfs.ext4", "blkid", "losetup")
    return MassStorage(loops.ext4(work / "card.img", card), under=work / "mounts")


def _device(card: Path, work: Path, stack: ExitStack) -> Footage:
    loops.needs_root("mkfs.ext4", "blkid", "losetup")
    loop = stack.enter_context(loops.loop_device())
    loop.insert(loops.ext4(work / "card.img", card))
    return MassStorage(loop.node, under=work / "mounts")


def _folder_of_a_child(card: Path, work: Path, stack: ExitStack) -> Footage:
    return IsolatedFootage("folder", card)


def _raw_image(card: Path, work: Path, stack: ExitStack) -> Footage:
    return RawCard(loops.ext4(work / "card.img", card))


def _raw_image_of_a_child(card: Path, work: Path, stack: ExitStack) -> Footage:
    return IsolatedFootage("raw", loops.ext4(work / "card.img", card))


def _raw_device_of_a_child(card: Path, work: Path, stack: ExitStack) -> Footage:
    loops.needs_root("mkfs.ext4", "losetup")
    loop = stack.enter_context(loops.loop_device())
    loop.insert(loops.ext4(work / "card.img", card))
    return IsolatedFootage("raw", loop.node)


KINDS = (_folder, _image, _device, _folder_of_a_child, _raw_image, _raw_image_of_a_child, _raw_device_of_a_child)


@pytest.fixture(params=KINDS)
def footage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Footage]:
    make: Callable[[Path, Path, ExitStack], Footage] = request.param
    card = tmp_path / "card"
    card.mkdir()
    make_card(card)
    with ExitStack() as stack:
        made = make(card, tmp_path, stack)
        stack.callback(made.close)
        yield made


SPECIAL = {b"DCIM/pipe": "pipe", b"DCIM/to-a-folder": "link", b"to-the-dock": "link"}


def test_lists_every_file_sorted_by_raw_path_and_says_what_is_no_regular_one(footage: Footage) -> None:
    found = list(footage.list())
    assert [fact.path for fact in found] == sorted(fact.path for fact in found)
    facts = [fact for fact in found if not fact.special]
    assert [fact.path for fact in facts] == sorted(FILES)
    assert {fact.path: fact.special for fact in found if fact.special} == SPECIAL
    assert {fact.path: fact.size for fact in facts} == {path: len(data) for path, data in FILES.items()}
    assert {fact.mtime_ms for fact in facts} == {CARD_TIME_S * 1000}


def test_lists_the_same_twice(footage: Footage) -> None:
    assert list(footage.list()) == list(footage.list())


def test_reads_every_byte_of_every_file(footage: Footage) -> None:
    for path, data in FILES.items():
        with footage.open(path) as reader:
            assert reader.size() == len(data)
            got = b""
            while piece := reader.read(70_000):
                assert len(piece) <= 70_000
                got += piece
            assert got == data
            assert reader.read(1) == b""


def test_seeks(footage: Footage) -> None:
    data = FILES[b"DCIM/100BWC/BWC0001.MP4"]
    with footage.open(b"DCIM/100BWC/BWC0001.MP4") as reader:
        assert reader.seek(299_990) == 299_990
        assert reader.read(100) == data[-10:]
        reader.seek(0)
        assert reader.read(10) == data[:10]


@pytest.mark.parametrize(
    "path",
    [b"", b"/etc/passwd", b"../card.img", b"DCIM/../camera.json", b"./camera.json", b"DCIM//x", b"DCIM/", b"a\0b"],
)
def test_refuses_paths_that_are_none(footage: Footage, path: bytes) -> None:
    with pytest.raises(Refused):
        footage.open(path)


@pytest.mark.parametrize("path", [b"to-the-dock", b"DCIM/to-a-folder/passwd", b"DCIM/pipe", b"DCIM", b"camera.json/x"])
def test_refuses_links_and_what_is_no_file(footage: Footage, path: bytes) -> None:
    with pytest.raises(Refused):
        footage.open(path)


def test_a_file_that_is_not_there_is_gone(footage: Footage) -> None:
    for path in (b"DCIM/100BWC/BWC9999.MP4", b"nowhere/BWC9999.MP4"):
        with pytest.raises(Gone):
            footage.open(path)


def test_facts_are_text(footage: Footage) -> None:
    facts = footage.facts()
    assert facts["filesystem"]
    assert facts["readonly"] in ("yes", "no")
    assert all(isinstance(value, str) for value in facts.values())


def test_close_may_be_repeated_and_ends_all_reading(footage: Footage) -> None:
    footage.close()
    footage.close()
    with pytest.raises(Gone):
        list(footage.list())
    with pytest.raises(Gone):
        footage.open(b"camera.json")
