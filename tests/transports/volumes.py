"""Images of cards for tests: made and filled by the kernel where it can, else by mtools and exfat-fuse."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.transports import loops

MAKE = {
    "fat12": ("mkfs.vfat", "-F", "12", "-n", "BWCAM", "-i", "1234ABCD"),
    "fat16": ("mkfs.vfat", "-F", "16", "-n", "BWCAM", "-i", "1234ABCD"),
    "fat32": ("mkfs.vfat", "-F", "32", "-n", "BWCAM", "-i", "1234ABCD"),
    "exfat": ("mkfs.exfat", "-L", "BWCAM"),
    "ext4": ("mkfs.ext4", "-q", "-F", "-L", "BWCAM", "-O", "^has_journal"),
}
MEGABYTES = {"fat12": 8, "fat16": 32, "fat32": 40, "exfat": 32, "ext4": 32}
TREE: Mapping[str, bytes] = {
    "camera.json": b"{}",
    "DCIM/100BWC/BWC0001.MP4": os.urandom(700_001),
    "DCIM/100BWC/bwc0002.mp4": os.urandom(300_000),
    "DCIM/100BWC/Mixed Case.Mp4": b"mixed",
    "DCIM/100BWC/empty.MP4": b"",
    "DCIM/100BWC/lang-\u00e9\u00df\u4e2d\u6587\U0001f46e.MP4": b"unicode",
    "DCIM/100BWC/" + "n" * 251 + ".MP4": b"long",
    "DCIM/100BWC/" + "\u4e2d" * 80 + ".MP4": b"long and wide",
    "DCIM/100BWC/two  spaces .txt": b"spaces",
    "DCIM/.hidden/deep/deeper/f": b"deep",
}

FOR_MTOOLS = {path: data for path, data in TREE.items() if max(path) < "\U00010000" and len(path) < 90}
"""What mtools can write: it halves what is beyond the first plane of Unicode, and a name that takes more than a cluster
of a folder finds "no directory slots", depending on what was copied before."""


def needs(kind: str) -> None:
    """Skip without the program that makes this kind."""
    if shutil.which(MAKE[kind][0], path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
        pytest.skip(f"needs {MAKE[kind][0]}")


def make(image: Path, kind: str, megabytes: int = 0) -> Path:
    """An empty file system."""
    needs(kind)
    with image.open("wb") as file:
        file.truncate((megabytes or MEGABYTES[kind]) << 20)
    loops.run(*MAKE[kind], image)
    return image


def kernel_reads(kind: str) -> bool:
    """Whether the running kernel has this file system itself."""
    name = "vfat" if kind.startswith("fat") else kind
    return name in Path("/proc/filesystems").read_text().split()


def write(root: Path, tree: Mapping[str, bytes]) -> None:
    """Put files below ``root``."""
    for path, data in tree.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


@contextmanager
def filled(image: Path, kind: str) -> Iterator[Path]:
    """The image mounted for writing, by the kernel or by exfat-fuse."""
    loops.needs_root("losetup", "mount")
    place = image.with_suffix(".rw")
    place.mkdir()
    if kernel_reads(kind):
        name = "vfat" if kind.startswith("fat") else kind
        options = {"vfat": "loop,utf8=1,tz=UTC", "exfat": "loop,iocharset=utf8"}.get(name, "loop")
        loops.run("mount", "-t", name, "-o", options, image, place)
        try:
            yield place
        finally:
            loops.run("umount", place)
        return
    if kind != "exfat" or shutil.which("mount.exfat-fuse", path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
        pytest.skip(f"needs a kernel with {kind}" + (", or exfat-fuse" if kind == "exfat" else ""))
    with loops.loop_device() as loop:
        loop.insert(image)
        loops.run("mount.exfat-fuse", loop.node, place)
        try:
            yield place
        finally:
            loops.run("umount", place)
            _until_it_is_let_go(loop)


def _until_it_is_let_go(loop: loops.Loop) -> None:
    """The process of a FUSE file system writes its last after umount(8) has ended."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        users = subprocess.run(["fuser", loop.node], capture_output=True, check=False).stdout
        if not users.strip():
            return
        time.sleep(0.05)
    raise AssertionError(f"{loop.node} is still in use")


def fat_without_root(image: Path, tree: Mapping[str, bytes], kind: str = "fat32") -> Path:
    """A FAT filled by mtools."""
    if shutil.which("mcopy") is None:
        pytest.skip("needs mtools")
    make(image, kind)
    scratch = image.with_suffix(".tree")
    write(scratch, tree)
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"}
    for top in sorted(scratch.iterdir()):
        subprocess.run(["mcopy", "-s", "-i", image, top, "::/"], check=True, env=environment, timeout=60)
    return image
