"""Write an MP4 or QuickTime file over given samples in the one form that an excerpt has (ISO/IEC 14496-12).

There is nothing to choose: the same tracks give the same bytes. So whoever checks an excerpt writes its head again from
what he has proved, and compares: a box that hides something, turns or stretches the picture, or bytes between the
samples have no place.

The form: ``ftyp``, ``moov``, ``mdat``, nothing else; no dates, no names, no metadata; sample descriptions as they were;
half a second of each track in turn; an edit list of at most one wait and one stretch, which shows every sample.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from dockagent.core.movie.raw import RawTrack

_ONE = 1 << 16  # 1.0 in 16.16 fixed point
_PLAIN = (_ONE, 0, 0, 0, _ONE, 0, 0, 0, 1 << 30)
_NO_LANGUAGE = 0x55C4  # "und", section 8.4.2.3
_UNKNOWN_TIMES = (0, 0)
_DATA_HEADER = 16  # bytes of an mdat box's own header with a 64-bit length
_HEADERS = {
    b"vide": b"\x00\x00\x00\x14vmhd\x00\x00\x00\x01" + bytes(8),
    b"soun": b"\x00\x00\x00\x10smhd" + bytes(8),
}


@dataclass(frozen=True, slots=True)
class OutTrack:
    """One track to write. ``dts`` and ``pts``: of its samples, in its units, the first dts 0; ``size``: their bytes;
    ``sync``: numbers of those that need no others, None where all do not. ``wait``: units of time before its first
    picture or sound. ``lasts``: how long its last sample is decoded for."""

    raw: RawTrack
    time_scale: int
    matrix: tuple[int, ...]
    dts: Sequence[int]
    pts: Sequence[int]
    size: Sequence[int]
    sync: frozenset[int] | None
    wait: int
    lasts: int

    @property
    def start(self) -> int:
        """The media time that is shown first."""
        return min(self.pts)

    @property
    def shown(self) -> int:
        """For how long it is shown, after its wait."""
        return max(self.pts) + self.lasts - self.start


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples of one track that lie one behind the other: numbers ``first`` up to ``end``."""

    track: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Layout:
    """``head``: the file's bytes up to the first sample. ``chunks``: what follows, in order."""

    head: bytes
    chunks: tuple[Chunk, ...]
    media_bytes: int


def lay_out(tracks: Sequence[OutTrack], *, quicktime: bool) -> Layout:
    """The one form of a file over ``tracks``."""
    chunks = tuple(_chunks(tracks))
    media = sum(sum(track.size) for track in tracks)
    kind = _box(b"ftyp", b"qt  \x00\x00\x00\x00qt  " if quicktime else b"isom\x00\x00\x02\x00isomiso2mp41")
    scale = max(track.time_scale for track in tracks)
    length = len(kind) + len(_movie(tracks, chunks, scale, 0)) + _DATA_HEADER
    data = struct.pack(">I4sQ", 1, b"mdat", media + _DATA_HEADER)
    return Layout(kind + _movie(tracks, chunks, scale, length) + data, chunks, media)


def _chunks(tracks: Sequence[OutTrack]) -> Iterator[Chunk]:
    """Half a second of each track in turn, by the times of decoding."""

    def half_second(place: tuple[int, int]) -> int:
        return (track.dts[place[1]] + track.wait) * 2 // track.time_scale

    found = []
    for number, track in enumerate(tracks):
        for half, places in groupby(((number, at) for at in range(len(track.dts))), half_second):
            numbers = [at for _, at in places]
            found.append((half, number, numbers[0], numbers[-1] + 1))
    return (Chunk(track, first, end) for _, track, first, end in sorted(found))


def _movie(tracks: Sequence[OutTrack], chunks: Sequence[Chunk], scale: int, data: int) -> bytes:
    """The moov box, section 8.2; ``data``: where the first sample lies."""
    longest = max(_movie_units(track.wait + track.shown, track, scale) for track in tracks)
    header = struct.pack(
        ">I2QIQIH10x9i24xI", _ONE << 8, *_UNKNOWN_TIMES, scale, longest, _ONE, 0x100, *_PLAIN, len(tracks) + 1
    )
    boxes = [_box(b"mvhd", header)]
    places = list(_places(tracks, chunks, data))
    for number, track in enumerate(tracks):
        own = [(chunk, at) for chunk, at in zip(chunks, places, strict=True) if chunk.track == number]
        boxes.append(_track(number, track, own, scale))
    return _box(b"moov", *boxes)


