"""Excerpts built to deceive are refused, each with its reason. The forger has no key, and every other tool."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dockagent.core.proof.merkle_range import prove
from tests.evidence import excerpts
from tests.evidence.excerpts import Dock, words
from tests.evidence.forging import FILE, Parts, octets, parts, proof_of, tracks
from tests.media import made

Forge = Callable[[Path], None]
SPAN = (4000, 8000)


def filmed(path: Path, picture: str, tone: int) -> Path:
    """Twelve seconds with B-frames, a group each second, and sound."""
    source = f"{picture}=size=160x120:rate=30:duration=12"
    arguments = ["-f", "lavfi", "-i", source, "-f", "lavfi", "-i", f"sine=frequency={tone}:duration=12"]
    arguments += ["-c:v", "libx264", "-bf", "2", "-g", "30", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    return made.make(path, *arguments)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A dock, two clips of its, and an honest excerpt of each."""
    folder = tmp_path_factory.mktemp("scene")
    dock = Dock.create(folder / "home")
    clip, other = filmed(folder / "a.mp4", "testsrc2", 440), filmed(folder / "b.mp4", "testsrc", 880)
    record, other_record = dock.record(clip, camera="BWC-0001"), dock.record(other, "clip-2", camera="BWC-0002")
    dock.cut(clip, record, SPAN, folder / "honest", reveal=("camera",))
    dock.cut(other, other_record, SPAN, folder / "other", reveal=("camera",))
    assert words(dock.check(folder / "honest")) == {**ALL_GOOD, "time": "unknown"}
    return {"dock": dock, "honest": folder / "honest", "other": folder / "other", "clip": clip}


ALL_GOOD = dict.fromkeys(("intact", "signature", "signer", "complete"), "pass")


def ffmpeg(*arguments: str) -> Forge:
    """A forgery by ffmpeg over the honest file (``@``)."""

    def forge(folder: Path) -> None:
        there = folder / FILE
        before = there.rename(folder.parent / f"{folder.name}.mp4")
        argv = [str(before) if one == "@" else one for one in arguments]
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *argv, there], check=True)
        excerpts.as_it_is(folder)

    return forge


def drop(found: Parts) -> None:
    found.order(0, [*range(50), *range(51, 120)])


def claim_less(folder: Path) -> None:
    parts(drop)(folder)
    tracks(lambda said: said[0].update(samples=119))(folder)


def flip(found: Parts) -> None:
    data = found.samples[0][70]
    found.samples[0][70] = data[:-1] + bytes([data[-1] ^ 1])


def slow(found: Parts) -> None:
    its = found.tracks[0]
    found.change(0, dts=[2 * one for one in its.dts], pts=[2 * one for one in its.pts], lasts=2 * its.lasts)


def pause(found: Parts) -> None:
    its = found.tracks[0]
    longer = its.dts[60] - its.dts[59]
    found.change(0, dts=[*its.dts[:60], *(one + longer for one in its.dts[60:])])
    found.change(0, pts=[*its.pts[:60], *(one + longer for one in its.pts[60:])])


def splice(other: Path) -> Forge:
    def change(found: Parts) -> None:
        theirs = Parts.of(other / FILE)
        found.samples[0][30:60] = theirs.samples[0][30:60]
        found.change(0, size=[len(one) for one in found.samples[0]])

    return parts(change)


def late_sound(folder: Path) -> None:
    """The sound comes 200 ms later, and the proof's shifts are those with which every sample fits."""
    found = Parts.of(folder / FILE)
    early, later = found.tracks[0].wait, 44100 // 5
    found.change(0, wait=0)
    found.change(1, wait=later)
    found.write(folder)
    tracks(lambda said: said[0].update(shift=int(str(said[0]["shift"])) + early))(folder)
    tracks(lambda said: said[1].update(shift=int(str(said[1]["shift"])) - later))(folder)


def swapped(said: list[dict[str, object]]) -> None:
    said.reverse()


def twice(said: list[dict[str, object]]) -> None:
    said[1] = said[0]


def elsewhere(said: list[dict[str, object]]) -> None:
    """The picture is said to be from a second later, sound and all times with it."""
    for one, units, samples in ((said[0], 15360, 30), (said[1], 44100, 43)):
        one["shift"] = int(str(one["shift"])) + units
        one["first"] = int(str(one["first"])) + samples


def in_box(kind: bytes, at: int, value: bytes) -> Callable[[bytes], bytes]:
    """Other bytes ``at`` bytes behind a box's type, the first of its kind."""

    def change(data: bytes) -> bytes:
        place = data.index(kind) + 4 + at
        return data[:place] + value + data[place + len(value) :]

    return change


