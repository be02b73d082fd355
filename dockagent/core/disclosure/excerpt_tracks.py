"""Hold an excerpt's file against what its proof says of it: sample by sample, and then byte by byte.

Pure over a reader; whoever checks has this done by a child without rights, see
:func:`dockagent.media.excerpt_tracks.check`. Everything that is said here as wrong is a sentence for a person.
"""

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from dockagent.core.disclosure import excerpt
from dockagent.core.disclosure.excerpt import Span
from dockagent.core.disclosure.excerpt_cut import Stretch
from dockagent.core.disclosure.excerpt_proof import Proof
from dockagent.core.movie.boxes import Source, Walker
from dockagent.core.movie.clip_samples import Hashed, Track, hashed, presentation
from dockagent.core.movie.movie import read_movie
from dockagent.core.movie.raw import RawTrack, read_raw
from dockagent.core.movie.writer import OutTrack, lay_out
from dockagent.core.proof import merkle_range
from dockagent.errors import Refused

_HASH = re.compile(r"[0-9a-f]{64}")  # fromhex() alone would take blanks and capitals: more than one spelling
_SHOWN = {
    "track": "another kind of media",
    "tb": "another unit of time",
    "extradata": "another decoder set-up: it was encoded again, or is of another clip",
    "dimensions": "other dimensions",
    "matrix": "another turn or shape of the picture",
    "rotation": "another rotation",
    "stsd": "another sample description",
}


@dataclass(frozen=True, slots=True)
class Found:
    """``wrong``: why these are not samples of the original as it shows them. ``gaps``: why they are no whole
    stretches. ``findings``: what no signature covers; ``facts``: what was proved. ``unread``: why none of this could be
    found out, or empty."""

    wrong: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    unread: str = ""


@dataclass(frozen=True, slots=True)
class _Pair:
    """A track of the excerpt, where the proof says that it comes from, and what the dock said of that track."""

    place: int
    is_here: Hashed
    stretch: Stretch
    said: Track


def check_tracks(source: Source, size: int, proof: Proof, said: Mapping[int, Track]) -> Found:
    """Check the excerpt in ``source``, of ``size`` bytes. ``said``: the original's tracks, by number, as the dock
    signed them. Raises OSError where it cannot be read."""
    walker = Walker(source, size)
    try:
        movie = read_movie(walker)
        _, raw = pair = read_raw(walker)
        tracks = hashed(walker, movie)
        pairs = _pairs(tracks, proof, said)
    except Refused as err:
        return Found(wrong=(f"the file cannot be an excerpt: {err.what}",))
    wrong, gaps, facts = list[str](), list[str](), list[str]()
    # 1. Each track: set up and shown as in the original, and the very samples, one behind the other.
    for one in pairs:
        wrong += _shown_otherwise(one)
        amiss = list(_samples(one))
        gaps += amiss
        facts += [] if amiss else [_proved(one)]
    # 2. All of them shifted by one and the same time.
    wrong += _out_of_step(pairs)
    # 3. Nothing else in the file: it is what anyone writes again from these samples.
    if not wrong and not gaps:
        wrong += _other_form(walker, [one.is_here for one in pairs], pair)
        wrong += _other_times(pairs, proof, raw)
        wrong += _never_asked(pairs, proof)
    findings = [*_uncovered(pairs, raw), *_less_than_asked(pairs, proof)]
    return Found(tuple(wrong), tuple(gaps), tuple(findings), tuple(facts))


def _pairs(tracks: Sequence[Hashed], proof: Proof, said: Mapping[int, Track]) -> list[_Pair]:
    if len(tracks) != len(proof.tracks):
        raise Refused(f"it has {len(tracks)} tracks, its proof is for {len(proof.tracks)}")
    if len({one.track for one in proof.tracks}) != len(proof.tracks):
        raise Refused("its proof takes two tracks for the same one of the original")
    found = []
    for place, (is_here, stretch) in enumerate(zip(tracks, proof.tracks, strict=True)):
        if stretch.track not in said or not said[stretch.track].root:
            raise Refused(f"the proof does not show what the dock signed about track {stretch.track}")
        if is_here.why:
            raise Refused(f"track {place} is not read by every player in one way: {is_here.why}")
        if len(is_here.plays) < len(is_here.box.samples):
            hidden = len(is_here.box.samples) - len(is_here.plays)
            raise Refused(f"track {place} has {hidden} samples that its edit list hides")
        found.append(_Pair(place, is_here, stretch, said[stretch.track]))
    return found


