"""FAT12, FAT16 and FAT32, read as Linux reads them (Microsoft's fatgen103; Linux fs/fat/dir.c, namei_vfat.c).

A name is the long one where its slots are whole and belong to the entry (their sequence and checksum), else the short
one, in lower case where Windows NT's bits say so. As in Linux, what lies behind an unused entry still counts.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dockagent.core.paths import to_text
from dockagent.transports.raw_chain import FIRST, Chain, Layout
from dockagent.transports.raw_medium import ExtentContent, Medium
from dockagent.transports.raw_volume import FOLDER, Entry, Node, dos_time_ms

LARGEST_FOLDER = 2 << 20  # bytes: 65,536 entries (fatgen103)
_MOST_FAT12 = 4084  # clusters
_VOLUME_ID, _DIRECTORY, _LONG = 0x08, 0x10, 0x0F
_DELETED, _STANDS_FOR_DELETED, _LAST_SLOT, _MOST_SLOTS = 0xE5, 0x05, 0x40, 20
_LOWER_BASE, _LOWER_EXTENSION = 0x08, 0x10
_UNUSED, _DOTS = 0, (b".          ", b"..         ")


@dataclass(frozen=True, slots=True)
class Geometry:
    """What the boot sector says: ``sector`` and ``cluster`` in bytes; where the first table, the root folder of FAT12
    and FAT16 (``root_bytes`` long, 0 on FAT32) and the clusters begin; ``bits`` of a table's entry."""

    sector: int
    cluster: int
    table_at: int
    root_at: int
    root_bytes: int
    data_at: int
    bits: int
    clusters: int
    root_cluster: int


