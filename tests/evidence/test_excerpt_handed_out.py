"""Every byte of a proof is somebody's word: what nothing in an excerpt proves is so by the record of the hand-out."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dockagent.core import strict_json
from dockagent.evidence import found_derivative
from dockagent.evidence.check_handed_out import beside
from dockagent.evidence.verify import verify
from tests.evidence import excerpts
from tests.evidence.excerpts import Dock, words
from tests.evidence.mutations import mutations
from tests.evidence.test_excerpt import GOOD, KINDS
from tests.media import made

MEMBERS = (
    *("asked_from_ms", "asked_to_ms", "bytes", "docks", "entry", "fields", "file", "from_ms", "record", "sha256"),
    *("time_stamp", "tlog_proof", "to_ms", "tracks", "type"),
)
FREE = {
    "asked_from_ms: 2501": "what was asked for is a word, within what the excerpt shows",
    "asked_from_ms: 2499": "the same",
    "asked_to_ms: 2901": "the same",
    "asked_to_ms: 2899": "the same",
    "docks/0: left out": "keys are there for trying; who trusts the dock has them",
    "docks/0/statement: left out": "the same: a dock's entry may be without",
}
"""What may be altered where the record of the hand-out was taken away, and why. It is a finding then."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("scene")
    dock, clip = Dock.create(folder / "home"), made.make(folder / "clip.mp4", *KINDS["b-frames.mp4"])
    dock.excerpt(clip, (2500, 2900), folder / "out", tracks="video")
    return {"dock": dock, "out": folder / "out", "clip": clip}


@pytest.fixture
def out(scene: dict[str, Any], tmp_path: Path) -> Path:
    return excerpts.copy(scene["out"], tmp_path / "out")


def altered(out: Path, member: str) -> Iterator[tuple[str, bytes]]:
    """Every altered proof in which this member is another one."""
    tree = strict_json.parse((out / "excerpt.json").read_bytes())
    assert sorted(tree) == sorted(MEMBERS)
    for what, other in mutations(tree):
        if other.get(member, "") != tree[member] or (member == "type" and set(other) - set(tree)):
            yield what, strict_json.canonical(other) + b"\n"


@pytest.mark.parametrize("member", MEMBERS)
def test_whatever_is_altered_in_a_proof_is_refused(scene: dict[str, Any], out: Path, member: str) -> None:
    """The record has a digest of the whole file, so that two alterations stand for all; the next test tries those."""
    assert scene["dock"].check(out).exit_code == 0
    found = list(altered(out, member))
    assert found
    for what, proof in (found[0], found[-1]):
        (out / "excerpt.json").write_bytes(proof)
        assert scene["dock"].check(out).exit_code == 1, what


@pytest.mark.parametrize("member", MEMBERS)
def test_without_the_record_of_the_hand_out_it_is_refused_or_a_finding(
    scene: dict[str, Any], out: Path, member: str
) -> None:
    excerpts.take_away(out)
    for what, proof in altered(out, member):
        (out / "excerpt.json").write_bytes(proof)
        report = scene["dock"].check(out)
        assert report.exit_code == (3 if what in FREE else 1), what
        if what in FREE:
            assert any("nobody signed what was asked for, nor which keys" in one for one in report.findings)


def test_an_excerpt_without_its_record_is_never_simply_good(scene: dict[str, Any], out: Path) -> None:
    excerpts.take_away(out)
    report = scene["dock"].check(out)
    assert (words(report), report.exit_code) == (GOOD, 3)
    assert "neither out.record.json nor out.tlog-proof lies beside it" in report.findings[0]
    assert any("which is nobody's word" in one for one in report.facts)


def test_who_handed_it_out_and_for_whom_is_said(scene: dict[str, Any], out: Path) -> None:
    report = scene["dock"].check(out)
    assert report.exit_code == 0
    assert {"recipient: Defence", "authority: DI Jones", "purpose: R v Smith"} < set(report.facts)
    assert any("asked for was 00:00:02.500 to 00:00:02.900, by the record" in one for one in report.facts)


@pytest.mark.parametrize("suffix", [".record.json", ".tlog-proof"])
def test_a_record_that_was_changed_is_refused(scene: dict[str, Any], out: Path, suffix: str) -> None:
    file = out.with_name(f"out{suffix}")
    data = bytearray(file.read_bytes())
    for at in range(3, len(data), 311):
        changed = bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        file.write_bytes(changed)
        assert scene["dock"].check(out).exit_code == 1, at
    file.write_bytes(bytes(data))
    assert scene["dock"].check(out).exit_code == 0


