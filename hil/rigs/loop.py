"""Loop devices with a file system on them: real block devices, mounts and device events, without USB. Needs root.

What it cannot do, and does not claim: a loop device that is mounted cannot be taken away; the kernel keeps it until it
is unmounted (loop(4), LO_FLAGS_AUTOCLEAR). So a camera can only be unplugged after the dock let go of it, and there is
no fault of reading. There is no console either: a pseudo terminal is no device of udev's.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hil.cameras.specimen import Specimen
from hil.rigs import Ability, Place, Unable
from hil.rigs.faults import Script

LOOP_CTL_ADD, LOOP_CTL_REMOVE = 0x4C80, 0x4C81  # linux/loop.h
FIRST = 700  # far from what anybody else uses
SECTOR = 512  # sysfs counts in these whatever the device has (Documentation/block/stat.rst)
PATIENCE = 20.0
ROOM = 8 << 20
_TOOLS = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_TYPES = {"ext4": "ext4", "vfat": "vfat", "exfat": "exfat"}


def lacks() -> str:
    """Why loop devices cannot be used here, or nothing."""
    if os.geteuid() != 0:
        return "needs root: loop devices and mounts"
    missing = [tool for tool in ("losetup", "mkfs.ext4") if shutil.which(tool, path=_TOOLS["PATH"]) is None]
    if missing:
        return f"{missing[0]} is not installed: install util-linux and e2fsprogs"
    return "" if Path("/dev/loop-control").exists() else "this kernel has no loop devices: modprobe loop"


def filesystems() -> frozenset[str]:
    """The file systems for cards that this kernel can mount."""
    known = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}
    return frozenset(known & set(_TYPES))


class LoopStay:
    """A card in a loop device. See :class:`hil.rigs.Stay`."""

    def __init__(self, number: int, image: Path, *, locked: bool) -> None:
        self._number, self._image, self._there = number, image, True
        self._node = Path(f"/dev/loop{number}")
        self._at_first = self._sectors()
        self._last = 0
        _run("losetup", *(("--read-only",) if locked else ()), self._node, image)

    @property
    def there(self) -> bool:
        """Whether it is plugged in."""
        return self._there

    @property
    def given(self) -> int:
        """Bytes that the block device handed over: what came from the page cache is not counted."""
        if self._there:
            self._last = (self._sectors() - self._at_first) * SECTOR
        return self._last

    def unplug(self) -> None:
        """Take the card out. Raises RuntimeError while somebody has it mounted: see the head of this module."""
        if not self._there:
            return
        self._last = self.given
        if self._backed():
            _run("losetup", "--detach", self._node)  # while it is mounted this only asks for it
        end = time.monotonic() + PATIENCE
        while self._backed():
            if time.monotonic() > end:
                raise RuntimeError(
                    f"{self._node} is still in use after {PATIENCE:g} s, and cannot be pulled out of a mount"
                )
            time.sleep(0.02)
        self._there = False

    def power(self, on: bool) -> None:
        """A loop device has no power."""
        raise Unable("a loop device has no power that could be switched; use a rig with ports")

    def _backed(self) -> bool:
        return Path(f"/sys/block/loop{self._number}/loop/backing_file").exists()

    def _sectors(self) -> int:
        return int(Path(f"/sys/block/loop{self._number}/stat").read_text().split()[2])


class LoopRig:
    """Places that are loop devices of our own; images are made in ``images``. Raises RuntimeError where ``lacks``."""

    name = "loop"
    carries: frozenset[Ability] = frozenset({"block"})

    def __init__(self, images: Path, count: int = 8) -> None:
        if why := lacks():
            raise RuntimeError(why)
        self._images = images
        images.mkdir(parents=True, exist_ok=True)
        self._numbers: dict[str, int] = {}
        self._stays: dict[str, LoopStay] = {}
        self._media: dict[str, tuple[tuple[str, ...], Path]] = {}
        try:
            for number in range(1, count + 1):
                self._numbers[f"bay{number:02}"] = _new_device()
        except OSError as error:
            self.close()
            raise RuntimeError(f"no loop device can be made: {error.strerror}") from error
        self.places = tuple(Place(bay, f"name:loop{number}") for bay, number in self._numbers.items())

    def bays(self) -> Mapping[str, Any]:
        """See :class:`hil.rigs.Rig`."""
        return {"udev": True, "auto": False, "ports": {place.port: place.name for place in self.places}}

    def plug(self, place: str, camera: Specimen, faults: Script) -> LoopStay:
        """See :class:`hil.rigs.Rig`."""
        if faults.needs:
            raise ValueError("a loop device carries out no faults")
        if place not in self._numbers:
            raise ValueError(f"there is no place {place}; there are: {', '.join(self._numbers)}")
        if place in self._stays and self._stays[place].there:
            raise RuntimeError(f"{place} is taken")
        stay = self._stays[place] = LoopStay(self._numbers[place], self.image(camera), locked=camera.locked)
        return stay

    def digest(self, camera: Specimen) -> str:
        """SHA-256 of the whole medium."""
        with self.image(camera).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def close(self) -> None:
        """Take all devices away. May be repeated. Raises RuntimeError naming those that are still mounted, last."""
        held: list[str] = []
        for stay in self._stays.values():
            try:
                stay.unplug()
            except RuntimeError as error:
                held.append(str(error))
        while self._numbers:
            _, number = self._numbers.popitem()
            try:
                _control(LOOP_CTL_REMOVE, number)
            except OSError as error:
                held.append(f"/dev/loop{number} cannot be removed: {error.strerror}")
        if held:
            raise RuntimeError("; ".join(held))

    def image(self, camera: Specimen) -> Path:
        """The medium of a camera: a copy of the given one, or made of its card, anew only when the card has changed."""
        if camera.filesystem not in filesystems():
            known = ", ".join(sorted(filesystems()))
            raise ValueError(f"this kernel cannot mount {camera.filesystem}; it knows {known}")
        stamp = (str(camera.image),) if camera.image is not None else _stamp(camera.card)
        made = self._media.get(camera.name)
        if made is None or made[0] != stamp:
            image = self._images / f"{camera.name}.img"
            _make(camera, image)
            made = self._media[camera.name] = (stamp, image)
        return made[1]


def _stamp(card: Path) -> tuple[str, ...]:
    facts = ((path, path.lstat()) for path in sorted(card.rglob("*")))
    return tuple(f"{path} {fact.st_size} {fact.st_mtime_ns}" for path, fact in facts)


def _make(camera: Specimen, image: Path) -> None:
    if camera.image is not None:
        shutil.copyfile(camera.image, image)
        return
    if camera.filesystem != "ext4":
        raise ValueError(f"cards with {camera.filesystem} are not made here")
    used = sum(path.lstat().st_size for path in camera.card.rglob("*"))
    label = ("-L", camera.label) if camera.label else ()
    image.unlink(missing_ok=True)
    size = (used + used // 8 + ROOM) >> 10
    _run("mkfs.ext4", "-q", "-F", "-m", "0", *label, "-d", camera.card, image, f"{size}k")


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_TOOLS, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {' '.join(done.stderr.split())}")


def _new_device() -> int:
    for number in range(FIRST, FIRST + 300):
        try:
            _control(LOOP_CTL_ADD, number)
        except FileExistsError:
            continue
        return number
    raise RuntimeError(f"all loop devices from {FIRST} to {FIRST + 299} are taken")


def _control(request: int, number: int) -> None:
    with Path("/dev/loop-control").open("rb") as door:
        fcntl.ioctl(door, request, number)
