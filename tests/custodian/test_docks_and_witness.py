"""What a custodian witnesses: checkpoints that it finds in the bucket, and forks."""

from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.core.proof import cosignature, note
from dockagent.custodian.docks import Ids, where
from dockagent.custodian.rounds import once
from dockagent.durable import RealDisk
from dockagent.evidence.report import Report
from dockagent.evidence.verify import found_elsewhere, verify
from dockagent.ledger.trust import Trust
from dockagent.ledger.witness import Witness
from dockagent.ledger.witness_key import WitnessKey
from tests.custodian.made import Dock, Folder, custodian, dock


@pytest.fixture
def one(folder: Folder, tmp_path: Path) -> Dock:
    made = dock(folder, tmp_path)
    for _ in range(300):
        made.tell("clip.failed")
    return made


@pytest.fixture
def witness(tmp_path: Path, one: Dock) -> Witness:
    key = WitnessKey.open(RealDisk(tmp_path / "w" / "keys"), "custodian/witness")
    return Witness(RealDisk(tmp_path / "w" / "state"), key, {one.origin: (one.keys.dock.log_key,)}, SystemClock())


def cosigned(folder: Folder) -> list[str]:
    return [key for key in folder.listed() if key.startswith("custodian/cosigned/")]


@pytest.mark.parametrize("grown", [1, 255, 256, 300, 700])
def test_a_checkpoint_that_is_found_is_cosigned_and_must_go_on(
    folder: Folder, one: Dock, witness: Witness, tmp_path: Path, grown: int
) -> None:
    its = custodian(folder, tmp_path, [one], witness=witness)
    one.publish()
    assert once(its).cosigned == 1
    assert once(its).cosigned == 0
    for _ in range(grown):
        one.tell("clip.failed")
    one.publish()
    tally = once(its)
    assert (tally.cosigned, tally.told) == (1, [])
    _, newest = cosigned(folder)
    signed = note.parse((folder.root / newest).read_bytes())
    assert note.parse_checkpoint(signed).size == 300 + grown
    cosignature.check(signed, witness.public)


def test_a_rewritten_ledger_is_never_cosigned(folder: Folder, one: Dock, witness: Witness, tmp_path: Path) -> None:
    its = custodian(folder, tmp_path, [one], witness=witness)
    one.publish()
    once(its)
    for path in (folder.root / "ledgers").rglob("*"):
        if path.is_file():
            path.unlink()
    other = Dock(folder, one.keys)
    for _ in range(400):
        other.tell("another.history")
    other.publish()
    tally = once(its)
    assert (tally.cosigned, dict(tally.new), tally.exit_code) == (0, {"ledger": 1}, 1)


@pytest.mark.parametrize("count", [100, 400], ids=["rolled back", "rewritten"])
def test_verify_holds_a_published_ledger_against_what_a_custodian_cosigned(
    folder: Folder, one: Dock, witness: Witness, tmp_path: Path, count: int
) -> None:
    one.publish()
    once(custodian(folder, tmp_path, [one], witness=witness))
    trust = Trust(docks=one.keys.docks, witnesses=(witness.public,), quorum=1)

    def ledger() -> Report:
        told = verify(folder.root, trust, found_elsewhere([folder.root], []))
        return next(report for report in told if report.kind == "published ledger")

    assert {name: ledger().verdicts[name].word for name in ("intact", "time")} == {"intact": "pass", "time": "pass"}
    for path in (folder.root / "ledgers").rglob("*"):
        if path.is_file():
            path.unlink()
    thief = Dock(folder, one.keys)
    for _ in range(count):
        thief.tell("another.history")
    thief.publish()
    assert (ledger().exit_code, ledger().verdicts["intact"].word) == (1, "fail"), ledger()
    assert "custodian/cosigned/dock-7" in ledger().verdicts["intact"].why


def test_a_ledger_that_was_rolled_back(folder: Folder, one: Dock, witness: Witness, tmp_path: Path) -> None:
    its = custodian(folder, tmp_path, [one], witness=witness)
    one.publish()
    once(its)
    one.publish(250)
    assert dict(once(its).new) == {"ledger": 1}


def test_a_checkpoint_by_another_dock(folder: Folder, one: Dock, tmp_path: Path) -> None:
    thief = dock(folder, tmp_path, "thief", 3)
    thief.tell("dock.start")
    thief.publish()
    one.publish()
    stolen = (folder.root / "ledgers" / "thief" / "checkpoint").read_bytes()
    (folder.root / "ledgers" / "dock-7" / "checkpoint").write_bytes(stolen)
    assert dict(once(custodian(folder, tmp_path, [one])).new) == {"ledger": 1}


def test_what_is_listed_and_cannot_be_read_has_no_delete_marker(folder: Folder, one: Dock, tmp_path: Path) -> None:
    its = custodian(folder, tmp_path, [one])
    assert where(its, "clips/x/master") == "it is not in the store"
    folder.put("clips/x/master", b"as Swift lists a large object whose parts are gone")
    said = where(its, "clips/x/master")
    assert "parts of it are missing" in said
    assert "marker" not in said


def test_ids_take_eight_bytes_each() -> None:
    ids = Ids()
    known = [f"{number * 7919:032x}"[::-1] for number in range(1000)]
    for one in known:
        ids.add(one)
    assert all(one in ids for one in known)
    assert "f" * 32 not in ids
