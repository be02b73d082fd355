"""Detection with the real kernel: inotify, mounts, loop devices, uevents, and udevd where it can be had."""

import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.errors import UsageError
from dockagent.steps.detect import Reporter, Sighting, Watch
from dockagent.steps.detect_bays import BaysFolderWatch, _identity
from dockagent.steps.detect_udev import UdevWatch
from tests.transports import loops

SETTLE_S = 0.3
TOOLS = ("mkfs.ext4", "losetup", "partx", "mount")


class Seen:
    """Collects what a watch delivers, for tests to wait on."""

    def __init__(self) -> None:
        self.sightings: list[Sighting] = []
        self.errors: list[str] = []
        self._more = threading.Condition()

    def __call__(self, sighting: Sighting) -> None:
        with self._more:
            self.sightings.append(sighting)
            self._more.notify_all()

    def told(self) -> list[tuple[str, str, str]]:
        return [(one.action, one.bay, one.kind) for one in self.sightings]

    def wait(self, *expected: tuple[str, str, str], seconds: float = 8) -> list[Sighting]:
        """Wait until exactly these were delivered since the last wait; then give and forget them."""
        with self._more:
            self._more.wait_for(lambda: len(self.sightings) >= len(expected), seconds)
            assert self.told() == list(expected), self.errors
            got, self.sightings = self.sightings, []
            return got

    def quiet(self, seconds: float) -> None:
        time.sleep(seconds)
        assert self.told() == []


@contextmanager
def watching(make: Callable[[Seen], Watch]) -> Iterator[Seen]:
    seen = Seen()
    watch = make(seen)
    watch.start()
    try:
        yield seen
    finally:
        watch.stop()
        assert not watch._thread.is_alive()
    assert not any("ended" in words for words in seen.errors)


def bays_of(root: Path) -> Callable[[Seen], Watch]:
    return lambda seen: BaysFolderWatch(root, seen, seen.errors.append, SystemClock(), settle_s=SETTLE_S)


@pytest.fixture
def bays(tmp_path: Path) -> Path:
    root = tmp_path / "bays"
    root.mkdir()
    return root


def card_in(folder: Path) -> Path:
    (folder / "DCIM/100BWC").mkdir(parents=True)
    (folder / "DCIM/100BWC/BWC0001.MP4").write_bytes(b"clip")
    return folder


def standing(sightings: list[Sighting]) -> set[str]:
    """The bays that hold a camera after these sightings, each of which must make sense after those before it."""
    bays: set[str] = set()
    for one in list(sightings):
        assert (one.bay in bays) == (one.action != "appeared"), one
        if one.action == "appeared":
            bays.add(one.bay)
        elif one.action == "gone":
            bays.remove(one.bay)
    return bays


APPEARED, GONE, CHANGED = (
    ("appeared", "bay1", "folder"),
    ("gone", "bay1", "folder"),
    ("changed", "bay1", "folder"),
)


def test_what_differs_between_two_looks_is_reported() -> None:
    seen = Seen()
    reporter = Reporter(seen)
    one = Sighting("appeared", "bay1", "1-1", "block", "/dev/sda1", {"label": "A"})
    two = Sighting("appeared", "bay1", "1-1", "block", "/dev/sda1", {"label": "B"})
    looks: list[dict[object, Sighting]] = [{1: one}, {1: one}, {1: two}, {2: two}, {}]
    for look in looks:
        reporter.look(look)
    assert [(one.action, one.facts["label"]) for one in seen.sightings] == [
        ("appeared", "A"), ("changed", "B"), ("gone", "B"), ("appeared", "B"), ("gone", "B"),
    ]  # fmt: skip


def test_what_is_there_at_the_start_is_reported(bays: Path) -> None:
    card_in(bays / "bay1")
    (bays / "bay2").mkdir()
    (bays / ".hidden").mkdir()
    card_in(bays / ".hidden/x")
    (bays / "README").touch()
    (bays / "linked").symlink_to(bays / "bay1")
    with watching(bays_of(bays)) as seen:
        (found,) = seen.wait(APPEARED)
        assert (found.port, found.address) == ("folder:bay1", str(bays / "bay1"))
        assert found.facts["readonly"] == "no"
        seen.quiet(2 * SETTLE_S)


