"""The proof of an excerpt: who signed, who vouches, and what is no proof at all."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dockagent.core import events as ev
from dockagent.core import strict_json
from dockagent.core.proof import cosignature, note, tlog_proof
from dockagent.evidence.report import Report
from dockagent.evidence.verify import verify
from tests.evidence import excerpts
from tests.evidence.excerpts import Dock, words
from tests.evidence.test_excerpt import GOOD, KINDS
from tests.media import made


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("scene")
    dock, clip = Dock.create(folder / "home"), made.make(folder / "clip.mp4", *KINDS["b-frames.mp4"])
    record = dock.record(clip)
    dock.tell(*(ev.DockStopped("told to") for _ in range(9)))
    dock.cut(clip, record, (2000, 3000), folder / "out", reveal=("camera",))
    return {"dock": dock, "out": folder / "out", "clip": clip, "folder": folder}


@pytest.fixture
def out(scene: dict[str, Any], tmp_path: Path) -> Path:
    return excerpts.copy(scene["out"], tmp_path / "out")


def said(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = strict_json.parse((out / "excerpt.json").read_bytes())
    return found


def test_excerpt_proof_and_public_keys_are_enough(scene: dict[str, Any], out: Path) -> None:
    assert sorted(one.name for one in out.iterdir()) == ["excerpt.json", "excerpt.mp4"]
    report = scene["dock"].check(out)
    assert words(report) == GOOD
    assert report.exit_code == 0
    (report,) = verify(out, None)
    assert words(report) == {**GOOD, "signer": "unknown"}, "keys that came with it prove nothing about the signer"
    assert report.exit_code == 3


def test_another_dock_is_a_stranger(scene: dict[str, Any], out: Path, tmp_path: Path) -> None:
    other = Dock.create(tmp_path / "other")
    (report,) = verify(out, other.keys.trust)
    assert words(report) == {**GOOD, "signer": "fail"}


def test_one_who_claims_to_be_the_dock_is_not(scene: dict[str, Any], tmp_path: Path) -> None:
    """Keys of his own under the dock's name: all of it made as the dock makes it."""
    other = Dock.create(tmp_path / "other")
    other.excerpt(scene["clip"], (2000, 3000), tmp_path / "fake")
    report = scene["dock"].check(tmp_path / "fake")
    assert report.exit_code == 1
    assert report.verdicts["signer"].word == "fail"


def test_an_altered_entry_is_not_signed(scene: dict[str, Any], out: Path) -> None:
    entry = said(out)["entry"]
    record = strict_json.parse(base64.b64decode(entry["payload"]))
    record["when"]["utc"] = "2020-01-01T00:00:00.000Z"
    entry["payload"] = base64.b64encode(strict_json.canonical(record)).decode()
    excerpts.rewrite(out, entry=entry)
    report = scene["dock"].check(out)
    assert words(report)["signature"] == "fail"


def test_another_record_of_the_dock_says_nothing_about_clips(scene: dict[str, Any], out: Path) -> None:
    line = (scene["folder"] / "home/ledger/entries.jsonl").read_bytes().splitlines()[3]
    excerpts.rewrite(out, entry=strict_json.parse(line), tlog_proof="")
    report = scene["dock"].check(out)
    assert report.verdicts["intact"].word == "fail"
    assert "'dock.stop', which says nothing about fields" in report.verdicts["intact"].why


def test_a_checkpoint_by_others_is_refused(scene: dict[str, Any], out: Path) -> None:
    proof = tlog_proof.parse(said(out)["tlog_proof"].encode())
    own, head = Ed25519PrivateKey.generate(), proof.head()
    key = note.VerifierKey(head.origin, own.public_key().public_bytes_raw())
    forged = replace(proof, checkpoint=note.seal(head.text(), key, own.sign).encode())
    excerpts.rewrite(out, tlog_proof=forged.encode().decode())
    report = scene["dock"].check(out)
    assert report.verdicts["signature"].word == "fail"
    assert "the checkpoint is not the dock's" in report.verdicts["signature"].why


def test_a_place_that_is_not_its_own_is_refused(scene: dict[str, Any], out: Path) -> None:
    proof = tlog_proof.parse(said(out)["tlog_proof"].encode())
    excerpts.rewrite(out, tlog_proof=replace(proof, index=proof.index + 1).encode().decode())
    report = scene["dock"].check(out)
    assert "its place in the ledger" in report.verdicts["signature"].why
    assert report.verdicts["signature"].word == "fail"


