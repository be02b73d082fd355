"""Previews of real footage, of broken footage and of files made to break the reader.

What each file of the corpus yields is written down in ``YIELDS``; the files themselves are never changed.
"""

import hashlib
import re
import shutil
import tarfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.steps.preview import Preview, PreviewLimits, make_preview
from tests.corpus import corpus
from tests.media import made

pytestmark = pytest.mark.xdist_group("previews")  # all are made once, for all of these
CLOCK = SystemClock()
ALL, SOUND = ["sprite", "proxy", "storyboard"], ["waveform", "proxy"]

# File of the corpus, kinds of what is made, a word of each finding.
YIELDS: list[tuple[str, list[str], list[str]]] = [
    ("footage/GL012297.LRV", ALL, []),
    ("footage/GX012299.THM", [], []),
    ("footage/amr-nb.3gp", SOUND, []),
    ("footage/apple-screen.mov", ALL, []),
    ("footage/avc.avi", ALL, []),
    ("footage/avc.mkv", ALL, []),
    ("footage/bbb-480p-30s.mp4", ALL, []),
    ("footage/bext.wav", [], ["no footage can be read"]),
    ("footage/camera-mjpeg.avi", ALL, []),
    ("footage/frag/1.m4s", [], ["no footage can be read"]),
    ("footage/frag/init.mp4", [], ["no storyboard", "no proxy"]),
    ("footage/frag/v300_multiple_segments.mp4", ALL, ["states a length of 3900.0 s but only about 7.9 s"]),
    ("footage/fragmented.mp4", [], ["no storyboard", "no proxy"]),
    ("footage/gopro-version.txt", [], ["no footage can be read"]),
    ("footage/h263.3gp", ALL, []),
    ("footage/headers/QuickTime.mov", [], ["no storyboard", "no proxy"]),
    ("footage/headers/RIFF.avi", [], ["no storyboard", "no proxy"]),
    ("footage/headers/RIFF.wav", [], ["no drawing", "no proxy"]),
    ("footage/hero5-trimmed.mp4", ALL, []),
    ("footage/hevc.mp4", ALL, []),
    ("footage/m2ts-head.mts", [], ["no storyboard", "no proxy"]),
    ("footage/prog_8s.mp4", ALL, []),
    ("footage/rotation90.mp4", ALL, []),
    ("footage/segment.ts", ALL, []),
    ("footage/short-cenc.mp4", [], ["encrypted"]),
    ("footage/split/v1.mp4", ALL, []),
    ("footage/split/v2.mp4", ALL, []),
    ("footage/split/v3.mp4", ALL, []),
    ("footage/voice-8khz.wav", SOUND, []),
    ("hostile/blns.json", [], ["not a kind of file"]),
    ("hostile/chunk_out_of_range.mp4", [], ["no footage can be read"]),
    ("hostile/container-fuzz-dev.tar.gz", [], ["not a kind of file"]),
    ("hostile/container-fuzz-dev.tsv", [], ["no footage can be read"]),
    ("hostile/init_truncated.mp4", [], ["neither picture nor sound"]),
    ("hostile/middle-pat-pmt.ts", ALL, []),
    ("hostile/no_timescale.mp4", ALL, []),
    ("hostile/riff_bomb_1000.wav", SOUND, []),
    ("signed/axis/signed_test_h264.mp4", ALL, []),
    ("signed/c2pa/video1.mp4", ALL, []),
    ("signed/onvif/test_h265.mp4", ALL, []),
    ("signed/onvif/test_signed_h264.mp4", ALL, []),
]
BY_NAME = {name: (kinds, findings) for name, kinds, findings in YIELDS}


