"""One ``trak`` box: what it holds, how it is shown, and its samples (ISO/IEC 14496-12 section 8.3 to 8.7)."""

import hashlib
import struct
from dataclasses import dataclass, field

from dockagent.core.movie.boxes import Box, NotRead, Walker, entries, full, name
from dockagent.core.review.sample_table import FARTHEST, Samples, read_tables
from dockagent.errors import Refused

MOST_EDITS = 64
_VISUAL, _SOUND = 78, 28  # bytes of a sample entry behind its header, before the boxes in it (section 12)
_QUICKTIME_SOUND = {1: 16, 2: 36}  # and so many more in the versions of QuickTime's own sound description
_TURNS: dict[tuple[int, ...], int] = {(1, 0, 0, 1): 0, (0, 1, -1, 0): 90, (-1, 0, 0, -1): 180, (0, -1, 1, 0): 270}
_ONE = 1 << 16  # 1.0 in 16.16 fixed point
_SPECIFIC_INFO, _CONFIG, _STREAM = 5, 4, 3  # tags of ISO/IEC 14496-1 section 7.2.2.1
_OPTIONAL = 0xE0  # flags of fields in a stream descriptor that cameras do not write


@dataclass(frozen=True, slots=True)
class Edit:
    """One line of an edit list: ``duration`` in units of the movie, ``media_time`` in units of the track (-1: nothing
    is shown), ``rate`` in 16.16 fixed point."""

    duration: int
    media_time: int
    rate: int


