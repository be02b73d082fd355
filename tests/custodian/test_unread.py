"""Ledgers that a custodian could not read, or may not believe: nobody can tell what docks have on hold."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from dockagent.core import strict_json
from dockagent.core.central import store_receipt
from dockagent.custodian.rounds import once
from dockagent.custodian.world import Custodian
from tests.custodian.made import Dock, Folder, custodian, dock, old
from tests.custodian.test_door_holds import opened, says
from tests.custodian.test_holds import clip_of
from tests.custodian.test_rounds import reports_of


@pytest.fixture
def one(folder: Folder, tmp_path: Path) -> Dock:
    return dock(folder, tmp_path)


@pytest.fixture
def its(folder: Folder, one: Dock, tmp_path: Path) -> Custodian:
    return custodian(folder, tmp_path, [one])


def newest_bundle(folder: Folder) -> Path:
    return max((folder.root / "ledgers/dock-7/tile/entries/000.p").iterdir(), key=lambda path: int(path.name))


def test_a_hold_in_a_ledger_that_could_be_read_only_later_in_a_round_is_not_missed(
    folder: Folder, one: Dock, its: Custodian
) -> None:
    prefix = one.deliver(b"a clip")
    one.publish()
    door = opened(its, one, prefix)
    old(folder, "custodian/ledgers")  # so that the next comparison is noted
    hold = one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    bundle = newest_bundle(folder)
    aside = bundle.rename(folder.root / "ledgers" / "aside")
    bundle.mkdir()  # what is no file cannot be read now

    def mended(clip_id: str, prefix: str) -> None:
        bundle.rmdir()
        aside.rename(bundle)

    tally = once(its, saw=mended, heard=door.state.heard)
    assert (len(tally.troubles), door.asked(prefix).status) == (1, 503)
    assert dict(once(its, heard=door.state.heard).new) == {"not-held": 1}
    assert says(door.asked(prefix), "on hold: a dock says so")
    one.tell("hold.clear", clip_id=clip_of(prefix), hold=hold)
    one.publish()
    door.round()
    assert door.asked(prefix).status == 200


def test_while_a_ledger_cannot_be_read_no_permit_is_signed(folder: Folder, one: Dock, its: Custodian) -> None:
    one.deliver(b"a clip")
    one.publish()
    once(its)
    one.tell("clip.failed")
    one.publish()
    bundle = newest_bundle(folder)
    bundle.unlink()
    bundle.mkdir()
    tally = once(its)
    assert (tally.permits, tally.exit_code) == (0, 4)


@pytest.mark.parametrize("gone", ["the ledger", "its newest records"])
def test_a_ledger_that_ends_before_what_was_seen_of_it_is_not_one_without_holds(
    folder: Folder, one: Dock, its: Custodian, gone: str
) -> None:
    prefix = one.deliver(b"a clip")
    one.publish()
    door = opened(its, one, prefix)
    if gone == "the ledger":
        (folder.root / "ledgers/dock-7/checkpoint").unlink()
    else:
        one.publish(2)
    tally = once(its, heard=door.state.heard)
    assert ("were seen of it before" in tally.troubles[0], door.asked(prefix).status) == (True, 503)


def test_a_damaged_ledger_of_any_dock_may_have_holds(folder: Folder, one: Dock, tmp_path: Path) -> None:
    """Also one whose dock has new keys that the trust files do not have yet."""
    other = dock(folder, tmp_path, "dock-8", 8)
    prefix = one.deliver(b"a clip")
    one.publish()
    other.tell("dock.start")
    other.publish()
    its = custodian(folder, tmp_path, [one, other])
    door = opened(its, one, prefix)
    again = one.deliver(b"another")
    stranger = dock(folder, tmp_path / "new", "dock-8", 9)
    stranger.tell("hold.set", clip_id=clip_of(prefix))
    stranger.publish()
    one.publish()
    assert [once(its, heard=door.state.heard).permits for _ in range(2)] == [0, 0]
    assert says(door.asked(prefix), "nobody can tell what dock dock-8 has on hold")
    assert folder.take(f"{again}/permit.json") is None
    assert [said["what"] for said in reports_of(folder, "ledger")] == ["dock-8"]


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("receipt", []),
        ("receipt", {"clip_id": "cd" * 16, "receipt": "none"}),
        ("receipt", {"clip_id": "no hexadecimal", "receipt": {"key": "clips/x/master"}}),
        ("receipt", {"clip_id": "cd" * 16, "receipt": {"key": "clips/../../master"}}),
        ("hold.set", {"clip_id": 7}),
        ("hold.clear", {"clip_id": "cd" * 16}),
        ("hold.clear", {"clip_id": "cd" * 16, "hold": "3"}),
    ],
)
def test_what_a_dock_signs_in_another_form_ends_no_round(
    folder: Folder, one: Dock, tmp_path: Path, kind: str, what: Any
) -> None:
    """Whoever has the keys of one dock cannot keep the holds and receipts of others from coming."""
    other = dock(folder, tmp_path, "dock-8", 8)
    prefix = one.deliver(b"a clip")
    one.publish()
    odd(other, kind, what)
    other.tell("hold.set", clip_id=clip_of(prefix))
    delivered = other.deliver(b"another clip")
    other.publish()
    tally = once(custodian(folder, tmp_path, [one, other]))
    assert (tally.receipts, tally.troubles) == (2, [])
    assert dict(tally.new) == {"not-held": 1, "ledger": 1}
    assert folder.take(f"{delivered}/receipt.json") is not None


def odd(dock: Dock, kind: str, what: Any) -> None:
    """One more record, signed like any, whose ``what`` nobody made for its kind."""
    record: dict[str, Any] = {part: {} for part in ("who", "when", "why", "links")}
    record |= {"schema": "urn:dockagent:record:1", "index": len(dock.entries), "type": kind, "what": what}
    dock.entries.append(dock.keys.sign_record(strict_json.canonical(record)))


def test_an_admission_in_another_form_admits_nothing(folder: Folder, one: Dock, its: Custodian) -> None:
    one.tell("dock.start")
    prefix = one.deliver(b"a clip", line=False)
    record = folder.take(f"{prefix}/record.json")
    assert record is not None
    entries, one.entries = one.entries[1:], []
    odd(one, "admit", [hashlib.sha256(record).hexdigest()])
    one.entries += entries
    one.publish()
    assert once(its).receipts == 1
    data = folder.take(f"{prefix}/receipt.json")
    assert data is not None
    said = store_receipt.read(data, [its.key.public])
    assert said.checkpoint is None
    assert "record 0 is malformed" in said.findings[0]
