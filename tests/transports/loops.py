"""Real cards for tests: ext4 images, and loop devices of our own, taken away again by their own number."""

import fcntl
import hashlib
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_ADD, _REMOVE = 0x4C80, 0x4C81  # LOOP_CTL_ADD, LOOP_CTL_REMOVE (linux/loop.h)
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def needs_root(*tools: str) -> None:
    """Skip without root; with root in CI a missing tool is a failure, else a skip too."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts and loop devices")
    missing = [tool for tool in tools if shutil.which(tool, path=_PATH) is None]
    if missing or not Path("/dev/loop-control").exists():
        reason = f"needs {', '.join(missing) or '/dev/loop-control'}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], check=True, capture_output=True, text=True, env={"PATH": _PATH}, timeout=30
    )
    return done.stdout


def ext4(image: Path, tree: Path | None = None, megabytes: int = 8) -> Path:
    """An ext4 image that holds a copy of ``tree``."""
    filled = ("-d", tree) if tree is not None else ()
    run("mkfs.ext4", "-q", "-F", "-L", "BWCAM", *filled, image, f"{megabytes}M")
    return image


def partition_table(image: Path, *parts: tuple[int, int]) -> None:
    """Write an MBR with Linux partitions, each (start, length) in MiB, into the first sector of ``image``."""
    with image.open("r+b") as disk:
        for number, (start, length) in enumerate(parts):
            disk.seek(446 + 16 * number)
            disk.write(struct.pack("<8sII", bytes([0, 0, 2, 0, 0x83, 0, 3, 0]), start * 2048, length * 2048))
        disk.seek(510)
        disk.write(b"\x55\xaa")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Loop:
    """A loop device that nobody else has: it can come and go like a card reader."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"loop{number}"
        self.node = Path(f"/dev/{self.name}")

    def insert(self, image: Path, *options: str) -> None:
        run("losetup", *options, self.node, image)

    def eject(self) -> None:
        run("losetup", "-d", self.node)

    def add(self) -> None:
        _control(_ADD, self.number)

    def remove(self) -> None:
        _control(_REMOVE, self.number)


@contextmanager
def loop_device() -> Iterator[Loop]:
    """A new loop device without a file in it."""
    loop = Loop(_new_number())
    try:
        yield loop
    finally:
        with suppress(subprocess.CalledProcessError):  # not in use any more
            loop.eject()
        with suppress(OSError):  # removed by the test
            loop.remove()


def _new_number() -> int:
    start = 200 + os.getpid() % 500
    for number in range(start, start + 100):
        with suppress(FileExistsError):
            _control(_ADD, number)
            return number
    raise AssertionError("no loop device to be had")


def _control(request: int, number: int) -> None:
    fd = os.open("/dev/loop-control", os.O_RDWR)
    try:
        fcntl.ioctl(fd, request, number)
    finally:
        os.close(fd)
