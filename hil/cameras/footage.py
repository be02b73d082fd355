"""What a camera films: real clips by ffmpeg, thumbnails, GPS tracks; and big files of pseudo-random bytes.

Everything follows from its arguments: the same seed gives the same picture and sound, another seed another one.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Look:
    """How long and how big a filmed clip is."""

    seconds: float = 2.0
    width: int = 320
    height: int = 240
    rate: int = 15


def film(to: Path, look: Look, seed: int, start: datetime, cache: Path | None = None) -> None:
    """Write an MP4 (H.264 and AAC) that was started at `start`. A cache folder saves encoding it again.

    Raises RuntimeError with ffmpeg's words when ffmpeg fails, OSError when `to` cannot be written.
    """
    # The noise makes every frame of every seed different; the hue and the tone make the difference visible and audible.
    picture = f"testsrc2=s={look.width}x{look.height}:r={look.rate}:d={look.seconds}"
    picture += f",hue=h={seed * 47 % 360},noise=alls=6:allf=t:all_seed={seed % 2**31}"
    tone = f"sine=frequency={220 + seed * 31 % 880}:sample_rate=16000:duration={look.seconds}"
    began = start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone]
    video = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "32", "-pix_fmt", "yuv420p", "-threads", "1"]
    audio = ["-c:a", "aac", "-b:a", "32k"]
    marks = ["-metadata", f"creation_time={began}", "-metadata", f"comment=seed {seed}"]
    exact = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]
    _made([*inputs, *video, *audio, *marks, *exact, "-f", "mp4"], to, cache, "")


def thumbnail(clip: Path, to: Path, cache: Path | None = None) -> None:
    """Write a small JPEG of a clip's first picture. Raises RuntimeError when clip cannot be decoded."""
    options = ["-i", str(clip), "-frames:v", "1", "-vf", "scale=160:-2", "-c:v", "mjpeg", "-f", "image2"]
    _made([*options, "-update", "1"], to, cache, _digest(clip))


def low_resolution(clip: Path, to: Path, cache: Path | None = None) -> None:
    """Write a small MP4 of a clip, whatever the name of `to`. Raises RuntimeError when clip cannot be decoded."""
    options = ["-i", str(clip), "-vf", "scale=160:-2", "-c:v", "libx264", "-preset", "ultrafast", "-threads", "1"]
    _made([*options, "-c:a", "copy", "-fflags", "+bitexact", "-f", "mp4"], to, cache, _digest(clip))


def track(seed: int, start: datetime, seconds: float) -> str:
    """NMEA lines (RMC and GGA for each second) of a walk through London, each ended by CR LF."""
    dice = random.Random(seed)
    north, west = 51.5 + dice.random() / 50, 0.1 + dice.random() / 50
    lines = []
    for second in range(int(seconds) + 1):
        at = start.astimezone(UTC) + timedelta(seconds=second)
        north, west = north + dice.uniform(-2e-5, 2e-5), west + dice.uniform(-2e-5, 2e-5)
        place = f"{_degrees(north, 2)},N,{_degrees(west, 3)},W"
        lines.append(nmea(f"GPRMC,{at:%H%M%S}.000,A,{place},2.5,{dice.uniform(0, 359):.1f},{at:%d%m%y},,,A"))
        lines.append(nmea(f"GPGGA,{at:%H%M%S}.000,{place},1,08,1.1,{dice.uniform(10, 30):.1f},M,47.0,M,,"))
    return "".join(lines)


def nmea(words: str) -> str:
    """One NMEA line around the words: `$`, `*`, the check, CR LF."""
    check = 0
    for byte in words.encode("ascii"):
        check ^= byte
    return f"${words}*{check:02X}\r\n"


def noise(to: Path, size: int, seed: int) -> None:
    """Write `size` pseudo-random bytes, as fast as the disk takes them. It is no video, whatever its name."""
    key = hashlib.sha256(b"hil noise %d" % seed).digest()
    stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    zeros = bytes(CHUNK)
    with to.open("wb") as file:
        for offset in range(0, size, CHUNK):
            file.write(stream.update(zeros[: min(CHUNK, size - offset)]))


def _made(options: list[str], to: Path, cache: Path | None, source: str) -> None:
    """Run ffmpeg with these options into `to`, or copy what it gave the last time; source is its input's digest."""
    if cache is None:
        _ffmpeg(options, to)
        return
    # The path of an input says nothing about what is in it.
    words = [source if before == "-i" and source else word for before, word in pairwise(["", *options])]
    kept = cache / hashlib.sha256("\0".join(words).encode()).hexdigest()
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _aside(kept, lambda part: _ffmpeg(options, part))
    # A copy and no link: a test that alters the clip on the card must not alter the cache.
    shutil.copyfile(kept, to)


def _aside(final: Path, make: Callable[[Path], None]) -> None:
    """Make a file beside its place and rename it there, so that test processes can share a cache."""
    with tempfile.TemporaryDirectory(dir=final.parent) as folder:
        part = Path(folder) / "part"
        make(part)
        part.replace(final)


def _ffmpeg(options: list[str], to: Path) -> None:
    command = ["ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-y", *options, f"file:{to}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ffmpeg could not make {to.name}: {done.stderr.strip()}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _degrees(value: float, digits: int) -> str:
    whole = int(value)
    return f"{whole:0{digits}}{(value - whole) * 60:07.4f}"