def _places(tracks: Sequence[OutTrack], chunks: Sequence[Chunk], at: int) -> Iterator[int]:
    for chunk in chunks:
        yield at
        at += sum(tracks[chunk.track].size[chunk.first : chunk.end])


def _track(number: int, track: OutTrack, chunks: Sequence[tuple[Chunk, int]], scale: int) -> bytes:
    """One trak box, section 8.3."""
    length = _movie_units(track.wait, track, scale) + _movie_units(track.shown, track, scale)
    volume = 0x100 if track.raw.handler == b"soun" else 0
    header = struct.pack(
        ">I2QI4xQ8x2hH2x9i2I",
        *(_ONE << 8 | 7, *_UNKNOWN_TIMES, number + 1, length, 0, 0, volume, *track.matrix),
        *((track.raw.width, track.raw.height) if track.raw.handler == b"vide" else (0, 0)),
    )
    media = struct.pack(
        ">I2QIQ2H", _ONE << 8, *_UNKNOWN_TIMES, track.time_scale, track.dts[-1] + track.lasts, _NO_LANGUAGE, 0
    )
    handler = struct.pack(">4x4s4s12xx", b"mhlr" if track.raw.quicktime else bytes(4), track.raw.handler)
    own = _box(b"dinf", _box(b"dref", struct.pack(">4xI", 1), _box(b"url ", b"\x00\x00\x00\x01")))
    kind = _HEADERS.get(track.raw.handler, b"\x00\x00\x00\x0cnmhd" + bytes(4))
    information = _box(b"minf", kind, own, _tables(track, chunks))
    return _box(
        b"trak",
        _box(b"tkhd", header),
        _box(b"edts", _edits(track, scale)),
        _box(b"mdia", _box(b"mdhd", media), _box(b"hdlr", handler), information),
    )


def _edits(track: OutTrack, scale: int) -> bytes:
    """Perhaps a wait, then all of it, section 8.6.6. In the movie's units, which are the finest of its tracks', so that
    a wait comes back as it was."""
    rows = [(_movie_units(track.shown, track, scale), track.start)]
    if track.wait:
        rows.insert(0, (_round(track.wait * scale, track.time_scale), -1))
    lines = b"".join(struct.pack(">QqHH", duration, start, 1, 0) for duration, start in rows)
    return _box(b"elst", struct.pack(">II", _ONE << 8, len(rows)), lines)


def _tables(track: OutTrack, chunks: Sequence[tuple[Chunk, int]]) -> bytes:
    """The stbl box, sections 8.5 to 8.7."""
    steps = [*(after - before for before, after in pairwise(track.dts)), track.lasts]
    shifts = [pts - dts for dts, pts in zip(track.dts, track.pts, strict=True)]
    boxes = [_box(b"stsd", track.raw.stsd), _runs(b"stts", steps)]
    if any(shifts):
        boxes.append(_runs(b"ctts", shifts))
    if track.sync is not None:
        numbers = sorted(one + 1 for one in track.sync)
        boxes.append(_box(b"stss", struct.pack(f">4x{len(numbers) + 1}I", len(numbers), *numbers)))
    counts = [chunk.end - chunk.first for chunk, _ in chunks]
    changes = [at for at, count in enumerate(counts) if at == 0 or counts[at - 1] != count]
    rows = b"".join(struct.pack(">3I", at + 1, counts[at], 1) for at in changes)
    boxes.append(_box(b"stsc", struct.pack(">4xI", len(changes)), rows))
    boxes.append(_box(b"stsz", struct.pack(f">4xI{len(track.size) + 1}I", 0, len(track.size), *track.size)))
    boxes.append(_box(b"co64", struct.pack(f">4xI{len(chunks)}Q", len(chunks), *(at for _, at in chunks))))
    return _box(b"stbl", *boxes)


def _runs(kind: bytes, values: Iterable[int]) -> bytes:
    rows = [(len(list(same)), value) for value, same in groupby(values)]
    return _box(kind, struct.pack(">4xI", len(rows)), b"".join(struct.pack(">2I", *row) for row in rows))


def _movie_units(value: int, track: OutTrack, scale: int) -> int:
    """``value`` in the movie's units, rounded up: nothing of the last sample is cut off."""
    return -(-value * scale // track.time_scale)


def _round(value: int, over: int) -> int:
    return (2 * value + over) // (2 * over)


def _box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", len(content) + 8, kind) + content
