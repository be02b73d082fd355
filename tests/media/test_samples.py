"""Sample trees of real footage are what a stock ffmpeg and the Go project's code make of it, or there are none."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.core.movie.clip_samples import NOT_A_MOVIE, Measure
from dockagent.core.proof import merkle
from dockagent.media.samples import sample_trees
from tests.corpus import corpus
from tests.media import framehash, made

MOVIES = (".mp4", ".mov", ".LRV", ".3gp")
# Of every clip of the corpus that is MP4 or QuickTime: a number of samples for each tree, else a word of why not.
FOUND: dict[str, list[int | str] | str] = {
    "dashcam-gps/neoline-front.mp4": [192],
    "dashcam-gps/novatek-2e-drive-730.mp4": "no units of time",
    "footage/GL012297.LRV": [110, 86, 1, 2],
    "footage/amr-nb.3gp": [1],
    "footage/apple-screen.mov": ["edit list repeats"],
    "footage/bbb-480p-30s.mp4": [720, 1408],
    "footage/frag/init.mp4": ["no samples"],
    "footage/frag/v300_multiple_segments.mp4": [240],
    "footage/fragmented.mp4": "outside the media data",
    "footage/h263.3gp": [1],
    "footage/headers/QuickTime.mov": "more bytes than the file",
    "footage/hero5-trimmed.mp4": [48, 94, 2, 1],
    "footage/hevc.mp4": [1],
    "footage/prog_8s.mp4": [375, 240],
    "footage/rotation90.mp4": [1],
    "footage/short-cenc.mp4": ["encrypted", "encrypted"],
    "footage/split/v1.mp4": [51, 87],
    "footage/split/v2.mp4": [178, 320],
    "footage/split/v3.mp4": [76, 129],
    "hostile/chunk_out_of_range.mp4": ["several descriptions, or none"],
    "hostile/init_truncated.mp4": "a length that cannot be",
    "hostile/no_timescale.mp4": "no units of time",
    "signed/axis/signed_test_h264.mp4": [257],
    "signed/axis/test_h264.mp4": [256],
    "signed/c2pa/video1.mp4": [60, 94],
    "signed/c2pa/video1_no_manifest.mp4": [60, 94],
    "signed/onvif/test_h265.mp4": [302],
    "signed/onvif/test_signed_h264.mp4": [257],
}
_LAVFI = ("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=30:duration=3", "-f", "lavfi", "-i", "sine=duration=3")
_B_FRAMES = (*_LAVFI, "-c:v", "libx264", "-bf", "3", "-g", "15", "-c:a", "aac")
# Name, how ffmpeg makes it (@: from the first one), what is found.
MADE: list[tuple[str, Sequence[str], list[int | str]]] = [
    ("b-frames.mp4", _B_FRAMES, [90, 131]),
    ("b-frames.mov", _B_FRAMES, [90, 131]),
    ("early.mp4", (*_B_FRAMES, "-movflags", "+negative_cts_offsets"), ["before they are decoded", 131]),
    (
        "early-unedited.mp4",
        (*_B_FRAMES, "-movflags", "+negative_cts_offsets", "-use_editlist", "0"),
        ["before they are decoded", -1],
    ),
    ("no-edits.mp4", ("@", "-use_editlist", "0"), [90, 131]),
    ("fragments.mp4", ("@", "-movflags", "frag_keyframe+empty_moov"), [90, 131]),
    ("fragments-of-moof.mp4", ("@", "-movflags", "frag_keyframe+empty_moov+default_base_moof"), [90, 131]),
    ("cut.mp4", ("-ss", "1.3", "@", "-t", "1"), [-1, -1]),
    ("late.mp4", ("-itsoffset", "1.5", "@"), [90, 131]),
    ("turned.mp4", ("@", "-metadata:s:v", "rotate=90"), [90, 131]),
    ("time-code.mov", (*_B_FRAMES, "-timecode", "01:00:00:00"), [90, 131, 1]),
    ("pcm.mov", (*_LAVFI, "-c:v", "mjpeg", "-c:a", "pcm_s16le"), [90, "into other pieces"]),
    ("mp3.mp4", (*_LAVFI, "-c:v", "mpeg4", "-bf", "2", "-c:a", "libmp3lame"), [90, "into other pieces"]),
    ("early-fragments.mp4", ("@", "-movflags", "cmaf+negative_cts_offsets"), ["before they are decoded", -1]),
    ("fragments-edited.mp4", ("@", "-movflags", "frag_keyframe+empty_moov+delay_moov"), ["edit list", "edit list"]),
]


def measured(clip: Path) -> Measure:
    return sample_trees(clip, clip.stat().st_size, SystemClock())


def check(clip: Path, found: list[int | str] | str) -> Measure:
    """What the agent makes of ``clip`` is ``found``, and every tree is the one over stock ffmpeg's lines."""
    result, theirs = measured(clip), framehash.leaves(framehash.printed(clip))
    if isinstance(found, str):
        assert found in result.why
        assert not result.tracks
        return result
    assert not result.why
    assert [track.track for track in result.tracks] == list(range(len(found)))
    for track, expected in zip(result.tracks, found, strict=True):
        if isinstance(expected, str):
            assert expected in track.why
            assert (track.root, track.samples) == ("", 0)
            continue
        assert not track.why
        leaves = theirs[track.track]
        assert track.samples == len(leaves)
        assert expected in (-1, len(leaves))
        assert track.root == merkle.root(map(merkle.leaf_hash, leaves)).hex()
    return result


