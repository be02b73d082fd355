"""When a track's samples are decoded and shown, as ``ffmpeg -map 0 -c copy`` counts: edit lists applied, from zero on.

ISO/IEC 14496-12 leaves room in how a player carries out an edit list; a leaf of a sample tree has to be what anyone
with a stock ffmpeg gets. So this is ffmpeg's way, for the lists that cameras write: some waiting, then one stretch of
the track. Two releases that are far apart (5.1.9 and 9.0.2) agree on it. Where ffmpeg would split, join, repeat or
re-time samples by rules of its own, the track is :class:`NotRead`.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from dockagent.core.movie.boxes import NotRead
from dockagent.core.movie.movie import Movie
from dockagent.core.movie.track_box import Edit, TrackBox
from dockagent.core.review.sample_table import Samples

_PICTURE, _SOUND = "vide", "soun"
_TEXT = frozenset(("text", "sbtl", "subt", "subp", "clcp", "hint"))
_WHOLE = {  # kinds whose samples ffmpeg hands on as they are; others it cuts or joins
    _PICTURE: frozenset(("avc1", "avc3", "hvc1", "hev1", "mp4v", "s263", "h263", "jpeg")),
    _SOUND: frozenset(("mp4a", "samr", "sawb")),
}
_ENCRYPTED = frozenset(("encv", "enca"))
_ONE = 1 << 16  # a rate of 1.0
_MICRO = 1_000_000
_LONGEST_GAP_S = 20 * 3600  # after a longer one ffmpeg takes a time for a mistake (-dts_error_threshold)


@dataclass(frozen=True, slots=True)
class Playing:
    """The samples of a track that play: those from number ``first`` on, with their times in the track's units."""

    first: int
    dts: "array[int]"
    pts: "array[int]"

    def __len__(self) -> int:
        return len(self.dts)


@dataclass(frozen=True, slots=True)
class _Timed:
    """A track on its own clock. ``start``: what ffmpeg takes for its start, None where it cannot be told."""

    playing: Playing | None
    start: int | None
    why: str = ""


def playing(movie: Movie) -> list[Playing | str]:
    """For each track what plays of it, or why that cannot be told as ffmpeg would."""
    chapters = {ident for track in movie.tracks for ident in track.chapters}
    timed = [_timed(movie, track, chapters) for track in movie.tracks]
    start_us = _start_us(movie, timed)
    found: list[Playing | str] = []
    for track, one in zip(movie.tracks, timed, strict=True):
        if one.playing is None:
            found.append(one.why)
        elif start_us is None:
            found.append("another track of the file begins at a time that cannot be told")
        else:
            found.append(_moved(one.playing, -_rescale(start_us, track.about.time_scale, _MICRO)))
    return found


def _timed(movie: Movie, track: TrackBox, chapters: set[int]) -> _Timed:
    if not len(track.samples):
        return _Timed(None, None, track.why or "it has no samples")
    try:
        found, start = _by_edits(movie, track)
        _check_kind(track, chapters)
        _check_times(track, found)
    except NotRead as err:
        return _Timed(None, _known_start(movie, track), err.what)
    return _Timed(found, start)


def _known_start(movie: Movie, track: TrackBox) -> int | None:
    """The start of a track that is not read for another reason than its times."""
    try:
        return _by_edits(movie, track)[1]
    except NotRead:
        return None


def _check_kind(track: TrackBox, chapters: set[int]) -> None:
    handler, codec = track.about.handler, track.about.codec
    if track.id in chapters or handler in _TEXT:
        raise NotRead("it is text or chapter marks")
    if codec in _ENCRYPTED:
        raise NotRead("it is encrypted")
    if handler in _WHOLE and codec not in _WHOLE[handler]:
        raise NotRead(f"players cut {codec!r} into other pieces than the file does")
    if codec in ("mp4a", "mp4v") and track.about.extradata is None:
        raise NotRead(f"it is {codec!r} of a kind that players cut into other pieces than the file does")
    if handler == _SOUND and track.samples.shift:
        raise NotRead("it is sound with a time of showing")