def test_a_folder_renamed_into_the_bays_comes_and_goes(bays: Path, tmp_path: Path) -> None:
    with watching(bays_of(bays)) as seen:
        started = time.monotonic()
        card_in(tmp_path / "camera").rename(bays / "bay1")
        seen.wait(APPEARED)
        assert time.monotonic() - started >= SETTLE_S
        started = time.monotonic()
        (bays / "bay1").rename(tmp_path / "pulled")
        seen.wait(GONE)
        assert time.monotonic() - started < 1


def test_a_slow_copy_is_reported_once_when_it_is_done(bays: Path) -> None:
    with watching(bays_of(bays)) as seen:
        card_in(bays / "bay1")
        with (bays / "bay1/DCIM/100BWC/BWC0002.MP4").open("wb", buffering=0) as clip:
            for _ in range(12):
                clip.write(bytes(1000))
                time.sleep(SETTLE_S / 3)
        assert seen.told() == []
        seen.wait(APPEARED)


def test_an_empty_folder_is_an_empty_bay(bays: Path) -> None:
    (bays / "bay1").mkdir()
    with watching(bays_of(bays)) as seen:
        seen.quiet(3 * SETTLE_S)
        (bays / "bay1/camera.json").write_text("{}")
        seen.wait(APPEARED)
        (bays / "bay1/camera.json").unlink()
        seen.wait(GONE)


def test_a_settled_card_that_changes_is_told_once(bays: Path) -> None:
    card_in(bays / "bay1")
    with watching(bays_of(bays)) as seen:
        seen.wait(APPEARED)
        for number in range(5):
            (bays / f"bay1/DCIM/100BWC/BWC100{number}.MP4").write_bytes(b"new")
            time.sleep(SETTLE_S / 3)
        seen.wait(CHANGED)
        (bays / "bay1/DCIM/101BWC").mkdir()
        (bays / "bay1/DCIM/101BWC/BWC2000.MP4").write_bytes(b"new")
        seen.wait(CHANGED)


def test_reading_a_card_is_no_change(bays: Path) -> None:
    card_in(bays / "bay1")
    with watching(bays_of(bays)) as seen:
        seen.wait(APPEARED)
        for _ in range(10):
            (bays / "bay1/DCIM/100BWC/BWC0001.MP4").read_bytes()
        seen.quiet(4 * SETTLE_S)


def test_a_camera_plugged_again_at_once_is_gone_and_appeared(bays: Path, tmp_path: Path) -> None:
    card_in(bays / "bay1")
    card_in(tmp_path / "next")
    with watching(bays_of(bays)) as seen:
        seen.wait(APPEARED)
        (bays / "bay1").rename(tmp_path / "pulled")
        (tmp_path / "next").rename(bays / "bay1")
        seen.wait(GONE, APPEARED)


def test_a_folder_with_the_inode_number_of_the_one_before_is_another(bays: Path) -> None:
    numbers, identities = set(), set()
    for _ in range(20):
        card_in(bays / "bay1")
        numbers.add((bays / "bay1").stat().st_ino)
        identities.add(_identity(bays / "bay1"))
        shutil.rmtree(bays / "bay1")
    if len(numbers) == 20:
        pytest.skip("this file system did not give a number twice")
    assert len(identities) == 20


def test_many_bays_come_and_go_in_a_hurry(bays: Path, tmp_path: Path) -> None:
    with watching(bays_of(bays)) as seen:
        for number in range(200):
            card_in(bays / f"bay{number % 8}-{number}")
            if number >= 8:
                shutil.rmtree(bays / f"bay{number % 8}-{number - 8}")
        left = {f"bay{number % 8}-{number}" for number in range(192, 200)}
        deadline = time.monotonic() + 10
        while standing(seen.sightings) != left and time.monotonic() < deadline:
            time.sleep(0.05)
        assert standing(seen.sightings) == left
        assert seen.errors == []