def _shown_otherwise(one: _Pair) -> Iterator[str]:
    """What a player does with the track besides its samples; the edit list is compared with the rest of the file."""
    theirs = _lines(one.said.presentation)
    ours = _lines(presentation(one.stretch.track, one.is_here.box.about))
    for name, words in _SHOWN.items():
        if theirs.get(name) != ours.get(name):
            yield f"track {one.place} has {words}"


def _lines(text: str) -> dict[str, str]:
    return dict(line.partition(" ")[::2] for line in text.splitlines() if not line.startswith("dockagent/"))


def _samples(one: _Pair) -> Iterator[str]:
    stretch, said = one.stretch, one.said
    name, there = f"track {one.place}", len(one.is_here.plays)
    end = stretch.first + stretch.samples
    if not all(map(_HASH.fullmatch, (said.root, *stretch.siblings, *stretch.peaks))):
        yield f"{name}: its proof holds something that is no hash in hex"
        return
    proof = merkle_range.RangeProof(
        tuple(map(bytes.fromhex, stretch.siblings)), tuple(map(bytes.fromhex, stretch.peaks))
    )
    try:
        merkle_range.verify(bytes.fromhex(said.root), said.samples, stretch.first, end, proof)
    except Refused as err:
        yield f"{name}: its proof is not of the original's track {stretch.track}: {err.what}"
        return
    if there != stretch.samples:
        what = "were left out" if there < stretch.samples else "were put in"
        yield f"{name}: {there} samples are here, the stretch has {stretch.samples}: some {what}"
        return
    leaves = list(one.is_here.leaves(stretch.track, stretch.first, stretch.shift))
    for peak in merkle_range.differing(leaves, said.samples, stretch.first, proof):
        low, high = (_clock(one, at - stretch.first) for at in (peak.first, peak.end - 1))
        yield (
            f"{name}: its samples from {low} to {high} are not number {peak.first} to {peak.end - 1} of the original:"
            " altered, exchanged, in another order or at other times"
        )


def _clock(one: _Pair, at: int) -> str:
    return f"{one.is_here.plays.pts[at] / one.is_here.box.about.time_scale:.3f} s"


def _proved(one: _Pair) -> str:
    end, scale = one.stretch.first + one.stretch.samples, one.is_here.box.about.time_scale
    return (
        f"track {one.place} ({one.said.handler} {one.said.codec}) is samples {one.stretch.first} to {end - 1} of the"
        f" {one.said.samples} of the original's track {one.stretch.track}, {one.stretch.shift / scale:.6f} s earlier"
    )


def _out_of_step(pairs: Sequence[_Pair]) -> Iterator[str]:
    for one, other in combinations(pairs, 2):
        clocks = [(it.stretch.shift, it.is_here.box.about.time_scale) for it in (one, other)]
        if excerpt.out_of_step(*clocks):
            apart = abs(clocks[0][0] / clocks[0][1] - clocks[1][0] / clocks[1][1])
            yield f"tracks {one.place} and {other.place} are {apart:.6f} s further apart than in the original"


def _other_form(walker: Walker, tracks: Sequence[Hashed], raw: tuple[bool, tuple[RawTrack, ...]]) -> Iterator[str]:
    """An excerpt has one form only, so that nothing can be hidden in another: its head is written again."""
    quicktime, kinds = raw
    again = [_again(one, kind) for one, kind in zip(tracks, kinds, strict=True)]
    if any(one.wait < 0 or not 0 <= one.lasts < 1 << 32 for one in again):
        yield "its edit list or durations are not those of an excerpt"
        return
    layout = lay_out(again, quicktime=quicktime)
    if walker.size != len(layout.head) + layout.media_bytes:
        yield f"it has {walker.size - len(layout.head) - layout.media_bytes} bytes more than its samples need"
        return
    head = walker.read(0, len(layout.head))
    differs = next((at for at, (ours, its) in enumerate(zip(layout.head, head, strict=True)) if ours != its), None)
    if differs is not None:
        yield f"it has something that an excerpt has not, at byte {differs}: its edit list or another box was changed"


