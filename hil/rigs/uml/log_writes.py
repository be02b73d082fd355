"""What a disk was told, write by write: the log that the kernel's dm-log-writes keeps, and its replay.

Format: Linux ``drivers/md/dm-log-writes.c`` and ``Documentation/admin-guide/device-mapper/log-writes.rst``. Little
endian; a super block, then entries from the second sector on, each one sector that says what it is, and its data. An
unflushed write stands behind the flush that it did not wait for, so a prefix that ends at a flush is what a disk that
lost its power there must hold.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SECTOR = 512
"""Bytes of the sectors in which positions and lengths are counted."""

_SUPER = struct.Struct("<QQQI")  # magic, version, number of entries, sector size
_ENTRY = struct.Struct("<QQQQ")  # sector, number of sectors, flags, length of the data
_MAGIC, _VERSION = 0x6A736677736872, 1
_FLUSH, _FUA, _DISCARD, _MARK = 1, 2, 4, 8


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that the disk was told.

    ``start``, ``size``: bytes on the disk. ``at``: where its data lie in the log. ``lasts``: what was told up to here
    must be on the medium once it is answered (a flush, or a write that forces itself through). ``gone``: a discard.
    ``mark``: what somebody wrote into the log at this moment, and nothing else.
    """

    start: int
    size: int
    at: int
    lasts: bool
    gone: bool
    mark: str


class WriteLog:
    """A whole log, read from a file or device. Raises ValueError for one that is none, or that ends too early."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            magic, version, count, self._sector = _SUPER.unpack(_exactly(file, _SUPER.size))
            if (magic, version) != (_MAGIC, _VERSION):
                raise ValueError(f"{path} is no log of dm-log-writes version {_VERSION}")
            self.entries = tuple(self._entries(file, count))

    def _entries(self, file: BinaryIO, count: int) -> Iterator[Entry]:
        at = self._sector
        for _ in range(count):
            file.seek(at)
            sector, sectors, flags, length = _ENTRY.unpack(_exactly(file, _ENTRY.size))
            mark = _exactly(file, length).decode("utf-8", "replace") if flags & _MARK else ""
            at += self._sector
            has_data = not flags & (_DISCARD | _MARK)
            size = 0 if flags & _MARK else sectors * self._sector
            yield Entry(sector * self._sector, size, at, bool(flags & (_FLUSH | _FUA)), bool(flags & _DISCARD), mark)
            at += size if has_data else 0

    def data(self, entry: Entry) -> bytes:
        """What an entry wrote; zeros for a discard."""
        if entry.gone:
            return bytes(entry.size)
        with self._path.open("rb") as file:
            file.seek(entry.at)
            return _exactly(file, entry.size)

    def apply(self, entries: Iterable[Entry], image: Path) -> None:
        """Do to an image, in this order, what the entries did to the disk."""
        with image.open("r+b") as file:
            for entry in entries:
                if entry.size:
                    file.seek(entry.start)
                    file.write(self.data(entry))

    def lasting(self, after: str) -> list[int]:
        """The numbers of the entries behind the mark ``after`` at which all that was told before must be on the medium:
        the moments at which a power cut is worth a look. Raises ValueError where nobody set that mark."""
        begin = next((number for number, entry in enumerate(self.entries) if entry.mark == after), None)
        if begin is None:
            raise ValueError(f"nobody set the mark {after} in {self._path}")
        return [number for number, entry in enumerate(self.entries) if entry.lasts and number > begin]


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ValueError(f"the log ends {size - len(data)} bytes too early")
    return data