@dataclass(frozen=True, slots=True)
class Description:
    """How a track is decoded and shown. ``handler`` and ``codec``: four-character types. ``extradata``: what the
    decoder is set up with, None where we do not know where it lies. ``stsd_sha256``: of the whole sample description.
    ``width``, ``height``: of the sample entry. ``matrix``: the nine numbers of the track header, as they are."""

    handler: str
    codec: str
    time_scale: int
    extradata: bytes | None
    stsd_sha256: str
    width: int
    height: int
    matrix: tuple[int, ...]
    edits: tuple[Edit, ...]

    @property
    def rotation(self) -> int:
        """Clockwise degrees, or -1 for a matrix that does more than turn by quarters."""
        a, b, _, c, d = self.matrix[:5]
        return _TURNS.get(tuple(one // _ONE if one % _ONE == 0 else 2 for one in (a, b, c, d)), -1)


@dataclass(slots=True)
class TrackBox:
    """``number``: counted from 0 in the order of the file, as ffmpeg counts streams. ``id``: its own. ``why``: why its
    samples are not read, or empty. ``chapters``: ids of tracks that are its chapter marks."""

    number: int
    id: int
    about: Description
    samples: Samples
    why: str = ""
    chapters: tuple[int, ...] = ()
    fragments: int = field(default=0)


def read_track(walker: Walker, box: Box, number: int, most: int) -> TrackBox:
    """The track in the box ``box``; ``most``: how many samples it may have. Raises Refused for a broken one."""
    parts = walker.children(box)
    media = walker.children(_need(parts, b"mdia"))
    tables = walker.children(_need(walker.children(_need(media, b"minf")), b"stbl"))
    ident, matrix = _header(walker.content(_need(parts, b"tkhd")))
    handler = _handler(walker.content(_need(media, b"hdlr")))
    entry = _sample_entry(walker, _need(tables, b"stsd"), handler)
    about = Description(
        handler=handler,
        codec=entry.codec,
        time_scale=_time_scale(walker.content(_need(media, b"mdhd"))),
        extradata=entry.extradata,
        stsd_sha256=entry.sha256,
        width=entry.width,
        height=entry.height,
        matrix=matrix,
        edits=_edits(walker, parts.get(b"edts")),
    )
    track = TrackBox(number, ident, about, Samples(), chapters=_chapters(walker, parts.get(b"tref")))
    try:
        if entry.count != 1:
            raise NotRead(f"it has {entry.count} sample descriptions")
        track.samples = read_tables(walker, tables, most)
    except NotRead as err:
        track.why = err.what
    return track


def _need(parts: dict[bytes, Box], kind: bytes) -> Box:
    if kind not in parts:
        raise Refused(f"a track has no box {name(kind)!r}")
    return parts[kind]


def _header(content: bytes) -> tuple[int, tuple[int, ...]]:
    """(track id, matrix) of a tkhd box, section 8.3.2."""
    version, _ = full(content, 84)
    ident, matrix = (20, 52) if version == 1 else (12, 40)
    if len(content) < matrix + 36:
        raise Refused("a track header is too short")
    return int.from_bytes(content[ident : ident + 4], "big"), struct.unpack_from(">9i", content, matrix)


def _handler(content: bytes) -> str:
    full(content, 12)
    return name(content[8:12])


def _time_scale(content: bytes) -> int:
    """Units a second of an mdhd box, section 8.4.2. Raises Refused for none: no time could be told."""
    version, _ = full(content, 20)
    at = 20 if version == 1 else 12
    scale = int.from_bytes(content[at : at + 4], "big")
    if len(content) < at + 4 or not 0 < scale < 1 << 31:
        raise Refused(f"a track has {scale} units of time a second")
    return scale


@dataclass(frozen=True, slots=True)
class _Entry:
    count: int
    codec: str
    sha256: str
    extradata: bytes | None = None
    width: int = 0
    height: int = 0


def _sample_entry(walker: Walker, box: Box, handler: str) -> _Entry:
    """The first sample entry of an stsd box, section 8.5.2."""
    content = walker.content(box)
    full(content, 8)
    count, digest = int.from_bytes(content[4:8], "big"), hashlib.sha256(content).hexdigest()
    first = next(walker.inside(box, 8), None)
    if first is None or not count:
        return _Entry(0, "", digest)
    codec = name(first.kind)
    if handler == "vide" and first.end - first.body >= _VISUAL:
        width, height = struct.unpack(">HH", walker.read(first.body + 24, 4))
        config = {"avc1": b"avcC", "avc3": b"avcC", "hvc1": b"hvcC", "hev1": b"hvcC"}.get(codec)
        extradata = None
        if config is not None:
            extradata = next((walker.content(one) for one in walker.inside(first, _VISUAL) if one.kind == config), b"")
        elif codec == "mp4v":
            extradata = _specific_info(walker, first, _VISUAL)
        return _Entry(count, codec, digest, extradata, width, height)
    if handler == "soun" and codec == "mp4a" and first.end - first.body >= _SOUND:
        version = int.from_bytes(walker.read(first.body + 8, 2), "big")
        return _Entry(count, codec, digest, _specific_info(walker, first, _SOUND + _QUICKTIME_SOUND.get(version, 0)))
    return _Entry(count, codec, digest)


def _specific_info(walker: Walker, entry: Box, skip: int) -> bytes | None:
    """The decoder's set-up in an esds box, which QuickTime puts into a box of its own (wave)."""
    boxes = {one.kind: one for one in walker.inside(entry, skip)}
    if b"esds" not in boxes and b"wave" in boxes:
        boxes = {one.kind: one for one in walker.inside(boxes[b"wave"])}
    return _descriptor(walker.content(boxes[b"esds"])[4:]) if b"esds" in boxes else None


def _descriptor(data: bytes) -> bytes | None:
    """DecoderSpecificInfo inside DecoderConfigDescriptor inside ES_Descriptor (ISO/IEC 14496-1 section 7.2.6)."""
    for tag, skip in ((_STREAM, 3), (_CONFIG, 13), (_SPECIFIC_INFO, 0)):
        found, data = _tagged(data, tag)
        if not found or (tag == _STREAM and (len(data) < skip or data[2] & _OPTIONAL)):
            return None
        if tag == _CONFIG and (not data or data[0] not in _KNOWN_OBJECTS):
            return None
        data = data[skip:]
    return data


_KNOWN_OBJECTS = frozenset((0x20, 0x40, 0x66, 0x67, 0x68))  # MPEG-4 pictures; AAC in its four namings


def _tagged(data: bytes, tag: int) -> tuple[bool, bytes]:
    """Whether a descriptor with this tag begins ``data``, and its content; lengths are 7 bits a byte, four at most."""
    length, at = 0, 1
    while at < len(data) and at <= 4:
        length = length << 7 | data[at] & 0x7F
        at += 1
        if not data[at - 1] & 0x80:
            break
    return bool(data) and data[0] == tag and len(data) >= at + length, data[at : at + length]


def _edits(walker: Walker, box: Box | None) -> tuple[Edit, ...]:
    """The edit list, section 8.6.6. Raises Refused for more edits than MOST_EDITS, or times that JSON cannot hold."""
    listed = walker.children(box).get(b"elst") if box is not None else None
    if listed is None:
        return ()
    content = walker.content(listed)
    version, _ = full(content, 8)
    form = struct.Struct(">Qqi" if version == 1 else ">Iii")
    count = entries(content, form.size, MOST_EDITS)
    found = tuple(Edit(*form.unpack_from(content, 8 + at * form.size)) for at in range(count))
    if any(one.duration > FARTHEST or one.media_time > FARTHEST or one.media_time < -1 for one in found):
        raise Refused("an edit list has times that cannot be")
    return found


def _chapters(walker: Walker, box: Box | None) -> tuple[int, ...]:
    """The ids that a tref box names as chapter marks (QuickTime's ``chap``)."""
    if box is None:
        return ()
    listed = next((one for one in walker.inside(box) if one.kind == b"chap"), None)
    content = walker.content(listed) if listed is not None else b""
    return struct.unpack(f">{len(content) // 4}I", content[: len(content) // 4 * 4])
