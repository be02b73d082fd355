"""A whole MP4 or QuickTime file: its tracks with their samples, and where its media data lies."""

from dataclasses import dataclass

from dockagent.core.movie.boxes import Box, NotRead, Walker, full
from dockagent.core.movie.fragments import Fragments
from dockagent.core.movie.track_box import TrackBox, read_track
from dockagent.core.review.sample_table import MOST_SAMPLES
from dockagent.errors import Refused

MOST_TRACKS = 64
_FIRST = frozenset(b"ftyp moov mdat free skip wide pnot styp moof sidx uuid".split())


@dataclass(frozen=True, slots=True)
class Movie:
    """``time_scale``: units a second of its edit lists. ``media``: (first byte, end) of what its mdat boxes hold, in
    the order of the file. ``fragmented``: whether samples come in fragments."""

    time_scale: int
    tracks: tuple[TrackBox, ...]
    media: tuple[tuple[int, int], ...]
    fragmented: bool


def is_movie(walker: Walker) -> bool:
    """Whether the file begins as MP4 and QuickTime files do."""
    return walker.size >= 8 and walker.read(4, 4) in _FIRST


def read_movie(walker: Walker) -> Movie:
    """All tracks of the file. Raises Refused for a file that breaks a rule; see :mod:`boxes`."""
    media: list[tuple[int, int]] = []
    moov: Box | None = None
    moofs: list[Box] = []
    for box in walker.top():
        if box.kind == b"mdat":
            media.append((box.body, box.end))
        elif box.kind == b"moof":
            moofs.append(box)
        elif box.kind == b"moov":
            if moov is not None:
                raise Refused("the file has two indexes (moov)")
            moov = box
    if moov is None:
        raise Refused("the file has no index (moov): its recording may not have been finished")
    if moofs and moofs[0].start < moov.start:
        raise Refused("a fragment comes before the index that it belongs to")
    time_scale, tracks, extends = _moov(walker, moov)
    if moofs:
        _add_fragments(walker, moofs, tracks, extends)
    return Movie(time_scale, tuple(tracks), tuple(media), bool(moofs))


def _moov(walker: Walker, moov: Box) -> tuple[int, list[TrackBox], Box | None]:
    time_scale, tracks, extends, left = 0, list[TrackBox](), None, MOST_SAMPLES
    for box in walker.inside(moov):
        if box.kind == b"mvhd":
            time_scale = _time_scale(walker.content(box))
        elif box.kind == b"cmov":
            raise NotRead("its index is compressed (cmov)")
        elif box.kind == b"mvex":
            extends = box
        elif box.kind == b"trak":
            tracks.append(read_track(walker, box, len(tracks), left))
            left -= len(tracks[-1].samples)
        if len(tracks) > MOST_TRACKS:
            raise Refused(f"the file has more than {MOST_TRACKS} tracks")
    if not time_scale:
        raise Refused("the movie has no units of time")
    if len({track.id for track in tracks}) != len(tracks):
        raise Refused("two tracks have the same id")
    return time_scale, tracks, extends


def _time_scale(content: bytes) -> int:
    """mvhd, section 8.2.2."""
    version, _ = full(content, 32)
    return int.from_bytes(content[20:24] if version == 1 else content[12:16], "big")


def _add_fragments(walker: Walker, moofs: list[Box], tracks: list[TrackBox], extends: Box | None) -> None:
    if extends is None:
        raise Refused("the file has fragments, and an index that knows of none (no mvex)")
    if any(len(track.samples) for track in tracks):
        raise NotRead("it has samples in its index and in fragments")
    adder = Fragments(walker, extends, {track.id: track for track in tracks})
    for moof in moofs:
        adder.add(moof)
        if sum(len(track.samples) for track in tracks) > MOST_SAMPLES:
            raise Refused(f"the file states more than {MOST_SAMPLES} samples")