class Made:
    """One preview and the folder it lies in."""

    def __init__(self, source: Path, folder: Path, limits: PreviewLimits | None = None) -> None:
        folder.mkdir()
        self.folder = folder
        self.preview: Preview = make_preview(source, folder, limits or PreviewLimits(seconds=60), CLOCK)

    @property
    def kinds(self) -> list[str]:
        return [file.kind for file in self.preview.files]

    def text(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def in_pairs(jobs: Iterable[tuple[Path, Path]], limits: PreviewLimits) -> list[Made]:
    """Two at a time, as a dock with two bays would."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda job: Made(job[0], job[1], limits), jobs))


@pytest.fixture(scope="module")
def previews(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    made.require("ffmpeg", "ffprobe")
    folder = tmp_path_factory.mktemp("previews")
    jobs = [(corpus(*name.split("/")), folder / name.replace("/", "_")) for name in BY_NAME]
    return dict(zip(BY_NAME, in_pairs(jobs, PreviewLimits(seconds=60, motion_seconds=20)), strict=True))


def test_the_table_names_every_file_of_the_corpus() -> None:
    for folder in ("footage", "hostile"):
        there = {str(path.relative_to(corpus())) for path in corpus(folder).rglob("*") if path.is_file()}
        assert there <= set(BY_NAME)


@pytest.mark.parametrize("name", BY_NAME)
def test_what_a_file_yields(previews: dict[str, Made], name: str) -> None:
    kinds, findings = BY_NAME[name]
    result = previews[name]
    assert result.kinds == kinds
    said = result.preview.findings
    assert len(said) == len(findings), said
    for finding, words in zip(said, findings, strict=True):
        assert words in finding
        assert "\n" not in finding
        assert str(corpus()) not in finding


@pytest.mark.parametrize("name", BY_NAME)
def test_what_is_listed_is_there_and_whole(previews: dict[str, Made], name: str) -> None:
    result = previews[name]
    for file in result.preview.files:
        path = result.folder / file.name
        assert (file.bytes, file.sha256) == (path.stat().st_size, digest(path))
    assert not [path for path in result.folder.iterdir() if path.is_dir()]  # no scratch is left


@pytest.mark.parametrize("name", [name for name, (kinds, _) in BY_NAME.items() if kinds == ALL])
def test_a_storyboard_fits_its_sprite(previews: dict[str, Made], name: str) -> None:
    result = previews[name]
    cues = parse_vtt(result.text("storyboard.vtt"))
    width, height = map(int, made.stated(result.folder / "sprite.jpg", "stream=width,height"))
    assert 1 <= len(cues) <= 60
    assert (width, height) == (min(10, len(cues)) * 160, -(-len(cues) // 10) * 90)
    assert [place for _, _, place in cues] == [(at % 10 * 160, at // 10 * 90, 160, 90) for at in range(len(cues))]
    assert cues[0][0] == 0
    assert all(before[1] == after[0] for before, after in pairwise(cues))
    facts = result.preview.facts
    assert facts is not None
    if not result.preview.findings:
        assert 0 <= cues[-1][1] - facts.duration_ms <= 1


@pytest.mark.parametrize("name", [name for name, (kinds, _) in BY_NAME.items() if "proxy" in kinds])
def test_a_proxy_plays_anywhere(previews: dict[str, Made], name: str) -> None:
    result = previews[name]
    path, facts = result.folder / "proxy.mp4", result.preview.facts
    assert facts is not None
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    said = made.stated(path, "stream=codec_name,width,height,pix_fmt,sample_rate")
    if facts.first("video"):
        codec, wide, high, pixels, *said = said
        short, long = sorted((int(wide), int(high)))
        assert (codec, pixels) == ("h264", "yuv420p")
        assert short <= 360
        assert long <= 640
        assert short % 2 == long % 2 == 0
    assert said == (["aac", "48000"] if facts.first("audio") else [])
    made.make(result.folder / "decoded.null", "-xerror", "-i", f"file:{path}", "-f", "null")


def test_portraits_stay_upright(previews: dict[str, Made]) -> None:
    for name, size in {"footage/rotation90.mp4": ["60", "100"], "signed/c2pa/video1.mp4": ["360", "640"]}.items():
        assert made.stated(previews[name].folder / "proxy.mp4", "stream=width,height") == size


def test_the_place_of_a_clip_is_not_in_its_preview(previews: dict[str, Made]) -> None:
    assert b"+33.0498" in corpus("footage", "GL012297.LRV").read_bytes()
    for path in previews["footage/GL012297.LRV"].folder.iterdir():
        assert b"+33.0498" not in path.read_bytes()


def test_fuzzed_containers(tmp_path: Path) -> None:
    """All 202 of them, two at a time: nothing hangs, nothing raises, each has files or a reason."""
    made.require("ffmpeg", "ffprobe")
    sources: list[Path] = []
    with tarfile.open(corpus("hostile", "container-fuzz-dev.tar.gz")) as tar:
        for member in tar:
            if packed := tar.extractfile(member):
                sources.append(tmp_path / f"{len(sources):03d}{Path(member.name).suffix}")
                sources[-1].write_bytes(packed.read())
    assert len(sources) == 202
    started = time.monotonic()
    (tmp_path / "out").mkdir()
    jobs = [(source, tmp_path / "out" / str(at)) for at, source in enumerate(sources)]
    limits = PreviewLimits(seconds=5, tiles=10, memory_bytes=512 << 20, file_bytes=32 << 20)
    results = in_pairs(jobs, limits)
    assert time.monotonic() - started < 150
    for result in results:
        facts = result.preview.facts
        assert result.preview.files or result.preview.findings or (facts and facts.photo)
        assert all(
            len(finding) < 400 and finding.replace("\n", "").isprintable() for finding in result.preview.findings
        )


def test_the_master_is_only_read(tmp_path: Path) -> None:
    master = tmp_path / "master"
    shutil.copyfile(corpus("footage", "camera-mjpeg.avi"), master)
    master.chmod(0o440)
    before = master.stat()
    assert Made(master, tmp_path / "work").kinds == ALL
    after = master.stat()
    assert digest(master) == digest(corpus("footage", "camera-mjpeg.avi"))
    assert (after.st_mtime_ns, after.st_ino, after.st_mode) == (before.st_mtime_ns, before.st_ino, before.st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["master", "work"]


def test_a_preview_made_again_is_the_same(tmp_path: Path) -> None:
    """So an upload that is repeated after a crash meets its own bytes in the store."""
    source = made.clip(tmp_path / "clip.mp4", seconds=3)
    first, second = (Made(source, tmp_path / name).preview.files for name in ("one", "two"))
    assert first == second


def test_a_long_clip_is_jumped_through_and_its_proxy_shows_key_frames(tmp_path: Path) -> None:
    source = made.clip(tmp_path / "long.mp4", seconds=360, rate=5, size="32x32")
    result = Made(source, tmp_path / "work")
    cues = parse_vtt(result.text("storyboard.vtt"))
    assert len(cues) == 60
    assert cues[-1][1] == 360_000
    assert all(abs(start - at * 6_000) <= 1000 for at, (start, _, _) in enumerate(cues))
    proxy = next(file for file in result.preview.files if file.kind == "proxy")
    assert proxy.note == "key frames only"
    frames, seconds = made.stated(result.folder / "proxy.mp4", "stream=nb_frames:format=duration")[0::2]
    assert int(frames) == 360
    assert abs(float(seconds) - 360) < 1.5


def test_a_proxy_of_part_of_the_clip_says_so(tmp_path: Path) -> None:
    source = made.clip(tmp_path / "clip.mp4", seconds=6)
    result = Made(source, tmp_path / "work", PreviewLimits(length_seconds=2))
    assert [file.note for file in result.preview.files if file.kind == "proxy"] == ["the first 2 s only"]
    assert not result.preview.findings


def test_sound_is_kept_where_the_pictures_are_broken(tmp_path: Path) -> None:
    source = made.clip(tmp_path / "clip.avi", codec="mjpeg", seconds=2)
    data = bytearray(source.read_bytes())
    for chunk in re.finditer(rb"00dc(....)\xff\xd8", bytes(data), re.DOTALL):
        size = int.from_bytes(chunk[1], "little")
        data[chunk.start() + 8 : chunk.start() + 8 + size] = bytes(size)
    source.write_bytes(data)
    result = Made(source, tmp_path / "work")
    assert result.kinds == ["proxy"]
    assert result.preview.files[0].note == "no picture"
    assert len(result.preview.findings) == 1
    assert "no storyboard" in result.preview.findings[0]


def test_pictures_too_large_to_open_are_not_tried(tmp_path: Path) -> None:
    source = made.clip(tmp_path / "bomb.avi", size="10000x10000", rate=2, codec="mjpeg", picture="color=c=black")
    result = Made(source, tmp_path / "work")
    assert result.kinds == SOUND
    assert len(result.preview.findings) == 1
    assert "not one of a camera" in result.preview.findings[0]


def test_without_time_there_is_a_reason_and_soon(tmp_path: Path) -> None:
    started = time.monotonic()
    result = Made(corpus("footage", "bbb-480p-30s.mp4"), tmp_path / "work", PreviewLimits(seconds=0.5))
    assert time.monotonic() - started < 5
    assert "proxy" not in result.kinds
    assert any("longer than" in finding or "no time left" in finding for finding in result.preview.findings)


def test_without_memory_there_is_a_reason(tmp_path: Path) -> None:
    source = made.clip(tmp_path / "clip.mp4")
    result = Made(source, tmp_path / "work", PreviewLimits(memory_bytes=64 << 20))
    assert result.kinds == []
    assert len(result.preview.findings) == 1


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    result = Made(tmp_path / "clip.mp4", tmp_path / "work")
    assert result.preview == Preview(None, (), ("no preview: the file is empty (0 bytes)",))


def test_a_master_that_is_not_there_is_not_a_finding(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Made(tmp_path / "gone.mp4", tmp_path / "work")


CUE = re.compile(r"(\d\d+):([0-5]\d):([0-5]\d)\.(\d{3}) --> (\d\d+):([0-5]\d):([0-5]\d)\.(\d{3})")
PAYLOAD = re.compile(r"sprite\.jpg#xywh=(\d+),(\d+),(\d+),(\d+)")


def parse_vtt(text: str) -> list[tuple[int, int, tuple[int, ...]]]:
    """Start and end in ms and the place of each cue; strict, after the grammar of WebVTT, 4.1."""
    header, *blocks = text.rstrip("\n").split("\n\n")
    assert header == "WEBVTT"
    cues = []
    for block in blocks:
        timing, payload = block.split("\n")
        times, place = CUE.fullmatch(timing), PAYLOAD.fullmatch(payload)
        assert times and place, block
        numbers = [int(number) for number in times.groups()]
        start, end = (((h * 60 + m) * 60 + s) * 1000 + ms for h, m, s, ms in (numbers[:4], numbers[4:]))
        assert start < end
        cues.append((start, end, tuple(int(number) for number in place.groups())))
    return cues
