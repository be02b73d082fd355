"""Which samples an excerpt takes, and how it is laid out: pure over what was read of the original.

* Pictures come in whole groups. A *border* is a sync sample with everything before it shown before it, and everything
  behind it shown behind it; the asked times are widened to borders. A sync sample with leading pictures (an open group,
  whose first pictures need the group before) is no border, so an excerpt never begins with pictures that cannot be
  decoded, and never lacks one from within the asked time.
* Sound, and pictures that all stand alone: every sample that lasts into the time given.
* Data (places, time codes): every sample that begins within it. One that began before would carry the time before it.

All tracks keep their places in time: the excerpt begins at the *zero*, the first time of showing of all its tracks, and
each track is shifted by it, rounded to the track's own unit.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from dockagent.core.movie.clip_samples import Hashed
from dockagent.core.movie.raw import RawTrack
from dockagent.core.movie.writer import OutTrack
from dockagent.errors import Missing, Refused, UsageError

PICTURE, SOUND = "vide", "soun"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the original's own time, in ms from its beginning as players count."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Run:
    """The samples of one track from number ``first`` up to ``end``, and their ``shift``: what to add to a time in the
    excerpt (units of the track) to have the time in the original."""

    hashed: Hashed
    first: int
    end: int
    shift: int = 0

    @property
    def track(self) -> int:
        """Its number in the original."""
        return self.hashed.box.number

    @property
    def time_scale(self) -> int:
        """Units a second."""
        return self.hashed.box.about.time_scale

    @property
    def start(self) -> int:
        """The first time of showing, in the original's units."""
        return min(self.hashed.plays.pts[self.first : self.end])

    @property
    def lasts(self) -> int:
        """For how long its last sample is decoded; where none follows, as long as the one before."""
        dts = self.hashed.plays.dts
        if self.end < len(dts):
            return dts[self.end] - dts[self.end - 1]
        return dts[-1] - dts[-2] if len(dts) > 1 else max(1, self.time_scale // 10)

    @property
    def span(self) -> Span:
        """What it shows. Its end is the original's word: no later sample in the excerpt proves it."""
        end = max(self.hashed.plays.pts[self.first : self.end]) + self.lasts
        return Span(self.start * 1000 // self.time_scale, -(-end * 1000 // self.time_scale))


def choose(tracks: Sequence[Hashed], wanted: str) -> list[Hashed]:
    """The tracks that ``wanted`` names: ``video``, ``audio``, numbers, joined by commas; empty: all pictures and sound.

    Raises UsageError for a word or number that names none, Missing for a track that was asked for and cannot be proved.
    """
    kinds = {"video": PICTURE, "audio": SOUND}
    chosen: dict[int, Hashed] = {}
    for word in (wanted or "video,audio").split(","):
        kind = kinds.get(word.strip())
        found = [one for one in tracks if one.box.about.handler == kind or str(one.box.number) == word.strip()]
        if wanted and not found:
            raise UsageError(f"the clip has no track {word.strip()!r}", f"it has {_listed(tracks)}")
        chosen |= {one.box.number: one for one in found}
    without = [one for one in chosen.values() if one.why]
    if without and (wanted or len(without) == len(chosen)):
        raise Missing(
            f"an excerpt of track {without[0].box.number} cannot be proved, because {without[0].why}",
            "choose others with --tracks, or disclose the whole clip",
        )
    if not chosen:
        raise Missing("the clip has neither picture nor sound", f"choose with --tracks: it has {_listed(tracks)}")
    return [one for _, one in sorted(chosen.items()) if not one.why]


def plan(chosen: Sequence[Hashed], asked: Span) -> list[Run]:
    """The runs of the chosen tracks. Raises UsageError where the asked time is not in the clip."""
    pictures = [one for one in chosen if one.box.about.handler == PICTURE]
    found: list[Run | None] = [_run(pictures[0], asked)] if pictures else []
    shows = found[0].span if found and found[0] else asked
    given = Span(min(asked.from_ms, shows.from_ms), max(asked.to_ms, shows.to_ms))
    found += [_run(one, given) for one in chosen if one not in pictures[:1]]
    runs = sorted((run for run in found if run is not None), key=lambda run: run.track)
    if not runs or (pictures and found[0] is None):
        length = max(Run(one, 0, len(one.plays)).span.to_ms for one in chosen)
        raise UsageError(f"there is nothing from {asked.from_ms} to {asked.to_ms} ms", f"the clip has {length} ms")
    return _on_one_clock(runs)


def out_track(run: Run, raw: RawTrack) -> OutTrack:
    """How a run is written. Raises Refused for what the file format cannot hold."""
    box, plays = run.hashed.box, run.hashed.plays
    begin = plays.dts[run.first]
    number = plays.first + run.first  # in the file, with those that its edit list hides
    sync = box.samples.sync
    if max(max(plays.pts[run.first : run.end]) - begin, run.lasts) >= 1 << 62:
        raise Refused("the times of the clip are too large for a file")
    return OutTrack(
        raw=raw,
        time_scale=run.time_scale,
        matrix=box.about.matrix,
        dts=array("q", (one - begin for one in plays.dts[run.first : run.end])),
        pts=array("q", (one - begin for one in plays.pts[run.first : run.end])),
        size=box.samples.size[number : number + run.end - run.first],
        sync=None if sync is None else frozenset(at for at in range(run.end - run.first) if number + at in sync),
        wait=run.start - run.shift,
        lasts=run.lasts,
    )


def out_of_step(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Whether two tracks, each (shift, units a second), are shifted by different times.

    Each shift is the one zero of the excerpt, rounded to the nearest unit of its track: so two of them may differ by
    half a unit of the one and half a unit of the other, and by no more.
    """
    (shift, scale), (other, other_scale) = first, second
    return 2 * abs(shift * other_scale - other * scale) > scale + other_scale


def _run(one: Hashed, asked: Span) -> Run | None:
    scale, pts = one.box.about.time_scale, one.plays.pts
    low, high = asked.from_ms * scale, asked.to_ms * scale  # thousandths of units
    if one.box.about.handler not in (PICTURE, SOUND):
        inside = [at for at, shown in enumerate(pts) if low <= shown * 1000 < high]
        return Run(one, inside[0], inside[-1] + 1) if inside else None
    borders = _borders(one)
    first = max((at for at in borders if pts[at] * 1000 <= low), default=0)
    end = min((at for at in borders if pts[at] * 1000 >= high), default=len(pts))
    if first >= end:
        return None
    run = Run(one, first, end)
    return run if run.span.to_ms > asked.from_ms and run.span.from_ms < asked.to_ms else None


def covers(one: Hashed, asked: Span, shift: int, *, begins: bool) -> bool:
    """Whether an excerpt's track ``one``, whose times in the original are ``shift`` units later, is what :func:`plan`
    takes for the time ``asked``: as far as its own samples can tell. ``begins``: the original begins there too, so that
    it may have been asked for from an earlier time on. Its end may be earlier than asked for: nothing in an excerpt
    says when the next sample is."""
    scale, times = one.box.about.time_scale, one.plays.pts
    low, high = asked.from_ms * scale, asked.to_ms * scale  # thousandths of units
    if one.box.about.handler not in (PICTURE, SOUND):
        return all(low <= (shown + shift) * 1000 < high for shown in times)
    inside = (times[at] + shift for at in _borders(one) if at)
    reaches = begins or (times[0] + shift) * 1000 <= low
    return reaches and all(low < shown * 1000 < high for shown in inside)


def _borders(one: Hashed) -> list[int]:
    pts, first, sync = one.plays.pts, one.plays.first, one.box.samples.sync
    before = accumulate(pts, max, initial=pts[0] - 1)
    behind = list(accumulate(reversed(pts), min))[::-1]
    return [
        at
        for at, (most, least) in enumerate(zip(before, behind, strict=False))
        if (sync is None or first + at in sync) and most < pts[at] == least
    ]


def _on_one_clock(runs: Iterable[Run]) -> list[Run]:
    """The runs with their shifts: the zero, rounded to the nearest unit of each track."""
    runs = list(runs)
    zero = runs[0]
    for run in runs[1:]:
        if run.start * zero.time_scale < zero.start * run.time_scale:
            zero = run
    return [Run(run.hashed, run.first, run.end, _nearest(zero.start * run.time_scale, zero.time_scale)) for run in runs]


def _nearest(value: int, over: int) -> int:
    return (2 * value + over) // (2 * over)


def _listed(tracks: Sequence[Hashed]) -> str:
    return ", ".join(f"{one.box.number} ({one.box.about.handler} {one.box.about.codec})" for one in tracks)
