"""Detection of devices with the real kernel: loop devices, uevents, and udevd where it can be had."""

import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.steps.detect import Sighting
from dockagent.steps.detect_udev import UdevWatch
from tests.steps.watching import (
    TOOLS,
    Seen,
    card_in,
    devices_of,
    watching,
)
from tests.transports import loops

# Events are the whole machine's: what one test injects, a watch of another one hears.
pytestmark = pytest.mark.xdist_group("device-events")


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
    with loops.loop_device() as loop, watching(devices_of({f"name:{loop.name}": "bay1"})) as seen:
        for _ in range(2):
            loop.insert(image)
            loops.run("partx", "-a", loop.node)
            seen.until(f"{loop.node}p1", f"{loop.node}p2")
            loops.run("partx", "-d", loop.node)
            loop.eject()
            seen.until()


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
            inject(b"add@")  # as any process of the machine may do, another run of these tests too: no trouble of ours
            for number in range(30_000):
                inject(uevent("change", f"/devices/virtual/block/x{number}" + "y" * 200))
            loop.eject()
            let_go.set()
            seen.wait(("appeared", "bay1", "block"), ("gone", "bay1", "block"))
            assert seen.errors
            assert len(seen.errors) < 4
            assert all("came faster than they were read" in words for words in seen.errors), seen.errors
        finally:
            let_go.set()
            watch.stop()


MALFORMED = [
    b"", b"\0", b"add", b"add@", b"@\0\0\0", b"add@/x\0" + b"NOEQUALS\0" * 50, b"\xff" * 3000,
    b"remove@/devices/\xff\xfe\0ACTION=remove\0DEVPATH=/devices/\xff\xfe\0SUBSYSTEM=block\0",
    b"add@/y\0ACTION=add\0DEVPATH=../../../etc\0SUBSYSTEM=tty\0MAJOR=x\0MINOR=\0", uevent("add", "/" + "long/" * 700),
    b"add@/y\0ACTION=add\0DEVPATH=/devices/y\0SUBSYSTEM=tty\0MAJOR=" + b"9" * 30 + b"\0MINOR=1\0", uevent("add", ""),
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
        assert seen.errors == []


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
