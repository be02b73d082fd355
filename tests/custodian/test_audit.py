"""What has its receipt is read again after a time: in a real folder, bucket, and Swift containers."""

import hashlib
from pathlib import Path

import pytest

from dockagent.custodian.rounds import once
from dockagent.custodian.world import DAY_MS, Custodian, Settings
from tests.custodian.judged import judged, public_key
from tests.custodian.made import Dock, Folder, InBucket, Shelf, custodian, dock, old
from tests.custodian.test_rounds import reports_of

CLIP = bytes(range(256)) * 9000
SOON = Settings(ledger_wait_ms=0, settle_ms=0, audit_ms=1)


@pytest.fixture
def one(shelf: Shelf, tmp_path: Path) -> Dock:
    return dock(shelf, tmp_path)


def audited(shelf: Shelf, prefix: str) -> list[str]:
    return [key for key in shelf.listed() if key.startswith(f"{prefix}/audit.")]


def received(shelf: Shelf, one: Dock, folder: Path, settings: Settings = SOON) -> Custodian:
    """A custodian over a store whose clips have their receipts."""
    one.publish()
    its = custodian(shelf, folder, [one], settings=settings)
    once(custodian(shelf, folder, [one]))
    return its


def test_what_is_still_there_gets_a_note_that_openssl_checks(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(CLIP)
    its = received(shelf, one, tmp_path)
    tally = once(its)
    assert (tally.audits, tally.told, tally.troubles) == (1, [], [])
    assert audited(shelf, prefix) == [f"{prefix}/audit.1.json"]
    note, receipt = shelf.take(f"{prefix}/audit.1.json"), shelf.take(f"{prefix}/receipt.json")
    assert note is not None
    assert receipt is not None
    statement = judged(note, public_key(its.key.public.text(), tmp_path))
    digest = hashlib.sha256(CLIP).hexdigest()
    assert statement["subject"] == [{"name": f"{prefix}/master", "digest": {"sha256": digest}}]
    said = statement["predicate"]
    assert [(row["name"], row["bytes"]) for row in said["objects"] if row["name"] == "master"] == [
        ("master", len(CLIP))
    ]
    assert {row["name"] for row in said["objects"]} == {"master", "record.json", "preview/sprite.jpg"}
    assert said["receipts"] == {"receipt.json": hashlib.sha256(receipt).hexdigest()}
    if isinstance(shelf, InBucket):
        assert (said["locks"]["master"]["mode"], said["locks"]["master"]["legal_hold"]) == ("COMPLIANCE", "off")
    assert once(its).audits == 1
    assert audited(shelf, prefix) == [f"{prefix}/audit.1.json", f"{prefix}/audit.2.json"]


@pytest.mark.parametrize("name", ["master", "record.json", "preview/sprite.jpg"])
def test_a_difference_is_said_and_stands_and_is_not_repaired(
    shelf: Shelf, one: Dock, tmp_path: Path, name: str
) -> None:
    bad, good = one.deliver(CLIP), one.deliver(CLIP + b"more")
    its = received(shelf, one, tmp_path)
    was = shelf.take(f"{bad}/{name}")
    assert was is not None
    altered = was[:-1] + bytes([was[-1] ^ 1])
    shelf.put(f"{bad}/{name}", altered)
    for new in ({"altered": 1}, {}):
        tally = once(its)
        assert (dict(tally.new), tally.exit_code, len(tally.told)) == (new, 1, 1)
    (said,) = reports_of(shelf, "altered")
    assert said["what"] == bad.rpartition("/")[2]
    assert hashlib.sha256(altered).hexdigest() in str(said["words"])
    assert hashlib.sha256(was).hexdigest() in str(said["words"])
    assert (audited(shelf, bad), len(audited(shelf, good))) == ([], 2)
    assert shelf.take(f"{bad}/{name}") == altered


def test_what_is_gone_is_missed(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    prefix = one.deliver(CLIP)
    its = received(folder, one, tmp_path)
    (folder.root / prefix / "preview" / "sprite.jpg").unlink()
    assert dict(once(its).new) == {"altered": 1}
    assert "not in storage any more" in str(reports_of(folder, "altered")[0]["words"])


def test_bit_rot_that_changes_no_date_is_found(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    prefix = one.deliver(CLIP)
    its = received(folder, one, tmp_path, Settings(ledger_wait_ms=0, audit_ms=DAY_MS))
    assert once(its).audits == 0
    old(folder, prefix)
    with (folder.root / prefix / "master").open("r+b") as file:
        file.seek(1_500_000)
        file.write(b"\xff\x00")
    old(folder, prefix)
    assert dict(once(its).new) == {"altered": 1}
    assert once(its).read == 0


def test_a_receipt_by_a_stranger_is_no_measure(shelf: Shelf, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(CLIP)
    one.publish()
    once(custodian(shelf, tmp_path, [one], "stranger"))
    its = custodian(shelf, tmp_path, [one], settings=SOON)
    for new, receipts, audits in (({"false-receipt": 1}, 1, 0), ({}, 0, 1)):
        tally = once(its)
        assert (dict(tally.new), tally.exit_code) == (new, 1)
        assert (tally.receipts, tally.audits, len(audited(shelf, prefix))) == (receipts, audits, audits)
    note = shelf.take(f"{prefix}/audit.1.json")
    assert note is not None
    said = judged(note, public_key(its.key.public.text(), tmp_path))
    assert list(said["predicate"]["receipts"]) == ["receipt.2.json"]


def test_only_so_much_is_read_in_a_round_the_longest_due_first(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    prefixes = [one.deliver(CLIP + bytes([number])) for number in range(4)]
    its = received(folder, one, tmp_path, Settings(ledger_wait_ms=0, audit_ms=DAY_MS, audit_bytes=2 * len(CLIP)))
    for days, prefix in enumerate(prefixes, 2):
        old(folder, prefix, days)
    assert once(its).audits == 2
    assert [len(audited(folder, prefix)) for prefix in prefixes] == [0, 0, 1, 1]
    assert once(its).audits == 2
    assert once(its).audits == 0
