"""Small clips made on the spot by the installed ffmpeg, called directly: not through what the tests are about."""

import shutil
import subprocess
from pathlib import Path

import pytest


def require(*programs: str) -> None:
    """Skip, saying so, where a program is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def clip(
    path: Path,
    *,
    size: str = "64x48",
    seconds: float = 1,
    rate: int = 10,
    codec: str = "libx264",
    picture: str = "testsrc2",
) -> Path:
    """A test picture with a tone, a key frame each second."""
    joint = ":" if "=" in picture else "="
    return make(
        path,
        *("-f", "lavfi", "-i", f"{picture}{joint}size={size}:rate={rate}:duration={seconds}"),
        *("-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"),
        *("-c:v", codec, "-g", str(rate), "-pix_fmt", "yuv420p" if codec == "libx264" else "yuvj420p"),
        *("-c:a", "aac" if codec == "libx264" else "pcm_s16le"),
    )


def make(path: Path, *arguments: str) -> Path:
    """``ffmpeg ARGUMENTS path``."""
    require("ffmpeg", "ffprobe")
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments, f"file:{path}"], check=True)
    return path


def stated(path: Path, entries: str) -> list[str]:
    """What stock ffprobe says about ``path``: the values of ``entries``, line by line."""
    argv = ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "default=nk=1:nw=1", f"file:{path}"]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()
