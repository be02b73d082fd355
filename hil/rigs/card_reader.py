"""A camera's card behind a block device, read and never written: what is on it, and a digest of all of it.

A device is set read-only before it is mounted read-only: ext4 plays a dirty journal back even under ``ro``, and a
file system's driver may have its own ideas (blockdev(8), --setro).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hil.rigs.usb_tree import UsbTree, read

_BLKROSET, _BLKROGET = 0x125D, 0x125E  # linux/fs.h
_OPTIONS = {"vfat": "utf8=1", "exfat": "", "ext4": "noload"}
_LIMIT_S = 60


class CardError(RuntimeError):
    """A card that cannot be read. One line: what, why, what to do."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A file system on a card. ``size``: bytes of its partition; ``filesystem`` and ``label`` as blkid names them."""

    node: Path
    size: int
    filesystem: str
    label: str


def volumes(disk: str, tree: UsbTree | None = None) -> tuple[Volume, ...]:
    """The file systems of a disk, by its kernel name: those of its partitions, or its own where it has none."""
    folder = (tree or UsbTree()).sysfs / "class" / "block" / disk
    names = sorted(path.name for path in folder.glob(f"{disk}*") if (path / "partition").exists()) or [disk]
    found = (_volume(Path("/dev") / name, int(read(folder.parent / name / "size") or 0) * 512) for name in names)
    return tuple(volume for volume in found if volume.filesystem)


def _volume(node: Path, size: int) -> Volume:
    # -p: asks the device, not blkid's cache, which may speak of the card before.
    done = subprocess.run(
        ["blkid", "-p", "-o", "export", node], capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )
    said = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    return Volume(node, size, said.get("TYPE", ""), said.get("LABEL", "").replace("\\ ", " "))


@contextmanager
def read_only(volume: Volume) -> Iterator[Path]:
    """A folder with what is on the volume, for as long as the block lasts. Raises CardError where it cannot be had."""
    if volume.filesystem not in _OPTIONS:
        raise CardError(f"{volume.node} holds {volume.filesystem}, which is not read here; use {', '.join(_OPTIONS)}")
    options = ",".join(filter(None, ("ro", "nosuid", "nodev", "noexec", _OPTIONS[volume.filesystem])))
    with _write_protected(volume.node), tempfile.TemporaryDirectory(prefix="hil-card-") as folder:
        _run("mount", "-t", volume.filesystem, "-o", options, volume.node, folder)
        try:
            yield Path(folder)
        finally:
            _run("umount", folder)


@contextmanager
def _write_protected(node: Path) -> Iterator[None]:
    """The kernel refuses every write to the device meanwhile; afterwards it is as it was."""
    try:
        fd = os.open(node, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as err:
        raise CardError(f"{node} cannot be opened: {err.strerror}; run as root, with the camera in") from err
    try:
        before = fcntl.ioctl(fd, _BLKROGET, struct.pack("i", 0))
        fcntl.ioctl(fd, _BLKROSET, struct.pack("i", 1))
        try:
            yield
        finally:
            fcntl.ioctl(fd, _BLKROSET, before)
    except OSError as err:
        raise CardError(f"{node} cannot be protected against writing: {err.strerror}; run as root") from err
    finally:
        os.close(fd)


def digest(root: Path) -> str:
    """SHA-256 over the sorted listing below ``root``: each path, its kind, size, time of change, and content.

    Not over times of reading, which FAT keeps as a day, nor over free space.
    """
    total = hashlib.sha256()
    for path in sorted(root.rglob("*"), key=os.fsencode):
        facts = path.lstat()
        kind = "folder" if path.is_dir() else "file"
        size = 0 if kind == "folder" else facts.st_size
        content = _content(path) if kind == "file" else b""
        head = f"{kind} {size} {facts.st_mtime_ns} ".encode()
        total.update(head + os.fsencode(path.relative_to(root)) + b"\0" + content)
    return total.hexdigest()


def _content(path: Path) -> bytes:
    """Past the page cache where the file system lets us, so that it is the card that is read."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return hashlib.file_digest(file, "sha256").digest()


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )
    if done.returncode:
        raise CardError(f"{command[0]} {command[-1]}: {done.stderr.strip() or 'failed'}; run as root, and see dmesg")
