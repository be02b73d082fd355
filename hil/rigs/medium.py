"""Card folders as media: an image with a file system as a camera would have written it, made without mounting where
that can be (mtools(1), mke2fs(8)), and kept under a name that is its content's digest."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hil.cameras.specimen import Specimen
from hil.rigs.extents import SECTOR, contents, ext4_contents

MIB = 1 << 20
FILESYSTEMS = ("vfat", "exfat", "ext4")
_TOOLS = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
_NEEDS = {
    "vfat": (("mkfs.vfat", "dosfstools"), ("mcopy", "mtools")),
    "exfat": (("mkfs.exfat", "exfatprogs"), ("losetup", "util-linux")),
    "ext4": (("mkfs.ext4", "e2fsprogs"), ("debugfs", "e2fsprogs")),
}
_SMALLEST = 64 * MIB  # FAT32 needs 65,525 clusters (fatgen103)
_PARTITION_AT = MIB
_TYPES = {"vfat": 0x0C, "exfat": 0x07, "ext4": 0x83}
_NO_CHS = b"\xfe\xff\xff"


class NotMade(Exception):
    """A program that makes media failed; one line with its reason."""


@dataclass(frozen=True, slots=True)
class Medium:
    """An image. ``contents``: its sectors that hold files, or None where nobody knows (:mod:`hil.rigs.extents`)."""

    path: Path
    contents: tuple[range, ...] | None

    @property
    def sectors(self) -> int:
        """Sectors of 512 bytes."""
        return self.path.stat().st_size // SECTOR


def lacks(filesystem: str = "vfat") -> str:
    """Why a medium with this file system cannot be made here, or nothing."""
    for tool, package in _NEEDS[filesystem]:
        if shutil.which(tool, path=_TOOLS["PATH"]) is None:
            return f"{tool} is not installed: install {package}"
    if filesystem == "exfat" and os.geteuid() != 0:
        return "an exFAT card is filled through a loop device, which needs root"
    if filesystem == "exfat" and not (_knows_exfat() or shutil.which("mount.exfat-fuse", path=_TOOLS["PATH"])):
        return "neither the kernel nor a program can mount exFAT: install exfat-fuse"
    return ""


def medium_of(camera: Specimen, folder: Path, *, partitioned: bool = True) -> Medium:
    """The medium of a camera: its ``image`` as it is, or one made of its card in ``folder``, where it is found again.

    It is sparse and a quarter larger than the files; ``partitioned``: in the first partition of an MBR, as cards are.
    Raises RuntimeError where it cannot be made here, ValueError for another file system, NotMade where a program that
    makes it fails.
    """
    if camera.image is not None:
        return Medium(camera.image, contents(camera.image))
    if camera.filesystem not in FILESYSTEMS:
        raise ValueError(f"no card is made with {camera.filesystem!r}; there are {', '.join(FILESYSTEMS)}")
    if why := lacks(camera.filesystem):
        raise RuntimeError(why)
    start = _PARTITION_AT if partitioned else 0
    image = folder / f"{_key(camera, start)}.img"
    if not image.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _make(camera, image, start)
    if camera.filesystem == "ext4":
        return Medium(image, ext4_contents(image, camera.card, start))
    return Medium(image, contents(image))


def digest(image: Path) -> str:
    """SHA-256 of an image's length and of every MiB of it that is not all zeros, with its number: holes cost nothing,
    and a hole that was filled with zeros is the same medium."""
    whole = hashlib.sha256(struct.pack("<Q", image.stat().st_size))
    with image.open("rb") as file:
        for number in _data_mibs(file.fileno()):
            block = os.pread(file.fileno(), MIB, number * MIB)
            if block.strip(b"\0"):
                whole.update(struct.pack("<Q", number) + block)
    return whole.hexdigest()


def copy_sparse(source: Path, target: Path, at: int = 0) -> None:
    """Copy an image into ``target`` from byte ``at`` on, which must be whole MiB; holes stay holes."""
    with source.open("rb") as file, target.open("r+b" if target.exists() else "xb") as out:
        size = os.fstat(file.fileno()).st_size
        os.truncate(out.fileno(), max(at + size, os.fstat(out.fileno()).st_size))
        for number in _data_mibs(file.fileno()):
            os.pwrite(out.fileno(), os.pread(file.fileno(), MIB, number * MIB), at + number * MIB)


def _data_mibs(file: int) -> Iterator[int]:
    """The numbers of the MiB that are not all hole."""
    at, size = 0, os.fstat(file).st_size
    while at < size:
        try:
            at = os.lseek(file, at, os.SEEK_DATA) // MIB * MIB
        except OSError:
            return  # ENXIO: only a hole is left
        yield at // MIB
        at += MIB


def card_digest(card: Path) -> str:
    """SHA-256 of the names, times and bytes of a folder's files."""
    facts = hashlib.sha256()
    for path in sorted(card.rglob("*")):
        facts.update(f"{path.relative_to(card)}\n{path.stat().st_mtime_ns}\n".encode())
        if path.is_file():
            with path.open("rb") as file:
                facts.update(hashlib.file_digest(file, "sha256").digest())
    return facts.hexdigest()


