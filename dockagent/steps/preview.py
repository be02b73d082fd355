"""Make what people look at instead of the master: a storyboard and a low-resolution proxy, or a drawing of the sound.

A preview is comfort: it can be made again, and its failure stops nothing. So nothing here raises for bad footage: each
part that cannot be made leaves a finding that a person understands, and the other parts are kept. The master is only
read, by a child process with no other rights than that.
"""

import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from dockagent.clock import Clock
from dockagent.media import child, proxy, storyboard
from dockagent.media.job import Job
from dockagent.media.probe import MediaFacts, StreamFacts, Unreadable, probe

_PROBE_SECONDS = 30.0
_SHORTER = 10  # a clip that plays for less than nine tenths of what it states is a finding


@dataclass(frozen=True, slots=True)
class PreviewLimits:
    """``seconds``: wall-clock time for everything together. ``tiles``: small pictures on the storyboard.
    ``motion_seconds``: clips up to this length get a proxy in full motion (if ``seconds`` is enough for that), longer
    ones one of key frames.
    ``length_seconds``: how much of a clip a proxy shows. ``memory_bytes``, ``file_bytes``: for each child process."""

    seconds: float = 900
    tiles: int = 60
    motion_seconds: int = 300
    length_seconds: int = 4 * 3600
    memory_bytes: int = 1 << 30
    file_bytes: int = 2 << 30


@dataclass(frozen=True, slots=True)
class PreviewFile:
    """A whole file in the work folder. ``kind``: sprite, storyboard, proxy or waveform. ``note``: what it leaves out,
    for a person."""

    name: str
    kind: str
    bytes: int
    sha256: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """``facts``: what the master states about itself, None where it cannot be read. ``findings``: one line each, for a
    person. A photo has neither files nor findings: it is its own preview."""

    facts: MediaFacts | None
    files: tuple[PreviewFile, ...] = ()
    findings: tuple[str, ...] = ()


def make_preview(source: Path, workdir: Path, limits: PreviewLimits, clock: Clock) -> Preview:
    """Look into ``source`` and make its preview in ``workdir``, an empty folder that exists.

    Every listed file is whole and was checked; what else lies in ``workdir`` afterwards is unfinished and goes with it.
    Nothing is durable yet: the caller moves the listed files. Raises OSError where ``source`` or ``workdir`` cannot be
    used, Missing where ffmpeg is not installed; never for what is in ``source``.
    """
    started = clock.monotonic()
    bounds = child.Limits(_PROBE_SECONDS, int(limits.seconds) + 1, limits.memory_bytes, limits.file_bytes)
    facts = probe(source, bounds, clock)
    if isinstance(facts, Unreadable):
        return Preview(None, findings=(f"no preview: {facts.reason}",))
    if facts.encrypted:
        return Preview(facts, findings=("no preview: the footage is encrypted and the dock has no key for it",))
    if facts.photo:
        return Preview(facts)
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=workdir) as scratch:
        job = Job(source, facts, workdir, Path(scratch), bounds, started + limits.seconds, clock)
        tray = _Tray(workdir)
        _make(replace(job, facts=_viewable(facts, tray)), limits, tray)
        return Preview(facts, tuple(tray.files), tuple(tray.findings))


class _Tray:
    """What has been made so far, and what could not be."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files: list[PreviewFile] = []
        self.findings: list[str] = []

    def keep(self, name: str, kind: str, note: str = "") -> None:
        with (self._folder / name).open("rb") as made:
            digest = hashlib.file_digest(made, "sha256").hexdigest()
            self.files.append(PreviewFile(name, kind, made.tell(), digest, note))

    def miss(self, finding: str) -> None:
        self.findings.append(finding)


def _viewable(facts: MediaFacts, tray: _Tray) -> MediaFacts:
    """``facts`` without pictures of a size that would only exhaust a decoder; the sound may be good all the same."""
    video = facts.first("video")
    if video is None or 0 < video.width * video.height <= child.MAX_PIXELS:
        return facts
    size = f"{video.width} x {video.height}" if video.width else "none, or one that is too large to open"
    tray.miss(f"no pictures: the size that the file states for them ({size}) is not one of a camera")
    return replace(facts, streams=tuple(stream for stream in facts.streams if stream.kind != "video"))


def _make(job: Job, limits: PreviewLimits, tray: _Tray) -> None:
    video, sound = job.facts.first("video"), job.facts.first("audio")
    pictures: list[storyboard.Tile] = []
    if video is not None:
        pictures = _sprite(job, video, limits.tiles, tray)
    elif sound is not None:
        _waveform(job, sound, tray)
    else:
        return
    end_ms = _proxy(job, limits, pictures[-1].at_ms if pictures else 0, tray)
    if pictures:
        text = storyboard.vtt(pictures, end_ms)
        (job.folder / storyboard.VTT).write_text(text, encoding="utf-8")
        tray.keep(storyboard.VTT, "storyboard")


def _sprite(job: Job, video: StreamFacts, most: int, tray: _Tray) -> list[storyboard.Tile]:
    """The pictures that are on the sprite; none, and a finding, where there is no sprite."""
    pictures, reason = storyboard.tiles(job, video, most)
    if not pictures:
        tray.miss(f"no storyboard: not one picture could be decoded (ffmpeg {reason or 'gave none'})")
        return []
    outcome = storyboard.sprite(job, pictures)
    columns, rows = storyboard.grid(len(pictures))
    size = (columns * storyboard.WIDTH, rows * storyboard.HEIGHT)
    if not outcome.ok or not _is_picture(job, storyboard.SPRITE, size):
        tray.miss(f"no storyboard: the pictures could not be put together ({outcome.reason or 'no picture came out'})")
        return []
    tray.keep(storyboard.SPRITE, "sprite")
    return pictures


def _waveform(job: Job, sound: StreamFacts, tray: _Tray) -> None:
    outcome = proxy.waveform(job, sound)
    if outcome.ok and _is_picture(job, proxy.WAVEFORM, proxy.WAVEFORM_SIZE):
        tray.keep(proxy.WAVEFORM, "waveform")
    else:
        tray.miss(f"no drawing of the sound: {outcome.reason or 'no sound could be decoded'}")


def _is_picture(job: Job, name: str, size: tuple[int, int]) -> bool:
    path = job.folder / name
    made = probe(path, job.limits, job.clock) if path.exists() else None
    video = made.first("video") if isinstance(made, MediaFacts) else None
    return video is not None and (video.width, video.height) == size


def _proxy(job: Job, limits: PreviewLimits, seen_ms: int, tray: _Tray) -> int:
    """Where the clip ends, in ms: what it states, unless the proxy shows that this is not true. ``seen_ms``: the time
    of the last picture on the storyboard."""
    stated, length_ms = job.facts.duration_ms, limits.length_seconds * 1000
    made = proxy.make(job, limits.motion_seconds * 1000, length_ms)
    if isinstance(made, str):
        tray.miss(f"no proxy: {made}")
        return stated
    tray.keep(proxy.PROXY, "proxy", made.note)
    plays = max(made.facts.duration_ms, seen_ms)
    if stated <= length_ms and plays + 2000 < stated - stated // _SHORTER:
        tray.miss(f"the clip states a length of {stated / 1000:.1f} s but only about {plays / 1000:.1f} s of it play")
        return plays
    return stated or plays