def test_the_bays_folder_itself_may_go_and_come_back(bays: Path, tmp_path: Path) -> None:
    card_in(bays / "bay1")
    with watching(bays_of(bays)) as seen:
        seen.wait(APPEARED)
        bays.rename(tmp_path / "away")
        seen.wait(GONE)
        (tmp_path / "away").rename(bays)
        seen.wait(APPEARED)
        assert [words for words in seen.errors if "cannot be read" in words] == seen.errors
        (bays / "bay1/new").touch()
        seen.wait(CHANGED)


def test_a_bay_that_cannot_be_shown_is_told_of(bays: Path) -> None:
    Path(os.fsdecode(os.fsencode(bays) + b"/bay\xff")).mkdir()
    with watching(bays_of(bays)) as seen:
        seen.quiet(SETTLE_S)
        assert seen.errors == ["the bay bay%FF has a name that cannot be shown; rename it"]


def test_without_a_bays_folder_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not there"):
        BaysFolderWatch(tmp_path / "none", Seen(), print, SystemClock()).start()


def test_a_console_beside_the_bay(bays: Path) -> None:
    master, slave = os.openpty()
    path = os.ttyname(slave)
    with watching(bays_of(bays)) as seen:
        (bays / "bay1.tty").symlink_to(path)
        (found,) = seen.wait(("appeared", "bay1", "tty"))
        assert (found.address, found.port) == (path, "folder:bay1")
        os.close(slave)
        os.close(master)  # the link dangles now, and inotify says nothing
        seen.wait(("gone", "bay1", "tty"))
        (bays / "bay1.tty").unlink()
        (bays / "bay1.tty").symlink_to("bay1.tty")
        seen.quiet(SETTLE_S)


def test_a_mount_on_a_bay_comes_changes_and_goes(bays: Path) -> None:
    loops.needs_root("mount")
    (bays / "bay1").mkdir()
    with watching(bays_of(bays)) as seen:
        loops.run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", bays / "bay1")
        try:
            seen.quiet(2 * SETTLE_S)
            card_in(bays / "bay1")
            (found,) = seen.wait(APPEARED)
            assert found.facts["filesystem"] == "tmpfs"
            (bays / "bay1/DCIM/new.MP4").touch()
            seen.wait(CHANGED)
        finally:
            loops.run("umount", "--lazy", bays / "bay1")
        seen.wait(GONE)


def test_a_bind_mount_on_a_bay_is_seen_though_inotify_is_silent(bays: Path, tmp_path: Path) -> None:
    loops.needs_root("mount")
    card_in(tmp_path / "camera")
    (bays / "bay1").mkdir()
    with watching(bays_of(bays)) as seen:
        for _ in range(2):
            loops.run("mount", "--bind", tmp_path / "camera", bays / "bay1")
            try:
                seen.wait(APPEARED)
            finally:
                loops.run("umount", "--lazy", bays / "bay1")
            seen.wait(GONE)


def devices_of(ports: dict[str, str], *, auto: bool = False) -> Callable[[Seen], Watch]:
    return lambda seen: UdevWatch(ports, seen, seen.errors.append, SystemClock(), auto=auto)


def _partitioned(image: Path, card: Path, sizes: tuple[int, ...] = (8,)) -> Path:
    """A disk image with an MBR and one ext4 partition for each of ``sizes`` (MiB)."""
    image.write_bytes(bytes((sum(sizes) + 2) << 20))
    starts = [1 + sum(sizes[:number]) for number in range(len(sizes))]
    loops.partition_table(image, *zip(starts, sizes, strict=True))
    for number, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        part = loops.ext4(image.with_suffix(f".{number}"), card, size)
        with image.open("r+b") as disk:
            disk.seek(start << 20)
            disk.write(part.read_bytes())
    return image


