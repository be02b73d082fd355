"""Erasing from real cards: only what is named, only after every byte was hashed again, on a mount for that alone."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.errors import Gone
from dockagent.transports.bays import DockBays
from dockagent.transports.erase import CannotErase, Changed, Target, Unsure, erase_below, erase_on
from dockagent.transports.isolated import Hung
from dockagent.transports.mountinfo import mounts
from tests.transports import loops, volumes

PATIENCE_S = 20.0
KINDS = ("fat32", "exfat", "ext4")


def target(root: Path, path: str) -> Target:
    data = (root / path).read_bytes()
    return Target(path.encode(), len(data), hashlib.sha256(data).hexdigest())


def granted() -> None:
    """Nobody has anything against it."""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    root = tmp_path / "card"
    (root / "DCIM/100").mkdir(parents=True)
    for name, size in (("a.MP4", 3_000_001), ("b.MP4", 0), ("c.GPS", 77)):
        (root / "DCIM/100" / name).write_bytes(os.urandom(size))
    return root


def listing(root: Path) -> dict[str, tuple[int, int, str]]:
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(root)): (
            path.stat().st_mtime_ns,
            path.stat().st_ino,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in files
    }


def test_what_is_named_goes_and_nothing_else_changes(card: Path) -> None:
    before = listing(card)
    named = [target(card, "DCIM/100/a.MP4"), target(card, "DCIM/100/b.MP4")]
    done = erase_below(card, named, granted, PATIENCE_S)
    assert done.gone == (b"DCIM/100/a.MP4", b"DCIM/100/b.MP4")
    assert not done.trouble
    assert done.free_after >= 0
    assert listing(card) == {"DCIM/100/c.GPS": before["DCIM/100/c.GPS"]}


def _other_bytes(card: Path) -> None:
    path = card / "DCIM/100/c.GPS"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _longer(card: Path) -> None:
    with (card / "DCIM/100/c.GPS").open("ab") as file:
        file.write(b"x")


def _link(card: Path) -> None:
    (card / "DCIM/100/c.GPS").rename(card / "other")
    (card / "DCIM/100/c.GPS").symlink_to(card / "other")


def _two_names(card: Path) -> None:
    (card / "other").hardlink_to(card / "DCIM/100/c.GPS")


def _folder_is_a_link(card: Path) -> None:
    (card / "DCIM/100").rename(card / "elsewhere")
    (card / "DCIM/100").symlink_to(card / "elsewhere")


def _fifo(card: Path) -> None:
    (card / "DCIM/100/c.GPS").unlink()
    os.mkfifo(card / "DCIM/100/c.GPS")


@pytest.mark.parametrize("alter", [_other_bytes, _longer, _link, _two_names, _fifo])
def test_one_file_that_is_not_as_it_was_read_keeps_them_all(card: Path, alter: Callable[[Path], None]) -> None:
    named = [target(card, "DCIM/100/a.MP4"), target(card, "DCIM/100/c.GPS")]
    alter(card)
    with pytest.raises(Changed, match=r"c[.]GPS"):
        erase_below(card, named, granted, PATIENCE_S)
    assert (card / "DCIM/100/a.MP4").is_file()
    assert (card / "DCIM/100/c.GPS").exists()


def test_a_file_that_is_gone_keeps_the_others(card: Path) -> None:
    named = [target(card, "DCIM/100/a.MP4"), target(card, "DCIM/100/c.GPS")]
    (card / "DCIM/100/c.GPS").unlink()
    with pytest.raises(Changed, match="not on the card any more"):
        erase_below(card, named, granted, PATIENCE_S)
    assert (card / "DCIM/100/a.MP4").is_file()


def test_no_link_is_followed_on_the_way(card: Path) -> None:
    named = [target(card, "DCIM/100/a.MP4")]
    _folder_is_a_link(card)
    with pytest.raises((Changed, CannotErase, Gone)):
        erase_below(card, named, granted, PATIENCE_S)
    assert (card / "elsewhere/a.MP4").is_file()


def test_a_folder_that_may_not_be_written_to_is_said_and_nothing_goes(card: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    named = [target(card, "DCIM/100/a.MP4")]
    (card / "DCIM/100").chmod(0o555)
    try:
        with pytest.raises(Unsure):
            erase_below(card, named, granted, PATIENCE_S)
        assert (card / "DCIM/100/a.MP4").is_file()
    finally:
        (card / "DCIM/100").chmod(0o755)


def test_a_child_that_falls_silent_is_given_up(card: Path) -> None:
    """No word of it comes at once: nobody knows then what it did, so the card has to be asked."""
    named = [target(card, "DCIM/100/a.MP4")]
    with pytest.raises(Hung, match="has not answered"):
        erase_below(card, named, granted, 0.0)
    assert (card / "DCIM/100/a.MP4").is_file()


def test_leave_is_asked_for_when_all_is_hashed_and_without_it_nothing_goes(card: Path) -> None:
    before, asked = listing(card), []

    def withheld() -> None:
        asked.append(listing(card))
        raise Gone("somebody has it on hold by now")

    with pytest.raises(Gone, match="on hold by now"):
        erase_below(card, [target(card, "DCIM/100/a.MP4")], withheld, PATIENCE_S)
    assert asked == [before]
    assert listing(card) == before
    (card / "DCIM/100/c.GPS").write_bytes(b"other")
    with pytest.raises(Changed):  # there is nothing to give leave for
        erase_below(card, [Target(b"DCIM/100/c.GPS", 5, "00" * 32)], withheld, PATIENCE_S)
    assert len(asked) == 1


@pytest.mark.parametrize("last", [b"", b"eras", b"\n"])
def test_a_child_whose_dock_is_gone_erases_nothing(card: Path, last: bytes) -> None:
    one = target(card, "DCIM/100/a.MP4")
    work = json.dumps([{"path": one.path.decode(), "size": one.size, "sha256": one.sha256}]).encode()
    command = [sys.executable, "-m", "dockagent.transports.erase_child", str(card)]
    said = subprocess.run(command, input=work + b"\n" + last, capture_output=True, timeout=60, check=True).stdout
    *_, hashed, end = [json.loads(line) for line in said.splitlines()]
    assert (hashed, end["gone"], end["kind"]) == ({"hashed": 1}, [], "gone")
    assert (card / "DCIM/100/a.MP4").is_file()


# ---- on devices -----------------------------------------------------------------------------------------------------


@contextmanager
def device(tmp_path: Path, kind: str, card: Path) -> Iterator[loops.Loop]:
    """A loop device with a file system of this kind that holds a copy of the card."""
    loops.needs_root("losetup", "blkid", "blockdev", volumes.MAKE[kind][0])
    image = tmp_path / f"{kind}.img"
    with image.open("wb") as file:
        file.truncate(volumes.MEGABYTES[kind] << 20)
    loops.run(*volumes.MAKE[kind], image)
    with loops.loop_device() as loop:
        loop.insert(image)
        place = tmp_path / "fill"
        place.mkdir()
        try:
            loops.run("mount", loop.node, place)
        except subprocess.CalledProcessError as err:
            pytest.skip(f"this kernel does not mount {kind}: {err.stderr.strip()}")
        loops.run("cp", "-r", f"{card}/.", place)
        loops.run("umount", place)
        yield loop


def mounted(loop: loops.Loop) -> list[bool]:
    """Whether each mount of the device is read-only, by /proc/self/mountinfo."""
    return [one.readonly for one in mounts() if one.source == os.fsencode(loop.node)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_is_writable_for_the_act_alone(tmp_path: Path, card: Path, kind: str) -> None:
    with device(tmp_path, kind, card) as loop, closing(DockBays(SystemClock(), tmp_path / "mounts")) as bays:
        bays.came("A", "block", str(loop.node), {})
        before = {one.path: one for one in bays.footage("A").list()}
        assert mounted(loop) == [True]
        assert loops.run("blockdev", "--getro", loop.node).strip() == "1"
        done = bays.erase("A", [target(card, "DCIM/100/a.MP4")], granted)
        assert mounted(loop) == []
        assert done.gone == (b"DCIM/100/a.MP4",)
        assert done.free_after - done.free_before >= 3_000_000
        assert "mounted read-write for this alone" in done.method
        after = {one.path: one for one in bays.footage("A").list()}
        assert mounted(loop) == [True]
        assert loops.run("blockdev", "--getro", loop.node).strip() == "1"
        assert after == {path: one for path, one in before.items() if path != b"DCIM/100/a.MP4"}
    assert list((tmp_path / "mounts").iterdir()) == []


def test_other_bytes_on_a_device_stay_and_it_is_let_go(tmp_path: Path, card: Path) -> None:
    with device(tmp_path, "ext4", card) as loop:
        named = [Target(b"DCIM/100/a.MP4", 3_000_001, "00" * 32)]
        with pytest.raises(Changed, match="SHA-256"):
            erase_on(loop.node, named, granted, tmp_path / "mounts", PATIENCE_S)
        assert mounted(loop) == []
        assert list((tmp_path / "mounts").iterdir()) == []
        with closing(DockBays(SystemClock(), tmp_path / "mounts")) as bays:
            bays.came("A", "block", str(loop.node), {})
            assert b"DCIM/100/a.MP4" in [one.path for one in bays.footage("A").list()]


def test_a_write_protected_card_and_one_that_is_mounted_elsewhere_stay(tmp_path: Path, card: Path) -> None:
    with device(tmp_path, "ext4", card) as loop:
        named = [target(card, "DCIM/100/a.MP4")]
        loops.run("blockdev", "--setro", loop.node)
        with pytest.raises(CannotErase, match="write-protected"):
            erase_on(loop.node, named, granted, tmp_path / "mounts", PATIENCE_S)
        loops.run("blockdev", "--setrw", loop.node)
        place = tmp_path / "media"
        place.mkdir()
        loops.run("mount", loop.node, place)
        try:
            with pytest.raises(CannotErase, match="another program"):
                erase_on(loop.node, named, granted, tmp_path / "mounts", PATIENCE_S)
            assert (place / "DCIM/100/a.MP4").is_file()
        finally:
            loops.run("umount", place)


def test_a_journal_that_must_be_replayed_keeps_the_card_as_it_is(tmp_path: Path, card: Path) -> None:
    loops.needs_root("mkfs.ext4", "dumpe2fs", "losetup", "blockdev")
    living, image = loops.ext4(tmp_path / "living.img", card, 32), tmp_path / "cut.img"
    place = tmp_path / "rw"
    place.mkdir()
    loops.run("mount", "-o", "loop", living, place)
    try:
        (place / "DCIM/new.MP4").write_bytes(b"new")
        os.sync()
        image.write_bytes(living.read_bytes())
    finally:
        loops.run("umount", place)
    before = loops.sha256(image)
    with loops.loop_device() as loop:
        loop.insert(image)
        with pytest.raises(CannotErase, match="journal"):
            erase_on(loop.node, [target(card, "DCIM/100/a.MP4")], granted, tmp_path / "mounts", PATIENCE_S)
    assert loops.sha256(image) == before


def test_an_image_and_a_camera_without_a_disk_are_never_written_to(tmp_path: Path) -> None:
    image = tmp_path / "card.img"
    image.write_bytes(b"\0" * 4096)
    with pytest.raises(CannotErase, match="image"):
        erase_on(image, [Target(b"a", 0, "00" * 32)], granted, tmp_path / "mounts", PATIENCE_S)
    bays = DockBays(SystemClock(), tmp_path / "mounts")
    bays.came("A", "usb", "/dev/bus/usb/001/001", {})
    with pytest.raises(CannotErase, match="shows no disk"):
        bays.erase("A", [Target(b"a", 0, "00" * 32)], granted)
    with pytest.raises(Gone):
        bays.erase("B", [], granted)
