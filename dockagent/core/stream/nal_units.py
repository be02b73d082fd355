"""NAL units of H.264 and H.265 (ITU-T H.264 section 7.3.1, H.265 section 7.3.1): what each is, and where it lies.

Video lies in a file in two ways: as samples of an MP4 or QuickTime track, each unit behind its length (ISO/IEC
14496-15), or as a raw byte stream with start codes (H.264 and H.265, annex B). Whoever made the file chose every byte.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from dockagent.core.movie.boxes import LARGEST, NotRead, Source, Walker
from dockagent.core.movie.movie import read_movie
from dockagent.core.movie.track_box import TrackBox
from dockagent.errors import Refused

MOST_UNITS = 16_000_000  # of one file: a day of pictures of eight slices each has 21 million, an hour 900,000
HEAD = 64  # bytes of a unit that tell what it is
LONGEST_MESSAGE = 1 << 20  # bytes: fields of 64 KiB at most, of which a message that signs has seven
_START_CODE = b"\x00\x00\x01"
_PIECE = 1 << 20
USER_DATA = 5  # the payload type of a message that a UUID marks (H.264 annex D.1.7, H.265 annex D.2.7)


class Kind(Enum):
    """What a NAL unit is to the formats that sign pictures."""

    START = "the first slice of a picture that begins a group of pictures"
    PICTURE = "another slice of a picture"
    LEFT_OUT = "part of a picture, of a kind that the published signers leave out"
    SEI = "a supplemental message"
    OTHER = "parameter sets, delimiters, filler"


class Codec(Enum):
    """How the pictures are coded, by the length of a NAL unit's header in bytes."""

    H264 = 1
    H265 = 2

    def kind(self, head: bytes) -> Kind:
        """What a unit is that begins with ``head``."""
        if len(head) <= self.value:
            return Kind.OTHER
        kinds = _H264 if self is Codec.H264 else _H265
        found = kinds.get(head[0] & 0x1F if self is Codec.H264 else head[0] >> 1 & 0x3F, Kind.OTHER)
        if found is Kind.START and not head[self.value] & 0x80:  # first_mb_in_slice; first_slice_segment_in_pic
            return Kind.PICTURE
        return found


# H.264 table 7-1: data partitions (2 to 4), auxiliary and extended slices (19 to 21) are pictures that nobody hashes.
_H264 = {1: Kind.PICTURE, 5: Kind.START, 6: Kind.SEI, **dict.fromkeys((2, 3, 4, 19, 20, 21), Kind.LEFT_OUT)}
# H.265 table 7-1: 2 to 9 are sub-layer and leading pictures; 10 to 15 and 22 to 31 are reserved for pictures.
_H265 = {
    **dict.fromkeys((0, 1), Kind.PICTURE),
    **dict.fromkeys((*range(2, 16), *range(22, 32)), Kind.LEFT_OUT),
    **dict.fromkeys(range(16, 22), Kind.START),
    **dict.fromkeys((39, 40), Kind.SEI),
}


@dataclass(frozen=True, slots=True)
class Unit:
    """A NAL unit: what it is, the number of the picture (sample) that it is part of, and its bytes, or their beginning
    where only that was asked for."""

    kind: Kind
    picture: int
    data: bytes


class Video(Protocol):
    """One coded video in a file. ``track``: its number as ffmpeg counts streams."""

    @property
    def codec(self) -> Codec: ...

    @property
    def track(self) -> int: ...

    def units(self, *, whole: bool) -> Iterator[Unit]:
        """All units in the order of the stream, by their first HEAD bytes only unless they are wanted ``whole``. Raises
        Refused for a stream that breaks a rule."""
        ...

    def messages(self) -> Iterator[Unit]:
        """The units of kind SEI, whole where they may be of a format that signs. Raises Refused."""
        ...


def videos(source: Source, size: int, *, raw: bool) -> tuple[Video, ...]:
    """Every H.264 and H.265 video of a file; ``raw``: it is a byte stream of annex B. Raises Refused."""
    walker = Walker(source, size)
    if raw:
        return (ByteStream(walker),)
    found = [TrackVideo.of(walker, track) for track in read_movie(walker).tracks if track.about.handler == "vide"]
    return tuple(one for one in found if one is not None)


def is_byte_stream(source: Source, size: int) -> bool:
    """Whether a file begins as a raw stream does: with a start code, then parameter sets, a delimiter or a message."""
    walker = Walker(source, size)
    head = walker.read(0, min(size, 8))
    at = next((at for at in (3, 4) if head[:at] == _START_CODE.rjust(at, b"\0")), 0)
    return bool(at) and len(head) > at + 1 and _codec(head[at:]) is not None


def _codec(head: bytes) -> Codec | None:
    if head[0] & 0x80:
        return None
    if head[0] >> 1 in (32, 33, 35, 39) and head[1] == 1:
        return Codec.H265
    return Codec.H264 if head[0] & 0x1F in (6, 7, 9) else None


def _may_sign(head: bytes, codec: Codec) -> bool:
    return len(head) > codec.value and head[codec.value] == USER_DATA


