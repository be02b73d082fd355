"""A card as MTP shows it: a folder's files as objects with handles.

The tree is read anew at each opening of a session, as a camera does; handles are valid until then (MTP 1.1, 3.4.1).
"""

from __future__ import annotations

import hashlib
import os
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hil.cameras.usb import mtp_model as of
from hil.cameras.usb.disk import SECTOR
from hil.cameras.usb.mtp_model import MtpFaults, MtpModel
from hil.cameras.usb.mtp_wire import ALL, ROOT, date, string
from hil.cameras.usb.reach import Reach
from hil.rigs.faults import Script

FIRST_STORAGE = 0x00010001
_REMOVABLE_RAM = 0x0004
_GENERIC_FOLDER = 0x0001


@dataclass(frozen=True, slots=True)
class MtpStorage:
    """One storage: a folder of this machine, its description and its volume identifier."""

    root: Path
    description: str = "SD card"
    volume: str = "CARD"


@dataclass(frozen=True, slots=True)
class MtpObject:
    """One object. ``name``: as it is told; ``parent``: a handle, or 0."""

    handle: int
    storage: int
    parent: int
    name: str
    path: Path
    format: int
    mtime: float

    @property
    def size(self) -> int:
        """Bytes, as they are now: a file that is being recorded grows. 0 for a folder, and for a file that is gone."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def unique(self) -> int:
        """A persistent identifier of 128 bits: the same in each session, other for each path."""
        return int.from_bytes(hashlib.sha256(os.fsencode(self.path)).digest()[:16], "big")


def sectors_of(storages: Sequence[MtpStorage]) -> int:
    """How many sectors the files of these storages fill, one behind the other."""
    return _lie(storages)[1]


def reach_of(storages: Sequence[MtpStorage], script: Script) -> Reach:
    """A script for all files of these storages, one behind the other."""
    return Reach(script, sectors_of(storages))


def _lie(storages: Sequence[MtpStorage]) -> tuple[dict[Path, int], int]:
    """The first sector of each file, as if all lay one behind the other, and how many sectors that are."""
    firsts, end = {}, 0
    for path in (path for one in storages for path in sorted(one.root.rglob("*"), key=os.fsencode)):
        if path.is_file() and not path.is_symlink():
            firsts[path] = end
            end += -(-path.stat().st_size // SECTOR)
    return firsts, end


class MtpCard:
    """The objects of some storages, as ``model`` and ``faults`` have them."""

    def __init__(self, storages: Sequence[MtpStorage], model: MtpModel, faults: MtpFaults) -> None:
        self._places = {FIRST_STORAGE + (index << 16): one for index, one in enumerate(storages)}
        self._model, self._faults = model, faults
        self._objects: dict[int, MtpObject] = {}
        self._dice = random.Random(len(self._places))
        self._sectors, _ = _lie(storages)

    @property
    def storages(self) -> tuple[int, ...]:
        """Their numbers."""
        return tuple(self._places)

    def sector_of(self, one: MtpObject) -> int | None:
        """Where a file lies among all, in sectors of 512 bytes, if it was there from the beginning."""
        return self._sectors.get(one.path)

    def read(self) -> None:
        """Look at the folders anew; every handle changes its meaning."""
        self._objects = {}
        for number, place in self._places.items():
            self._enter(number, place.root, 0)

    def find(self, handle: int) -> MtpObject | None:
        return self._objects.get(handle)

    def inside(self, storage: int, parent: int, kind: int) -> tuple[int, ...] | None:
        """Handles as GetObjectHandles gives them (PIMA 15740, 10.5.7); None for a parent that is no folder."""
        found = list(self._objects.values())
        if parent not in (0, ROOT):
            folder = self._objects.get(parent)
            if folder is None or folder.format != of.FOLDER:
                return None
            found = [one for one in found if one.parent == parent]
            found += [folder] if self._faults.loop else []
        elif parent == ROOT:
            found = [one for one in found if one.parent == 0]
        if storage != ALL:
            found = [one for one in found if one.storage == storage]
        if kind:
            found = [one for one in found if one.format == kind]
        if self._faults.shuffle:
            self._dice.shuffle(found)
        return tuple(one.handle for one in found)

    def storage_info(self, number: int) -> bytes:
        """The data set StorageInfo (PIMA 15740, 5.5.3)."""
        place = self._places[number]
        taken = sum(one.size for one in self._objects.values() if one.storage == number)
        room = struct.pack("<QQI", taken + (1 << 30), 1 << 30, 0xFFFFFFFF)
        head = struct.pack("<HHH", _REMOVABLE_RAM, self._model.filesystem, self._model.access)
        return head + room + string(place.description) + string(place.volume)

    def object_info(self, one: MtpObject) -> bytes:
        """The data set ObjectInfo (PIMA 15740, 5.5.2)."""
        folder = one.format == of.FOLDER
        size = 0xFFFFFFFF if self._faults.wide_only else min(self.told(one), 0xFFFFFFFF)
        if self._faults.narrow:
            size = one.size % (1 << 32)
        head = struct.pack("<IHHI", one.storage, one.format, 0, 0 if folder else size)
        picture = struct.pack("<HIIIIII", 0, 0, 0, 0, 0, 0, 0)
        where = struct.pack("<IHII", one.parent, _GENERIC_FOLDER if folder else 0, 0, 0)
        when = string(date(one.mtime))
        return head + picture + where + string(one.name) + when + when + string("")

    def told(self, one: MtpObject) -> int:
        """The size that the camera tells, of 64 bits."""
        if self._faults.zero:
            return 0
        return one.size % (1 << 32) if self._faults.wrap else one.size

    def property_of(self, one: MtpObject, code: int) -> int | str | None:
        """The value of one of its properties; None for one that it has not (MTP 1.1, appendix B)."""
        if code == of.SIZE and self._faults.wide_only:
            return None
        name = one.name
        values: dict[int, int | str] = {
            of.STORAGE_ID: one.storage,
            of.FORMAT: one.format,
            of.PROTECTION: 1,
            of.SIZE: self.told(one),
            of.FILE_NAME: name,
            of.CREATED: date(one.mtime),
            of.MODIFIED: date(one.mtime),
            of.PARENT: one.parent,
            of.UNIQUE_ID: one.unique,
            of.NAME: name.rpartition(".")[0] or name,
            of.WIDTH: 0,
            of.HEIGHT: 0,
            of.DURATION: 0,
        }
        return values.get(code) if code in (self._model.properties_of(one.format) or ()) else None

    def _enter(self, storage: int, folder: Path, parent: int) -> None:
        """Take a folder's files and folders as objects; cameras have nothing else to show."""
        for path in sorted(folder.iterdir(), key=lambda one: os.fsencode(one.name)):
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                continue
            for _ in range(2 if path.name in self._faults.twins else 1):
                handle = self._add(storage, path, parent)
            if path.is_dir():
                self._enter(storage, path, handle)

    def _add(self, storage: int, path: Path, parent: int) -> int:
        handle = len(self._objects) + 1
        kind = of.FOLDER if path.is_dir() else self._model.format_of(path.name)
        name = self._faults.names.get(path.name, path.name)
        self._objects[handle] = MtpObject(handle, storage, parent, name, path, kind, path.stat().st_mtime)
        return handle
