"""What is not what its receipt says, or is gone, is never erased from its camera by a permit; and what is altered is
said."""

from pathlib import Path

import pytest

from dockagent.custodian import permits
from dockagent.custodian.folders import folders
from dockagent.custodian.rounds import Refusals, once
from dockagent.custodian.world import DAY_MS, Custodian, PermitPolicy, Settings
from tests.custodian.made import Dock, Folder, custodian, dock, old
from tests.custodian.test_door_holds import Door, opened, says
from tests.custodian.test_holds import clip_of
from tests.custodian.test_rounds import reports_of

CLIP = bytes(range(256)) * 9000
RENEWED = PermitPolicy("test/1", modes=(), valid_ms=1, renewals=9)


@pytest.fixture
def one(folder: Folder, tmp_path: Path) -> Dock:
    return dock(folder, tmp_path)


def beside(folder: Folder, one: Dock, tmp_path: Path, audit_ms: int = 0, audit_bytes: int = 1 << 30) -> Custodian:
    settings = Settings(ledger_wait_ms=0, permits=RENEWED, audit_ms=audit_ms, audit_bytes=audit_bytes)
    return custodian(folder, tmp_path, [one], settings=settings)


def test_what_rots_without_a_change_of_date_gets_no_permit_any_more(folder: Folder, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(CLIP)
    one.publish()
    its = beside(folder, one, tmp_path, DAY_MS)
    door = opened(its, one, prefix)
    with (folder.root / prefix / "master").open("r+b") as file:
        file.write(b"rot")
    old(folder, prefix)
    door.round()  # its audit comes last
    assert len(reports_of(folder, "altered")) == 1
    assert says(door.asked(prefix), "is not what its receipt says")
    assert [door.round() for _ in range(2)] == [0, 0]
    started_again = Door(its)
    started_again.round()
    assert says(started_again.asked(prefix), "is not what its receipt says")


def test_only_so_much_is_read_again_in_a_round_and_the_rest_gets_nothing(
    folder: Folder, one: Dock, tmp_path: Path
) -> None:
    """As where a store was copied: every master is younger than its receipt."""
    prefixes = sorted(one.deliver(CLIP + bytes([number])) for number in range(3))
    one.publish()
    its = beside(folder, one, tmp_path, audit_bytes=1)
    door = Door(its)
    assert [door.round(), door.round()] == [0, 3]
    for prefix in prefixes:
        path = folder.root / prefix / "master"
        path.write_bytes(path.read_bytes())
    for given in ([200, 404, 404], [200, 200, 404], [200, 200, 200]):
        tally = once(its, heard=door.state.heard)
        assert (tally.audits, tally.waiting, tally.permits) == (1, given.count(404), given.count(200))
        assert [door.asked(prefix).status for prefix in prefixes] == given
    assert once(its).audits == 0


def test_a_master_that_is_gone_beside_its_receipt_is_altered(folder: Folder, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(CLIP)
    one.publish()
    its = beside(folder, one, tmp_path)
    door = opened(its, one, prefix)
    (folder.root / prefix / "master").unlink()
    for new in ({"altered": 1}, {}):
        tally = once(its, heard=door.state.heard)
        assert (dict(tally.new), tally.exit_code, tally.waiting) == (new, 1, 0)
    (said,) = reports_of(folder, "altered")
    assert f"{prefix}/master was there at 20" in str(said["words"])
    assert "it is not in the store" in str(said["words"])
    assert says(door.asked(prefix), "is not what its receipt says")


def test_what_nobody_signed_beside_no_master_says_nothing(folder: Folder, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(CLIP)
    (folder.root / prefix / "master").unlink()
    folder.put(f"{prefix}/receipt.json", b"{}")
    assert once(beside(folder, one, tmp_path)).waiting == 1


def test_a_hold_that_a_store_does_not_keep_stops_no_audit(folder: Folder, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(CLIP)
    one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    its = beside(folder, one, tmp_path, audit_ms=1)
    once(its)
    assert [once(its).audits for _ in range(2)] == [1, 1]
    with (folder.root / prefix / "master").open("r+b") as file:
        file.write(b"rot")
    assert "altered" in once(its).new


def test_a_receipt_of_another_clip_is_no_ground_for_a_permit(folder: Folder, one: Dock, tmp_path: Path) -> None:
    """Also where a round had no time to look at what is called a receipt."""
    first, second = one.deliver(CLIP), one.deliver(CLIP + b"more")
    one.publish()
    its = beside(folder, one, tmp_path)
    once(its)
    for name in ("receipt.json", "record.json"):
        folder.put(f"{second}/{name}", (folder.root / first / name).read_bytes())
    (listed,) = (each for each in folders(its.archive.list("clips/"), []) if each.prefix == second)
    assert "it is about" in permits.sign(its, listed)
    assert folder.take(f"{second}/permit.json") is None


def test_who_was_refused_is_forgotten_when_his_time_is_over(folder: Folder, one: Dock, tmp_path: Path) -> None:
    its = beside(folder, one, tmp_path)
    later = its.now_ms() + DAY_MS
    refused: Refusals = {"clips/a": its.now_ms() - 1, "clips/b": later}
    once(its, refused=refused)
    assert refused == {"clips/b": later}


def test_what_can_never_have_a_permit_asks_the_store_for_its_receipt_alone(
    folder: Folder, one: Dock, tmp_path: Path
) -> None:
    one.deliver(CLIP)
    its = beside(folder, one, tmp_path)
    once(its)
    (listed,) = folders(its.archive.list("clips/"), [])
    assert listed.receipts
    its.archive.asked.clear()
    assert "does not show the clip's record" in permits.sign(its, listed)
    assert its.archive.asked["get"] == 1