def test_a_card_in_a_named_reader_comes_and_goes(tmp_path: Path) -> None:
    loops.needs_root(*TOOLS)
    image = loops.ext4(tmp_path / "card.img", card_in(tmp_path / "card"))
    block = ("bay1", "block")
    with loops.loop_device() as loop, watching(devices_of({f"name:{loop.name}": "bay1"}, auto=True)) as seen:
        seen.quiet(0.5)  # a reader without a card
        loop.insert(image)
        (found,) = seen.wait(("appeared", *block))
        assert (found.address, found.port) == (str(loop.node), f"name:{loop.name}")
        assert found.facts["bytes"] == str(image.stat().st_size)
        loop.eject()
        loop.insert(image)  # another card at once, in the same reader
        seen.wait(("gone", *block), ("appeared", *block))
        loop.eject()
        seen.wait(("gone", *block))


def test_partitions_are_the_card_and_the_disk_that_holds_them_is_not(tmp_path: Path) -> None:
    loops.needs_root(*TOOLS)
    image = _partitioned(tmp_path / "card.img", card_in(tmp_path / "card"), (8, 9))
    block = ("bay1", "block")
    with loops.loop_device() as loop, watching(devices_of({f"name:{loop.name}": "bay1"})) as seen:
        for _ in range(2):
            loop.insert(image)
            loops.run("partx", "-a", loop.node)
            found = seen.wait(("appeared", *block), ("appeared", *block))
            assert sorted(one.address for one in found) == [f"{loop.node}p1", f"{loop.node}p2"]
            loops.run("partx", "-d", loop.node)
            loop.eject()
            seen.wait(("gone", *block), ("gone", *block))


def test_devices_of_the_dock_itself_are_none_of_ours() -> None:
    loops.needs_root()
    with loops.loop_device(), watching(devices_of({"1-2.3": "bay1"}, auto=True)) as seen:
        seen.quiet(0.8)
        assert seen.errors == []


