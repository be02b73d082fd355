"""The boxes of an MP4 or QuickTime file: a strict walk with bounds, pure over a reader (ISO/IEC 14496-12 section 4.2).

Whoever made the file chose every byte of it. So nothing here recurses, every box lies wholly inside its parent, and a
file that breaks a rule is :class:`Refused` as a whole: a reader that guesses could be led to other bytes than a player.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from dockagent.errors import Refused

MOST_BOXES = 1_000_000  # of one file: a day of one-second fragments has 400,000
LARGEST = 64 << 20  # bytes of one box that is read as a whole: tables of 8 million entries
_END = (b"mdat", b"free", b"skip")  # what a power cut leaves unfinished at a file's end


class NotRead(Refused):
    """Sound perhaps, but nothing that we read as every player does: its track gets no tree."""


class Source(Protocol):
    """A file open for reading, as ``io.FileIO`` is."""

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def tell(self) -> int: ...

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its four-character type, and where its first byte, its content and its end lie in the file."""

    kind: bytes
    start: int
    body: int
    end: int


class Walker:
    """Reads the boxes of ``source``, a file of ``size`` bytes, and counts them."""

    def __init__(self, source: Source, size: int) -> None:
        self.size = size
        self._source = source
        self._left = MOST_BOXES

    def top(self) -> Iterator[Box]:
        """The outermost boxes. One that holds media may be cut by the file's end, as a power cut leaves it.

        Raises Refused for a box that cannot be.
        """
        return self._boxes(0, self.size, whole=False)

    def inside(self, box: Box, skip: int = 0) -> Iterator[Box]:
        """The boxes in ``box`` behind its first ``skip`` bytes of content. Raises Refused for one that cannot be."""
        return self._boxes(box.body + skip, box.end, whole=True)

    def children(self, box: Box) -> dict[bytes, Box]:
        """The boxes in ``box`` by type. Raises Refused where one that we read is there twice: readers would differ."""
        found: dict[bytes, Box] = {}
        for child in self.inside(box):
            if child.kind in found and child.kind in _ONCE:
                raise Refused(f"the box {name(box.kind)!r} has two boxes {name(child.kind)!r}")
            found.setdefault(child.kind, child)
        return found

    def content(self, box: Box) -> bytes:
        """All that is in a box. Raises Refused for one that is too large to be what it says."""
        length = box.end - box.body
        if length > LARGEST:
            raise Refused(f"the box {name(box.kind)!r} of {length} bytes is larger than any that a camera writes")
        return self.read(box.body, length)

    def read(self, offset: int, length: int) -> bytes:
        """Just these bytes. Raises Refused where the file ends before."""
        self._source.seek(offset)
        pieces: list[bytes] = []
        while length:
            piece = self._source.read(length)
            if not piece:
                raise Refused(f"the file ends in the middle of something, at byte {offset}")
            pieces.append(piece)
            length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _boxes(self, start: int, end: int, *, whole: bool) -> Iterator[Box]:
        while end - start >= 8:  # less than a header is padding: QuickTime ends some lists with a zero
            self._left -= 1
            if self._left < 0:
                raise Refused(f"there are more than {MOST_BOXES} boxes in the file")
            box = self._box(start, end, whole=whole)
            yield box
            start = box.end

    def _box(self, start: int, end: int, *, whole: bool) -> Box:
        header = self.read(start, min(16, end - start))
        length, kind = struct.unpack_from(">I4s", header)
        body = start + 8
        if length == 1 and len(header) == 16:
            (length,) = struct.unpack_from(">Q", header, 8)
            body = start + 16
        if length == 0 and not whole:
            length = end - start  # to the end of the file
        if length > end - start and not whole and kind in _END:
            length = end - start
        if not body - start <= length <= end - start:
            raise Refused(f"the box {name(kind)!r} at byte {start} states a length that cannot be: {length} bytes")
        return Box(kind, start, body, start + length)


_ONCE = frozenset(
    b"mvhd tkhd edts elst mdia mdhd minf stbl stsd stts ctts stsz stz2 stsc stco co64 stss tfhd tfdt".split()
)


def name(kind: bytes) -> str:
    """A four-character type for a person: a file may have chosen bytes that steer a terminal."""
    return "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in kind)


def full(content: bytes, least: int = 4) -> tuple[int, int]:
    """(version, flags) of a full box (section 4.2). Raises Refused for content of fewer than ``least`` bytes."""
    if len(content) < max(4, least):
        raise Refused(f"a box of {len(content)} bytes is too short to be what it says")
    return content[0], int.from_bytes(content[1:4], "big")


def entries(content: bytes, width: int, most: int) -> int:
    """The number of ``width``-byte entries that a table states behind its version and flags.

    Raises Refused where it has fewer than it states, or more than ``most``.
    """
    full(content, 8)
    count = int.from_bytes(content[4:8], "big")
    if count > most:
        raise Refused(f"a table states {count} entries; no clip has more than {most}")
    if 8 + count * width > len(content):
        raise Refused(f"a table states {count} entries and has room for {(len(content) - 8) // width}")
    return count
