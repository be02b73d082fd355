"""What a camera signs, judged by openssl and json; and every flaw, which must show in nothing but itself."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from hil.cameras.card import Shift, film_reference, sign
from hil.cameras.manifest import Flaw, pae
from tests.hil.bench import BYTES, CREATED, PLATE, chain_verdict, envelope, identity, signature_holds, statement


def card(tmp_path: Path, flaw: Flaw | None = None, shift: Shift = BYTES) -> Path:
    root = tmp_path / "card"
    film_reference(root, PLATE, shift)
    sign(root, identity(), sequence=7, created=CREATED, flaw=flaw)
    return root


def files(root: Path) -> dict[str, str]:
    found = (path for path in (root / "DCIM").rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def signed_by_openssl(root: Path, tmp_path: Path) -> bool:
    kind, payload, _, signature = envelope(root)
    # The encoding is spelled out here a second time, on purpose.
    said = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    return signature_holds(identity(), signature, said, tmp_path)


def test_pae_is_the_example_of_the_dsse_specification() -> None:
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pae("http://example.com/HelloWorld", b"hello world") == expected


def test_the_manifest_is_what_the_page_shows(tmp_path: Path) -> None:
    root = card(tmp_path)
    kind, payload, keyid, _ = envelope(root)
    assert (kind, keyid) == ("application/vnd.in-toto+json", identity().keyid)
    assert signed_by_openssl(root, tmp_path)
    assert chain_verdict(identity(), tmp_path).endswith("OK\n")
    assert (root / "chain.pem").read_bytes() == identity().chain_pem()
    said = json.loads(payload)
    assert list(said) == ["_type", "subject", "predicateType", "predicate"]
    assert (said["_type"], said["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "urn:dockagent:camera-manifest:1",
    )
    assert {subject["name"]: subject["digest"]["sha256"] for subject in said["subject"]} == files(root)
    assert len(said["subject"]) == 9
    predicate = said["predicate"]
    assert predicate["camera"] == {
        "maker": "Reference",
        "model": "BWC-1",
        "serial": "BWC-0001",
        "firmware": "1.4.2",
    }
    assert (predicate["sequence"], predicate["created"]) == (7, "2026-11-22T16:02:11Z")
    assert predicate["clips"][0] == {
        "name": "DCIM/100BWC/BWC0001_20261122T081500Z.MP4",
        "counter": 1,
        "bytes": 5000,
        "start": "2026-11-22T08:15:00Z",
        "zone": "Europe/London",
    }
    assert [clip["counter"] for clip in predicate["clips"]] == [1, 2, 3]


def test_an_empty_card_can_be_signed(tmp_path: Path) -> None:
    root = card(tmp_path, shift=Shift(clips=0, size=1))
    assert statement(root)["subject"] == []
    assert signed_by_openssl(root, tmp_path)


@pytest.mark.parametrize("flaw", list(Flaw))
def test_every_flaw_but_the_signature_s_own_is_signed_well(tmp_path: Path, flaw: Flaw) -> None:
    assert signed_by_openssl(card(tmp_path, flaw), tmp_path) == (flaw is not Flaw.SIGNATURE)


def subjects(said: Any) -> dict[str, str]:
    return {subject["name"]: subject["digest"]["sha256"] for subject in said["subject"]}


def test_flaws_of_the_subjects(tmp_path: Path) -> None:
    root = card(tmp_path, Flaw.DIGEST)
    assert sum(files(root)[name] != digest for name, digest in subjects(statement(root)).items()) == 1
    root = card(tmp_path, Flaw.MISSING)
    assert set(subjects(statement(root))) - set(files(root)) == {"DCIM/100BWC/BWC0004_20261122T082900Z.MP4"}
    assert [clip["counter"] for clip in statement(root)["predicate"]["clips"]] == [1, 2, 3, 4]
    root = card(tmp_path, Flaw.UNLISTED)
    stem = "DCIM/100BWC/BWC0003_20261122T082900Z"
    assert set(files(root)) - set(subjects(statement(root))) == {f"{stem}.MP4", f"{stem}.GPS", f"{stem}.THM"}
    assert len(statement(root)["predicate"]["clips"]) == 2
    root = card(tmp_path, Flaw.SAME_SUBJECT)
    assert (len(statement(root)["subject"]), len(subjects(statement(root)))) == (10, 9)
    root = card(tmp_path, Flaw.PATH)
    assert "../../etc/passwd" in subjects(statement(root))
    root = card(tmp_path, Flaw.NOT_A_SUBJECT)
    assert set(files(root)) - set(subjects(statement(root))) == {f"{stem}.MP4"}
    assert len(statement(root)["predicate"]["clips"]) == 3


def test_flaws_of_the_predicate(tmp_path: Path) -> None:
    clips = statement(card(tmp_path, Flaw.COUNTER_GAP))["predicate"]["clips"]
    assert [clip["counter"] for clip in clips] == [1, 2, 4]
    assert statement(card(tmp_path, Flaw.SIZE))["predicate"]["clips"][0]["bytes"] == 5001
    assert statement(card(tmp_path, Flaw.REPLAY))["predicate"]["sequence"] == 6
    assert statement(card(tmp_path, Flaw.SERIAL))["predicate"]["camera"]["serial"] != PLATE.serial
    assert isinstance(statement(card(tmp_path, Flaw.FLOAT))["predicate"]["sequence"], float)


def test_flaws_of_the_text_and_the_envelope(tmp_path: Path) -> None:
    pairs: list[list[str]] = []

    def note(members: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs.append([key for key, _ in members])
        return dict(members)

    json.loads(envelope(card(tmp_path, Flaw.DUPLICATE_KEY))[1], object_pairs_hook=note)
    assert [keys for keys in pairs if len(keys) != len(set(keys))] == [
        ["camera", "sequence", "sequence", "created", "clips"]
    ]
    assert envelope(card(tmp_path, Flaw.PAYLOAD_TYPE))[0] == "application/json"
    assert envelope(card(tmp_path, Flaw.KEYID))[2] != identity().keyid


@pytest.mark.parametrize(("flaw", "clips"), [(Flaw.UNLISTED, 1), (Flaw.COUNTER_GAP, 1), (Flaw.DIGEST, 0)])
def test_a_flaw_that_cannot_be_shown_is_refused(tmp_path: Path, flaw: Flaw, clips: int) -> None:
    with pytest.raises(ValueError, match=str(flaw)):
        card(tmp_path, flaw, Shift(clips=clips, size=10))