def geometry(boot: bytes) -> Geometry | None:
    """The geometry in the first 512 bytes of a medium, or None where they are not those of a FAT."""
    sector, per_cluster, reserved, fats, root_entries, few, _media, fat16 = struct.unpack_from("<HBHBHHBH", boot, 11)
    many, fat32, _flags, _version, root_cluster = struct.unpack_from("<IIHHI", boot, 32)
    sane = sector in (512, 1024, 2048, 4096) and per_cluster.bit_count() == 1 and reserved and 1 <= fats <= 4
    if not sane or boot[510:512] != b"\x55\xaa":
        return None
    fat_sectors, sectors = fat16 or fat32, few or many
    root_at = (reserved + fats * fat_sectors) * sector
    data_at = root_at + -(-root_entries * 32 // sector) * sector
    clusters = (sectors * sector - data_at) // (sector * per_cluster)
    if not fat_sectors or clusters < 1:
        return None
    bits = 32 if not fat16 else 12 if clusters <= _MOST_FAT12 else 16
    clusters = min(clusters, fat_sectors * sector * 8 // bits - FIRST)
    root_bytes, root_cluster = (root_entries * 32, 0) if bits != 32 else (0, root_cluster)
    cluster = sector * per_cluster
    return Geometry(sector, cluster, reserved * sector, root_at, root_bytes, data_at, bits, clusters, root_cluster)


class FatVolume:
    """:class:`dockagent.transports.raw_volume.Volume` of a FAT. Raises as Medium does."""

    def __init__(self, medium: Medium, boot: bytes, said: Geometry) -> None:
        self._medium, self._said = medium, said
        chain = Chain(medium, said.table_at, said.bits, said.clusters, (1 << min(said.bits, 28)) - 1)
        self._layout = Layout(chain, said.data_at, said.cluster)
        self.root = Node(said.root_cluster)
        self.facts: Mapping[str, str] = self._facts(boot, said.bits)

    def entries(self, folder: Node) -> tuple[Sequence[Entry], str]:
        data, trouble = self._folder(folder)
        found, torn = [], 0
        for entry, slots in _entries(data):
            one = self._entry(entry, slots)
            torn += one is None
            found += [one] if one else []
        return found, trouble or (f"{torn} entries of it have no name" if torn else "")

    def content(self, file: Node) -> ExtentContent:
        extents, short = self._layout.extents(file)
        return ExtentContent(self._medium, file.size, extents, short)

    def _folder(self, folder: Node) -> tuple[bytes, str]:
        """All its bytes as far as they can be had, and why that is not all of them, or ""."""
        if not folder.start and self._said.root_bytes:
            return self._medium.read(self._said.root_at, self._said.root_bytes), ""
        if not folder.start:
            return b"", "it has no cluster"
        return self._layout.folder(self._medium, Node(folder.start, LARGEST_FOLDER, LARGEST_FOLDER))

    def _entry(self, entry: bytes, slots: Sequence[bytes]) -> Entry | None:
        name = _long_name(entry, slots) or _short_name(entry)
        attributes = entry[11]
        high, time, date, low, size = struct.unpack_from("<HHHHI", entry, 20)
        start = low | (high << 16 if self._said.bits == 32 else 0)
        if not name:
            return None
        if attributes & _DIRECTORY:
            return Entry(name, FOLDER, Node(start), dos_time_ms(date, time))
        return Entry(name, "", Node(start, size, size), dos_time_ms(date, time))

    def _facts(self, boot: bytes, bits: int) -> dict[str, str]:
        at = 64 if bits == 32 else 36  # the extended boot record
        facts = {"filesystem": "vfat", "fat": str(bits)}
        if boot[at + 2] in (0x28, 0x29):
            serial = struct.unpack_from("<I", boot, at + 3)[0]
            facts["uuid"] = f"{serial >> 16:04X}-{serial & 0xFFFF:04X}"
        dirty = boot[at + 1] & 1  # as Windows and Linux leave it; and in the second entry of the FAT, a bit for "clean"
        clean = bits == 12 or self._layout.chain.second & (1 << (27 if bits == 32 else 15))
        facts["dirty"] = "yes" if dirty or not clean else "no"
        label = self._label()
        return {**facts, "label": label} if label else facts

    def _label(self) -> str:
        for entry in _raw_entries(self._folder(self.root)[0]):
            is_label = entry[11] & (_VOLUME_ID | _DIRECTORY) == _VOLUME_ID and entry[11] != _LONG
            if is_label and entry[0] not in (_UNUSED, _DELETED):
                return to_text(entry[:11].rstrip(b" ").decode("cp437").encode())
        return ""


def _raw_entries(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data) - 31, 32):
        yield data[at : at + 32]


def _entries(data: bytes) -> Iterator[tuple[bytes, Sequence[bytes]]]:
    """The entries of files and folders, each with the long name's slots before it."""
    slots: list[bytes] = []
    for entry in _raw_entries(data):
        if entry[0] == _DELETED:
            slots = []
        elif entry[11] == _LONG:
            slots = [entry] if entry[0] & _LAST_SLOT else [*slots, entry][-_MOST_SLOTS:]
        else:
            if entry[0] != _UNUSED and not entry[11] & _VOLUME_ID and entry[:11] not in _DOTS:
                yield entry, slots
            slots = []


def _long_name(entry: bytes, slots: Sequence[bytes]) -> bytes:
    """The name in UTF-8, or b"" where the slots are not those of this entry."""
    check = 0
    for byte in entry[:11]:
        check = ((check & 1) << 7) + (check >> 1) + byte & 0xFF
    wanted = [len(slots) | _LAST_SLOT, *range(len(slots) - 1, 0, -1)] if slots else []
    if [slot[0] for slot in slots] != wanted or any(slot[13] != check for slot in slots):
        return b""
    units = b"".join(slot[1:11] + slot[14:26] + slot[28:32] for slot in reversed(slots))
    end = next((at for at in range(0, len(units), 2) if units[at : at + 2] == b"\0\0"), len(units))
    return units[:end].decode("utf-16-le", "surrogatepass").encode("utf-8", "surrogatepass")


def _short_name(entry: bytes) -> bytes:
    raw = (b"\xe5" if entry[0] == _STANDS_FOR_DELETED else entry[:1]) + entry[1:11]
    base, extension = (part.rstrip(b" ").decode("cp437") for part in (raw[:8], raw[8:]))
    base = base.lower() if entry[12] & _LOWER_BASE else base
    extension = extension.lower() if entry[12] & _LOWER_EXTENSION else extension
    return (f"{base}.{extension}" if extension else base).encode()
