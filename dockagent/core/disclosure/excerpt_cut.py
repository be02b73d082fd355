"""Cut an excerpt out of a clip: read it once, prove the stretch, and hand the bytes to a writer. Pure over both."""

import hashlib
from collections.abc import Callable, Iterator, Sequence

import msgspec

from dockagent.core.disclosure import excerpt
from dockagent.core.disclosure.excerpt import Run, Span
from dockagent.core.movie.boxes import Source, Walker
from dockagent.core.movie.clip_samples import Track, hashed, track_of
from dockagent.core.movie.movie import is_movie, read_movie
from dockagent.core.movie.raw import read_raw
from dockagent.core.movie.writer import Layout, lay_out
from dockagent.core.proof import merkle_range
from dockagent.errors import DockError, Missing

_PIECE = 1 << 20


class Stretch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One track of an excerpt: samples ``first`` and on, ``samples`` of them, of the original's track ``track``. What
    must be added to their times to have the original's is ``shift``, in units of the track. ``siblings`` and ``peaks``
    (hex): the range proof, see :mod:`dockagent.core.proof.merkle_range`."""

    track: int
    first: int
    samples: int
    shift: int
    siblings: tuple[str, ...]
    peaks: tuple[str, ...]


class Cut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was cut. ``original``: the tracks of the whole clip, to be held against its record. ``stretches``: those of
    the excerpt, in its order. ``from_ms``, ``to_ms``: what it shows, in the original's time. ``left_out``: a line for
    each chosen track that has nothing there. ``bytes``, ``sha256``: of the excerpt's file."""

    original: tuple[Track, ...]
    stretches: tuple[Stretch, ...]
    from_ms: int
    to_ms: int
    left_out: tuple[str, ...]
    bytes: int
    sha256: str


class NoCut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why there is none: the name of the error's class, what, and its hint."""

    error: str
    what: str
    hint: str


def cut(source: Source, size: int, wanted: str, asked: Span, write: Callable[[bytes], object]) -> Cut | NoCut:
    """Cut what was ``asked`` of the tracks that are ``wanted`` (see :func:`excerpt.choose`)."""
    try:
        return _cut(Walker(source, size), wanted, asked, write)
    except DockError as err:
        return NoCut(type(err).__name__, err.what, err.hint)


def _cut(walker: Walker, wanted: str, asked: Span, write: Callable[[bytes], object]) -> Cut:
    if not is_movie(walker):
        raise Missing("an excerpt cannot be proved, because the clip is no MP4 or QuickTime file", _WHOLE)
    movie = read_movie(walker)
    quicktime, raw = read_raw(walker)
    tracks = hashed(walker, movie)
    chosen = excerpt.choose(tracks, wanted)
    runs = excerpt.plan(chosen, asked)
    layout = lay_out([excerpt.out_track(run, raw[run.track]) for run in runs], quicktime=quicktime)
    whole = hashlib.sha256()
    for piece in _pieces(walker, runs, layout):
        whole.update(piece)
        write(piece)
    governing = next((run for run in runs if run.hashed.box.about.handler == excerpt.PICTURE), runs[0])
    return Cut(
        original=tuple(track_of(one) for one in tracks),
        stretches=tuple(_prove(run) for run in runs),
        from_ms=governing.span.from_ms,
        to_ms=governing.span.to_ms,
        left_out=tuple(
            f"track {one.box.number} ({one.box.about.handler} {one.box.about.codec}) has nothing in this time"
            for one in chosen
            if all(run.hashed is not one for run in runs)
        ),
        bytes=len(layout.head) + layout.media_bytes,
        sha256=whole.hexdigest(),
    )


_WHOLE = "disclose the whole clip"


def _prove(run: Run) -> Stretch:
    proof = merkle_range.prove(list(run.hashed.leaves()), run.first, run.end)
    return Stretch(
        track=run.track,
        first=run.first,
        samples=run.end - run.first,
        shift=run.shift,
        siblings=tuple(one.hex() for one in proof.siblings),
        peaks=tuple(one.hex() for one in proof.peaks),
    )


def _pieces(walker: Walker, runs: Sequence[Run], layout: Layout) -> Iterator[bytes]:
    """The excerpt's bytes."""
    yield layout.head
    for chunk in layout.chunks:
        run = runs[chunk.track]
        samples, begin = run.hashed.box.samples, run.hashed.plays.first + run.first
        for number in range(begin + chunk.first, begin + chunk.end):
            offset, end = samples.offset[number], samples.offset[number] + samples.size[number]
            yield from (walker.read(at, min(end - at, _PIECE)) for at in range(offset, end, _PIECE))