def free_behind(data: bytes) -> bytes:
    return data + b"\x00\x00\x00\x10freesecret!!"


def udta(data: bytes) -> bytes:
    """A box of the forger's in place of the movie's padding: the handler's name."""
    return data.replace(b"hdlr\x00\x00\x00\x00\x00\x00\x00\x00vide", b"hdlr\x00\x00\x00\x00\x00\x00\x00\x01vide", 1)


def last_edit(at: int, change: Callable[[int], int]) -> Callable[[bytes], bytes]:
    """Another number in the last row of the first edit list: its length (0) or where it begins (8)."""

    def alter(data: bytes) -> bytes:
        place = data.index(b"elst") + 8
        rows = int.from_bytes(data[place : place + 4], "big")
        place += 4 + 20 * (rows - 1) + at
        return (
            data[:place] + change(int.from_bytes(data[place : place + 8], "big")).to_bytes(8, "big") + data[place + 8 :]
        )

    return alter


def other_field(other: Path) -> Forge:
    def forge(folder: Path) -> None:
        fields, theirs = proof_of(folder)["fields"], proof_of(other)["fields"]
        assert isinstance(fields, dict)
        assert isinstance(theirs, dict)
        shown = [one for one in fields["shown"] if one["name"] != "camera"]
        fields["shown"] = [*shown, next(one for one in theirs["shown"] if one["name"] == "camera")]
        excerpts.rewrite(folder, fields=fields)

    return forge


def altered_field(folder: Path) -> None:
    fields = proof_of(folder)["fields"]
    assert isinstance(fields, dict)
    for one in fields["shown"]:
        one["value"] = "BWC-0666" if one["name"] == "camera" else one["value"]
    excerpts.rewrite(folder, fields=fields)


def other_proof(other: Path) -> Forge:
    def forge(folder: Path) -> None:
        (folder / "excerpt.json").write_bytes((other / "excerpt.json").read_bytes())

    return forge


def own_tree(folder: Path) -> None:
    """The forger makes a tree over his own samples; but nobody signed its root."""
    parts(flip)(folder)
    proof = prove([number.to_bytes(32, "big") for number in range(360)], 120, 240)
    tracks(lambda said: said[0].update(siblings=[one.hex() for one in proof.siblings]))(folder)
    tracks(lambda said: said[0].update(peaks=[one.hex() for one in proof.peaks]))(folder)


