"""The proxy: a small MP4 (H.264, AAC) that plays anywhere; and for sound without picture, a drawing of it.

Full motion is dear: a minute of 1080p30 takes about twenty seconds of one core. A clip that is too long for the time
given therefore shows its key frames only, with all of its sound. What cannot be made whole is made in part: without
sound, or sound alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ffmpeg

from dockagent.media import child
from dockagent.media.job import Job
from dockagent.media.probe import MAX_MS, MediaFacts, StreamFacts, Unreadable, probe
from dockagent.media.storyboard import fit

PROXY, WAVEFORM = "proxy.mp4", "waveform.png"
WAVEFORM_SIZE = (1280, 240)
_LONG_SIDE, _SHORT_SIDE = 640, 360
_RATE = 30  # frames per second at most
_PIXELS_A_SECOND = 100_000_000  # decoded and encoded by one core; half of what was measured, for slower docks
_KEY_EVERY = 2  # seconds between two places that a player can jump to


@dataclass(frozen=True, slots=True)
class Proxy:
    """PROXY was made. ``note``: what is not in it, for a person, or ""."""

    facts: MediaFacts
    note: str


@dataclass(frozen=True, slots=True)
class _Attempt:
    picture: str  # "motion", "key frames" or ""
    sound: bool


def make(job: Job, motion_ms: int, length_ms: int) -> Proxy | str:
    """Write PROXY, the best that this clip allows: full motion up to ``motion_ms``, at most ``length_ms`` of it. The
    reason where nothing could be made. Each attempt may take half of the time that is left."""
    attempts = list(_attempts(job.facts, job.facts.duration_ms <= motion_ms and _affordable(job)))
    reason = "it has neither picture nor sound"
    slow = False
    for number, attempt in enumerate(attempts):
        if slow and attempt.picture == "motion":
            continue
        last = number == len(attempts) - 1
        outcome = _encode(job, attempt, length_ms, job.left if last else job.left / 2)
        slow = slow or outcome.timed_out
        made = _check(job, attempt) if outcome.ok else f"nothing in it could be decoded (ffmpeg {outcome.reason})"
        if isinstance(made, MediaFacts):
            return Proxy(made, _note(job.facts, attempt, made.duration_ms, length_ms))
        reason = made if number == 0 else reason
    return reason


def waveform(job: Job, sound: StreamFacts) -> child.Outcome:
    """Write WAVEFORM. The filter holds all samples, so it gets few of them, but at least four for each column."""
    width, height = WAVEFORM_SIZE
    rate = max(8000, 4000 * width // (job.facts.duration_ms or MAX_MS))
    drawn = (
        job.open()[str(sound.index)]
        .filter("aresample", rate)
        .filter("aformat", channel_layouts="mono")
        .filter("showwavespic", s=f"{width}x{height}", colors="0x2f6fb5")
        .output(child.url(job.folder / WAVEFORM), f="image2", vcodec="png", update=1, **{"frames:v": 1})
    )
    return job.ffmpeg(drawn)


def _affordable(job: Job) -> bool:
    """Whether full motion can be expected to end within half of the time that is left."""
    video = job.facts.first("video")
    if video is None:
        return False
    pixels = video.width * video.height * frames_a_second(video.fps) * job.facts.duration_ms // 1000
    return pixels // _PIXELS_A_SECOND <= job.left / 2


def frames_a_second(fps: str) -> int:
    """A ratio as ffprobe writes it, rounded up; what is not stated or makes no sense counts as an ordinary camera's."""
    frames, _, seconds = fps.partition("/")
    if not (frames.isdecimal() and seconds.isdecimal() and int(seconds) and int(frames)):
        return _RATE
    return min(-(-int(frames) // int(seconds)), 240)


def _attempts(facts: MediaFacts, motion: bool) -> Iterator[_Attempt]:
    """From the best to the least."""
    sound = facts.first("audio") is not None
    if facts.first("video") is not None:
        for picture in ("motion", "key frames") if motion else ("key frames",):
            if sound:
                yield _Attempt(picture, True)
            yield _Attempt(picture, False)
    if sound:
        yield _Attempt("", True)


def _encode(job: Job, attempt: _Attempt, length_ms: int, seconds: float) -> child.Outcome:
    source = job.open(**({"skip_frame:v": "nokey"} if attempt.picture == "key frames" else {}))
    options: dict[str, object] = {
        "t": length_ms / 1000,
        "map_metadata": -1,  # neither places nor serial numbers leave with a preview
        "map_chapters": -1,
        "movflags": "+faststart",
        "fflags": "+bitexact",
        "f": "mp4",
    }
    streams = []
    if attempt.picture and (video := job.facts.first("video")):
        streams.append(_picture(source[str(video.index)], video))
        options |= {
            "vcodec": "libx264",
            "preset": "ultrafast",
            "crf": 28,
            "maxrate": "800k",
            "bufsize": "1600k",
            "pix_fmt": "yuv420p",
            "fps_mode": "vfr",
        }
        options |= {"fpsmax": _RATE, "force_key_frames": f"expr:gte(t,n_forced*{_KEY_EVERY})", "threads:v": 1}
    if attempt.sound and (audio := job.facts.first("audio")):
        streams.append(source[str(audio.index)])
        options |= _voice(audio, attempt)
    return job.ffmpeg(ffmpeg.output(*streams, child.url(job.folder / PROXY), **options), seconds=seconds)


def _voice(audio: StreamFacts, attempt: _Attempt) -> dict[str, object]:
    """AAC, two channels. In a long clip encoding it would cost as much as the pictures: AAC goes over as it is."""
    if attempt.picture == "key frames" and audio.codec == "aac" and audio.channels <= 2:
        return {"acodec": "copy"}
    return {"acodec": "aac", "b:a": "64k", "ac": 2, "ar": 48000}


def _picture(stream: Any, video: StreamFacts) -> Any:
    """Scaled to fit, upright (ffmpeg turns before it filters), with square pixels and even sides for yuv420p."""
    sideways = video.shown[1] > video.shown[0]
    box = (_SHORT_SIDE, _LONG_SIDE) if sideways else (_LONG_SIDE, _SHORT_SIDE)
    width, height = fit(video.shown, *box)
    return stream.filter("scale", width, height, flags="bilinear").filter("setsar", "1")


def _check(job: Job, attempt: _Attempt) -> MediaFacts | str:
    """What really came out; the reason why that is not a proxy."""
    made = probe(job.folder / PROXY, job.limits, job.clock)
    if isinstance(made, Unreadable):
        return f"what was made cannot be played: {made.reason}"
    video, audio = made.first("video"), made.first("audio")
    if attempt.picture and (video is None or video.frames == 0):
        return "not one picture could be decoded"
    if attempt.sound and (audio is None or audio.frames == 0):
        return "no sound could be decoded"
    return made


def _note(facts: MediaFacts, attempt: _Attempt, made_ms: int, length_ms: int) -> str:
    missing = []
    if facts.first("video") and attempt.picture != "motion":
        missing.append("key frames only" if attempt.picture else "no picture")
    if facts.first("audio") and not attempt.sound:
        missing.append("no sound")
    if facts.duration_ms > length_ms and made_ms <= length_ms + 1000:
        missing.append(f"the first {length_ms // 1000} s only")
    return ", ".join(missing)
