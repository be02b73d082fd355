"""An image with sectors that cannot be read, as a block device: dm-dust (Linux, admin-guide/device-mapper/dm-dust.rst)
over a loop device. Needs root and the two drivers."""

from __future__ import annotations

import os
import re
import select
import subprocess
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from hil.rigs.extents import SECTOR
from hil.rigs.faults import Script

_TOOLS = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DM_DISABLE_UDEV": "1"}
_ERROR = re.compile(rb"critical medium error, dev (\w+), sector ")  # block/blk-core.c, blk_errors
_LINE = 8192


class BadSectors:
    """The device ``node``, whose ``bad`` sectors give an error until they are healed. Raises RuntimeError where it
    cannot be made."""

    def __init__(self, image: Path, name: str, bad: Iterable[int], *, writable: bool) -> None:
        self._name, self._bad = name, set(bad)
        readonly = () if writable else ("--read-only",)
        self._loop = run("losetup", "--show", "--find", *readonly, os.fspath(image)).strip()
        try:
            size = image.stat().st_size // SECTOR
            run(
                "dmsetup",
                "create",
                name,
                *(() if writable else ("--readonly",)),
                "--table",
                f"0 {size} dust {self._loop} 0 {SECTOR}",
            )
        except RuntimeError:
            run("losetup", "--detach", self._loop)
            raise
        self.node = Path("/dev/mapper") / name
        for sector in self._bad:
            self._message("addbadblock", str(sector))
        self._message("enable")

    def heal(self, sectors: Iterable[int]) -> None:
        """Make these readable. No error if they are already."""
        for sector in self._bad.intersection(sectors):
            self._message("removebadblock", str(sector))
        self._bad.difference_update(sectors)

    def close(self) -> None:
        """Take the device away; nobody may have it open any more. May be repeated."""
        if self._loop:
            run("dmsetup", "remove", "--retry", self._name)
            run("losetup", "--detach", self._loop)
            self._loop = ""

    def _message(self, *words: str) -> None:
        run("dmsetup", "message", self._name, "0", *words)


class Complaints:
    """Hears the kernel say that a disk has an error of its medium, from now on; ``heard`` gets the disk's name, from
    a thread. What makes an error end that nothing can end by itself: it is over a moment after the host met it."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.lseek(self._log, 0, os.SEEK_END)
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._run, name="kernel log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening. May be repeated."""
        if self._thread.is_alive():
            os.write(self._waker, b"!")
            self._thread.join()
            for descriptor in (self._log, self._wake, self._waker):
                os.close(descriptor)

    def _run(self) -> None:
        while True:
            readable, _, _ = select.select([self._log, self._wake], [], [])
            if self._wake in readable:
                return
            with suppress(BlockingIOError, BrokenPipeError):  # EPIPE: lines were lost; the next read goes on
                found = _ERROR.search(os.read(self._log, _LINE))
                if found:
                    self._heard(found[1].decode())


def bad_places(script: Script, contents: tuple[range, ...] | None, sectors: int) -> dict[str, list[int]]:
    """For E and B the sectors that they speak of, if a script is laid along a medium: in the middle of their MiB of
    ``contents``, or of its ``sectors`` where these are not known. A letter behind the end speaks of none."""
    places: dict[str, list[int]] = {"E": [], "B": []}
    step = script.step // SECTOR
    for index, letter in enumerate(script.letters):
        sector = _nth(contents if contents is not None else (range(sectors),), index * step + step // 2)
        if letter in places and sector is not None:
            places[letter].append(sector)
    return places


def _nth(parts: tuple[range, ...], number: int) -> int | None:
    for part in parts:
        if number < len(part):
            return part[number]
        number -= len(part)
    return None


def run(*command: str) -> str:
    """What a system program prints. Raises RuntimeError with what it complains of."""
    done = subprocess.run(command, capture_output=True, text=True, env=_TOOLS, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {' '.join((done.stderr or done.stdout).split())}")
    return done.stdout
