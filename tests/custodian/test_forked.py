"""A published ledger that does not go on from what was seen of it, in however little: nobody can tell what its dock has
on hold, so no permit is handed out."""

from dataclasses import replace
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.custodian.rounds import once
from dockagent.custodian.share import Share
from dockagent.custodian.world import Custodian
from dockagent.durable import RealDisk
from dockagent.ledger.witness import Witness
from dockagent.ledger.witness_key import WitnessKey
from tests.custodian.made import CAMERA, Dock, Folder, custodian, dock
from tests.custodian.test_docks_and_witness import cosigned
from tests.custodian.test_door_holds import Door, opened, says
from tests.custodian.test_rounds import reports_of

NOT_BELIEVED = "its published ledger cannot be believed"


@pytest.fixture
def one(folder: Folder, tmp_path: Path) -> Dock:
    return dock(folder, tmp_path)


def beside(folder: Folder, one: Dock, tmp_path: Path) -> Custodian:
    """A custodian with a witness that keeps its state below ``tmp_path/w``."""
    key = WitnessKey.open(RealDisk(tmp_path / "w" / "keys"), "custodian/witness")
    logs = {one.origin: (one.keys.dock.log_key,)}
    witness = Witness(RealDisk(tmp_path / "w" / "state"), key, logs, SystemClock())
    return custodian(folder, tmp_path, [one], witness=witness)


def grown(one: Dock, door: Door, records: int = 5) -> int:
    """So many more records, far too few for a mark, are published and seen; how many there were before."""
    size = len(one.entries)
    for _ in range(records):
        one.tell("clip.failed")
    one.publish()
    door.round()
    return size


def forked(one: Dock, size: int) -> None:
    """The dock's own keys sign another history from this record on."""
    another = Dock(one.shelf, one.keys, one.entries[:size])
    for _ in range(9):
        another.tell("another.history")
    another.publish()


@pytest.mark.parametrize("how", ["rolled back", "forked"])
def test_what_does_not_go_on_stops_permits_in_the_round_that_finds_it(
    folder: Folder, one: Dock, tmp_path: Path, how: str
) -> None:
    prefix = one.deliver(b"a clip")
    one.publish()
    its = beside(folder, one, tmp_path)
    door = opened(its, one, prefix)
    before = grown(one, door)
    assert door.asked(prefix).status == 200
    if how == "forked":
        forked(one, before)
    else:
        one.publish(before)
    for door in (Door(replace(its, sizes={})), Door(its)):  # started again, and going on
        door.round()
        assert says(door.asked(prefix), NOT_BELIEVED)
    assert [said["what"] for said in reports_of(folder, "ledger")] == ["dock-7"]


def test_a_fork_of_a_dock_of_another_share_stops_them_too(folder: Folder, tmp_path: Path) -> None:
    mine = next(one for one in (Share(1, 2), Share(2, 2)) if one.mine(CAMERA))
    name = next(name for name in (f"dock-{number}" for number in range(99)) if not mine.mine(name))
    one = dock(folder, tmp_path, name)
    prefix = one.deliver(b"a clip")
    one.publish()
    door = opened(replace(beside(folder, one, tmp_path), share=mine), one, prefix)
    before = grown(one, door)
    assert door.asked(prefix).status == 200
    forked(one, before)
    door.round()
    assert says(door.asked(prefix), NOT_BELIEVED)
    assert (cosigned(folder), reports_of(folder, "ledger")) == ([], []), "to say so is the other's work"


def test_an_older_checkpoint_that_was_cosigned_is_no_forged_one(folder: Folder, one: Dock, tmp_path: Path) -> None:
    """A dock is cosigned before it publishes: it may have come no further. What was seen in the store counts."""
    prefix = one.deliver(b"a clip")
    one.publish()
    its = beside(folder, one, tmp_path)
    door = opened(its, one, prefix)
    (older,) = cosigned(folder)
    before = grown(one, door)
    one.publish(before)
    folder.put("ledgers/dock-7/checkpoint", folder.take(older) or b"")
    tally = once(its, heard=door.state.heard)
    assert (tally.told, door.asked(prefix).status) == ([], 503)
    assert "were seen of it before" in tally.troubles[0]
    again = Door(replace(its, sizes={}))
    tally = once(again.its, heard=again.state.heard)
    assert (tally.told, tally.troubles, again.asked(prefix).status) == ([], [], 200)


def test_a_witness_that_cannot_read_its_own_state_accuses_nobody(folder: Folder, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(b"a clip")
    one.publish()
    its = beside(folder, one, tmp_path)
    door = opened(its, one, prefix)
    (state,) = (path for path in (tmp_path / "w" / "state").rglob("*") if path.is_file())
    state.write_bytes(state.read_bytes().replace(b"\n", b"", 1))
    grown(one, door)
    tally = once(its, heard=door.state.heard)
    assert (tally.told, tally.exit_code, door.asked(prefix).status) == ([], 4, 503)
    assert "what the witness has cosigned cannot be read" in tally.troubles[0]
