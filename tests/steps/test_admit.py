"""Admit: the clip record names all that speaks for the clip, is signed, and can be made again after any power cut."""

import base64
import hashlib
import json
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.camera.inventory import Finding
from dockagent.core.model import CHUNK, Clip, Thing
from dockagent.durable import Disk
from dockagent.errors import Permanent
from dockagent.steps.admit import PREDICATE, admit
from tests.contracts.disk_files import tree
from tests.core.story import verdicts
from tests.evidence.made import chunk_root
from tests.simulation.memory_disk import MemoryDisk, PowerCut
from tests.steps.card import Card, OneBay, keys, some_bytes, world_over
from tests.steps.test_upload import CHAIN, MANIFEST, SIGNED

MASTER, SPRITE = some_bytes(2 * CHUNK + 7), b"a picture"
ID = "4f" * 16


def clip(doubt: str = "", **changed: Any) -> Clip:
    facts: dict[str, Any] = {
        "id": ID,
        "camera": "BWC-0001",
        "session": "2026-11-22T08:00:00.000Z/bay-1",
        "path": "DCIM/100BWC/a.MP4",
        "role": "footage",
        "recording": "DCIM/100BWC/a",
        "belongs_to": "",
        "mtime_ms": 1_795_335_300_000,
        "bytes": len(MASTER),
        "sha256": hashlib.sha256(MASTER).hexdigest(),
        "fingerprint": "",
        "chunk_root": chunk_root(MASTER),
        "acquired_ms": 1_795_335_400_123,
        "profile": "reference-signed",
        "aliases": ["DCIM/100BWC/copy.MP4"],
        "manifest_sha256": SIGNED,
        "verdicts": verdicts(doubt),
        "quarantine": doubt,
        "preview": (Thing("sprite.jpg", len(SPRITE), hashlib.sha256(SPRITE).hexdigest()),),
        "findings": [Finding("preview", "a word about it", "notice")],
    }
    return Clip(**{**facts, **changed})


def spool(disk: Disk) -> None:
    disk.write(f"spool/{ID}/master", MASTER)
    disk.write(f"spool/{ID}/preview/sprite.jpg", SPRITE)
    disk.write(plan.manifest_file(SIGNED), MANIFEST)
    disk.write(plan.chain_file(SIGNED), CHAIN)


def made(disk: Disk, one: Clip) -> ev.Admitted | ev.Quarantined:
    fields, event = admit(world_over(disk, OneBay(Card(b""))), one)
    assert isinstance(event, ev.Admitted | ev.Quarantined)
    assert isinstance(fields, ev.ClipFields)
    return event


def statement(record: bytes) -> Any:
    return json.loads(base64.b64decode(json.loads(record)["payload"]))


@pytest.fixture
def disk() -> MemoryDisk:
    found = MemoryDisk(Random(1))
    spool(found)
    return found


def test_a_good_clip_stays_where_it_is_beside_its_record(disk: MemoryDisk) -> None:
    event = made(disk, clip())
    assert isinstance(event, ev.Admitted)
    assert event.prefix == f"clips/BWC-0001/2026/11/22/{ID}"
    record = disk.read(f"spool/{ID}/record.json")
    assert event.record_sha256 == hashlib.sha256(record).hexdigest()
    assert disk.read(f"spool/{ID}/master") == MASTER


def test_the_record_names_every_object_and_its_digest(disk: MemoryDisk) -> None:
    made(disk, clip())
    said = statement(disk.read(f"spool/{ID}/record.json"))
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert said["predicateType"] == PREDICATE
    objects = {"master": MASTER, "manifest.dsse.json": MANIFEST, "chain.pem": CHAIN, "preview/sprite.jpg": SPRITE}
    assert {one["name"]: one["digest"]["sha256"] for one in said["subject"]} == {
        name: hashlib.sha256(data).hexdigest() for name, data in objects.items()
    }
    assert said["subject"][0]["name"] == "master"


