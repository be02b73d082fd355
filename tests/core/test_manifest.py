"""The camera's manifest: what a valid one proves, what a bad one does not, and that outside tools see it our way."""

import base64
import hashlib
import json
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dockagent.core.camera import manifest
from dockagent.core.camera.manifest import Reading, Verdicts, compare
from tests.core.signing import (
    AT,
    CLIPS,
    LEAF,
    OTHER_KEY,
    SIDECAR,
    answers,
    envelope,
    pae,
    reading,
    root,
    sha,
    sign,
    statement,
    verdict,
)

# ---- the good case --------------------------------------------------------------------------------------------------


def test_a_good_manifest_proves_each_clip() -> None:
    good = reading()
    assert (good.signature, good.signer, good.serial, good.findings) == ("pass", "pass", "BWC-0001", ())
    assert good.manifest is not None
    assert good.manifest.clips[CLIPS[1]].counter == 2
    assert good.manifest.clips[CLIPS[1]].start_ms == 1_795_335_300_000
    for clip in CLIPS:
        said = verdict(good, clip)
        assert answers(said) == ("pass",) * 5
        assert said.quarantine_reason == ""
        assert all(said.reasons[one] for one in ("intact", "signature", "signer", "time", "complete"))
    assert answers(verdict(good, SIDECAR)) == ("pass", "pass", "pass", "unknown", "pass")
    assert compare(good, [*CLIPS, SIDECAR]) == ()


def test_values_round_trip_through_json() -> None:
    good = reading(envelope(statement(sequence=3)), previous_sequence=9)
    assert good.findings
    assert msgspec.json.decode(msgspec.json.encode(good), type=Reading) == good
    said = verdict(good)
    assert msgspec.json.decode(msgspec.json.encode(said), type=Verdicts) == said


def test_openssl_accepts_the_signature_that_we_accept(tmp_path: Path) -> None:
    payload = json.dumps(statement()).encode()
    data = sign(payload)
    assert reading(data).signature == "pass"
    (tmp_path / "key.pem").write_bytes(LEAF.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "sig").write_bytes(base64.b64decode(json.loads(data)["signatures"][0]["sig"]))
    for signed, code in ((pae("application/vnd.in-toto+json", payload), 0), (payload, 1)):
        (tmp_path / "signed").write_bytes(signed)
        command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "sig", "signed"]
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == code


# ---- bytes that differ, and signatures that are bad -----------------------------------------------------------------


def test_other_bytes_than_signed_go_to_quarantine() -> None:
    said = verdict(reading(), digest="00" * 32)
    assert answers(said) == ("fail", "pass", "pass", "pass", "unknown")
    assert said.quarantine_reason == f"the camera signed the digest {sha(CLIPS[0])}, but the dock read {'00' * 32}"


def test_other_bytes_than_a_stranger_signed_are_a_fail_too_but_equal_ones_prove_nothing() -> None:
    stranger = reading(roots=[root(key=OTHER_KEY, signer=OTHER_KEY).build()])
    assert (stranger.signature, stranger.signer) == ("pass", "fail")
    assert answers(verdict(stranger)) == ("unknown", "pass", "fail", "unknown", "unknown")
    assert verdict(stranger).quarantine_reason == ""
    assert verdict(stranger, digest="00" * 32).intact == "fail"
    assert verdict(stranger, digest="00" * 32).quarantine_reason


def test_without_roots_the_signer_is_unknown() -> None:
    nobody = reading(roots=[])
    assert (nobody.signature, nobody.signer) == ("pass", "unknown")
    assert answers(verdict(nobody)) == ("unknown", "pass", "unknown", "unknown", "unknown")


def test_an_invalid_signature_proves_nothing_and_quarantines() -> None:
    forged = reading(envelope(key=OTHER_KEY))
    assert (forged.signature, forged.manifest) == ("fail", None)
    for digest in (sha(CLIPS[0]), "00" * 32):
        said = verdict(forged, digest=digest)
        assert answers(said) == ("unknown", "fail", "unknown", "unknown", "unknown")
        assert "was not made by the camera certificate's key" in said.quarantine_reason
    assert compare(forged, []) == ()


def test_without_a_manifest_integrity_begins_at_the_dock() -> None:
    said = verdict(None)
    assert answers(said) == ("unknown", "unsigned", "unsigned", "unknown", "unknown")
    assert (said.quarantine_reason, compare(None, CLIPS)) == ("", ())


def test_a_clip_that_the_manifest_does_not_name_is_unsigned() -> None:
    said = verdict(reading(), "DCIM/100BWC/BWC0009_20261122T090000Z.MP4")
    assert answers(said) == ("unknown", "unsigned", "unsigned", "unknown", "unknown")
    assert said.quarantine_reason == ""


