"""Clips, thumbnails and tracks, judged by ffprobe and by the rules of NMEA."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any

import pytest

from hil.cameras.footage import Look, film, low_resolution, noise, thumbnail, track

START = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
SMALL = Look(seconds=1, width=160, height=120, rate=10)


def probe(path: Path) -> Any:
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", f"file:{path}"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def pictures(path: Path) -> list[str]:
    """The digest of every decoded picture."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", f"file:{path}", "-map", "0:v", "-f", "framemd5", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.rpartition(",")[2].strip() for line in said.splitlines() if not line.startswith("#")]


def test_a_clip_is_a_real_one(tmp_path: Path) -> None:
    film(tmp_path / "a.MP4", Look(seconds=1.5, width=160, height=120, rate=10), 1, START)
    said = probe(tmp_path / "a.MP4")
    assert [stream["codec_name"] for stream in said["streams"]] == ["h264", "aac"]
    assert (said["streams"][0]["width"], said["streams"][0]["height"]) == (160, 120)
    assert float(said["format"]["duration"]) == pytest.approx(1.5, abs=0.15)
    assert said["format"]["tags"]["creation_time"].startswith("2026-11-22T08:15:00")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_pictures(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2), ("d", 361)):
        film(tmp_path / name, SMALL, seed, START)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    # 361 has the hue of 1 again; the noise still differs.
    a, c, d = (pictures(tmp_path / name) for name in "acd")
    assert len(a) == 10
    assert not {*a} & {*c} and not {*a} & {*d} and not {*c} & {*d}


def test_what_lies_beside_a_clip(tmp_path: Path) -> None:
    film(tmp_path / "a.MP4", SMALL, 1, START)
    thumbnail(tmp_path / "a.MP4", tmp_path / "a.THM")
    assert (tmp_path / "a.THM").read_bytes()[:3] == b"\xff\xd8\xff"
    assert probe(tmp_path / "a.THM")["streams"][0]["codec_name"] == "mjpeg"
    low_resolution(tmp_path / "a.MP4", tmp_path / "a.LRV")
    assert probe(tmp_path / "a.LRV")["format"]["format_name"].startswith("mov,mp4")


def test_the_cache_gives_the_same_and_is_not_harmed(tmp_path: Path) -> None:
    film(tmp_path / "plain", SMALL, 3, START)
    for name in ("first", "second"):
        film(tmp_path / name, SMALL, 3, START, tmp_path / "cache")
        assert (tmp_path / name).read_bytes() == (tmp_path / "plain").read_bytes()
        (tmp_path / name).write_bytes(b"altered")
    thumbnail(tmp_path / "plain", tmp_path / "t1", tmp_path / "cache")
    (tmp_path / "moved").write_bytes((tmp_path / "plain").read_bytes())
    thumbnail(tmp_path / "moved", tmp_path / "t2", tmp_path / "cache")
    assert (tmp_path / "t1").read_bytes() == (tmp_path / "t2").read_bytes()
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_track_is_nmea_with_right_checks() -> None:
    text = track(5, START, 3.2)
    assert text.endswith("\r\n")
    lines = text.removesuffix("\r\n").split("\r\n")
    assert len(lines) == 8
    for line in lines:
        match = re.fullmatch(r"\$(GP(?:RMC|GGA),08150\d\.000,.*)\*([0-9A-F]{2})", line)
        assert match is not None
        assert reduce(xor, match[1].encode()) == int(match[2], 16)
    fields = lines[0].split(",")
    assert re.fullmatch(r"51\d\d\.\d{4}", fields[3]) and re.fullmatch(r"000\d\d\.\d{4}", fields[5])
    assert fields[9] == "221126"
    assert text == track(5, START, 3.2) != track(6, START, 3.2)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) + 17])
def test_noise_has_the_size_and_follows_the_seed(tmp_path: Path, size: int) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        noise(tmp_path / name, size, seed)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert len(a) == size
    assert a == b
    assert a != c or size == 0


def test_what_ffmpeg_cannot_do_is_said_in_its_words(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"no video")
    with pytest.raises(RuntimeError, match="Invalid data found"):
        thumbnail(tmp_path / "bad", tmp_path / "t", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