def _again(one: Hashed, raw: RawTrack) -> OutTrack:
    samples, about = one.box.samples, one.box.about
    return OutTrack(
        raw=raw,
        time_scale=about.time_scale,
        matrix=about.matrix,
        dts=samples.dts,
        pts=_shown(one),
        size=samples.size,
        sync=None if samples.sync is None else frozenset(samples.sync),
        wait=min(one.plays.pts),
        lasts=raw.duration - samples.dts[-1],
    )


def _shown(one: Hashed) -> "array[int]":
    samples = one.box.samples
    return array("q", map(int.__add__, samples.dts, samples.shift)) if samples.shift else samples.dts


def _other_times(pairs: Sequence[_Pair], proof: Proof, raw: Sequence[RawTrack]) -> Iterator[str]:
    """What the proof says in ms of the original's time follows from the samples."""
    one = next((pair for pair in pairs if pair.said.handler == excerpt.PICTURE), pairs[0])
    scale, shift = one.is_here.box.about.time_scale, one.stretch.shift
    begin = min(one.is_here.plays.pts) + shift
    end = max(one.is_here.plays.pts) + shift + raw[one.place].duration - one.is_here.box.samples.dts[-1]
    shows = begin * 1000 // scale, -(-end * 1000 // scale)
    if (proof.from_ms, proof.to_ms) != shows:
        yield f"it shows {shows[0]} to {shows[1]} ms of the original, not {proof.from_ms} to {proof.to_ms} ms"


def _never_asked(pairs: Sequence[_Pair], proof: Proof) -> Iterator[str]:
    """What was asked for is a word of the proof, but not any word: of it follows where an excerpt begins and ends."""
    asked = Span(proof.asked_from_ms, proof.asked_to_ms)
    said = f"what it says was asked for cannot be: {asked.from_ms} to {asked.to_ms} ms"
    if not 0 <= asked.from_ms < asked.to_ms:
        yield f"{said} is no time in a clip"
        return
    governing = [one for one in pairs if one.said.handler == excerpt.PICTURE][:1] or pairs
    whole = all(
        excerpt.covers(one.is_here, asked, one.stretch.shift, begins=not one.stretch.first) for one in governing
    )
    if not whole or asked.to_ms <= proof.from_ms or asked.from_ms >= proof.to_ms:
        yield f"{said} gives another excerpt than {proof.from_ms} to {proof.to_ms} ms"


def _less_than_asked(pairs: Sequence[_Pair], proof: Proof) -> Iterator[str]:
    """An excerpt ends behind what was asked for, or with the original."""
    goes_on = [one for one in pairs if one.stretch.first + one.stretch.samples < one.said.samples]
    if goes_on and proof.to_ms < proof.asked_to_ms:
        yield (
            f"it ends at {proof.to_ms} ms, before what it says was asked for, {proof.asked_to_ms} ms, and the original"
            f" goes on in track {goes_on[0].stretch.track}"
        )


def _uncovered(pairs: Sequence[_Pair], raw: Sequence[RawTrack]) -> Iterator[str]:
    for one in pairs:
        about, its, dts = one.is_here.box.about, raw[one.place], one.is_here.box.samples.dts
        lasts = its.duration - dts[-1]
        if lasts > max(2 * max((after - before for before, after in pairwise(dts)), default=0), about.time_scale):
            yield f"the last sample of track {one.place} lasts {lasts / about.time_scale:.3f} s; nothing proves that"
        if about.handler == excerpt.PICTURE and (its.width, its.height) != (about.width << 16, about.height << 16):
            yield (
                f"track {one.place} asks players to show {about.width}x{about.height} pixels as"
                f" {its.width / 65536:g}x{its.height / 65536:g}; no signature covers that"
            )