def _check_times(track: TrackBox, found: Playing) -> None:
    samples = track.samples
    if not found:
        raise NotRead("its edit list shows none of it")
    if track.about.handler == _PICTURE and samples.sync is not None and found.first not in samples.sync:
        raise NotRead("it begins with pictures that need an earlier one, which players leave out")
    if 0 in samples.size:
        raise NotRead("some of its samples are empty")
    steps = [after - before for before, after in pairwise(found.dts)]
    if min(steps, default=0) < 0 or any(map(int.__gt__, found.dts, found.pts)):
        raise NotRead("its times run backwards, which players mend in their own ways")
    if max(steps, default=0) > _LONGEST_GAP_S * track.about.time_scale:
        raise NotRead("there is a gap of more than a day's shift in its times")


def _by_edits(movie: Movie, track: TrackBox) -> tuple[Playing, int]:
    """What plays, on the track's own clock, and where ffmpeg has the track begin."""
    samples, edits = track.samples, track.about.edits
    waits = [_rescale(edit.duration, track.about.time_scale, movie.time_scale) for edit in _empty(edits)]
    stretch = edits[len(waits) :]
    if len(stretch) > 1 or any(edit.rate != _ONE or edit.media_time < 0 for edit in stretch):
        raise NotRead("its edit list repeats, hides or slows down parts of it")
    if edits and not stretch:
        raise NotRead("its edit list shows none of it")
    if samples.shift and min(samples.shift) < 0:
        raise NotRead("it has pictures that are shown before they are decoded, which players mend in their own ways")
    if movie.fragmented:
        if any(waits) or (stretch and stretch[0].media_time):
            raise NotRead("it has fragments and an edit list, which players carry out in their own ways")
        found = _with_pts(samples, 0, samples.dts)
        return found, found.pts[0]
    if not stretch:
        found = _with_pts(samples, 0, array("q", samples.dts))
        return found, (found.dts if track.about.handler == _SOUND else found.pts)[0]
    length = _rescale(stretch[0].duration, track.about.time_scale, movie.time_scale)
    if not length:
        raise NotRead("its edit list states no length")
    settle = track.about.time_scale if track.about.handler == _SOUND else 0
    cut = _Cut(samples, settle, stretch[0].media_time, length, sum(waits))
    first, dts = cut.run()
    if track.about.handler == _PICTURE and cut.earliest is not None and (late := cut.earliest - sum(waits)) > 0:
        dts = array("q", (one - late for one in dts))
    return _with_pts(samples, first, dts), sum(waits)


def _empty(edits: Sequence[Edit]) -> list[Edit]:
    """The edits at the beginning that show nothing."""
    count = next((at for at, edit in enumerate(edits) if edit.media_time != -1), len(edits))
    return list(edits[:count])


def _with_pts(samples: Samples, first: int, dts: "array[int]") -> Playing:
    if not samples.shift:
        return Playing(first, dts, dts)
    shifts = islice(samples.shift, first, first + len(dts))
    return Playing(first, dts, array("q", (at + shift for at, shift in zip(dts, shifts, strict=True))))


