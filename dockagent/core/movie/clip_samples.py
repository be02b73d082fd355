"""The sample trees of a clip: for each track an RFC 6962 tree whose leaves anyone can make again with a stock ffmpeg.

A leaf is a projection of one line of ``ffmpeg -i F -map 0 -c copy -f framehash -hash sha256 -``:

    dockagent/sample/v1\\n<number in the track> <track> <dts> <pts> <size> <sha256>\\n

The duration, which ffmpeg prints too, is left out: its releases print different ones for the same file (5.1.9 guesses
from the frame rate where 9.0.2 reads the file), and the next sample's dts says the same. Beside its tree each track has
one leaf about its presentation; see :func:`presentation`.
"""

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge

import msgspec

from dockagent.core.movie.boxes import NotRead, Source, Walker
from dockagent.core.movie.movie import Movie, is_movie, read_movie
from dockagent.core.movie.playing import Playing, playing
from dockagent.core.movie.track_box import Description, TrackBox
from dockagent.core.proof import merkle
from dockagent.errors import Refused

_PIECE = 1 << 20


class Track(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One track. ``track``: its number, as ffmpeg counts streams. ``samples``: leaves of its tree, ``root`` (hex) of
    it, both empty where ``why`` says why it has none. ``left_out``: samples that its edit list hides, and that are in
    no leaf. ``presentation``: the text of its presentation leaf; ``presentation_leaf``: that leaf's hash (hex)."""

    track: int
    handler: str
    codec: str
    time_base: str
    samples: int
    root: str
    left_out: int
    presentation: str
    presentation_leaf: str
    why: str = ""


class Measure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was found about a clip's samples. ``why``: why there are no tracks at all, or empty; ``doubt``: whether that
    is something for a person to look at."""

    tracks: tuple[Track, ...] = ()
    why: str = ""
    doubt: bool = False

    @property
    def trees(self) -> tuple[Track, ...]:
        """The tracks that have a tree."""
        return tuple(track for track in self.tracks if track.root)


NOT_A_MOVIE = "byte tree only: it is no MP4 or QuickTime file"


def looks_right(source: Source, size: int) -> bool:
    """Whether the first box says that there may be something to measure. Raises OSError."""
    try:
        return is_movie(Walker(source, size))
    except Refused:
        return False


def measure(source: Source, size: int) -> Measure:
    """The sample trees of the file ``source`` of ``size`` bytes. Each byte of media is read once, in the order of the
    file. A file that breaks a rule has none, and says why; raises OSError where ``source`` cannot be read."""
    walker = Walker(source, size)
    try:
        if not is_movie(walker):
            return Measure(why=NOT_A_MOVIE)
        movie = read_movie(walker)
        if not movie.tracks:
            return Measure(why="byte tree only: it has no tracks")
        return Measure(tuple(track_of(one) for one in hashed(walker, movie)))
    except NotRead as err:
        return Measure(why=f"byte tree only: {err.what}")
    except Refused as err:
        return Measure(why=f"byte tree only: {err.what}", doubt=True)


def sample_leaf(number: int, track: int, dts: int, pts: int, size: int, sha256: str) -> bytes:
    """The text of one sample's leaf. ``sha256`` in hex, times in the track's units."""
    return b"dockagent/sample/v1\n%d %d %d %d %d %s\n" % (number, track, dts, pts, size, sha256.encode())


def presentation(track: int, about: Description) -> str:
    """The text of one track's presentation leaf: a line each for what a player needs besides the samples.

    ``extradata`` (bytes, SHA-256), ``tb`` and ``dimensions`` are as ffmpeg's framehash prints them in its head.
    """
    extra = about.extradata
    setup = "unknown" if extra is None else f"{len(extra)} {hashlib.sha256(extra).hexdigest()}" if extra else "none"
    edits = " ".join(f"{one.duration}@{one.media_time}*{one.rate}" for one in about.edits)
    lines = (
        "dockagent/presentation/v1",
        f"track {track} {about.handler} {about.codec}",
        f"tb 1/{about.time_scale}",
        f"extradata {setup}",
        f"dimensions {about.width}x{about.height}",
        f"matrix {' '.join(map(str, about.matrix))}",
        f"rotation {about.rotation if about.rotation >= 0 else 'other'}",
        f"edits {edits or 'none'}",
        f"stsd {about.stsd_sha256}",
    )
    return "".join(f"{line}\n" for line in lines)


@dataclass(slots=True)
class Hashed:
    """One track with its samples' digests, 32 bytes each, at the places of those that play. ``why``: why it has no
    leaves, or empty."""

    box: TrackBox
    plays: Playing
    digests: bytearray = field(default_factory=bytearray)
    why: str = ""

    def leaves(self, track: int = -1, first: int = 0, shift: int = 0) -> Iterator[bytes]:
        """Its leaf hashes, in order; or those of an original's ``track`` in which these are the samples from ``first``
        on and come ``shift`` units of time later."""
        plays, sizes = self.plays, self.box.samples.size
        track = self.box.number if track < 0 else track
        for at, (dts, pts) in enumerate(zip(plays.dts, plays.pts, strict=True)):
            digest = self.digests[32 * at : 32 * at + 32].hex()
            text = sample_leaf(first + at, track, dts + shift, pts + shift, sizes[plays.first + at], digest)
            yield merkle.leaf_hash(text)

    def places(self) -> Iterator[tuple[int, int, int]]:
        """(offset, track, number) of all samples, in the order of their places in the file."""
        at, track = self.box.samples.offset, self.box.number
        ordered = all(map(int.__le__, at, memoryview(at)[1:]))
        numbers = range(len(at)) if ordered else array("q", sorted(range(len(at)), key=at.__getitem__))
        return ((at[number], track, number) for number in numbers)


def hashed(walker: Walker, movie: Movie) -> list[Hashed]:
    """All tracks of a movie, hashed in one pass. Raises Refused for samples outside the media data, or that share
    bytes."""
    found = [
        Hashed(box, Playing(0, array("q"), array("q")), why=one)
        if isinstance(one, str)
        else Hashed(box, one, bytearray(32 * len(one)))
        for box, one in zip(movie.tracks, playing(movie), strict=True)
    ]
    reading = _Reading(walker, movie)
    reading.check_places()
    reading.hash({one.box.number: one for one in found if not one.why})
    return found


class _Reading:
    """Reads the samples of a movie in one pass."""

    def __init__(self, walker: Walker, movie: Movie) -> None:
        self._walker, self._movie = walker, movie

    def check_places(self) -> None:
        """Every sample lies in media data, and no two share a byte. Raises Refused: C2PA and others do not look at what
        lies elsewhere, so that pictures there can be exchanged behind a valid signature."""
        media, at = iter(self._movie.media), 0
        start = end = 0
        everything = merge(*(Hashed(box, Playing(0, array("q"), array("q"))).places() for box in self._movie.tracks))
        for offset, track, number in everything:
            until = offset + self._movie.tracks[track].samples.size[number]
            if offset < at:
                raise Refused(f"sample {number} of track {track} shares bytes with another one")
            while until > end:
                if (block := next(media, None)) is None:
                    raise Refused(f"sample {number} of track {track} lies outside the media data (mdat)")
                start, end = block
            if offset < start:
                raise Refused(f"sample {number} of track {track} lies outside the media data (mdat)")
            at = until

    def hash(self, found: dict[int, Hashed]) -> None:
        for offset, track, number in merge(*(one.places() for one in found.values())):
            one = found[track]
            place = number - one.plays.first
            if 0 <= place < len(one.plays):
                one.digests[32 * place : 32 * place + 32] = self._digest(offset, one.box.samples.size[number])

    def _digest(self, offset: int, size: int) -> bytes:
        if size <= _PIECE:
            return hashlib.sha256(self._walker.read(offset, size)).digest()
        whole = hashlib.sha256()
        for at in range(0, size, _PIECE):
            whole.update(self._walker.read(offset + at, min(_PIECE, size - at)))
        return whole.digest()


def track_of(one: Hashed) -> Track:
    """What a record says of a track."""
    box = one.box
    text = presentation(box.number, box.about)
    count = len(one.plays)
    return Track(
        track=box.number,
        handler=box.about.handler,
        codec=box.about.codec,
        time_base=f"1/{box.about.time_scale}",
        samples=count,
        root=merkle.root(one.leaves()).hex() if not one.why else "",
        left_out=len(box.samples) - count if not one.why else 0,
        presentation=text,
        presentation_leaf=merkle.leaf_hash(text.encode()).hex(),
        why=one.why,
    )
