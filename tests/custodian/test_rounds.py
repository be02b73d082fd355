"""A custodian's rounds on a real directory store, on a real bucket with Object Lock, and in real Swift containers."""

import hashlib
import json
from pathlib import Path

import pytest

from dockagent.core.central import store_receipt
from dockagent.core.central.custodian_key import CustodianKey
from dockagent.core.permits import permit
from dockagent.core.proof import dsse
from dockagent.custodian import reports
from dockagent.custodian.rounds import once
from dockagent.custodian.server import Desk
from dockagent.custodian.service_state import ServiceState
from dockagent.custodian.world import PermitPolicy, Settings
from dockagent.steps.ask_custodian import fetch_shelf
from dockagent.stores.shelf import FolderShelf
from tests.custodian.made import Dock, Folder, InBucket, Shelf, custodian, dock, old

CLIP = bytes(range(256)) * 9000  # two chunks and a piece
PERMITTING = pytest.mark.parametrize("shelf", ["directory", "rgw"], indirect=True)  # beside Swift none is signed


def receipt_of(shelf: Shelf, prefix: str, key: CustodianKey) -> store_receipt.StoreReceipt:
    data = shelf.take(f"{prefix}/receipt.json")
    assert data is not None
    return store_receipt.read(data, [key])


def reports_of(shelf: Shelf, kind: str) -> list[dict[str, object]]:
    found = [shelf.take(key) for key in shelf.listed() if key.startswith(f"{reports.PREFIX}{kind}/")]
    return [json.loads(dsse.parse(data).payload)["predicate"] for data in found if data is not None]


@pytest.fixture
def one(shelf: Shelf, tmp_path: Path) -> Dock:
    return dock(shelf, tmp_path)


