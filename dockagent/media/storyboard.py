"""The storyboard: one JPEG with a grid of small pictures, and a WebVTT file that says which belongs to which time.

Only key frames are decoded, because everything else costs forty times as much. A long clip is not even read through:
a few processes jump to the places that are wanted. WebVTT: https://www.w3.org/TR/webvtt1/; ``#xywh=``: Media Fragments
URI 1.0, 4.2.2. Times count from the first picture's zero, as a player counts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import ffmpeg

from dockagent.media import child
from dockagent.media.job import Job
from dockagent.media.probe import StreamFacts

WIDTH, HEIGHT, COLUMNS = 160, 90, 10
SPRITE, VTT = "sprite.jpg", "storyboard.vtt"
_TILE_BYTES = WIDTH * HEIGHT * 3 // 2  # yuv420p
_CLOSEST_MS = 500  # pictures nearer to each other show nothing new
_FEW = 10  # with fewer key frames than this, other frames are decoded too
_JUMP_FROM_MS = 300_000  # from this length on, jumping costs less than reading through
_JUMPS = 6  # places per process: each holds a decoder in memory


@dataclass(frozen=True, slots=True)
class Tile:
    """One small picture (``yuv420p``, WIDTH × HEIGHT) and the time it was taken at."""

    at_ms: int
    pixels: bytes


def tiles(job: Job, video: StreamFacts, most: int) -> tuple[list[Tile], str]:
    """At most ``most`` pictures, spread over the clip, in order of time; and why there are none or fewer, or ""."""
    length = job.facts.duration_ms or most * 1000
    wanted = min(most, -(-length // _CLOSEST_MS))
    found: list[Tile] = []
    reason = ""
    if length >= _JUMP_FROM_MS:
        found, reason = _jump(job, video, [length * at // most for at in range(most)])
    if len(found) < min(_FEW, wanted):
        read, reason = _read_through(job, video, max(_CLOSEST_MS, length // most), most, skip_frame="nokey")
        found = max(found, read, key=len)
    if len(found) < min(_FEW, wanted):
        # A header may state any length: without a picture from the second half, the grid follows seconds instead.
        honest = bool(found) and found[-1].at_ms * 2 >= length
        read, reason = _read_through(job, video, max(_CLOSEST_MS, length // most) if honest else 1000, most)
        found = max(found, read, key=len)
    return found, reason


def grid(pictures: int) -> tuple[int, int]:
    """Columns and rows of a sprite with so many pictures."""
    columns = min(COLUMNS, pictures)
    return columns, -(-pictures // columns)


def sprite(job: Job, pictures: Sequence[Tile]) -> child.Outcome:
    """Write SPRITE: the pictures row by row, COLUMNS to a row."""
    raw = job.scratch / "all.yuv"
    raw.write_bytes(b"".join(tile.pixels for tile in pictures))
    columns, rows = grid(len(pictures))
    drawn = (
        ffmpeg.input(child.url(raw), f="rawvideo", pixel_format="yuv420p", video_size=(WIDTH, HEIGHT), framerate=1)
        .filter("tile", f"{columns}x{rows}")
        .output(
            child.url(job.folder / SPRITE),
            f="mjpeg",
            pix_fmt="yuvj420p",
            fflags="+bitexact",
            **{"frames:v": 1, "q:v": 4},
        )
    )
    return job.ffmpeg(drawn)


def vtt(pictures: Sequence[Tile], end_ms: int) -> str:
    """The WebVTT text. Each cue lasts from its picture to the next one; the first begins at 0, the last ends at
    ``end_ms`` (a millisecond after its picture where that is later)."""
    columns, _ = grid(len(pictures))
    starts = [0, *(tile.at_ms for tile in pictures[1:])]
    times = [*starts, max(end_ms, starts[-1] + 1)]
    cues = [
        f"{_clock(start)} --> {_clock(end)}\n"
        f"{SPRITE}#xywh={at % columns * WIDTH},{at // columns * HEIGHT},{WIDTH},{HEIGHT}\n"
        for at, (start, end) in enumerate(pairwise(times))
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _read_through(job: Job, video: StreamFacts, every_ms: int, most: int, **decode: str) -> tuple[list[Tile], str]:
    """One process reads the whole clip and keeps the first picture of every ``every_ms``."""
    every = f"{every_ms / 1000:.3f}"
    picked = f"isnan(prev_selected_t)+gt(floor(t/{every}),floor(prev_selected_t/{every}))"
    stream = job.open(**decode)[str(video.index)].filter("select", picked)
    outcome = job.ffmpeg(_small(job, stream, video, "read", most), "-copyts")
    return _in_order(_load(job, "read")), outcome.reason


def _jump(job: Job, video: StreamFacts, places: Sequence[int]) -> tuple[list[Tile], str]:
    """Jump to the key frame before each of ``places`` (ms). What does not come is left out."""
    found: list[Tile] = []
    reason = ""
    for first in range(0, len(places), _JUMPS):
        names = {f"at{place}": place for place in places[first : first + _JUMPS]}
        outputs = [
            _small(
                job,
                job.open(ss=place / 1000, noaccurate_seek=None, skip_frame="nokey")[str(video.index)],
                video,
                name,
                1,
            )
            for name, place in names.items()
        ]
        outcome = job.ffmpeg(ffmpeg.merge_outputs(*outputs), "-copyts")
        reason = reason or outcome.reason
        found += [tile for name in names for tile in _load(job, name)]
    return _in_order(found), reason


def _small(job: Job, stream: Any, video: StreamFacts, name: str, most: int) -> Any:
    """Scale into a tile with black bars, and write the pixels and, beside them, the times."""
    width, height = fit(video.shown, WIDTH, HEIGHT)
    both = (
        stream.filter("scale", width, height, flags="fast_bilinear")
        .filter("setsar", "1")
        .filter("pad", WIDTH, HEIGHT, "(ow-iw)/2", "(oh-ih)/2")
        .filter("format", "yuv420p")
        .filter_multi_output("split")
    )
    options = {"fps_mode": "passthrough", "enc_time_base": "1/1000", "frames:v": most}
    return ffmpeg.merge_outputs(
        both[0].output(child.url(job.scratch / f"{name}.yuv"), f="rawvideo", **options),
        both[1].output(child.url(job.scratch / f"{name}.txt"), f="framecrc", **options),
    )


def fit(shown: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    """The even size of the shape ``shown`` that fills ``width`` × ``height`` (both even), never larger than it was."""
    scale = min(Fraction(width, max(1, shown[0])), Fraction(height, max(1, shown[1])), Fraction(1))
    across, down = (max(2, round(side * scale / 2) * 2) for side in shown)
    return across, down


def _load(job: Job, name: str) -> Iterator[Tile]:
    """The pictures that came, with their times. A killed process may have left half of either."""
    pixels, times = job.scratch / f"{name}.yuv", job.scratch / f"{name}.txt"
    if not pixels.exists() or not times.exists():
        return
    data = pixels.read_bytes()
    for at, time_ms in enumerate(_times(times)):
        tile = data[at * _TILE_BYTES : (at + 1) * _TILE_BYTES]
        if len(tile) == _TILE_BYTES:
            yield Tile(max(0, time_ms - job.facts.start_ms), tile)


def _times(listing: Path) -> Iterator[int]:
    """Presentation times in ms of a framecrc listing: ``#tb 0: 1/1000``, then ``stream, dts, pts, duration, …``."""
    base = Fraction(1, 1000)
    for line in listing.read_text().splitlines():
        if line.startswith("#tb 0:"):
            base = Fraction(line.removeprefix("#tb 0:").strip())
        elif not line.startswith("#") and line.count(",") >= 5:
            yield int(int(line.split(",")[2]) * base * 1000)


def _in_order(found: Iterator[Tile] | list[Tile]) -> list[Tile]:
    """By time, each time once."""
    return [tile for _, tile in sorted({tile.at_ms: tile for tile in found}.items())]


def _clock(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"
