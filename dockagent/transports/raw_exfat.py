"""exFAT (Microsoft's "exFAT file system specification", 2019; sections in parentheses)."""

import struct
from collections.abc import Iterator, Mapping, Sequence

from dockagent.core.paths import to_text
from dockagent.errors import Permanent
from dockagent.transports.raw_chain import Chain, Layout
from dockagent.transports.raw_medium import ExtentContent, Medium
from dockagent.transports.raw_volume import FOLDER, Entry, Node, dos_time_ms

LARGEST_FOLDER = 256 << 20  # bytes (section 7.4.4, for folders)
_LABEL, _FILE, _STREAM, _NAME, _IN_USE, _SECONDARY = 0x83, 0x85, 0xC0, 0xC1, 0x80, 0x40
_DIRECTORY, _NO_CHAIN, _ZONE_IS_KNOWN, _DIRTY = 0x10, 0x02, 0x80, 0x02
_UNITS = 15  # of UTF-16 in one name entry
_MASK = 0xFFFFFFFF


class ExfatVolume:
    """:class:`dockagent.transports.raw_volume.Volume` of an exFAT. ``boot``: the first 512 bytes (section 3.1). Raises
    as Medium does, and Permanent where they cannot be right."""

    def __init__(self, medium: Medium, boot: bytes) -> None:
        self._medium = medium
        fat_at, _length, heap_at, clusters, root, serial, _revision, flags, sector, cluster, fats = struct.unpack_from(
            "<IIIIIIHHBBB", boot, 80
        )
        if not 9 <= sector <= 12 or cluster > 25 - sector or fats not in (1, 2):
            raise Permanent(f"the boot sector of the exFAT on {medium.name} is damaged", "image the card")
        clusters = min(clusters, max(0, medium.size - (heap_at << sector)) >> sector + cluster)
        chain = Chain(medium, fat_at << sector, 32, clusters, _MASK)
        self._layout = Layout(chain, heap_at << sector, 1 << sector + cluster)
        self.root = Node(root, LARGEST_FOLDER, LARGEST_FOLDER)
        uuid = f"{serial >> 16:04X}-{serial & 0xFFFF:04X}"
        facts = {"filesystem": "exfat", "uuid": uuid, "dirty": "yes" if flags & _DIRTY else "no"}
        label = self._label()
        self.facts: Mapping[str, str] = {**facts, "label": label} if label else facts

    def entries(self, folder: Node) -> tuple[Sequence[Entry], str]:
        data, trouble = self._layout.folder(self._medium, folder)
        found, torn = [], 0
        for first, seconds in _sets(data):
            one = _entry(first, seconds)
            torn += one is None
            found += [one] if one else []
        return found, trouble or (f"{torn} entries of it are damaged" if torn else "")

    def content(self, file: Node) -> ExtentContent:
        extents, short = self._layout.extents(file)
        return ExtentContent(self._medium, file.size, extents, short)

    def _label(self) -> str:
        data, _ = self._layout.folder(self._medium, self.root)
        for entry in _in_use(data):
            if entry[0] == _LABEL:
                return to_text(_utf8(entry[2 : 2 + 2 * min(entry[1], 11)]))
        return ""


def is_exfat(boot: bytes) -> bool:
    """Whether the first 512 bytes are those of an exFAT."""
    return boot[3:11] == b"EXFAT   "


def _in_use(data: bytes) -> Iterator[bytes]:
    """Entries up to the end mark (section 6.2.1)."""
    for at in range(0, len(data) - 31, 32):
        if data[at] == 0:
            return
        yield data[at : at + 32]


def _sets(data: bytes) -> Iterator[tuple[bytes, Sequence[bytes]]]:
    """The entry of each file or folder and those that belong to it (section 6.3)."""
    first, seconds = b"", list[bytes]()
    for entry in _in_use(data):
        if entry[0] & (_IN_USE | _SECONDARY) == _IN_USE | _SECONDARY and first and len(seconds) < first[1]:
            seconds.append(entry)
            continue
        if first:
            yield first, seconds
        first, seconds = (entry if entry[0] == _FILE else b""), []
    if first:
        yield first, seconds


def _entry(first: bytes, seconds: Sequence[bytes]) -> Entry | None:
    """One file or folder (sections 7.4, 7.6, 7.7), or None for a set without a stream or without its whole name."""
    if not seconds or seconds[0][0] != _STREAM:
        return None
    stream, units = seconds[0], b"".join(entry[2:] for entry in seconds[1:] if entry[0] == _NAME)
    name = _utf8(units[: 2 * stream[3]])
    if not name or len(units) < 2 * stream[3]:
        return None
    attributes = struct.unpack_from("<H", first, 4)[0]
    time, date = struct.unpack_from("<HH", first, 12)
    valid, _, start, size = struct.unpack_from("<QIIQ", stream, 8)
    contiguous = bool(stream[1] & _NO_CHAIN)
    when = dos_time_ms(date, time, first[21], _ahead_minutes(first[23]))
    if attributes & _DIRECTORY:
        size = min(size, LARGEST_FOLDER)
        return Entry(name, FOLDER, Node(start, size, size, contiguous), when)
    return Entry(name, "", Node(start, size, min(valid, size), contiguous), when)


def _ahead_minutes(zone: int) -> int:
    """How far the file's clock was ahead of UTC; 0 where it did not say (section 7.4.10)."""
    if not zone & _ZONE_IS_KNOWN:
        return 0
    quarters = zone & 0x7F
    return 15 * (quarters - 128 if quarters & 0x40 else quarters)


def _utf8(units: bytes) -> bytes:
    return units.decode("utf-16-le", "surrogatepass").encode("utf-8", "surrogatepass")
