"""What files state, and files that try to make the reader open something else."""

import os
import shutil
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.media import child
from dockagent.media.probe import MAX_MS, MediaFacts, StreamFacts, Unreadable, probe
from tests.corpus import corpus
from tests.media import made

CLOCK = SystemClock()
LIMITS = child.Limits(seconds=30)


def read(path: Path) -> MediaFacts:
    facts = probe(path, LIMITS, CLOCK)
    assert isinstance(facts, MediaFacts), facts
    return facts


def refused(path: Path) -> str:
    facts = probe(path, LIMITS, CLOCK)
    assert isinstance(facts, Unreadable), facts
    return facts.reason


def test_a_camera_clip() -> None:
    facts = read(corpus("footage", "GL012297.LRV"))
    assert facts.container.startswith("mov")
    assert (facts.start_ms, facts.duration_ms, facts.encrypted, facts.photo) == (0, 1835, False, False)
    assert [stream.kind for stream in facts.streams] == ["video", "audio", "data", "data"]
    assert facts.first("video") == StreamFacts(
        index=0, kind="video", codec="h264", width=768, height=432, shown=(768, 432), fps="60000/1001", frames=110
    )
    assert facts.first("audio") == StreamFacts(
        index=1, kind="audio", codec="aac", frames=86, channels=2, sample_rate=48000
    )


@pytest.mark.parametrize(
    ("parts", "rotation", "shown"),
    [
        (("footage", "rotation90.mp4"), 90, (60, 100)),
        (("footage", "segment.ts"), 0, (391, 300)),  # 237:235
        (("footage", "h263.3gp"), 0, (216, 144)),  # 27:22
        (("hostile", "no_timescale.mp4"), 0, (320, 240)),  # a rotation of -2^63
    ],
)
def test_what_a_viewer_sees(parts: tuple[str, ...], rotation: int, shown: tuple[int, int]) -> None:
    video = read(corpus(*parts)).first("video")
    assert video is not None
    assert (video.rotation, video.shown) == (rotation, shown)


def test_encryption_is_seen_though_the_codec_is_stated() -> None:
    assert read(corpus("footage", "short-cenc.mp4")).encrypted


def test_a_photo_is_a_photo_under_any_name(tmp_path: Path) -> None:
    thumbnail = corpus("footage", "GX012299.THM")
    assert read(thumbnail).photo
    for name in ("a.jpg", "a%03d.jpg", "a*.jpg"):
        shutil.copyfile(thumbnail, tmp_path / name)
        assert read(tmp_path / name).photo


def test_a_cover_picture_is_not_footage() -> None:
    kinds = [stream.kind for stream in read(corpus("footage", "headers", "QuickTime.mov")).streams]
    assert kinds == ["video", "audio", "picture"]


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (("telemetry", "dji", "broken_empty.SRT"), "empty (0 bytes)"),
        (("hostile", "init_truncated.mp4"), "neither picture nor sound"),
        (("dashcam-gps", "neoline-front.mp4"), "neither picture nor sound"),
        (("hostile", "chunk_out_of_range.mp4"), "Invalid data found"),
        (("footage", "bext.wav"), "Invalid data found"),
        (("hostile", "blns.json"), "not a kind of file that cameras write"),
    ],
)
def test_files_that_say_nothing_give_a_reason(parts: tuple[str, ...], reason: str) -> None:
    said = refused(corpus(*parts))
    assert reason in said
    assert "\n" not in said
    assert str(corpus()) not in said


def test_absurd_lengths_are_capped(tmp_path: Path) -> None:
    data = bytearray(made.clip(tmp_path / "ordinary.mp4").read_bytes())
    for box, at in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):  # ISO/IEC 14496-12: where version 0 states a duration
        place = data.index(box) + at
        data[place : place + 4] = b"\xff\xff\xff\x00"
    path = tmp_path / "endless.mp4"
    path.write_bytes(data)
    assert read(path).duration_ms == MAX_MS


@pytest.fixture(scope="module")
def neighbour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another clip, as it may lie beside a hostile one."""
    return made.clip(tmp_path_factory.mktemp("neighbour") / "other.ts")


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile '{target}'\n"
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"


@pytest.mark.parametrize("playlist", [HLS, CONCAT, SDP], ids=["hls", "concat", "sdp"])
@pytest.mark.parametrize("target", ["/etc/passwd", "file:///etc/passwd", "other.ts", "http://127.0.0.1:9/x.ts"])
def test_a_playlist_opens_nothing_else(tmp_path: Path, neighbour: Path, playlist: str, target: str) -> None:
    shutil.copyfile(neighbour, tmp_path / "other.ts")
    for name in ("clip.mp4", "clip.m3u8"):
        (tmp_path / name).write_text(playlist.format(target=target))
        said = refused(tmp_path / name)
        assert "not a kind of file" in said or "Invalid data" in said


def test_without_our_options_the_playlist_would_have_opened_its_neighbour(tmp_path: Path, neighbour: Path) -> None:
    shutil.copyfile(neighbour, tmp_path / "other.ts")
    (tmp_path / "clip.mp4").write_text(CONCAT.format(target="other.ts"))
    assert "h264" in made.stated(tmp_path / "clip.mp4", "stream=codec_name")


NAMES = [
    b"-version",
    b"-i.mp4",
    b"a:b.mp4",
    b"http:x.mp4",
    b"pipe:0",
    b"a%03d.mp4",
    b"a*?[x].mp4",
    b'it\'s "quoted" \\ .mp4',
    b"two\nlines.mp4",
    b"\xff\xfe not text.mp4",
    "\N{RIGHT-TO-LEFT OVERRIDE}4pm.\N{PILE OF POO}".encode(),
    b"x" * 251 + b".mp4",
]


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_are_only_names(tmp_path: Path, neighbour: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    shutil.copyfile(neighbour, path)
    video = read(path).first("video")
    assert video is not None
    assert (video.width, video.height) == (64, 48)


def test_a_file_that_is_not_there_is_the_callers_matter(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        probe(tmp_path / "gone.mp4", LIMITS, CLOCK)


def test_the_words_of_ffmpeg_are_not_damage() -> None:
    signed = corpus("signed", "onvif", "test_signed_h264.mp4")
    made.require("ffmpeg")
    argv = [child.program("ffmpeg"), "-nostdin", "-v", "error", "-i", child.url(signed), "-f", "null", "-"]
    outcome = child.run(argv, LIMITS, CLOCK, reads=[signed])
    assert "SEI" in outcome.stderr_tail
    assert outcome.ok


def test_a_named_pipe_is_not_opened(tmp_path: Path) -> None:
    """Nobody writes to it: whoever opened it would wait for ever."""
    os.mkfifo(tmp_path / "clip.mp4")
    assert refused(tmp_path / "clip.mp4") == "it is not an ordinary file"


def test_a_reader_that_waits_for_ever_is_stopped(tmp_path: Path) -> None:
    made.require("ffprobe")
    pipe = tmp_path / "clip.mp4"
    os.mkfifo(pipe)
    outcome = child.run([child.program("ffprobe"), child.url(pipe)], child.Limits(seconds=1), CLOCK, reads=[pipe])
    assert outcome.timed_out