@pytest.mark.parametrize("name", FOUND)
def test_every_clip_of_the_corpus(name: str) -> None:
    check(corpus(*name.split("/")), FOUND[name])


def test_the_table_names_every_movie_of_the_corpus() -> None:
    root = corpus()
    folders = ("footage", "dashcam-gps", "hostile", "signed")
    files = (path for folder in folders for path in (root / folder).rglob("*") if path.suffix in MOVIES)
    assert {str(path.relative_to(root)) for path in files} == set(FOUND)


@pytest.mark.parametrize("name", ["footage/camera-mjpeg.avi", "footage/voice-8khz.wav", "footage/avc.mkv"])
def test_a_format_without_samples_keeps_the_byte_tree_and_says_so(name: str) -> None:
    result = check(corpus(*name.split("/")), "byte tree only")
    assert (result.why, result.doubt) == (NOT_A_MOVIE, False)


@pytest.mark.parametrize(("name", "how", "found"), MADE, ids=[name for name, _, _ in MADE])
def test_what_muxers_do_with_times(tmp_path: Path, name: str, how: Sequence[str], found: list[int | str]) -> None:
    arguments = list(how)
    if "@" in arguments:
        first = made.make(tmp_path / "first.mp4", *_B_FRAMES)
        at = arguments.index("@")
        arguments[at : at + 1] = ["-i", f"file:{first}"]
        arguments += ["-map", "0", "-c", "copy"]
    check(made.make(tmp_path / name, *arguments), found)


@pytest.mark.parametrize("name", [name for name, found in FOUND.items() if found[0] != "" and isinstance(found, list)])
def test_the_go_project_makes_the_same_trees_of_ffmpegs_lines(
    tmp_path: Path, outside: Callable[..., bool], name: str
) -> None:
    clip, listing = corpus(*name.split("/")), tmp_path / "listing"
    listing.write_text(framehash.printed(clip))
    of_ffmpeg = framehash.leaves(listing.read_text())
    for track in measured(clip).trees:
        number, hashes = str(track.track), [merkle.leaf_hash(leaf) for leaf in of_ffmpeg[track.track]]
        assert outside("tree", listing, number, track.root)
        assert not outside("tree", listing, number, "00" * 32)
        index = len(hashes) // 2
        proof = tmp_path / "proof"
        proof.write_text("\n".join(one.hex() for one in merkle.inclusion_proof(hashes, index)))
        assert outside("sample", listing, number, track.root, str(index), proof)
        if len(hashes) > 1:
            assert not outside("sample", listing, number, track.root, str(index - 1), proof)


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bool]:
    return framehash.go_checker(tmp_path_factory.mktemp("go-leaves"))


