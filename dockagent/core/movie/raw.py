"""What an excerpt takes over from its original as it is, byte by byte: boxes that we hand on and do not read."""

from dataclasses import dataclass

from dockagent.core.movie.boxes import Box, Walker, full
from dockagent.errors import Refused

_QUICKTIME = b"qt  "


@dataclass(frozen=True, slots=True)
class RawTrack:
    """One track's bytes. ``handler``: its four-character type; ``quicktime``: whether its box says so, by which readers
    know how to read a description of sound. ``stsd``: the content of its sample description. ``width``, ``height``: of
    the track header, in 16.16 fixed point. ``duration``: of its media, in its own units."""

    handler: bytes
    quicktime: bool
    stsd: bytes
    width: int
    height: int
    duration: int


def read_raw(walker: Walker) -> tuple[bool, tuple[RawTrack, ...]]:
    """(whether it is a QuickTime file, its tracks in the order of the file). Raises Refused for a broken one; give it
    only what :func:`dockagent.core.movie.movie.read_movie` took."""
    quicktime, moov = True, None  # the oldest QuickTime files have no ftyp
    for box in walker.top():
        if box.kind == b"ftyp":
            quicktime = walker.read(box.body, 4) == _QUICKTIME
        elif box.kind == b"moov":
            moov = box
    if moov is None:
        raise Refused("the file has no index (moov)")
    return quicktime, tuple(_track(walker, box) for box in walker.inside(moov) if box.kind == b"trak")


def _track(walker: Walker, box: Box) -> RawTrack:
    parts = walker.children(box)
    media = walker.children(parts[b"mdia"])
    tables = walker.children(walker.children(media[b"minf"])[b"stbl"])
    header = walker.content(parts[b"tkhd"])
    handler = walker.content(media[b"hdlr"])
    size = 88 if full(header)[0] == 1 else 76
    if len(header) < size + 8:
        raise Refused("a track header is too short")
    return RawTrack(
        handler=handler[8:12],
        quicktime=handler[4:8] == b"mhlr",
        stsd=walker.content(tables[b"stsd"]),
        width=int.from_bytes(header[size : size + 4], "big"),
        height=int.from_bytes(header[size + 4 : size + 8], "big"),
        duration=_duration(walker.content(media[b"mdhd"])),
    )


def _duration(content: bytes) -> int:
    """mdhd, ISO/IEC 14496-12 section 8.4.2."""
    version, _ = full(content, 24)
    return int.from_bytes(content[24:32] if version == 1 else content[16:20], "big")