def _key(camera: Specimen, start: int) -> str:
    """What the image depends on: the card, its file system, its label, its place."""
    said = f"{card_digest(camera.card)}\n{camera.filesystem}\n{camera.label}\n{start}"
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _make(camera: Specimen, image: Path, start: int) -> None:
    """Made under another name first, so that an image that is there is whole."""
    with tempfile.TemporaryDirectory(prefix="making-", dir=image.parent) as work:
        bare = Path(work) / "filesystem"
        with bare.open("xb") as file:
            file.truncate(_size(camera.card))
        {"vfat": _fill_vfat, "exfat": _fill_exfat, "ext4": _fill_ext4}[camera.filesystem](camera, bare)
        whole = bare
        if start:
            whole = Path(work) / "whole"
            copy_sparse(bare, whole, start)
            _partition(whole, start, camera.filesystem)
        whole.rename(image)


def _size(card: Path) -> int:
    """Room for the files, a quarter more for what stands around them, in whole MiB."""
    used = sum(-(-path.stat().st_size // 32768) * 32768 for path in card.rglob("*"))
    return max(_SMALLEST, -(-used * 5 // 4 // MIB) * MIB + 16 * MIB)


def _fill_vfat(camera: Specimen, image: Path) -> None:
    label = ("-n", camera.label) if camera.label else ()
    _run("mkfs.vfat", "-F", "32", *label, str(image))
    entries = [str(path) for path in sorted(camera.card.iterdir())]
    if entries:
        _run("mcopy", "-s", "-m", "-Q", "-i", str(image), *entries, "::")


def _fill_ext4(camera: Specimen, image: Path) -> None:
    label = ("-L", camera.label) if camera.label else ()
    _run("mkfs.ext4", "-q", "-F", "-m", "0", *label, "-d", str(camera.card), str(image))


def _fill_exfat(camera: Specimen, image: Path) -> None:
    label = ("-L", camera.label) if camera.label else ()
    _run("mkfs.exfat", *label, str(image))
    with _mounted_exfat(image) as place:
        _copy_tree(camera.card, place)


@contextmanager
def _mounted_exfat(image: Path) -> Iterator[Path]:
    loop = _run("losetup", "--show", "--find", str(image)).strip()
    place = Path(tempfile.mkdtemp(prefix="exfat-", dir=image.parent))
    try:
        if _knows_exfat():
            _run("mount", "-t", "exfat", "-o", "iocharset=utf8", loop, str(place))
        else:
            _run("mount.exfat-fuse", loop, str(place))
        try:
            yield place
        finally:
            _run("umount", str(place))
    finally:
        _run("losetup", "--detach", loop)
        place.rmdir()


def _knows_exfat() -> bool:
    return re.search(r"\bexfat\b", Path("/proc/filesystems").read_text()) is not None


def _copy_tree(source: Path, target: Path) -> None:
    """Bytes and times; a card has no owners and no rights. A folder's time is set after what is in it."""
    for path in sorted(source.iterdir()):
        copy, facts = target / path.name, path.stat()
        if path.is_dir():
            copy.mkdir()
            _copy_tree(path, copy)
        else:
            shutil.copyfile(path, copy)
        os.utime(copy, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def _partition(image: Path, start: int, filesystem: str) -> None:
    """A master boot record with one partition, to the end (the layout that every card is sold with)."""
    first, count = start // SECTOR, (image.stat().st_size - start) // SECTOR
    entry = struct.pack("<B3sB3sII", 0, _NO_CHS, _TYPES[filesystem], _NO_CHS, first, count)
    with image.open("r+b") as file:
        file.seek(446)
        file.write(entry.ljust(64, b"\0") + b"\x55\xaa")


def _run(*command: str) -> str:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=_TOOLS, check=False
    )  # mcopy asks what to do about a name that is taken, and must not wait
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split()) or "it did not say why; has the card one name twice?"
        raise NotMade(f"a medium cannot be made: {command[0]} ended with {done.returncode}: {said}")
    return done.stdout