SETUP = "another decoder set-up|another sample description"
# What is done, and what is said about it.
DECEITS: dict[str, tuple[Forge, str]] = {
    "a picture is left out": (parts(drop), "119 samples are here, the stretch has 120: some were left out"),
    "and the proof is for one less": (claim_less, "its proof is not of the original's track 0"),
    "a picture is there twice": (
        parts(lambda it: it.order(0, [*range(50), 49, *range(50, 120)])),
        "121 samples are here, the stretch has 120: some were put in",
    ),
    "two pictures are exchanged": (
        parts(lambda it: it.order(0, [*range(61), 62, 61, *range(63, 120)])),
        "are not number .* of the original: altered, exchanged, in another order or at other times",
    ),
    "all runs backwards": (parts(lambda it: it.order(0, [0, *range(119, 0, -1)])), "in another order"),
    "it is in slow motion": (parts(slow), "at other times"),
    "it stands still for a moment": (parts(pause), "its samples from .* are not number"),
    "its unit of time is another": (octets(in_box(b"mdhd", 20, (15000).to_bytes(4, "big"))), "another unit of time"),
    "its last sample lasts for ages": (
        octets(in_box(b"mdhd", 24, (1 << 60).to_bytes(8, "big"))),
        "its edit list or durations are not those of an excerpt",
    ),
    "a bit is another": (parts(flip), "its samples from .* are not number .* altered"),
    "its tree is the forger's": (own_tree, "its proof is not of the original's track 0"),
    "it was encoded again": (
        ffmpeg("-i", "@", "-c:v", "libx264", "-profile:v", "baseline", "-c:a", "copy"),
        "another decoder set-up: it was encoded again, or is of another clip",
    ),
    "it was encoded again, set up alike": (
        ffmpeg("-i", "@", "-c:v", "libx264", "-bf", "2", "-g", "30", "-c:a", "copy"),
        "its samples from .* are not number",
    ),
    "ffmpeg packed it again": (ffmpeg("-i", "@", "-c", "copy"), "track 0 has another sample description"),
    "it has one more track": (
        ffmpeg("-i", "@", "-f", "lavfi", "-i", "sine=d=4", "-map", "0", "-map", "1", "-c:v", "copy"),
        "it has 3 tracks, its proof is for 2",
    ),
    "its sound is missing": (ffmpeg("-i", "@", "-c", "copy", "-an"), "it has 1 tracks, its proof is for 2"),
    "its sound is late": (late_sound, r"^tracks 0 and 1 are 0\.20\d+ s further apart than in the original$"),
    "picture is said to be sound": (tracks(swapped), "track 0 has another kind of media"),
    "both are said to be picture": (tracks(twice), "takes two tracks for the same one"),
    "it is said to be a second later": (tracks(elsewhere), "its proof is not of the original's track 0"),
    "its decoder is set up otherwise": (octets(in_box(b"avcC", 8, b"\x55")), SETUP),
    "it is turned": (octets(in_box(b"tkhd", 52, (0xFFFF0000).to_bytes(4, "big"))), "another turn or shape"),
    "its edit list shows less": (
        octets(last_edit(0, lambda length: length // 2)),
        r"has \d+ samples that its edit list hides",
    ),
    "its edit list begins later": (octets(last_edit(8, lambda start: start + 2 * 15360)), "edit list|not number"),
    "something is hidden behind it": (octets(free_behind), "it has 16 bytes more than its samples need"),
    "something is hidden in it": (octets(udta), "has something that an excerpt has not, at byte"),
    "a field is altered": (altered_field, "the field 'camera' is not what the dock signed"),
    "it is said to show another time": (
        lambda folder: excerpts.rewrite(folder, from_ms=0, to_ms=4000),
        "it shows 4000 to 8000 ms of the original, not 0 to 4000 ms",
    ),
    "it is only named otherwise": (lambda folder: excerpts.rewrite(folder, sha256="00" * 32), "has other bytes than"),
}


@pytest.mark.parametrize("deceit", DECEITS)
def test_a_deceit_is_refused_with_its_reason(scene: dict[str, Any], tmp_path: Path, deceit: str) -> None:
    forge, reason = DECEITS[deceit]
    folder = excerpts.copy(scene["honest"], tmp_path / "forged")
    forge(folder)
    report = scene["dock"].check(folder)
    assert report.exit_code == 1
    assert report.verdicts["intact"].word == "fail"
    assert report.verdicts["signature"].word == "pass", "the dock's own word is as it was"
    assert report.verdicts["complete"].word != "pass"
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(report.verdicts["intact"].why)


def test_a_picture_wider_by_half_a_pixel_is_a_finding(scene: dict[str, Any], tmp_path: Path) -> None:
    folder = excerpts.copy(scene["honest"], tmp_path / "forged")
    octets(in_box(b"tkhd", 90, b"\x80\x00"))(folder)
    report = scene["dock"].check(folder)
    assert report.exit_code == 3
    assert any(re.search(r"asks players to show .* as \d+\.5x", one) for one in report.findings)


def test_samples_of_another_clip_are_refused(scene: dict[str, Any], tmp_path: Path) -> None:
    for number, forge in enumerate((splice(scene["other"]), other_proof(scene["other"]), other_field(scene["other"]))):
        folder = excerpts.copy(scene["honest"], tmp_path / str(number))
        forge(folder)
        report = scene["dock"].check(folder)
        assert (report.exit_code, report.verdicts["intact"].word) == (1, "fail")


def test_what_is_taken_apart_and_put_together_unchanged_is_the_same(scene: dict[str, Any], tmp_path: Path) -> None:
    folder = excerpts.copy(scene["honest"], tmp_path / "again")
    parts(lambda it: None)(folder)
    assert (folder / FILE).read_bytes() == (scene["honest"] / FILE).read_bytes()
    assert scene["dock"].check(folder).exit_code == 0


def test_a_last_picture_that_stays_is_a_finding(scene: dict[str, Any], tmp_path: Path) -> None:
    folder = excerpts.copy(scene["honest"], tmp_path / "long")
    parts(lambda it: it.change(0, lasts=60 * 15360))(folder)
    excerpts.rewrite(folder, to_ms=8000 + 60_000 - 33)
    report = scene["dock"].check(folder)
    assert report.exit_code == 3, report
    assert any("the last sample of track 0 lasts 60.000 s; nothing proves that" in one for one in report.findings)


def test_a_stretched_picture_is_a_finding(scene: dict[str, Any], tmp_path: Path) -> None:
    folder = excerpts.copy(scene["honest"], tmp_path / "wide")
    octets(in_box(b"tkhd", 88, (320 << 16).to_bytes(4, "big")))(folder)
    report = scene["dock"].check(folder)
    assert report.exit_code == 3
    assert any("show 160x120 pixels as 320x120; no signature covers that" in one for one in report.findings)
