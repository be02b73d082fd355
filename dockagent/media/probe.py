"""What a media file states about itself, in whole numbers. A statement, not a fact: the file's maker chose every value.

Source of the fields: the JSON writer of ffprobe(1). Times become milliseconds, rotation clockwise degrees.
"""

import json
import stat
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from dockagent.clock import Clock
from dockagent.media import child

MAX_MS = 7 * 24 * 3600 * 1000  # a clip that states more than a week is taken to state a week
_PACKETS = 16  # how many to look at for signs of encryption
_ENTRIES = (
    "format=format_name,start_time,duration"
    ":stream=index,codec_type,codec_name,width,height,sample_aspect_ratio,avg_frame_rate,nb_frames,channels,sample_rate"
    ":stream_disposition=attached_pic:stream_side_data=side_data_type,rotation"
    ":packet=stream_index:packet_side_data=side_data_type"
)
# ffprobe takes what is named .jpg for a numbered series of pictures, which a lone file must never be.
_PHOTOS = {b"\xff\xd8\xff": "jpeg_pipe", b"\x89PNG\r\n\x1a\n": "png_pipe"}
_ENCRYPTED = ("Encryption info", "Encryption initialization data")


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """One stream. ``kind``: video, audio, data, subtitle or picture (a cover inside another kind of file). ``width``
    and ``height`` are stored pixels, ``shown`` what a viewer sees of them, ``rotation`` is clockwise and already in
    ``shown``, ``fps`` a ratio as text. Zero or empty: not stated, or does not apply."""

    index: int
    kind: str
    codec: str
    width: int = 0
    height: int = 0
    shown: tuple[int, int] = (0, 0)
    rotation: int = 0
    fps: str = ""
    frames: int = 0
    channels: int = 0
    sample_rate: int = 0


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """``container``: ffprobe's name of it. ``start_ms``: the time stamp at which it begins; a player calls that 0."""

    container: str
    start_ms: int
    duration_ms: int
    encrypted: bool
    streams: tuple[StreamFacts, ...]

    @property
    def photo(self) -> bool:
        return self.container in _PHOTOS.values()

    def first(self, kind: str) -> StreamFacts | None:
        """The first stream of this kind, which is the one that previews show."""
        return next((stream for stream in self.streams if stream.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Nothing can be said about the file. ``reason`` is for a person."""

    reason: str


def probe(source: Path, limits: child.Limits, clock: Clock) -> MediaFacts | Unreadable:
    """Ask ffprobe about ``source``. Bad media gives Unreadable; OSError where ``source`` itself cannot be looked at,
    Missing where ffprobe is not installed."""
    state = source.stat()
    if not stat.S_ISREG(state.st_mode):
        return Unreadable("it is not an ordinary file")
    if state.st_size == 0:
        return Unreadable("the file is empty (0 bytes)")
    argv = [child.program("ffprobe"), "-hide_banner", "-v", "error", *child.open_flags()]
    argv += _as_photo(source)
    argv += ["-read_intervals", f"%+#{_PACKETS}", "-show_entries", _ENTRIES, "-of", "json=c=1", child.url(source)]
    outcome = child.run(argv, limits, clock, reads=[source])
    if not outcome.ok:
        return Unreadable(_why_not(source, outcome))
    try:
        stated = json.loads(outcome.stdout.decode("utf-8", "replace"))
    except (json.JSONDecodeError, RecursionError):
        return Unreadable("no footage can be read in it: ffprobe gave no whole answer")
    return _facts(stated)


def _as_photo(source: Path) -> list[str]:
    with source.open("rb") as file:
        head = file.read(8)
    return next((["-f", demuxer] for magic, demuxer in _PHOTOS.items() if head.startswith(magic)), [])


def _why_not(source: Path, outcome: child.Outcome) -> str:
    if "not on whitelist" in outcome.stderr_tail:
        return "it is not a kind of file that cameras write as footage"
    words = outcome.reason.replace(f"{child.url(source)}: ", "")  # the reader knows which file this is about
    return f"no footage can be read in it: ffprobe {words}"


def _facts(stated: dict[str, Any]) -> MediaFacts | Unreadable:
    streams = tuple(_stream(entry) for entry in stated.get("streams", []))
    if not any(stream.kind in ("video", "audio") for stream in streams):
        return Unreadable("there is neither picture nor sound in it")
    container = stated.get("format", {})
    side_data = [
        data.get("side_data_type")
        for part in (*stated.get("streams", []), *stated.get("packets", []))
        for data in part.get("side_data_list", [])
    ]
    return MediaFacts(
        container=str(container.get("format_name", "")),
        start_ms=_milliseconds(container.get("start_time"), least=-MAX_MS),
        duration_ms=_milliseconds(container.get("duration"), least=0),
        encrypted=any(kind in _ENCRYPTED for kind in side_data),
        streams=streams,
    )


def _stream(entry: dict[str, Any]) -> StreamFacts:
    kind = str(entry.get("codec_type", "unknown"))
    if kind == "video" and entry.get("disposition", {}).get("attached_pic"):
        kind = "picture"
    width, height = _count(entry.get("width")), _count(entry.get("height"))
    rotation = _rotation(entry)
    shown = (_display_width(width, str(entry.get("sample_aspect_ratio", ""))), height)
    return StreamFacts(
        index=_count(entry.get("index")),
        kind=kind,
        codec=str(entry.get("codec_name", "unknown")),
        width=width,
        height=height,
        shown=shown[::-1] if rotation in (90, 270) else shown,
        rotation=rotation,
        fps="" if kind != "video" else str(entry.get("avg_frame_rate", "")),
        frames=_count(entry.get("nb_frames")),
        channels=_count(entry.get("channels")),
        sample_rate=_count(entry.get("sample_rate")),
    )


def _rotation(entry: dict[str, Any]) -> int:
    """Clockwise 0, 90, 180 or 270; ffprobe counts the other way, and tells nonsense of a broken matrix."""
    angles = [data["rotation"] for data in entry.get("side_data_list", []) if isinstance(data.get("rotation"), int)]
    return -angles[0] % 360 if angles and angles[0] % 90 == 0 else 0


def _display_width(width: int, pixel_aspect: str) -> int:
    """Square pixels wide. Shapes that no camera has (beyond 1:4 and 4:1) are taken for a broken header."""
    across, _, down = pixel_aspect.partition(":")
    across_n, down_n = _count(across), _count(down)
    if not across_n or not down_n or not down_n <= 4 * across_n <= 16 * down_n:
        return width
    return (width * across_n + down_n // 2) // down_n


def _count(value: object) -> int:
    """A whole number of at most ten digits, else 0."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0


def _milliseconds(seconds: object, least: int) -> int:
    """Seconds in decimal as whole milliseconds within ``least`` and MAX_MS; 0 for what is no number."""
    try:
        value = Decimal(str(seconds))
        return max(least, min(int(value * 1000), MAX_MS)) if value.is_finite() else 0
    except InvalidOperation:
        return 0
