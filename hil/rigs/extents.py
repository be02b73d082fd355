"""Where on a medium the contents of files lie, found without mounting it: FAT, exFAT, and ext4 through debugfs.

A script of faults speaks of what a dock reads for the first time (:mod:`hil.rigs.faults`). A host looks at tables and
folders as often as it likes; counting only the contents of files makes a script mean the same on every file system.
"""

from __future__ import annotations

import os
import re
import struct
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
_FOLDER, _VOLUME, _LONG_NAME = 0x10, 0x08, 0x0F  # attributes of an entry (FAT: fatgen103, page 23)
_FREE, _END = 0xE5, 0x00
_ENTRY = 32
_MBR_SIGNATURE = b"\x55\xaa"


@dataclass(frozen=True, slots=True)
class _Chains:
    """The clusters of a FAT or exFAT file system. ``data``: the byte at which cluster 2 begins; ``follow``: the number
    behind a cluster's, or one that is no cluster's at the end."""

    file: int
    data: int
    cluster: int
    count: int
    follow: Callable[[int], int]

    def chain(self, first: int, most: int) -> Iterator[int]:
        """At most so many clusters from ``first`` on; a chain that runs in a ring ends."""
        for _ in range(min(most, self.count)):
            if not 2 <= first < self.count + 2:
                return
            yield first
            first = self.follow(first)

    def place(self, cluster: int) -> int:
        return self.data + (cluster - 2) * self.cluster

    def read(self, clusters: Iterable[int]) -> bytes:
        return b"".join(os.pread(self.file, self.cluster, self.place(one)) for one in clusters)

    def sectors(self, clusters: Iterable[int], size: int) -> Iterator[range]:
        """The sectors that hold ``size`` bytes."""
        for cluster in clusters:
            first = self.place(cluster) // SECTOR
            yield range(first, first + -(-min(size, self.cluster) // SECTOR))
            size -= self.cluster


def contents(image: Path, start: int = 0) -> tuple[range, ...] | None:
    """The sectors of a FAT or exFAT image that hold files, in the order in which they lie, neighbours joined. The file
    system begins at byte ``start``, or in the first partition. None for another file system."""
    file = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
    try:
        head = os.pread(file, SECTOR, start)
        if head[3:11] == b"EXFAT   ":
            return _joined(_exfat(file, start, head))
        if head[510:512] != _MBR_SIGNATURE:
            return None
        if head[0x36:0x39] == b"FAT" or head[0x52:0x57] == b"FAT32":
            return _joined(_fat(file, start, head))
    finally:
        os.close(file)
    first = struct.unpack_from("<I", head, 446 + 8)[0] * SECTOR
    return contents(image, first) if first and not start else None


def ext4_contents(image: Path, card: Path, start: int = 0) -> tuple[range, ...]:
    """The same for an ext4 image that was made from the folder ``card`` (debugfs(8)). Raises
    subprocess.CalledProcessError."""
    paths = [path.relative_to(card) for path in sorted(card.rglob("*")) if path.is_file()]
    asked = "".join('dump_extents -l "/{}"\n'.format(str(path).replace('"', '""')) for path in paths)
    command = ("debugfs", "-f", "-", f"{image}?offset={start}" if start else os.fspath(image))
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    found = re.findall(r"^ *\d+/ *\d+ +\d+/ *\d+ +\d+ - +\d+ +(\d+) - +(\d+)", done.stdout, re.MULTILINE)
    per, offset = _block_size(image, start) // SECTOR, start // SECTOR
    return _joined(range(offset + int(first) * per, offset + (int(last) + 1) * per) for first, last in found)


def _block_size(image: Path, start: int) -> int:
    with image.open("rb") as file:
        file.seek(start + 1024 + 24)  # s_log_block_size (Linux, Documentation/filesystems/ext4/super.rst)
        return 1024 << int(struct.unpack("<I", file.read(4))[0])


def _fat(file: int, start: int, head: bytes) -> Iterator[range]:
    """FAT12, 16 and 32 (fatgen103: the boot sector, and which of the three it is)."""
    sector, per, reserved, fats, roots, small = struct.unpack_from("<HBHBHH", head, 11)
    (short,), large, long = struct.unpack_from("<H", head, 22), *struct.unpack_from("<2I", head, 32)
    length = short or long
    root_at = reserved + fats * length
    first_data = root_at + -(-roots * _ENTRY // sector)
    count = ((small or large) - first_data) // per
    table = os.pread(file, length * sector, start + reserved * sector)
    chains = _Chains(file, start + first_data * sector, per * sector, count, _follower(table, count, not short))
    if not short:
        root = chains.read(chains.chain(struct.unpack_from("<I", head, 44)[0], count))
    else:
        root = os.pread(file, roots * _ENTRY, start + root_at * sector)
    yield from _fat_folder(chains, root)


def _follower(table: bytes, count: int, large: bool) -> Callable[[int], int]:
    if large:
        return lambda cluster: int(struct.unpack_from("<I", table, cluster * 4)[0]) & 0x0FFFFFFF
    if count >= 4085:
        return lambda cluster: int(struct.unpack_from("<H", table, cluster * 2)[0])
    return lambda cluster: struct.unpack_from("<H", table, cluster * 3 // 2)[0] >> 4 * (cluster % 2) & 0xFFF


def _fat_folder(chains: _Chains, folder: bytes) -> Iterator[range]:
    for at in range(0, len(folder), _ENTRY):
        entry = folder[at : at + _ENTRY]
        if entry[0] == _END:
            return
        if entry[0] in (_FREE, ord(".")) or entry[11] & _LONG_NAME == _LONG_NAME or entry[11] & _VOLUME:
            continue
        high, low, size = struct.unpack_from("<H4xHI", entry, 20)
        clusters = chains.chain(high << 16 | low, chains.count)
        if entry[11] & _FOLDER:
            yield from _fat_folder(chains, chains.read(clusters))
        elif size:
            yield from chains.sectors(clusters, size)


def _exfat(file: int, start: int, head: bytes) -> Iterator[range]:
    """The exFAT specification, sections 3.1 and 7."""
    fat_at, fat_length, heap, count, root = struct.unpack_from("<5I", head, 80)
    sector, cluster = 1 << head[108], 1 << head[108] + head[109]
    table = os.pread(file, fat_length * sector, start + fat_at * sector)
    chains = _Chains(file, start + heap * sector, cluster, count, _follower(table, count, True))
    yield from _exfat_folder(chains, chains.read(chains.chain(root, count)))


def _exfat_folder(chains: _Chains, folder: bytes) -> Iterator[range]:
    attributes = 0
    for at in range(0, len(folder), _ENTRY):
        entry = folder[at : at + _ENTRY]
        if entry[0] == _END:
            return
        if entry[0] == 0x85:  # a file; what it holds is said by the stream extension behind it
            (attributes,) = struct.unpack_from("<H", entry, 4)
        elif entry[0] == 0xC0:
            first, size = struct.unpack_from("<IQ", entry, 20)
            many = -(-size // chains.cluster)
            in_a_row = entry[1] & 2
            clusters = range(first, first + many) if in_a_row else tuple(chains.chain(first, many))
            if attributes & _FOLDER:
                yield from _exfat_folder(chains, chains.read(clusters))
            elif size:
                yield from chains.sectors(clusters, size)


def _joined(parts: Iterable[range]) -> tuple[range, ...]:
    joined: list[range] = []
    for part in sorted(parts, key=lambda one: one.start):
        if joined and joined[-1].stop >= part.start:
            joined[-1] = range(joined[-1].start, max(joined[-1].stop, part.stop))
        else:
            joined.append(part)
    return tuple(joined)
