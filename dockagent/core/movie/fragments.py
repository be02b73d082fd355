"""Movie fragments: the samples that ``moof`` boxes add to the tracks (ISO/IEC 14496-12 section 8.8)."""

import struct
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from dockagent.core.movie.boxes import Box, Walker, full
from dockagent.core.movie.track_box import TrackBox
from dockagent.core.review.sample_table import FARTHEST, LONGEST_SHIFT, LONGEST_STEP, MOST_SAMPLES, Samples
from dockagent.errors import Refused

# tfhd, section 8.8.7.1
_BASE, _DESCRIPTION, _DURATION, _SIZE, _FLAGS, _BASE_IS_MOOF = 0x1, 0x2, 0x8, 0x10, 0x20, 0x20000
# trun, section 8.8.8.1
_DATA_OFFSET, _FIRST_FLAGS = 0x1, 0x4
_EACH_DURATION, _EACH_SIZE, _EACH_FLAGS, _EACH_SHIFT = 0x100, 0x200, 0x400, 0x800
_NOT_SYNC = 0x01010000  # sample_is_non_sync_sample, or it depends on others (section 8.8.3.1)


@dataclass(frozen=True, slots=True)
class _Defaults:
    description: int
    duration: int
    size: int
    flags: int


class Fragments:
    """Adds fragments, in the order of the file, to ``tracks`` (by their own ids)."""

    def __init__(self, walker: Walker, extends: Box, tracks: Mapping[int, TrackBox]) -> None:
        """``extends``: the mvex box. Raises Refused for a broken one."""
        self._walker, self._tracks = walker, tracks
        self._defaults: dict[int, _Defaults] = {}
        for box in walker.inside(extends):
            if box.kind == b"trex":
                full(content := walker.content(box), 24)
                ident, *rest = struct.unpack_from(">5I", content, 4)
                self._defaults[ident] = _Defaults(*rest)

    def add(self, box: Box) -> None:
        """One moof box. Raises Refused for one that contradicts itself or the tracks."""
        behind = box.start  # where the next run's bytes begin that says nothing about it
        for part in self._walker.inside(box):
            if part.kind == b"traf":
                behind = self._track(part, box.start, behind)

    def _track(self, box: Box, moof: int, behind: int) -> int:
        parts = self._walker.children(box)
        if b"tfhd" not in parts:
            raise Refused("a fragment does not say of which track it is")
        track, base, defaults = self._header(self._walker.content(parts[b"tfhd"]), moof, behind)
        samples = track.samples
        at = _time(self._walker.content(parts[b"tfdt"])) if b"tfdt" in parts else track.fragments
        for run in self._walker.inside(box):
            if run.kind == b"trun":
                if samples.dts and at < samples.dts[-1]:
                    raise Refused("its fragments are not in the order of their times")
                at, behind = _run(self._walker.content(run), samples, at, base, defaults)
                if behind > self._walker.size:
                    raise Refused("a run of a fragment has more bytes than the file")
        track.fragments = at
        return behind

    def _header(self, content: bytes, moof: int, behind: int) -> tuple[TrackBox, int, _Defaults]:
        _, flags = full(content, 8)
        ident = int.from_bytes(content[4:8], "big")
        if ident not in self._tracks or ident not in self._defaults:
            raise Refused(f"a fragment is of track {ident}, which is not there")
        usual, at = self._defaults[ident], 8
        values = {_DESCRIPTION: usual.description, _DURATION: usual.duration, _SIZE: usual.size, _FLAGS: usual.flags}
        base = moof if flags & _BASE_IS_MOOF else behind
        if flags & _BASE:
            base, at = int.from_bytes(content[8:16], "big"), 16
        for flag in values:
            if flags & flag:
                values[flag] = int.from_bytes(content[at : at + 4], "big")
                at += 4
        if at > len(content):
            raise Refused("the header of a fragment is too short")
        if values[_DESCRIPTION] != 1:
            raise Refused("a fragment has another description than its track")
        return self._tracks[ident], base, _Defaults(*values.values())


def _time(content: bytes) -> int:
    """tfdt, section 8.8.12."""
    version, _ = full(content, 8)
    at = int.from_bytes(content[4:12] if version == 1 else content[4:8], "big")
    if at > FARTHEST:
        raise Refused("the time of a fragment is too large")
    return at


def _run(content: bytes, samples: Samples, at: int, base: int, usual: _Defaults) -> tuple[int, int]:
    """Add one trun box; (the time, the offset) at which it ends."""
    _, flags = full(content, 8)
    count, head = int.from_bytes(content[4:8], "big"), 8
    start, first_flags = base, usual.flags
    if flags & _DATA_OFFSET:
        start, head = base + int.from_bytes(content[head : head + 4], "big", signed=True), head + 4
    if flags & _FIRST_FLAGS:
        first_flags, head = int.from_bytes(content[head : head + 4], "big"), head + 4
    each = [one for one in (_EACH_DURATION, _EACH_SIZE, _EACH_FLAGS, _EACH_SHIFT) if flags & one]
    if head + 4 * len(each) * count > len(content) or len(samples) + count > MOST_SAMPLES:
        raise Refused(f"a run of a fragment states {count} samples and has no room for them")
    row = struct.iter_unpack(f">{len(each)}I", content[head : head + 4 * len(each) * count]) if each else [()] * count
    columns = dict(zip(each, zip(*row, strict=True), strict=True)) if count else {}
    durations = columns.get(_EACH_DURATION, (usual.duration,) * count)
    sizes = columns.get(_EACH_SIZE, (usual.size,) * count)
    marks = columns.get(_EACH_FLAGS, (first_flags, *(usual.flags,) * (count - 1))) if count else ()
    shifts = tuple(one - (1 << 32) if one > LONGEST_STEP else one for one in columns.get(_EACH_SHIFT, (0,) * count))
    if any(one > LONGEST_STEP for one in durations) or any(abs(one) > LONGEST_SHIFT for one in shifts):
        raise Refused("a time in a fragment is too large")
    _extend(samples, durations, sizes, shifts, at, start)
    _mark(samples, marks)
    return at + sum(durations), start + sum(sizes)


def _extend(
    samples: Samples, durations: tuple[int, ...], sizes: tuple[int, ...], shifts: tuple[int, ...], at: int, start: int
) -> None:
    before = len(samples)
    samples.dts.extend(list(accumulate(durations, initial=at))[:-1])
    samples.offset.extend(list(accumulate(sizes, initial=start))[:-1])
    samples.size.extend(sizes)
    if any(shifts) or samples.shift:
        samples.shift.extend(array("q", [0]) * (before - len(samples.shift)))
        samples.shift.extend(shifts)
    if samples.dts and samples.dts[-1] > FARTHEST:
        raise Refused("its decoding times are too large")


def _mark(samples: Samples, marks: tuple[int, ...]) -> None:
    """Note which of the samples that came last can be decoded alone."""
    first = len(samples) - len(marks)
    if samples.sync is None:
        samples.sync = set(range(first))
    samples.sync.update(first + at for at, one in enumerate(marks) if not one & _NOT_SYNC)