def without(said: dict[str, Any], key: str) -> dict[str, Any]:
    return {one: value for one, value in said.items() if one != key}


def named(path: str) -> dict[str, Any]:
    return statement(clips=[path], others=[])


def clip(**changes: Any) -> dict[str, Any]:
    good = statement()
    return good | {"predicate": good["predicate"] | {"clips": [good["predicate"]["clips"][0] | changes]}}


REFUSED = [
    (named("../../etc/passwd"), "no path below the card's root"),
    (named("/etc/passwd"), "no path below the card's root"),
    (named("DCIM//x.MP4"), "no path below the card's root"),
    (named("DCIM/./x.MP4"), "no path below the card's root"),
    (named("DCIM/x/"), "no path below the card's root"),
    (named(""), "no path below the card's root"),
    (named("x" * 5000), "no path below the card's root"),
    (named("DCIM/x\0.MP4"), "which no camera writes"),
    (named("DCIM/x\n.MP4"), "which no camera writes"),
    (named("DCIM\\..\\x.MP4"), "which no camera writes"),
    (named("DCIM/\u202e4PM.exe"), "which no camera writes"),
    (statement(others=[SIDECAR, SIDECAR]), "twice"),
    (statement(clips=[CLIPS[0], CLIPS[0]], others=[]), "twice"),
    (statement() | {"subject": statement()["subject"][1:]}, "signs no digest of it"),
    (clip() | {"_type": "https://in-toto.io/Statement/v0.1"}, "not an in-toto statement"),
    (statement() | {"predicateType": "https://slsa.dev/provenance/v1"}, "not a camera manifest"),
    (without(statement(), "predicate"), "malformed: Object missing required field `predicate`"),
    (statement(sequence=-1), "malformed"),
    (statement(sequence="7"), "malformed"),
    (statement(sequence=7.0), "not a whole number"),
    (statement(sequence=2**60), "past 2^53-1"),
    (statement(created="yesterday"), "where a time like"),
    (statement(created="2026-11-22T16:02:11+01:00"), "where a time like"),
    (statement(created="2026-13-22T16:02:11Z"), "impossible time"),
    (statement(camera={"serial": ""}), "malformed"),
    (statement(camera={"serial": "BWC\n0001"}), "unprintable"),
    (clip(start="08:15"), "where a time like"),
    (clip(bytes=-1), "malformed"),
    (clip(name="other.MP4"), "signs no digest of it"),
    (statement() | {"subject": [{"name": "x", "digest": {"sha256": "00" * 32 + "\n"}}]}, "malformed"),
    (statement() | {"subject": [{"name": "x", "digest": {"sha256": "AB" * 32}}]}, "malformed"),
    (statement() | {"subject": [{"name": "x", "digest": {"md5": "00" * 16}}]}, "malformed"),
]


@pytest.mark.parametrize(("said", "why"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_signed_but_not_to_be_believed_is_refused(said: dict[str, Any], why: str) -> None:
    refused = reading(envelope(said))
    assert (refused.signature, refused.signer, refused.manifest) == ("fail", "pass", None)
    assert why in refused.signature_reason
    assert refused.signature_reason.isprintable()
    assert verdict(refused).quarantine_reason == f"signature: {refused.signature_reason}"


ODD_ENVELOPES = [
    (b"", "not valid JSON"),
    (b"\xff\xfe", "not valid JSON"),
    (b"[1]", "not a DSSE envelope"),
    (b"[" * 100_000, "not valid JSON"),
    (sign(b"not json"), "not valid JSON"),
    (sign(b"[]"), "not an in-toto statement"),
    (sign(json.dumps(statement()).encode().replace(b'"sequence": 7', b'"sequence": 7, "sequence": 8')), "twice"),
    (envelope(kind="application/json"), "payload type is not"),
    (envelope().replace(b'"payload":', b'"payload": "", "payload":'), "twice"),
    (envelope(copies=500), "500 signatures"),
    (envelope().replace(b'"sig": "', b'"sig": "AAAA'), "was not made by"),
    (envelope().replace(b'"sig": "', b'"sig": "!'), "base64"),
    (envelope().replace(b'"payload": "', '"payload": "é'.encode()), "base64"),
    (b"\0" * (50 << 20), "at most"),
    (b"{" + b" " * (40 << 20) + b"}", "at most"),
]


@pytest.mark.parametrize(("data", "why"), ODD_ENVELOPES, ids=range(len(ODD_ENVELOPES)))
def test_an_odd_envelope_is_a_fail_with_a_reason_and_no_error(data: bytes, why: str) -> None:
    started = time.process_time()
    refused = reading(data)
    assert time.process_time() - started < 2
    assert (refused.signature, refused.manifest) == ("fail", None)
    assert why in refused.signature_reason
    assert refused.sha256 == hashlib.sha256(data).hexdigest()


def test_a_changed_payload_under_the_old_signature_is_a_fail() -> None:
    good = json.loads(envelope())
    altered = base64.b64decode(good["payload"]).replace(sha(CLIPS[0]).encode(), b"00" * 32)
    refused = reading(json.dumps(good | {"payload": base64.b64encode(altered).decode()}).encode())
    assert refused.signature == "fail"


def test_keys_of_the_future_are_ignored() -> None:
    later = statement(weather="rain") | {"note": {"a": [1]}}
    later["subject"][0]["digest"]["sha512"] = "00" * 64
    assert reading(envelope(later)).signature == "pass"


# ---- time, completeness, sequence -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "uncertainty_ms", "answer", "why"), [
    ("2026-11-22T16:02:11Z", 0, "pass", "is possible"),
    ("2026-11-22T16:02:11.050Z", 50, "fail", "after it signed the manifest"),
    ("2009-12-31T23:59:59Z", 50, "fail", "clock was not set"),
    ("2010-01-01T00:00:00Z", 50, "pass", "is possible"),
])  # fmt: skip
def test_whether_the_start_is_plausible(start: str, uncertainty_ms: int, answer: str, why: str) -> None:
    said = verdict(reading(envelope(clip(start=start)), uncertainty_ms=uncertainty_ms))
    assert said.time == answer
    assert why in said.reasons["time"]


