"""The custodian's receipt and its key line: what is read back is what was signed, and everything else is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from dockagent.core import strict_json
from dockagent.core.central import custodian_key, store_receipt
from dockagent.core.central.store_receipt import Held, Retention, Seen, StoreReceipt
from dockagent.core.proof import dsse
from dockagent.custodian.key import SigningKey
from dockagent.durable import RealDisk
from dockagent.errors import Refused, UsageError
from tests.simulation.memory_disk import MemoryDisk

DIGEST = "ab" * 32
RECEIPT = StoreReceipt(
    store="s3://evidence/force",
    key="clips/BWC-0001/2026/11/22/x/master",
    version="v1",
    etag="e",
    bytes=5,
    sha256=DIGEST,
    chunk_root="cd" * 32,
    clip_id="x",
    camera="BWC-0001",
    clip_bytes=5,
    clip_sha256=DIGEST,
    record=Held("record.json", 9, "ef" * 32),
    objects=(Held("preview/sprite.jpg", 1, "01" * 32),),
    retention=Retention("COMPLIANCE", "2033-01-01T00:00:00.000Z"),
    legal_hold="off",
    checkpoint=Seen("dockagent.local/dock-7", 9, DIGEST, 3),
    quarantine="",
    findings=(),
    custodian="c",
    time="2026-11-23T04:02:04.777Z",
)


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.open(MemoryDisk(Random(0)), "c", Random(1).randbytes)


def test_what_is_signed_is_read(key: SigningKey) -> None:
    assert store_receipt.read(key.seal(store_receipt.statement(RECEIPT)), [key.public]) == RECEIPT


def test_nobody_else_is_believed(key: SigningKey) -> None:
    other = SigningKey.open(MemoryDisk(Random(0)), "c", Random(2).randbytes)
    signed = key.seal(store_receipt.statement(RECEIPT))
    for keys in ([], [other.public]):
        with pytest.raises(Refused, match="not signed by a custodian who is trusted"):
            store_receipt.read(signed, keys)


def _without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda raw: raw["predicate"].pop(name) and None


def _with(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda raw: raw["predicate"].update({name: value})


@pytest.mark.parametrize(
    "change",
    [
        *(_without(name) for name in ("sha256", "bytes", "legal_hold", "checkpoint", "clip_id", "record")),
        *(_with(name, value) for name, value in (("bytes", -1), ("bytes", "5"), ("sha256", "AB" * 32), ("more", 1))),
        *(_with(name, value) for name, value in (("time", "yesterday"), ("time", "2026-13-01T00:00:00Z"))),
        *(_with(name, value) for name, value in (("legal_hold", "perhaps"), ("read", "metadata"), ("key", "other"))),
        *(_with(name, value) for name, value in (("custodian", "d"), ("retention", {"mode": "X", "until": "soon"}))),
        lambda raw: raw.update(predicateType="urn:dockagent:permit:1"),
        lambda raw: raw["subject"].append(raw["subject"][0]),
    ],
)
def test_anything_else_is_refused(key: SigningKey, change: Callable[[dict[str, Any]], None]) -> None:
    raw = json.loads(store_receipt.statement(RECEIPT))
    change(raw)
    with pytest.raises(Refused):
        store_receipt.read(key.seal(strict_json.canonical(raw)), [key.public])


def test_another_payload_type_is_refused(key: SigningKey) -> None:
    payload = store_receipt.statement(RECEIPT)
    data = dsse.seal("application/vnd.dockagent.record+json", payload, key.public.key_id, key.sign)
    with pytest.raises(Refused, match="not an in-toto statement"):
        store_receipt.read(data, [key.public])


def test_names_of_receipts() -> None:
    assert [store_receipt.name_for(one) for one in ("master", "master.age", "master.0a1b2c3d.age")] == [
        "receipt.json",
        "receipt.json",
        "receipt.0a1b2c3d.json",
    ]
    assert store_receipt.is_name("receipt.0a1b2c3d.json")
    assert not store_receipt.is_name("receipt.json.bak")


def test_a_key_line_is_read_back_and_a_wrong_one_is_not(key: SigningKey) -> None:
    line = key.public.text()
    assert custodian_key.parse(line) == key.public
    name, stated, data = line.split("+", 2)
    other = "0" * 8 if stated != "0" * 8 else "1" * 8
    for wrong in (f"{name}+{other}+{data}", f"+{stated}+{data}", f"{name}+{stated}+AAAA", "nothing", ""):
        with pytest.raises(Refused):
            custodian_key.parse(wrong)


def test_a_custodians_keys_stay_its_own(tmp_path: Path) -> None:
    disk = RealDisk(tmp_path)
    made = SigningKey.open(disk, "c")
    assert SigningKey.open(disk, "c").public == made.public
    assert (tmp_path / "custodian.pem").stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="custodian c's, not d's"):
        SigningKey.open(disk, "d")
    (tmp_path / "custodian.pem").chmod(0o644)
    with pytest.raises(UsageError, match="others can read"):
        SigningKey.open(disk, "c")


def test_a_receipt_is_frozen_json() -> None:
    assert msgspec.convert(msgspec.to_builtins(RECEIPT), StoreReceipt) == RECEIPT