class _Counter:
    """Counts units, so that a file of nothing but headers ends."""

    def __init__(self) -> None:
        self._left = MOST_UNITS

    def one(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Refused(f"it has more than {MOST_UNITS} NAL units")


@dataclass(frozen=True, slots=True)
class TrackVideo:
    """A track of an MP4 or QuickTime file, each unit behind ``prefix`` bytes of length."""

    walker: Walker
    box: TrackBox
    codec: Codec
    prefix: int

    @property
    def track(self) -> int:
        return self.box.number

    @classmethod
    def of(cls, walker: Walker, box: TrackBox) -> "TrackVideo | None":
        """None for a track of another codec. Raises Refused for one without a set-up, or whose samples nobody read."""
        codec = {"avc": Codec.H264, "hvc": Codec.H265, "hev": Codec.H265}.get(box.about.codec[:3])
        if codec is None:
            return None
        setup = box.about.extradata or b""
        at = 4 if codec is Codec.H264 else 21  # lengthSizeMinusOne (ISO/IEC 14496-15 sections 5.3.3.1 and 8.3.3.1)
        if len(setup) <= at:
            raise NotRead(f"track {box.number} does not say how its NAL units lie in it")
        if box.why:
            raise NotRead(f"the samples of track {box.number} are not read: {box.why}")
        return cls(walker, box, codec, (setup[at] & 3) + 1)

    def units(self, *, whole: bool) -> Iterator[Unit]:
        for picture, at, length, head in self._places():
            kind = self.codec.kind(head)
            rest = whole and kind is not Kind.OTHER and length > len(head)
            yield Unit(kind, picture, self.walker.read(at, length) if rest else head)

    def messages(self) -> Iterator[Unit]:
        for picture, at, length, head in self._places():
            if self.codec.kind(head) is Kind.SEI:
                rest = _may_sign(head, self.codec) and length > len(head)
                data = self.walker.read(at, min(length, LONGEST_MESSAGE + 1)) if rest else head
                yield Unit(Kind.SEI, picture, data)

    def _places(self) -> Iterator[tuple[int, int, int, bytes]]:
        """(picture, offset, length, first bytes) of every unit."""
        counter, samples, prefix = _Counter(), self.box.samples, self.prefix
        for picture, (offset, size) in enumerate(zip(samples.offset, samples.size, strict=True)):
            at, end = offset, offset + size
            while at < end:
                counter.one()
                head = self.walker.read(at, min(prefix + HEAD, end - at))
                length = int.from_bytes(head[:prefix], "big")
                at += prefix
                if length > end - at or length > LARGEST:
                    raise Refused(f"sample {picture} of track {self.track} has a NAL unit longer than itself")
                yield picture, at, length, head[prefix : prefix + length]
                at += length


class ByteStream:
    """A raw stream. Pictures are counted by their first slices."""

    track = 0

    def __init__(self, walker: Walker) -> None:
        """Raises Refused for a stream that does not tell its codec."""
        self._walker = walker
        head = next(self._pieces(), b"")
        codec = _codec(head) if len(head) > 1 else None
        if codec is None:
            raise Refused("the raw stream does not begin as one")
        self.codec = codec

    def units(self, *, whole: bool) -> Iterator[Unit]:
        picture = -1
        for data in self._pieces():
            kind = self.codec.kind(data[:HEAD])
            slice_of = kind in (Kind.START, Kind.PICTURE, Kind.LEFT_OUT)
            picture += slice_of and len(data) > self.codec.value and bool(data[self.codec.value] & 0x80)
            yield Unit(kind, max(picture, 0), data if whole else data[:HEAD])

    def messages(self) -> Iterator[Unit]:
        whole = (one for one in self.units(whole=True) if one.kind is Kind.SEI)
        return (Unit(one.kind, one.picture, one.data[: LONGEST_MESSAGE + 1]) for one in whole)

    def _pieces(self) -> Iterator[bytes]:
        """What lies between the start codes."""
        counter, size = _Counter(), self._walker.size
        held, at, begins, searched = b"", 0, -1, 0  # begins: of the unit under way in ``held``, -1 before the first
        while True:
            found = held.find(_START_CODE, searched)
            if found < 0 and at < size:
                piece = self._walker.read(at, min(_PIECE, size - at))
                keep = max(begins, 0)
                searched = max(len(held) - 2, searched) - keep
                held, at, begins = held[keep:] + piece, at + len(piece), min(begins, 0)
                if len(held) > LARGEST:
                    raise Refused("the raw stream has a NAL unit larger than any that a camera writes")
                continue
            ends = len(held) if found < 0 else found
            if begins >= 0 and (unit := held[begins:ends].rstrip(b"\0")):
                counter.one()
                yield unit
            if found < 0:
                return
            begins = searched = found + 3


def unescaped(data: bytes) -> tuple[bytes, list[int]]:
    """``data`` without its emulation prevention bytes (H.264 section 7.4.1.1), and where in ``data`` those were."""
    out, found, done, at = bytearray(), list[int](), 0, data.find(b"\0\0\3")
    while at >= 0:
        out += data[done : at + 2]
        found.append(at + 2)
        done = at + 3
        at = data.find(b"\0\0\3", done)
    return bytes(out + data[done:]), found