@dataclass(slots=True)
class _Cut:
    """One stretch of a track, from the media time ``start`` on, ``length`` long, shown after ``wait`` (all in the
    track's units): which samples a decoder needs for it, and when they come. ``settle``: for how long a decoder of
    sound runs before, 0 for others. ``earliest``: the first time of showing inside the stretch. ``seen_end``: whether a
    sync picture behind the stretch was met."""

    samples: Samples
    settle: int
    start: int
    length: int
    wait: int
    earliest: int | None = None
    seen_end: bool = False

    def run(self) -> tuple[int, "array[int]"]:
        """(number of the first sample, decoding times from there on)."""
        first = self._first()
        dts, at = array("q"), self.wait
        begun, leading = False, list[int]()
        for number in range(first, len(self.samples)):
            shown = self.samples.dts[number] + self._shift(number)
            lasts = self._lasts(number)
            inside = self.start <= shown < self.start + self.length
            if self.settle and not begun and shown < self.start < shown + lasts:
                at -= self.start - shown  # its first part is dropped after decoding
                inside = True
            elif inside:
                self._note(at + self._shift(number))
            if inside and not begun:
                begun = True
                _space_out(dts, at, leading)
            elif not begun:
                leading.append(lasts)
            dts.append(at)
            at += lasts if begun else 0
            if self._is_last(number, shown + lasts):
                break
        return first, dts

    def _shift(self, number: int) -> int:
        return self.samples.shift[number] if self.samples.shift else 0

    def _lasts(self, number: int) -> int:
        times = self.samples.dts
        return times[number + 1] - times[number] if number + 1 < len(times) else self.length

    def _note(self, shown: int) -> None:
        self.earliest = shown if self.earliest is None else min(self.earliest, shown)

    def _first(self) -> int:
        """The sample from which a decoder has to begin to show ``start``."""
        times = self.samples.dts
        if self.settle:
            return self._back(bisect_right(times, max(self.start - self.settle, times[0])) - 1)
        wanted = self.start
        number = bisect_right(times, wanted) - 1
        while number > 0 and not self._alone(number):
            number -= 1
        number = self._back(max(number, 0))
        while number > 0 and not (self._alone(number) and times[number] + self._shift(number) <= wanted):
            number -= 1
        return number

    def _alone(self, number: int) -> bool:
        return self.samples.sync is None or number in self.samples.sync

    def _back(self, number: int) -> int:
        """The first of those that are decoded at the same time and need no others."""
        times, found = self.samples.dts, number
        while number and times[number - 1] == times[number]:
            number -= 1
            found = number if self._alone(number) else found
        return found

    def _is_last(self, number: int, until: int) -> bool:
        """Whether the stretch is over: at the first sync picture behind it, or, as pictures that are shown before that
        one may come after it, at the second."""
        if until < self.start + self.length or not (self.settle or self._alone(number)):
            return False
        if self.settle or not self.samples.shift or self.seen_end:
            return True
        self.seen_end = True
        return False


def _space_out(dts: "array[int]", end: int, lasting: Sequence[int]) -> None:
    """What is only there for a decoder to begin with comes before the stretch, each piece by its own length."""
    for back, lasts in enumerate(reversed(lasting), 1):
        end -= lasts
        dts[-back] = end


def _start_us(movie: Movie, timed: Sequence[_Timed]) -> int | None:
    """Where ffmpeg has the whole file begin, in µs: with its first track. Data that begins more than a second before
    picture and sound is not counted. None: it cannot be told, as the start of a track cannot."""
    starts, other, unknown = list[int](), list[int](), False
    for track, one in zip(movie.tracks, timed, strict=True):
        if one.start is None:
            unknown = unknown or bool(len(track.samples) or track.why)
            continue
        start = _rescale(one.start, _MICRO, track.about.time_scale)
        (starts if track.about.handler in (_PICTURE, _SOUND) else other).append(start)
    if not starts:
        starts, other = other, []
    start, data = min(starts, default=0), min(other, default=0)
    if other and 0 < start - data < _MICRO:
        start = data
    return None if unknown and start > 0 else start


def _moved(found: Playing, by: int) -> Playing:
    if not by:
        return found
    dts = array("q", (one + by for one in found.dts))
    return Playing(found.first, dts, dts if found.pts is found.dts else array("q", (one + by for one in found.pts)))


def _rescale(value: int, by: int, over: int) -> int:
    """value × by ÷ over, to the nearest whole number, halves away from zero."""
    size = (abs(value) * by * 2 + over) // (over * 2)
    return size if value >= 0 else -size
