"""Honest excerpts: of every clip with a sample tree, and as a stock ffmpeg reads them."""

import hashlib
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dockagent.core import strict_json
from dockagent.disclosure.excerpt import Made
from dockagent.errors import Missing, Refused, UsageError
from tests.corpus import corpus
from tests.evidence.excerpts import Dock, words
from tests.media import framehash, made
from tests.media.test_samples import FOUND

GOOD = {"intact": "pass", "signature": "pass", "signer": "pass", "time": "unknown", "complete": "pass"}
CLIPS = [
    name for name, found in FOUND.items() if isinstance(found, list) and any(isinstance(one, int) for one in found)
]
DATA_ONLY = {"dashcam-gps/neoline-front.mp4": "0"}
_LAVFI = ("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=30:duration=6", "-f", "lavfi", "-i", "sine=duration=6")
_X264 = (*_LAVFI, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "3", "-g", "30", "-c:a", "aac")
OPEN_GROUPS = (*_LAVFI, "-c:v", "libx264", "-bf", "3", "-g", "30", "-x264-params", "open-gop=1", "-c:a", "aac")
KINDS: dict[str, Sequence[str]] = {
    "b-frames.mp4": _X264,
    "b-frames.mov": _X264,
    "open-groups.mp4": OPEN_GROUPS,
    "fragments.mp4": (*_X264, "-movflags", "frag_keyframe+empty_moov"),
    "late-sound.mp4": ("-itsoffset", "0.7", *_X264),
    "mpeg4.mp4": (*_LAVFI, "-c:v", "mpeg4", "-bf", "2", "-g", "12", "-c:a", "aac"),
    "motion-jpeg.mov": (*_LAVFI, "-c:v", "mjpeg", "-c:a", "aac"),
    "hevc.mp4": (*_LAVFI, "-c:v", "libx265", "-x265-params", "log-level=0:keyint=30", "-c:a", "aac", "-tag:v", "hvc1"),
    "no-edits.mp4": (*_X264, "-use_editlist", "0"),
    "turned.mp4": (*_X264, "-metadata:s:v", "rotate=90"),
}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes each kind of clip once."""
    folder = tmp_path_factory.mktemp("films")

    def clip(name: str) -> Path:
        path = folder / name
        return path if path.exists() else made.make(path, *KINDS[name])

    return clip


def check_outside(clip: Path, folder: Path, done: Made) -> None:
    """What ffmpeg prints for the excerpt is a run of what it prints for the original, with one shift for each track."""
    original, its = (framehash.printed(one) for one in (clip, folder / done.proof.file))
    theirs, ours = framehash.leaves(original), framehash.leaves(its)
    assert sorted(ours) == list(range(len(done.proof.tracks)))
    for place, stretch in enumerate(done.proof.tracks):
        lines = [line.replace(" ", "").split(",") for line in its.splitlines() if not line.startswith("#")]
        of_track = [line for line in lines if int(line[0]) == place]
        made_again = [
            f"dockagent/sample/v1\n{number} {stretch.track} {int(line[1]) + stretch.shift} "
            f"{int(line[2]) + stretch.shift} {line[4]} {line[5]}\n".encode()
            for number, line in enumerate(of_track, stretch.first)
        ]
        assert made_again == theirs[stretch.track][stretch.first : stretch.first + stretch.samples]


@pytest.mark.parametrize("span", [(0, 400), (700, 100_000)])
@pytest.mark.parametrize("name", CLIPS)
def test_every_clip_of_the_corpus(tmp_path: Path, name: str, span: tuple[int, int]) -> None:
    clip, dock = corpus(*name.split("/")), Dock.create(tmp_path / "home")
    record = dock.record(clip)
    try:
        done = dock.cut(clip, record, span, tmp_path / "out", tracks=DATA_ONLY.get(name, ""))
    except UsageError as err:
        assert span[0], "every clip has a beginning; but some are one picture long"
        assert "there is nothing from" in err.what
        return
    assert words(dock.check(tmp_path / "out")) == GOOD
    check_outside(clip, tmp_path / "out", done)
    if name not in DATA_ONLY:
        assert done.proof.from_ms <= span[0] or 0 in [one.first for one in done.proof.tracks]


@pytest.mark.parametrize("tracks", ["", "video", "1"])
@pytest.mark.parametrize("name", KINDS)
def test_what_muxers_and_encoders_make(tmp_path: Path, film: Callable[[str], Path], name: str, tracks: str) -> None:
    dock, clip = Dock.create(tmp_path / "home"), film(name)
    done = dock.excerpt(clip, (2500, 3500), tmp_path / "out", tracks=tracks)
    assert words(dock.check(tmp_path / "out")) == GOOD
    check_outside(clip, tmp_path / "out", done)
    assert done.proof.from_ms <= 2500
    assert done.proof.to_ms >= 3500
    assert not done.whole_record
    decoded = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", tmp_path / "out" / done.proof.file, "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert decoded.stderr == "", "it plays from its first picture on"


def test_an_open_group_is_no_border(tmp_path: Path) -> None:
    """ffprobe says which key pictures have pictures that are shown before them and come behind: no excerpt begins
    there."""
    dock, clip = Dock.create(tmp_path / "home"), made.make(tmp_path / "clip.mp4", *OPEN_GROUPS)
    argv = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts,flags", "-of", "csv=p=0"]
    rows = [line.split(",") for line in subprocess.check_output([*argv, clip], text=True).split()]
    keys = [at for at, row in enumerate(rows) if "K" in row[1]]
    opened = [at for at in keys if any(int(row[0]) < int(rows[at][0]) for row in rows[at:])]
    assert opened, "this clip has open groups"
    done = dock.excerpt(clip, (2500, 3500), tmp_path / "out", tracks="video")
    assert done.proof.tracks[0].first in set(keys) - set(opened)
    assert done.proof.tracks[0].first + done.proof.tracks[0].samples in {*(set(keys) - set(opened)), len(rows)}


def test_data_tracks_go_by_number_only(tmp_path: Path) -> None:
    """Places and time codes of a camera; the time code began before the excerpt, so it is not in it, and that is
    said."""
    dock, clip = Dock.create(tmp_path / "home"), corpus("footage", "GL012297.LRV")
    record = dock.record(clip)
    assert [one.track for one in dock.cut(clip, record, (900, 1700), tmp_path / "usual").proof.tracks] == [0, 1]
    done = dock.cut(clip, record, (900, 1700), tmp_path / "all", tracks="video,audio,2,3")
    assert [one.track for one in done.proof.tracks] == [0, 1, 3]
    assert done.left_out == ("track 2 (tmcd tmcd) has nothing in this time",)
    assert words(dock.check(tmp_path / "all")) == GOOD
    check_outside(clip, tmp_path / "all", done)


def test_picture_without_sound(tmp_path: Path) -> None:
    dock, clip = Dock.create(tmp_path / "home"), made.make(tmp_path / "clip.mp4", *KINDS["b-frames.mp4"])
    done = dock.excerpt(clip, (2000, 3000), tmp_path / "out", tracks="video")
    assert [one.track for one in done.proof.tracks] == [0]
    assert made.stated(tmp_path / "out" / "excerpt.mp4", "stream=codec_type") == ["video"]
    proof = (tmp_path / "out" / "excerpt.json").read_bytes()
    assert b"soun" not in proof, "nothing is said of the track that stays here"


def test_the_rest_of_the_record_stays_here(tmp_path: Path) -> None:
    dock, clip = Dock.create(tmp_path / "home"), made.make(tmp_path / "clip.mp4", *KINDS["b-frames.mp4"])
    record = dock.record(clip, camera="BWC-4711", officer="K. Nowak", path="DCIM/secret.MP4")
    done = dock.cut(clip, record, (2000, 3000), tmp_path / "out", reveal=("time", "officer"))
    proof = (tmp_path / "out" / "excerpt.json").read_bytes() + (tmp_path / "out" / "excerpt.mp4").read_bytes()
    assert b"K. Nowak" in proof
    for hidden in (b"BWC-4711", b"DCIM", b"clip-1", hashlib.sha256(clip.read_bytes()).hexdigest().encode()):
        assert hidden not in proof
    assert done.proof.fields
    assert {one.name for one in done.proof.fields.shown} == {
        "acquired", "file_time", "officer", "samples.0", "samples.1",
    }  # fmt: skip
    salts: dict[str, str] = {one.name: one.salt for one in done.proof.fields.shown}
    assert len(set(salts.values())) == len(salts), "each field has a salt of its own"


def test_a_clip_from_before_fields_goes_with_its_whole_record(tmp_path: Path) -> None:
    dock = Dock.create(tmp_path / "home", fields=False)
    clip = made.make(tmp_path / "clip.mp4", *KINDS["b-frames.mp4"])
    done = dock.excerpt(clip, (2000, 3000), tmp_path / "out")
    report = dock.check(tmp_path / "out")
    assert done.whole_record
    assert words(report) == GOOD
    assert any("the whole clip record is shown" in fact for fact in report.facts)
    proof: dict[str, Any] = strict_json.parse((tmp_path / "out" / "excerpt.json").read_bytes())
    proof["record"]["payload"] = proof["entry"]["payload"]
    (tmp_path / "out" / "excerpt.json").write_bytes(strict_json.canonical(proof) + b"\n")
    report = dock.check(tmp_path / "out")
    assert "the clip record is not the one that the ledger names" in report.verdicts["intact"].why


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("footage/apple-screen.mov", "edit list repeats"),
        ("footage/short-cenc.mp4", "encrypted"),
        ("footage/avc.mkv", "it is no MP4 or QuickTime file"),
        ("footage/fragmented.mp4", "outside the media data"),
    ],
)
def test_what_cannot_be_proved_says_why(tmp_path: Path, name: str, why: str) -> None:
    dock = Dock.create(tmp_path / "home")
    with pytest.raises(Missing, match="cannot be proved, because") as caught:
        dock.excerpt(corpus(*name.split("/")), (0, 400), tmp_path / "out")
    assert why in caught.value.what
    assert not list((tmp_path / "out").iterdir()), "nothing half done is left"


def test_a_master_that_is_not_the_one_of_its_record_gives_no_excerpt(tmp_path: Path) -> None:
    dock, clip = Dock.create(tmp_path / "home"), made.make(tmp_path / "clip.mp4", *KINDS["b-frames.mp4"])
    record = dock.record(clip)
    clip.write_bytes(framehash.flip_sample(clip.read_bytes()))
    with pytest.raises(Refused, match="is not the one of its record"):
        dock.cut(clip, record, (2000, 3000), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("span", "tracks", "reveal", "why"),
    [
        ((7000, 9000), "", (), "there is nothing from 7000 to 9000 ms"),
        ((1000, 2000), "2", (), "no track '2'"),
        ((1000, 2000), "subtitles", (), "no track 'subtitles'"),
        ((1000, 2000), "", ("salary",), "no field 'salary'"),
    ],
)
def test_what_is_not_there_cannot_be_asked_for(
    tmp_path: Path, span: tuple[int, int], tracks: str, reveal: tuple[str, ...], why: str
) -> None:
    dock, clip = Dock.create(tmp_path / "home"), made.make(tmp_path / "clip.mp4", *KINDS["b-frames.mp4"])
    with pytest.raises(UsageError, match=why):
        dock.excerpt(clip, span, tmp_path / "out", tracks=tracks, reveal=reveal)