def test_without_a_checkpoint_nobody_vouches(scene: dict[str, Any], tmp_path: Path) -> None:
    dock = Dock.create(tmp_path / "home")
    record = dock.record(scene["clip"], checkpoint=False)
    done = dock.cut(scene["clip"], record, (2000, 3000), tmp_path / "out")
    assert done.proof.tlog_proof == ""
    report = dock.check(tmp_path / "out")
    assert words(report) == GOOD
    assert "no checkpoint of the dock's ledger is over it yet" in report.verdicts["time"].why
    assert report.exit_code == 3
    assert "nothing shows that the dock's record is in its ledger" in report.findings[0]


def test_a_proof_that_was_taken_away_does_not_meet_a_demand_for_witnesses(scene: dict[str, Any], out: Path) -> None:
    witness = cosignature.witness_key("w.example", Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    trust = replace(scene["dock"].keys.trust, witnesses=(witness,), quorum=1)
    assert verify(out, trust)[0].exit_code == 1
    excerpts.rewrite(out, tlog_proof="")
    (report,) = verify(out, trust)
    assert report.exit_code == 1
    assert "demands 1 witnesses" in report.verdicts["time"].why


def test_a_time_stamp_outside_ascii_is_no_proof(scene: dict[str, Any], out: Path) -> None:
    excerpts.rewrite(out, time_stamp="é")
    report = scene["dock"].check(out)
    assert "the proof cannot be read" in report.verdicts["signature"].why


# ---- witnesses ------------------------------------------------------------------------------------------------------


def witnessed(scene: dict[str, Any], out: Path, count: int, quorum: int) -> Report:
    """The report of one who trusts ``count`` witnesses and wants ``quorum`` of them; the first cosigned."""
    proof = tlog_proof.parse(said(out)["tlog_proof"].encode())
    keys = [Ed25519PrivateKey.generate() for _ in range(count)]
    names = [
        cosignature.witness_key(f"witness-{number}", key.public_key().public_bytes_raw())
        for number, key in enumerate(keys)
    ]
    line = cosignature.cosign(proof.head().text(), 1_795_335_400, names[0], keys[0].sign)
    cosigned = replace(proof, checkpoint=proof.checkpoint + line.encode())
    excerpts.rewrite(out, tlog_proof=cosigned.encode().decode())
    (report,) = verify(out, replace(scene["dock"].keys.trust, witnesses=tuple(names), quorum=quorum))
    return report


def test_a_witness_vouches_for_the_time(scene: dict[str, Any], out: Path) -> None:
    report = witnessed(scene, out, 1, 1)
    assert report.verdicts["time"].word == "pass"
    assert "witness-0 saw this history on 2026-11-22T" in report.verdicts["time"].why


def test_too_few_witnesses_do_not(scene: dict[str, Any], out: Path) -> None:
    report = witnessed(scene, out, 2, 2)
    assert report.exit_code == 1
    assert "demands 2 witnesses, and 1 cosigned" in report.verdicts["time"].why


def test_the_checkpoint_that_most_vouch_for_is_taken(scene: dict[str, Any], tmp_path: Path) -> None:
    dock = Dock.create(tmp_path / "home")
    record = dock.record(scene["clip"])
    signed = (tmp_path / "home/ledger/checkpoint").read_bytes()
    size = note.parse_checkpoint(note.parse(signed)).size
    own = Ed25519PrivateKey.generate()
    key = cosignature.witness_key("witness", own.public_key().public_bytes_raw())
    line = cosignature.cosign(note.parse(signed).text, 1_795_335_400, key, own.sign)
    dock.home.write(f"ledger/witnessed/{size}", signed + line.encode())
    dock.tell(ev.DockStopped("told to"))
    done = dock.cut(scene["clip"], record, (2000, 3000), tmp_path / "out")
    assert tlog_proof.parse(done.proof.tlog_proof.encode()).head().size == size
    trust = replace(dock.keys.trust, witnesses=(key,), quorum=1)
    (report,) = verify(tmp_path / "out", trust)
    assert words(report) == {**GOOD, "time": "fail"}, "nobody cosigned the checkpoint over the record of the hand-out"
    excerpts.take_away(tmp_path / "out")
    (report,) = verify(tmp_path / "out", trust)
    assert words(report) == {**GOOD, "time": "pass"}


# ---- what is no proof -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (b'{"asked_from_ms":', b'{"asked_from_ms":1,"asked_from_ms":', "twice"),
        (b'"asked_from_ms":2000', b'"asked_from_ms":2000.0', "whole number"),
        (b'"asked_from_ms":2000', b'"asked_from_ms":9007199254740993', "past 2\\^53-1"),
        (b'"asked_from_ms":2000', b'"asked_from_ms":"2000"', "text where a whole number belongs .at asked_from_ms."),
        (b'"asked_from_ms":2000', b'"approved":true,"asked_from_ms":2000', "'approved' that nobody here knows"),
        (b'"asked_from_ms":', b'"asked_from_ms": ', "canonical form"),
        (b'"file":"excerpt.mp4"', b'"file":"../../etc/passwd"', "is called excerpt.mp4 or"),
        (b"urn:dockagent:excerpt:1", b"urn:dockagent:excerpt:2", "is none of the words that may stand there"),
        (b"}\n", b"", "not valid JSON"),
    ],
)
def test_what_is_not_exactly_a_proof_is_refused(
    scene: dict[str, Any], out: Path, before: bytes, after: bytes, why: str
) -> None:
    data = (out / "excerpt.json").read_bytes()
    assert data.count(before) == 1
    (out / "excerpt.json").write_bytes(data.replace(before, after))
    report = scene["dock"].check(out)
    assert report.verdicts["signature"].word == "fail"
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(report.verdicts["signature"].why)