def inject(message: bytes) -> None:
    """Have the kernel broadcast a uevent: netlink(7), NETLINK_KOBJECT_UEVENT; it checks only the outer header."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15) as link:
        link.bind((0, 0))
        link.sendto(struct.pack("=IHHII", 16 + len(message), 16, 1, 1, 0) + message, (0, 0))


def uevent(action: str, path: str, *, subsystem: str = "block") -> bytes:
    words = [f"{action}@{path}", f"ACTION={action}", f"DEVPATH={path}", f"SUBSYSTEM={subsystem}", "DEVTYPE=disk"]
    return b"".join(word.encode() + b"\0" for word in words)


def test_a_storm_of_events_about_nothing_hides_no_card(tmp_path: Path) -> None:
    loops.needs_root(*TOOLS)
    image = loops.ext4(tmp_path / "card.img", card_in(tmp_path / "card"))
    stop = threading.Event()

    def storm() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            inject(uevent(("add", "remove", "change")[number % 3], f"/devices/pci0000:00/usb1/1-1/sd{number % 99}"))

    with loops.loop_device() as loop, watching(devices_of({f"name:{loop.name}": "bay1"}, auto=True)) as seen:
        thread = threading.Thread(target=storm)
        thread.start()
        try:
            loop.insert(image)
            seen.wait(("appeared", "bay1", "block"))
            loop.eject()
            seen.wait(("gone", "bay1", "block"))
        finally:
            stop.set()
            thread.join()


def test_lost_events_are_told_and_made_up_for(tmp_path: Path) -> None:
    """The watch's thread is kept busy in its callback until the kernel's queue for it is over-full."""
    loops.needs_root(*TOOLS)
    image = loops.ext4(tmp_path / "card.img", card_in(tmp_path / "card"))
    held, let_go = threading.Event(), threading.Event()
    seen = Seen()

    def slow(sighting: Sighting) -> None:
        seen(sighting)
        held.set()
        let_go.wait(20)

    with loops.loop_device() as loop:
        watch = UdevWatch({f"name:{loop.name}": "bay1"}, slow, seen.errors.append, SystemClock())
        watch.start()
        try:
            loop.insert(image)
            assert held.wait(5)
            for number in range(30_000):
                inject(uevent("change", f"/devices/virtual/block/x{number}" + "y" * 200))
            loop.eject()
            let_go.set()
            seen.wait(("appeared", "bay1", "block"), ("gone", "bay1", "block"))
            assert seen.errors
            assert len(seen.errors) < 4
            assert all("came faster than they were read" in words for words in seen.errors)
        finally:
            let_go.set()
            watch.stop()


MALFORMED = [
    b"", b"\0", b"add", b"add@", b"@\0\0\0", b"add@/x\0" + b"NOEQUALS\0" * 50, b"\xff" * 3000,
    b"remove@/devices/\xff\xfe\0ACTION=remove\0DEVPATH=/devices/\xff\xfe\0SUBSYSTEM=block\0",
    b"add@/y\0ACTION=add\0DEVPATH=../../../etc\0SUBSYSTEM=tty\0MAJOR=x\0MINOR=\0", uevent("add", "/" + "long/" * 700),
]  # fmt: skip


def test_malformed_events_do_no_harm(tmp_path: Path) -> None:
    loops.needs_root(*TOOLS)
    image = loops.ext4(tmp_path / "card.img", card_in(tmp_path / "card"))
    with loops.loop_device() as loop, watching(devices_of({f"name:{loop.name}": "bay1"})) as seen:
        for message in MALFORMED:
            inject(message)
        seen.quiet(0.6)
        loop.insert(image)
        seen.wait(("appeared", "bay1", "block"))


@contextmanager
def udevd() -> Iterator[None]:
    """A real udevd, only where none runs. Never triggered: it sees only what comes after it."""
    daemon = Path("/lib/systemd/systemd-udevd")
    if Path("/run/udev/control").exists():
        yield
        return
    if not daemon.exists():
        pytest.skip("needs udevd (package udev)")
    made = not Path("/run/udev").exists()
    with subprocess.Popen([daemon], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            deadline = time.monotonic() + 5
            while not Path("/run/udev/control").exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            yield
        finally:
            child.terminate()
            child.wait(10)
            with suppress(FileNotFoundError):
                Path("/run/udev/control").unlink()
            if made:
                shutil.rmtree("/run/udev", ignore_errors=True)


def test_through_udevd_only_partitions_with_a_file_system_and_what_is_on_them(tmp_path: Path) -> None:
    loops.needs_root(*TOOLS)
    image = _partitioned(tmp_path / "card.img", card_in(tmp_path / "card"), (8, 9))
    with image.open("r+b") as disk:
        disk.seek(9 << 20)
        disk.write(bytes(9 << 20))  # the second partition is blank
    with udevd(), loops.loop_device() as loop:
        loop.remove()
        with watching(devices_of({f"name:{loop.name}": "bay1"})) as seen:
            loop.add()
            loop.insert(image)
            loops.run("partx", "-a", loop.node)
            (found,) = seen.wait(("appeared", "bay1", "block"))
            assert found.address == f"{loop.node}p1"
            assert found.facts["filesystem"] == "ext4"
            assert found.facts["label"] == "BWCAM"
            assert len(found.facts["uuid"]) == 36
            loops.run("partx", "-d", loop.node)
            loop.eject()
            seen.wait(("gone", "bay1", "block"))
            inject(uevent("add", "/devices/pci0000:00/usb1/1-1/ttyACM0", subsystem="tty"))
            seen.quiet(0.6)


def test_a_stop_is_quick_and_may_be_repeated(bays: Path) -> None:
    seen = Seen()
    for make in (bays_of(bays), devices_of({}, auto=True)):
        watch = make(seen)
        watch.start()
        started = time.monotonic()
        watch.stop()
        watch.stop()
        watch.wake()
        assert time.monotonic() - started < 2
    assert seen.errors == []


def test_no_descriptor_is_left_open(bays: Path) -> None:
    def one() -> None:
        for make in (bays_of(bays), devices_of({})):
            with watching(make):
                card_in(bays / "bay1")
            shutil.rmtree(bays / "bay1")

    one()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(3):
        one()
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208