@pytest.mark.parametrize(("behind_ms", "uncertainty_ms", "answer"), [
    (60_000, 60_000, "pass"), (60_001, 60_000, "fail"), (60_001, -1, "unknown"), (0, -1, "pass"),
])  # fmt: skip
def test_a_start_in_the_future_of_the_docks_clock(behind_ms: int, uncertainty_ms: int, answer: str) -> None:
    ahead = envelope(clip(start="2026-11-22T16:02:11Z"))
    said = verdict(reading(ahead, at_ms=AT - behind_ms, uncertainty_ms=uncertainty_ms))
    assert said.time == answer


def test_too_few_bytes_and_a_hole_beside_a_clip_are_not_complete() -> None:
    assert verdict(reading(), size=5).complete == "fail"
    gone = statement(clips=(*CLIPS, "DCIM/4.MP4", "DCIM/5.MP4"))
    del gone["predicate"]["clips"][3]
    holed = reading(envelope(gone))
    assert [(one.code, one.text) for one in holed.findings] == [
        ("manifest-gap", "the camera's manifest leaves out counter 4 to 4")
    ]
    assert [verdict(holed, one).complete for one in (*CLIPS, "DCIM/5.MP4")] == ["pass", "pass", "fail", "fail"]
    assert answers(verdict(holed, CLIPS[2])) == ("pass", "pass", "pass", "pass", "fail")


@pytest.mark.parametrize(("previous", "code"), [(None, []), (6, []), (7, ["manifest-again"]), (8, ["manifest-replay"])])
def test_a_manifest_that_was_seen_before(previous: int | None, code: list[str]) -> None:
    assert [one.code for one in reading(previous_sequence=previous).findings] == code


def test_two_clips_with_one_counter() -> None:
    twice = statement()
    twice["predicate"]["clips"][1]["counter"] = 1
    twice["predicate"]["clips"][2]["counter"] = 2
    assert [one.code for one in reading(envelope(twice)).findings] == ["manifest-counter-twice"]


def test_manifest_and_card_are_compared() -> None:
    found = compare(reading(), [CLIPS[0], CLIPS[1], SIDECAR, "DCIM/100BWC/new.MP4"])
    assert [(one.code, one.path, one.severity) for one in found] == [
        ("signed-but-missing", CLIPS[2], "warning"),
        ("present-but-unsigned", "DCIM/100BWC/new.MP4", "warning"),
    ]
    assert len(compare(reading(), [f"{count}.MP4" for count in range(1000)])) == 4 + 26


# ---- size -----------------------------------------------------------------------------------------------------------


def test_ten_thousand_clips_are_read_and_judged_in_seconds() -> None:
    clips = [f"DCIM/{100 + count // 999}BWC/BWC{count:05}_20261122T081500Z.MP4" for count in range(10_000)]
    data = envelope(statement(clips=clips, others=[one.replace("MP4", "GPS") for one in clips]))
    assert len(data) < manifest.MAX_ENVELOPE_BYTES
    started = time.process_time()
    big = reading(data)
    assert big.manifest is not None, big.signature_reason
    assert {verdict(big, one).intact for one in clips} == {"pass"}
    assert time.process_time() - started < 10


def test_the_time_used_in_these_tests_is_the_one_in_words() -> None:
    assert datetime.fromtimestamp(AT / 1000, UTC) == datetime(2026, 11, 22, 16, 2, 11, tzinfo=UTC)