def test_the_record_of_another_hand_out_is_refused(scene: dict[str, Any], out: Path, tmp_path: Path) -> None:
    dock = scene["dock"]
    dock.hand_out(tmp_path / "other", "excerpt", "ab" * 32)
    dock.hand_out(tmp_path / "made", "derivative", hashlib.sha256((out / "excerpt.json").read_bytes()).hexdigest())
    for name, why in (("other", "not the excerpt that was handed out"), ("made", "'derivative', not of an excerpt")):
        for file, place in zip(beside(tmp_path / name)[:2], beside(out)[:2], strict=True):
            place.write_bytes(file.read_bytes())
        report = dock.check(out)
        assert report.exit_code == 1
        assert any(why in one.why for one in report.verdicts.values())


def test_a_strangers_record_does_not_speak_for_it(scene: dict[str, Any], out: Path, tmp_path: Path) -> None:
    other = Dock.create(tmp_path / "elsewhere", "dock-8")
    other.hand_out(out, "excerpt", hashlib.sha256((out / "excerpt.json").read_bytes()).hexdigest())
    assert scene["dock"].check(out).exit_code != 0


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ((2900, 2500), "is no time in a clip"),
        ((2500, 2500), "is no time in a clip"),
        ((-1, 2900), "is no time in a clip"),
        ((0, 1500), "gives another excerpt than 2000 to 3000 ms"),
        ((1999, 2900), "gives another excerpt"),
        ((3000, 3100), "gives another excerpt"),
        ((5000, 6000), "gives another excerpt"),
        ((600_000, 700_000), "gives another excerpt"),
    ],
)
def test_a_time_that_nobody_can_have_asked_for_is_refused(
    scene: dict[str, Any], out: Path, asked: tuple[int, int], why: str
) -> None:
    excerpts.rewrite(out, asked_from_ms=asked[0], asked_to_ms=asked[1])
    report = scene["dock"].check(out)
    assert report.exit_code == 1
    assert why in report.verdicts["intact"].why


@pytest.mark.parametrize(
    ("asked", "other"), [((0, 900), (-900, 900)), ((0, 99_000), (1000, 99_000)), ((1500, 3500), (1500, 2900))]
)
@pytest.mark.parametrize("tracks", ["", "audio"])
def test_what_was_asked_for_may_lie_within_what_it_shows(
    scene: dict[str, Any], tmp_path: Path, asked: tuple[int, int], other: tuple[int, int], tracks: str
) -> None:
    """An honest excerpt is good also where more was asked for than the clip has; another time gives another one."""
    dock = Dock.create(tmp_path / "home")
    dock.excerpt(scene["clip"], asked, tmp_path / "part", tracks=tracks)
    assert dock.check(tmp_path / "part").exit_code == 0
    excerpts.rewrite(tmp_path / "part", asked_from_ms=other[0], asked_to_ms=other[1])
    assert dock.check(tmp_path / "part").exit_code == 1


def test_one_that_ends_before_what_was_asked_for_is_a_finding(scene: dict[str, Any], out: Path) -> None:
    excerpts.rewrite(out, asked_to_ms=3500)
    report = scene["dock"].check(out)
    assert report.exit_code == 3
    assert "it ends at 3000 ms, before what it says was asked for, 3500 ms" in report.findings[0]


# ---- derivatives ----------------------------------------------------------------------------------------------------


@pytest.fixture
def redacted(scene: dict[str, Any], tmp_path: Path) -> Path:
    file = tmp_path / "redacted.mp4"
    file.write_bytes(b"\0\0\0\x18ftypisom another film")
    scene["dock"].hand_out(file, "derivative", hashlib.sha256(file.read_bytes()).hexdigest())
    return file


def test_a_derivative_is_the_file_that_was_put_on_record(scene: dict[str, Any], redacted: Path) -> None:
    for path in (redacted, redacted.parent):
        (report,) = verify(path, scene["dock"].keys.trust)
        assert (report.kind, report.exit_code) == ("derivative", 0)
        assert words(report) == {"intact": "pass", "signature": "pass", "signer": "pass", "time": "unknown"}
        assert "by the word of who handed it out, made of clip clip-1" in report.facts
    assert found_derivative.among(sorted(redacted.parent.iterdir())) == [redacted]


def test_another_file_under_its_name_is_refused(scene: dict[str, Any], redacted: Path) -> None:
    redacted.write_bytes(redacted.read_bytes() + b".")
    (report,) = verify(redacted, scene["dock"].keys.trust)
    assert (report.exit_code, report.verdicts["intact"].word) == (1, "fail")


def test_a_derivatives_record_that_was_changed_is_refused(scene: dict[str, Any], redacted: Path) -> None:
    record = beside(redacted)[0]
    envelope = json.loads(record.read_bytes())
    envelope["signatures"][0]["sig"] = "AAAA"
    record.write_bytes(strict_json.canonical(envelope))
    (report,) = verify(redacted, scene["dock"].keys.trust)
    assert report.exit_code == 1
    assert report.verdicts["signature"].why.startswith("what lies beside it proves nothing")
