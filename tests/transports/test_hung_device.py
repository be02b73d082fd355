"""A block device that answers nothing: whoever reads it waits inside the kernel, where no signal reaches. The device
mapper makes one (dmsetup-suspend(8)); a kernel without it skips, and the rigs' guest has it.
"""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.errors import DockError, Gone
from dockagent.transports import Footage, FootageReader
from dockagent.transports.bays import DockBays
from dockagent.transports.isolated import Hung
from dockagent.transports.mass_storage import MassStorage
from dockagent.transports.reader_child import unburied
from tests.transports import loops, volumes

HANG_S = 2.0
CONTENT = os.urandom(24 << 20)


class Tap:
    """A device that can be stopped."""

    def __init__(self, under: Path) -> None:
        self._name = f"dockagent-test-{os.getpid()}"
        sectors = loops.run("blockdev", "--getsz", under).strip()
        loops.run("dmsetup", "create", self._name, "--noudevsync", "--table", f"0 {sectors} linear {under} 0")
        number = loops.run("dmsetup", "info", "-c", "--noheadings", "-o", "minor", self._name).strip()
        self.node = Path(f"/dev/dm-{number}")

    def stop(self) -> None:
        """From now on every read waits."""
        Path("/proc/sys/vm/drop_caches").write_text("3")
        loops.run("dmsetup", "suspend", "--nolockfs", "--noflush", self._name)

    def go(self) -> None:
        loops.run("dmsetup", "resume", self._name)

    def remove(self) -> None:
        loops.run("dmsetup", "resume", self._name)
        loops.run("dmsetup", "remove", "--noudevsync", "--retry", self._name)


@pytest.fixture
def tap(tmp_path: Path) -> Iterator[Tap]:
    loops.needs_root("losetup", "blockdev")
    if shutil.which("dmsetup", path="/usr/sbin:/sbin") is None or "device-mapper" not in Path("/proc/misc").read_text():
        pytest.skip("needs a kernel with the device mapper, and dmsetup")
    kind = "fat32" if volumes.kernel_reads("fat32") else "ext4"
    image = volumes.make(tmp_path / "card.img", kind)
    with volumes.filled(image, kind) as root:
        (root / "a.MP4").write_bytes(CONTENT)
    with loops.loop_device() as loop:
        loop.insert(image)
        tap = Tap(loop.node)
        try:
            yield tap
        finally:
            tap.remove()


def _soon(what: Callable[[], bool], patience_s: float = 20) -> bool:
    until = time.monotonic() + patience_s
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _read_until_it_hangs(footage: Footage, tap: Tap) -> float:
    """How long the call took that noticed."""
    with footage.open(b"a.MP4") as reader:
        assert reader.read(1 << 20) == CONTENT[: 1 << 20]
        tap.stop()
        started = time.monotonic()
        with pytest.raises(Hung):
            while reader.read(1 << 20):
                started = time.monotonic()
    return time.monotonic() - started


@pytest.mark.parametrize("read", ["raw", "mount"])
def test_a_dead_device_is_given_up_and_read_again_when_it_is_back(read: str, tap: Tap, tmp_path: Path) -> None:
    with closing(DockBays(SystemClock(), tmp_path / "mounts", read=read, hang_s=HANG_S)) as bays:
        bays.came("bay01", "block", str(tap.node), {})
        assert _read_until_it_hangs(bays.footage("bay01"), tap) < HANG_S + 3
        assert unburied() == 1  # killed, and still waiting in the kernel
        started = time.monotonic()
        bays.left("bay01", "block")
        assert time.monotonic() - started < 1
        with pytest.raises(Gone):
            bays.footage("bay01")
        tap.go()
        assert _soon(lambda: unburied() == 0), "a killed reader was never reaped"
        bays.came("bay01", "block", str(tap.node), {})
        with bays.footage("bay01").open(b"a.MP4") as reader:
            assert reader.read(1 << 20) == CONTENT[: 1 << 20]
    assert _soon(lambda: str(tmp_path / "mounts") not in Path("/proc/mounts").read_text())


def test_letting_go_of_a_dead_device_takes_seconds_and_leaves_nobody_in_the_kernel(tap: Tap, tmp_path: Path) -> None:
    """Neither the unmount nor the end of the write protection may hold whoever stops: that is the dock itself."""
    bays = DockBays(SystemClock(), tmp_path / "mounts", read="mount", hang_s=60)
    bays.came("bay01", "block", str(tap.node), {})
    with bays.footage("bay01").open(b"a.MP4") as reader:
        assert reader.read(1 << 20) == CONTENT[: 1 << 20]
        tap.stop()
        waiting = threading.Thread(target=_read_to_its_end, args=(reader,))
        waiting.start()
        assert _soon(lambda: "D" in _states_of_children()), "nobody waits for the device"
        started = time.monotonic()
        bays.close()
        assert time.monotonic() - started < 4
        waiting.join(10)
        assert not waiting.is_alive()
    assert _states(os.getpid()).isdisjoint("D")
    assert str(tmp_path / "mounts") not in Path("/proc/mounts").read_text()
    tap.go()
    assert _soon(lambda: unburied() == 0)


def _read_to_its_end(reader: FootageReader) -> None:
    with suppress(DockError):
        while reader.read(1 << 20):
            pass


def _stat(path: Path) -> tuple[str, int]:
    """State and parent of a process or a thread (proc(5), /proc/pid/stat)."""
    words = path.read_text().rpartition(")")[2].split()
    return words[0], int(words[1])


def _states(pid: int) -> set[str]:
    return {_stat(stat)[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")}


def _states_of_children() -> set[str]:
    found: set[str] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            state, parent = _stat(stat)
            found |= {state} if parent == os.getpid() else set()
    return found


def test_a_device_that_is_dead_from_the_start_is_given_up(tap: Tap, tmp_path: Path) -> None:
    tap.stop()
    started = time.monotonic()
    with pytest.raises(Hung, match=r"got no answer from .* within 2 s"):
        MassStorage(tap.node, under=tmp_path / "mounts", patience_s=HANG_S)
    assert time.monotonic() - started < HANG_S + 3
    tap.go()
    assert _soon(lambda: unburied() == 0)
    subprocess.run(["true"], check=True)  # and processes can still be started
