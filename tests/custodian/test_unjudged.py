"""A master that was put there after it was read: until it is read again no permit is signed or handed out, also where a
round has no time for it, right after a restart, and by a custodian whose share it is not."""

from pathlib import Path

import pytest

from dockagent.custodian.holds import Holds
from dockagent.custodian.known import Known
from dockagent.custodian.reports import Reports
from dockagent.custodian.rounds import once
from dockagent.custodian.share import WHOLE, Share
from dockagent.custodian.world import Custodian, PermitPolicy, Settings
from dockagent.durable import RealDisk
from dockagent.ledger.witness import Answer
from tests.custodian.made import CAMERA, Dock, Folder, custodian, dock, old
from tests.custodian.test_altered_permits import RENEWED
from tests.custodian.test_door_holds import Door, opened, says

CLIP = bytes(range(256)) * 900
NOT_READ = "was not read again yet"


@pytest.fixture
def one(folder: Folder, tmp_path: Path) -> Dock:
    return dock(folder, tmp_path)


def beside(
    folder: Folder, one: Dock, tmp_path: Path, share: Share = WHOLE, permits: PermitPolicy = RENEWED, most: int = 1
) -> Custodian:
    """A custodian as it starts, with what it has kept of checked receipts on its disk."""
    settings = Settings(ledger_wait_ms=0, permits=permits, audit_bytes=most)
    known = Known(RealDisk(tmp_path / f"home-{share.number}"))
    return custodian(folder, tmp_path, [one], settings=settings, share=share, known=known)


def put_again(folder: Folder, prefix: str) -> None:
    """As where somebody copies a store: the same bytes, of a new date."""
    path = folder.root / prefix / "master"
    path.write_bytes(path.read_bytes())


def test_what_a_round_has_no_looks_left_for_gets_no_permit(folder: Folder, one: Dock, tmp_path: Path) -> None:
    prefix, again = one.deliver(CLIP), one.deliver(CLIP + b"more")
    one.publish()
    its = beside(folder, one, tmp_path, most=1 << 30)
    door = opened_all(its, [prefix, again])
    put_again(folder, prefix)
    tally = once(its, heard=door.state.heard, looks=0)
    assert (tally.permits, tally.waiting, tally.audits, tally.troubles) == (1, 1, 0, [])
    assert says(door.asked(prefix), NOT_READ)
    assert door.asked(again).status == 200
    tally = once(its, heard=door.state.heard, looks=1)
    assert (tally.permits, tally.waiting, tally.audits) == (2, 0, 1)
    assert door.asked(prefix).status == 200


def opened_all(its: Custodian, prefixes: list[str]) -> Door:
    door = Door(its)
    assert [door.round(), door.round()] == [0, len(prefixes)]
    assert [door.asked(prefix).status for prefix in prefixes] == [200] * len(prefixes)
    return door


def test_what_waits_to_be_read_again_takes_no_look_from_what_came_behind_it(
    folder: Folder, one: Dock, tmp_path: Path
) -> None:
    prefixes = sorted(one.deliver(CLIP + bytes([number])) for number in range(4))
    one.publish()
    its = beside(folder, one, tmp_path)
    once(its)
    old(folder, "clips", 1)
    for prefix in prefixes[:3]:
        put_again(folder, prefix)
    tally = once(its, looks=2)  # for the first, which is read again, and for the last, which is as it was
    assert (tally.audits, tally.waiting, tally.permits) == (1, 2, 2)
    assert [folder.take(f"{prefix}/permit.json") is not None for prefix in prefixes] == [True, False, False, True]


def at_the_start(its: Custodian, prefixes: list[str]) -> list[Answer]:
    """What is answered while a round begins, before it lists anything."""
    door, given = Door(its), list[Answer]()

    def heard(holds: Holds, told: Reports) -> None:
        door.state.heard(holds, told)
        given.extend(door.asked(prefix) for prefix in prefixes)

    once(its, heard=heard)
    return given


def test_after_a_restart_only_what_was_judged_as_it_is_now_is_given(folder: Folder, one: Dock, tmp_path: Path) -> None:
    prefix, again = one.deliver(CLIP), one.deliver(CLIP + b"more")
    one.publish()
    its = beside(folder, one, tmp_path, permits=PermitPolicy("test/1", modes=()), most=0)
    opened_all(its, [prefix, again])
    put_again(folder, prefix)
    old(folder, f"{prefix}", 3)  # whatever its date: nobody has seen it like that
    for _ in range(2):
        withheld, given = at_the_start(beside(folder, one, tmp_path, most=0), [prefix, again])
        assert (says(withheld, NOT_READ), given.status) == (True, 200)
        (folder.root / prefix / "master").write_bytes(b"of another size")
        old(folder, f"{prefix}", 5)
    (tmp_path / "home-1" / "checked").unlink()
    assert all(says(answer, NOT_READ) for answer in at_the_start(beside(folder, one, tmp_path), [prefix, again]))


def test_of_another_share_what_is_younger_than_its_reading_is_not_given(
    folder: Folder, one: Dock, tmp_path: Path
) -> None:
    mine, other = sorted((Share(1, 2), Share(2, 2)), key=lambda share: not share.mine(CAMERA))
    prefix = one.deliver(CLIP)
    one.publish()
    first = opened(beside(folder, one, tmp_path, mine, most=1 << 30), one, prefix)
    second = Door(beside(folder, one, tmp_path, other))
    for given in (True, False):
        second.round()
        answer = second.asked(prefix)
        assert answer.status == 200 if given else says(answer, NOT_READ)
        put_again(folder, prefix)
    put_again(folder, prefix)
    first.round()
    assert first.asked(prefix).status == second.asked(prefix).status == 200, "the note on the audit says so"
