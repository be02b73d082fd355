"""Where the samples of one track lie and when they are decoded: the tables of a ``stbl`` box, made into columns.

ISO/IEC 14496-12 section 8.6 (times) and 8.7 (sizes and places). All counts are bounded before anything is made of
them, and tables that contradict each other are refused: two readers would make different samples of them.
"""

import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from dockagent.core.movie.boxes import Box, NotRead, Walker, entries, full
from dockagent.errors import Refused

MOST_SAMPLES = 4_000_000  # of one file: fourteen hours of 30 pictures and 47 pieces of sound a second
LONGEST_STEP = (1 << 31) - 1  # a longer one is a negative one, by which some writers mend their mistakes
LONGEST_SHIFT = 1 << 28
_TOO_LARGE = "its samples have more bytes than the file"
FARTHEST = 1 << 53  # of any time: what JSON holds exactly


def _numbers() -> "array[int]":
    return array("q")


@dataclass(slots=True)
class Samples:
    """The samples of one track in the order of decoding, a column each: decoding time, shift from it to the time of
    showing (empty: none), bytes, and offset in the file. ``sync``: numbers (from 0) of those that need no others, None
    where all are. Times in the track's own units, from 0."""

    dts: "array[int]" = field(default_factory=_numbers)
    shift: "array[int]" = field(default_factory=_numbers)
    size: "array[int]" = field(default_factory=_numbers)
    offset: "array[int]" = field(default_factory=_numbers)
    sync: set[int] | None = None

    def __len__(self) -> int:
        return len(self.size)


def read_tables(walker: Walker, tables: Mapping[bytes, Box], most: int) -> Samples:
    """The samples that a ``stbl`` box with the boxes ``tables`` tells of, ``most`` at most. Raises Refused."""
    size = _sizes(walker, tables, most)
    if not size:
        return Samples()
    return Samples(
        dts=_times(_content(walker, tables, b"stts"), len(size)),
        shift=_shifts(walker.content(tables[b"ctts"]), len(size)) if b"ctts" in tables else _numbers(),
        size=size,
        offset=_offsets(walker, tables, size),
        sync=_sync(walker.content(tables[b"stss"]), len(size)) if b"stss" in tables else None,
    )


def _content(walker: Walker, tables: Mapping[bytes, Box], kind: bytes) -> bytes:
    if kind not in tables:
        raise Refused(f"the table {kind.decode()} is missing")
    return walker.content(tables[kind])


def _sizes(walker: Walker, tables: Mapping[bytes, Box], most: int) -> "array[int]":
    if b"stz2" in tables:
        raise NotRead("its sizes are in the compact form (stz2)")
    content = _content(walker, tables, b"stsz")
    full(content, 12)
    same, count = int.from_bytes(content[4:8], "big"), int.from_bytes(content[8:12], "big")
    if count > most:
        raise Refused(f"the file states more than {MOST_SAMPLES} samples")
    if same * count > walker.size:
        raise Refused(_TOO_LARGE)
    if same:
        return array("q", [same]) * count
    if 12 + 4 * count > len(content):
        raise Refused(f"a table states {count} samples and has room for {(len(content) - 12) // 4}")
    sizes = array("q", _words(content[12 : 12 + 4 * count]))
    if sum(sizes) > walker.size:
        raise Refused(_TOO_LARGE)
    return sizes


def _words(data: bytes) -> "array[int]":
    """Big-endian 32-bit words, unsigned."""
    words = array("I", data)
    if words.itemsize != 4:
        raise Refused("this machine's numbers are not of the usual width")
    if sys.byteorder == "little":
        words.byteswap()
    return words


def _times(content: bytes, samples: int) -> "array[int]":
    """stts, section 8.6.1.2."""
    words = _words(content[8 : 8 + 8 * entries(content, 8, samples)])
    steps = _numbers()
    for count, step in zip(words[::2], words[1::2], strict=True):
        if step > LONGEST_STEP:
            raise NotRead("a step of its decoding times is negative")
        _repeat(steps, step, count, samples)
    if len(steps) != samples:
        raise Refused(f"there are decoding times for {len(steps)} of {samples} samples")
    times = array("q", accumulate(steps[:-1], initial=0))
    if times[-1] > FARTHEST:
        raise Refused("its decoding times are too large")
    return times


def _shifts(content: bytes, samples: int) -> "array[int]":
    """ctts, section 8.6.1.3. Signed in either version: QuickTime writes negative ones with version 0."""
    words = _words(content[8 : 8 + 8 * entries(content, 8, samples)])
    shifts = _numbers()
    for count, word in zip(words[::2], words[1::2], strict=True):
        shift = word - (1 << 32) if word > LONGEST_STEP else word
        if abs(shift) > LONGEST_SHIFT:
            raise Refused("a shift from decoding to showing is longer than any that makes sense")
        _repeat(shifts, shift, count, samples)
    if len(shifts) != samples:
        raise Refused(f"there are times of showing for {len(shifts)} of {samples} samples")
    return shifts


def _repeat(column: "array[int]", value: int, count: int, most: int) -> None:
    if count == 0 or len(column) + count > most:
        raise Refused("a table of times is for another number of samples than there are")
    column.extend(array("q", [value]) * count)


def _offsets(walker: Walker, tables: Mapping[bytes, Box], size: "array[int]") -> "array[int]":
    """stsc with stco or co64, sections 8.7.4 and 8.7.5."""
    chunks = _chunks(walker, tables)
    runs = _words(_table(_content(walker, tables, b"stsc"), 12, len(size)))
    offsets = _numbers()
    if not runs or runs[0] != 1 or any(one != 1 for one in runs[2::3]):
        raise NotRead("its samples have several descriptions, or none")
    ends = [*runs[3::3], len(chunks) + 1]
    for first, per_chunk, end in zip(runs[::3], runs[1::3], ends, strict=True):
        if not first < end <= len(chunks) + 1 or not per_chunk:
            raise Refused("its tables of chunks contradict each other")
        for chunk in chunks[first - 1 : end - 1]:
            _lay(offsets, size, chunk, per_chunk)
    if len(offsets) != len(size):
        raise Refused(f"its chunks hold {len(offsets)} of its {len(size)} samples")
    return offsets


def _lay(offsets: "array[int]", size: "array[int]", at: int, count: int) -> None:
    """The places of the next ``count`` samples, which lie one behind the other from ``at`` on."""
    first = len(offsets)
    if first + count > len(size):
        raise Refused(f"its chunks hold more than its {len(size)} samples")
    offsets.extend(accumulate(size[first : first + count - 1], initial=at))


def _chunks(walker: Walker, tables: Mapping[bytes, Box]) -> "array[int]":
    if b"co64" not in tables:
        return array("q", _words(_table(_content(walker, tables, b"stco"), 4, MOST_SAMPLES)))
    words = _words(_table(walker.content(tables[b"co64"]), 8, MOST_SAMPLES))
    if any(high > LONGEST_STEP for high in words[::2]):
        raise Refused("a chunk lies beyond the end of any file")
    return array("q", [(high << 32) + low for high, low in zip(words[::2], words[1::2], strict=True)])


def _table(content: bytes, width: int, most: int) -> bytes:
    return content[8 : 8 + width * entries(content, width, most)]


def _sync(content: bytes, samples: int) -> set[int]:
    """stss, section 8.6.2: here counted from 0."""
    found = {number - 1 for number in _words(_table(content, 4, samples))}
    if not found <= set(range(samples)):
        raise Refused("a sync sample is none of its samples")
    return found