@pytest.mark.parametrize(
    "name", ["footage/bbb-480p-30s.mp4", "footage/GL012297.LRV", "footage/hevc.mp4", "footage/hero5-trimmed.mp4"]
)
def test_the_presentation_is_what_ffmpeg_prints_in_its_head(name: str) -> None:
    clip = corpus(*name.split("/"))
    head = {line.replace(" ", "") for line in framehash.printed(clip).splitlines() if line.startswith("#")}
    for track in measured(clip).tracks:
        said = dict(line.split(" ", 1) for line in track.presentation.splitlines() if " " in line)
        assert f"#tb{track.track}:{said['tb']}" in head
        assert track.time_base == said["tb"]
        if track.handler == "vide":
            assert f"#dimensions{track.track}:{said['dimensions']}" in head
        if track.handler in ("vide", "soun"):
            length, digest = said["extradata"].split()
            assert f"#extradata{track.track},{length},{digest}" in head
        leaf = merkle.leaf_hash(track.presentation.encode()).hex()
        assert track.presentation_leaf == leaf


def test_a_turned_picture_says_so() -> None:
    (track,) = measured(corpus("footage", "rotation90.mp4")).tracks
    assert "\nrotation 90\n" in track.presentation


ALTERED = [framehash.flip_sample, framehash.swap_samples, framehash.slow_down]


@pytest.mark.parametrize("alter", ALTERED)
def test_an_altered_copy_has_another_tree(tmp_path: Path, alter: Callable[[bytes], bytes]) -> None:
    original, copy = corpus("footage", "bbb-480p-30s.mp4"), tmp_path / "altered.mp4"
    copy.write_bytes(alter(original.read_bytes()))
    before, after = (measured(path).tracks for path in (original, copy))
    assert [track.root for track in before] != [track.root for track in after]
    listing = framehash.leaves(framehash.printed(copy))
    for track in (track for track in after if track.root):
        assert track.root == merkle.root(map(merkle.leaf_hash, listing[track.track])).hex()


def test_samples_outside_the_media_data_are_refused(tmp_path: Path) -> None:
    copy = tmp_path / "hidden.mp4"
    copy.write_bytes(framehash.hide_in_free(corpus("footage", "bbb-480p-30s.mp4").read_bytes()))
    assert framehash.leaves(framehash.printed(copy)), "players play it"
    result = measured(copy)
    assert (result.tracks, result.doubt) == ((), True)
    assert "outside the media data (mdat)" in result.why


def test_a_clip_that_was_cut_short_has_no_tree(tmp_path: Path) -> None:
    copy = tmp_path / "short.mp4"
    whole = corpus("footage", "hero5-trimmed.mp4").read_bytes()  # its index is at the front
    copy.write_bytes(whole[: len(whole) * 2 // 3])
    assert "more bytes than the file" in measured(copy).why


def test_the_child_cannot_read_other_files(tmp_path: Path) -> None:
    clip = made.clip(tmp_path / "clip.mp4")
    other = tmp_path / "other.mp4"
    os.link(clip, other)
    assert measured(clip).trees
    clip.unlink()
    with pytest.raises(FileNotFoundError):
        measured(clip)


def test_a_file_that_shrinks_while_it_is_read_costs_a_finding(tmp_path: Path) -> None:
    clip = made.clip(tmp_path / "clip.mp4")
    size = clip.stat().st_size
    os.truncate(clip, size // 2)
    result = sample_trees(clip, size, SystemClock())
    assert result.doubt
    assert not result.tracks