def test_a_proof_that_is_too_large_is_not_read(scene: dict[str, Any], out: Path) -> None:
    with (out / "excerpt.json").open("ab") as proof:
        proof.write(b" " * (5 << 20))
    assert "more than 4194304 bytes" in scene["dock"].check(out).verdicts["signature"].why


def test_both_or_neither_of_fields_and_record_is_no_proof(scene: dict[str, Any], out: Path) -> None:
    excerpts.rewrite(out, fields=None)
    assert "either fields of the clip record or the whole" in scene["dock"].check(out).verdicts["signature"].why


def test_a_file_that_is_missing_or_a_link(scene: dict[str, Any], out: Path, tmp_path: Path) -> None:
    (out / "excerpt.mp4").rename(tmp_path / "elsewhere.mp4")
    assert scene["dock"].check(out).verdicts["intact"].why == "excerpt.mp4 is not here"
    (out / "excerpt.mp4").symlink_to(tmp_path / "elsewhere.mp4")
    report = scene["dock"].check(out)
    assert report.verdicts["intact"].word == "fail"
    assert any("'excerpt.mp4' is a link" in finding for finding in report.findings)


def test_a_file_besides_is_a_finding(scene: dict[str, Any], out: Path) -> None:
    (out / "more.mp4").write_bytes(b"more")
    report = scene["dock"].check(out)
    assert report.exit_code == 3
    assert "'more.mp4' lies in the folder, and no proof covers it" in report.findings


@pytest.mark.parametrize("cut", [0, 7, 100, 3000, -1])
def test_a_file_that_is_cut_short_is_refused(scene: dict[str, Any], out: Path, cut: int) -> None:
    data = (out / "excerpt.mp4").read_bytes()
    (out / "excerpt.mp4").write_bytes(data[:cut])
    excerpts.as_it_is(out)
    assert scene["dock"].check(out).verdicts["intact"].word == "fail"


def test_every_byte_of_the_proof_counts(scene: dict[str, Any], out: Path) -> None:
    """Another digit in any hash of the part that proves: the excerpt does not pass any more."""
    proof = said(out)
    for place, track in enumerate(proof["tracks"]):
        for name in ("siblings", "peaks"):
            for at, one in enumerate(track[name]):
                other = ("0" if one[0] != "0" else "1") + one[1:]
                tracks = strict_json.parse(strict_json.canonical(proof["tracks"]))
                tracks[place][name][at] = other
                excerpts.rewrite(out, tracks=tracks)
                assert scene["dock"].check(out).exit_code == 1