def test_a_delivered_clip_gets_its_receipt(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(CLIP)
    one.publish()
    its = custodian(shelf, tmp_path, [one])
    tally = once(its)
    assert (tally.receipts, tally.lines, tally.troubles, tally.told) == (1, 1, [], [])
    said = receipt_of(shelf, prefix, its.key.public)
    assert (said.key, said.bytes, said.sha256) == (f"{prefix}/master", len(CLIP), hashlib.sha256(CLIP).hexdigest())
    assert said.checkpoint is not None
    assert (said.checkpoint.origin, said.checkpoint.size, said.checkpoint.entry) == (one.origin, 3, 1)
    assert (said.findings, said.quarantine, said.store) == ((), "", shelf.url)
    assert [held.name for held in said.objects] == ["preview/sprite.jpg"]
    if isinstance(shelf, InBucket):
        assert (said.retention.mode, said.legal_hold) == ("COMPLIANCE", "off")
        assert said.version
        assert said.retention.until_ms > said.time_ms


def test_the_second_round_does_nothing(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    one.deliver(CLIP)
    one.publish()
    its = custodian(shelf, tmp_path, [one], settings=Settings(ledger_wait_ms=0))
    once(its)
    before = shelf.listed()
    tally = once(its)
    assert (tally.receipts, tally.read, tally.told, tally.exit_code) == (0, 0, [], 0)
    assert shelf.listed() == before


@PERMITTING
def test_a_permit_follows_the_receipt(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(CLIP)
    one.publish()
    modes = ("COMPLIANCE",) if isinstance(shelf, InBucket) else ()
    its = custodian(shelf, tmp_path, [one], settings=Settings(permits=PermitPolicy("test/1", modes=modes)))
    once(its)
    assert once(its).permits == 1
    signed = shelf.take(f"{prefix}/permit.json")
    receipt = shelf.take(f"{prefix}/receipt.json")
    assert signed is not None
    assert receipt is not None
    leave = permit.read(signed, [its.key.public.public])
    assert (leave.camera, leave.policy, leave.dock) == ("BWC-0001", "test/1", "any")
    assert leave.clip.path == "DCIM/100BWC/BWC0001.MP4"
    assert leave.clip.sha256 == hashlib.sha256(CLIP).hexdigest()
    assert leave.clip.receipt_sha256 == hashlib.sha256(receipt).hexdigest()
    assert once(its).permits == 0


def test_an_altered_master_is_reported_once_and_others_go_on(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    bad, good = one.deliver(CLIP), one.deliver(CLIP + b"more")
    one.publish()
    shelf.put(f"{bad}/master", CLIP[:-1] + b"!")
    its = custodian(shelf, tmp_path, [one])
    tally = once(its)
    assert (tally.receipts, tally.exit_code, dict(tally.new)) == (1, 1, {"altered": 1})
    assert shelf.take(f"{bad}/receipt.json") is None
    assert shelf.take(f"{good}/receipt.json") is not None
    (told,) = reports_of(shelf, "altered")
    assert told["what"] == bad.rpartition("/")[2]
    again = once(its)
    assert (again.exit_code, again.read, dict(again.new), len(again.told)) == (1, 0, {}, 1)


def test_an_altered_preview_is_found_too(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    bad = one.deliver(CLIP)
    one.publish()
    shelf.put(f"{bad}/preview/sprite.jpg", b"another picture")
    assert dict(once(custodian(shelf, tmp_path, [one])).new) == {"altered": 1}


def test_a_record_by_a_stranger(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    thief = dock(shelf, tmp_path, "thief", 9)
    prefix = thief.deliver(CLIP)
    one.publish()
    assert dict(once(custodian(shelf, tmp_path, [one])).new) == {"wrong-record": 1}
    assert shelf.take(f"{prefix}/receipt.json") is None


def test_an_object_without_a_record(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    one.publish()
    prefix = f"clips/BWC-0001/2026/11/22/{'ab' * 16}"
    folder.put(f"{prefix}/master", CLIP)
    its = custodian(folder, tmp_path, [one], settings=Settings())
    assert once(its).waiting == 1
    old(folder, prefix)
    assert dict(once(its).new) == {"without-record": 1}


def test_quarantine_gets_a_receipt_that_says_so_and_never_a_permit(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(CLIP, quarantine="its bytes are not those that the camera signed")
    one.publish()
    its = custodian(shelf, tmp_path, [one])
    once(its)
    assert once(its).permits == 0
    assert receipt_of(shelf, prefix, its.key.public).quarantine == "its bytes are not those that the camera signed"
    assert shelf.take(f"{prefix}/permit.json") is None


def test_a_clip_waits_for_its_ledger_and_then_for_nothing(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    one.tell("dock.start")
    one.publish()
    prefix = one.deliver(CLIP)  # behind the checkpoint
    its = custodian(folder, tmp_path, [one], settings=Settings(permits=PermitPolicy("test/1", modes=())))
    assert (once(its).waiting, folder.take(f"{prefix}/receipt.json")) == (1, None)
    old(folder, prefix)
    assert once(its).receipts == 1
    said = receipt_of(folder, prefix, its.key.public)
    assert said.checkpoint is None
    assert "does not show" in said.findings[0]
    assert once(its).permits == 0


def test_missing_tiles_are_reported_and_stop_no_receipt(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(CLIP)
    one.publish()
    shelf.put("ledgers/dock-7/tile/0/000.p/3", b"\0" * 96)
    its = custodian(shelf, tmp_path, [one])
    tally = once(its)
    assert (dict(tally.new), tally.receipts, tally.exit_code) == ({"ledger": 1}, 1, 1)
    assert receipt_of(shelf, prefix, its.key.public).checkpoint is None


def test_a_catalogue_line_is_written_or_found_false(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(CLIP)
    clip = prefix.rpartition("/")[2]
    one.publish()
    key = f"catalogue/dock-7/2026/11/22/{clip}.ndjson"
    shelf.put(key, b'{"clip_id":"another"}\n')
    tally = once(custodian(shelf, tmp_path, [one]))
    assert (tally.lines, tally.receipts, dict(tally.new)) == (1, 1, {"catalogue": 1})
    assert len([one for one in shelf.listed() if one.startswith("catalogue/")]) == 2


def test_an_overdue_dock_and_one_that_never_came(folder: Folder, tmp_path: Path) -> None:
    late, never = dock(folder, tmp_path), dock(folder, tmp_path, "dock-8", 8)
    late.deliver(CLIP)
    late.publish()
    old(folder, "ledgers")
    tally = once(custodian(folder, tmp_path, [late, never]))
    assert (dict(tally.new), tally.exit_code) == ({"overdue": 2}, 3)
    assert {str(told["what"]) for told in reports_of(folder, "overdue")} == {"dock-7", "dock-8"}


def test_a_clip_in_the_ledger_and_not_in_the_store(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    one.deliver(CLIP)
    gone = f"clips/BWC-0001/2026/11/22/{'cd' * 16}"
    one.tell("receipt", clip_id="cd" * 16, receipt={"key": f"{gone}/master", "bytes": 9}, others=[])
    one.publish()
    its = custodian(shelf, tmp_path, [one])
    assert dict(once(its).new) == {"lost": 1}
    assert dict(once(its).new) == {}


def test_a_mark_says_how_far_a_ledger_was_compared(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    one.deliver(CLIP)
    one.publish()
    its = custodian(folder, tmp_path, [one])
    once(its)
    assert [key for key in folder.listed() if key.startswith("custodian/ledgers/")] == [
        "custodian/ledgers/dock-7/000000000000003"
    ]


@pytest.mark.parametrize("size", [1, 255, 256, 257, 513])
def test_ledgers_of_every_size_are_read_at_the_right_place(folder: Folder, tmp_path: Path, size: int) -> None:
    one = dock(folder, tmp_path)
    for _ in range(size):
        one.tell("clip.failed")
    prefix = one.deliver(CLIP)
    for _ in range(300):
        one.tell("clip.failed")
    one.publish()
    its = custodian(folder, tmp_path, [one])
    assert once(its).told == []
    seen = receipt_of(folder, prefix, its.key.public).checkpoint
    assert seen is not None
    assert (seen.entry, seen.size) == (size + 1, size + 303)


@PERMITTING
def test_a_permit_that_ran_out_is_renewed_as_often_as_the_policy_says(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(CLIP)
    one.publish()
    brief = PermitPolicy("test/1", modes=(), valid_ms=1, renewals=2)
    its = custodian(shelf, tmp_path, [one], settings=Settings(ledger_wait_ms=0, permits=brief))
    once(its)
    assert [once(its).permits for _ in range(5)] == [1, 1, 1, 0, 0]
    names = ["permit.json", "permit.2.json", "permit.3.json"]
    read = [shelf.take(f"{prefix}/{name}") for name in names]
    leaves = [permit.read(data, [its.key.public.public]) for data in read if data is not None]
    assert len({leave.id for leave in leaves}) == 1
    assert leaves[0].until_ms < leaves[1].until_ms < leaves[2].until_ms
    state = ServiceState(its.clock, 600)
    once(its, heard=state.heard)
    desk = Desk(its.key.public, shelf.archive(), None, state)
    assert desk.get(f"/permits/{prefix.rpartition('/')[2]}?folder={prefix}").body == read[2]
    if isinstance(shelf, Folder):
        fetch = fetch_shelf(FolderShelf(shelf.url, shelf.root))
        assert fetch("permits", "", prefix, "permit.json") == read[2]


@PERMITTING
def test_one_that_is_good_is_not_renewed(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    one.deliver(CLIP)
    one.publish()
    its = custodian(shelf, tmp_path, [one], settings=Settings(permits=PermitPolicy("test/1", modes=(), renewals=2)))
    once(its)
    assert [once(its).permits for _ in range(2)] == [1, 0]