def test_the_record_says_where_the_clip_came_from_and_what_is_thought_of_it(disk: MemoryDisk) -> None:
    made(disk, clip())
    said = statement(disk.read(f"spool/{ID}/record.json"))["predicate"]
    assert (said["clip_id"], said["camera"], said["path"]) == (ID, "BWC-0001", "DCIM/100BWC/a.MP4")
    assert said["other_paths"] == ["DCIM/100BWC/copy.MP4"]
    assert (said["bytes"], said["chunks"]) == (len(MASTER), {"size": CHUNK, "root": chunk_root(MASTER)})
    assert (said["file_time"], said["acquired"]) == (1_795_335_300_000, "2026-11-22T08:16:40.123Z")
    assert (said["dock"], said["ledger"]) == ("dock-7", keys().origin)
    assert said["verdicts"]["intact"] == "pass"
    assert said["findings"] == ["a word about it"]
    assert said["quarantine"] == ""


def test_openssl_verifies_the_record(disk: MemoryDisk, tmp_path: Path) -> None:
    made(disk, clip())
    envelope = json.loads(disk.read(f"spool/{ID}/record.json"))
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    (tmp_path / "pae").write_bytes(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload))
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    (tmp_path / "key").write_text(keys().public_pem)
    words: list[str | Path] = [
        "dgst",
        "-sha256",
        "-verify",
        tmp_path / "key",
        "-signature",
        tmp_path / "sig",
        tmp_path / "pae",
    ]
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    assert "Verified OK" in done.stdout
    assert kind == b"application/vnd.in-toto+json"


def test_an_unsigned_clip_without_previews_has_one_subject(disk: MemoryDisk) -> None:
    made(disk, clip(manifest_sha256="", preview=()))
    said = statement(disk.read(f"spool/{ID}/record.json"))
    assert [one["name"] for one in said["subject"]] == ["master"]


def test_a_clip_in_doubt_goes_to_quarantine_whole(disk: MemoryDisk) -> None:
    event = made(disk, clip("intact: other bytes"))
    assert isinstance(event, ev.Quarantined)
    assert event.prefix == f"quarantine/BWC-0001/{ID}"
    assert event.reason == "intact: other bytes"
    assert disk.names(f"spool/{ID}") == []
    found = tree(disk, f"quarantine/{ID}")
    assert found.pop(f"quarantine/{ID}/record.json")
    assert found == {f"quarantine/{ID}/master": MASTER, f"quarantine/{ID}/preview/sprite.jpg": SPRITE}


@pytest.mark.parametrize("doubt", ["", "intact: other bytes"])
def test_it_can_be_done_again(disk: MemoryDisk, doubt: str) -> None:
    first, again = made(disk, clip(doubt)), made(disk, clip(doubt))
    assert type(first) is type(again)
    assert (first.clip_id, first.prefix) == (again.clip_id, again.prefix)
    folder = plan.spool_folder(ID, doubt)
    assert again.record_sha256 == hashlib.sha256(disk.read(f"{folder}/record.json")).hexdigest()


@pytest.mark.parametrize("doubt", ["", "intact: other bytes"])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_whole_after_a_power_cut_at_every_durable_call(doubt: str, seed: int) -> None:
    cuts = 0
    for call in range(1, 10):
        disk = MemoryDisk(Random(seed))
        spool(disk)
        disk.cut_at = disk.calls + call
        try:
            made(disk, clip(doubt))
        except PowerCut:
            cuts += 1
        disk.power_cut()
        event = made(disk, clip(doubt))
        folder = plan.spool_folder(ID, doubt)
        found = tree(disk, folder)
        assert hashlib.sha256(found.pop(f"{folder}/record.json")).hexdigest() == event.record_sha256
        assert found == {f"{folder}/master": MASTER, f"{folder}/preview/sprite.jpg": SPRITE}
    assert cuts == (3 if doubt else 1)


@pytest.mark.parametrize("missing", ["master", "preview/sprite.jpg"])
def test_a_clip_that_is_not_in_the_spool_is_not_admitted_to_quarantine(disk: MemoryDisk, missing: str) -> None:
    disk.remove(f"spool/{ID}/{missing}")
    with pytest.raises(Permanent, match="is not in the spool"):
        made(disk, clip("doubt"))
