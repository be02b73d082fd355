"""A permit that is signed already, and a hold that comes later: what the custodian's door answers."""

from pathlib import Path

from dockagent.core.permits import permit
from dockagent.custodian.rounds import once
from dockagent.custodian.server import Desk
from dockagent.custodian.service_state import ServiceState
from dockagent.custodian.share import Share
from dockagent.custodian.world import Custodian, PermitPolicy, Settings
from dockagent.ledger.witness import Answer
from tests.custodian import account
from tests.custodian.made import CAMERA, Dock, Folder, InBucket, custodian, dock
from tests.custodian.test_holds import clip_of, its, made, one, place

__all__ = ["its", "one", "place"]  # fixtures: pytest finds them by their names here


class Door:
    """A custodian's rounds, and what it answers between them."""

    def __init__(self, its: Custodian, late_s: float = 600) -> None:
        self.its, self.state = its, ServiceState(its.clock, late_s)
        self.desk = Desk(its.key.public, its.archive, None, self.state)

    def round(self) -> int:
        """How many permits it signed."""
        return once(self.its, heard=self.state.heard).permits

    def asked(self, prefix: str) -> Answer:
        return self.desk.get(f"/permits/{clip_of(prefix)}?folder={prefix}")


def opened(its: Custodian, one: Dock, prefix: str) -> Door:
    """The door of a custodian that signed the permit for a clip, and hands it out."""
    door = Door(its)
    assert [door.round(), door.round()] == [0, 1]
    answer = door.asked(prefix)
    assert answer.status == 200
    assert permit.read(answer.body, [its.key.public.public]).clip.clip_id == clip_of(prefix)
    return door


def says(answer: Answer, words: str) -> bool:
    return answer.status == 404 and answer.body.decode().startswith(permit.WITHHELD) and words in answer.body.decode()


def test_a_hold_by_another_dock_stops_a_permit_that_was_signed(place: InBucket, one: Dock, its: Custodian) -> None:
    prefix = one.deliver(b"a clip")
    one.publish()
    door = opened(its, one, prefix)
    hold = one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    door.round()
    assert says(door.asked(prefix), "on hold: a dock says so")
    one.tell("hold.clear", clip_id=clip_of(prefix), hold=hold)
    one.publish()
    door.round()
    assert door.asked(prefix).status == 200


def test_a_hold_that_the_store_cannot_be_told_of_stops_it_too(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    prefix = one.deliver(b"a clip")
    one.publish()
    door = opened(custodian(folder, tmp_path, [one]), one, prefix)
    one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    door.round()
    assert says(door.asked(prefix), "on hold: a dock says so")


def test_the_stores_own_hold_counts_at_once_on_whatever_version(place: InBucket, one: Dock, its: Custodian) -> None:
    prefix = one.deliver(b"a clip")
    one.publish()
    door = opened(its, one, prefix)
    (version,) = its.archive.versions(f"{prefix}/master")
    place.put(f"{prefix}/master", b"on top")
    assert says(door.asked(prefix), "was not read again yet")
    place.bucket.client.put_object_legal_hold(
        Bucket=place.bucket.name,
        Key=f"evidence/dock-7/{prefix}/master",
        VersionId=version,
        LegalHold={"Status": "ON"},
    )
    assert says(door.asked(prefix), "on hold: the store has a legal hold on it")


def test_where_nobody_can_tell_or_see_the_clip_there_is_none(place: InBucket, one: Dock, its: Custodian) -> None:
    prefix = one.deliver(b"a clip")
    one.publish()
    door = opened(its, one, prefix)
    place.bucket.client.delete_object(Bucket=place.bucket.name, Key=f"evidence/dock-7/{prefix}/master")
    assert says(door.asked(prefix), "nobody can tell")


def test_a_custodian_that_has_heard_of_no_holds_lately_hands_nothing_out(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    prefix = one.deliver(b"a clip")
    one.publish()
    its = custodian(folder, tmp_path, [one])
    opened(its, one, prefix)
    began, late = Door(its), Door(its, late_s=0)
    late.round()
    assert [began.asked(prefix).status, late.asked(prefix).status] == [503, 503]


def test_a_hold_that_another_custodian_could_not_carry_out_counts(
    place: InBucket, one: Dock, its: Custodian, tmp_path: Path
) -> None:
    """Of a dock of another share this custodian reads nothing but the notes of the one who has it."""
    prefix, other = one.deliver(b"a clip"), dock(place, tmp_path, "dock-8", 8)
    one.publish()
    door = opened(its, one, prefix)
    other.tell("hold.set", clip_id=clip_of(prefix))
    other.publish()
    account.let_in(place.bucket, "evidence/dock-7", holds=False)
    once(made(place, other, tmp_path / "other"))
    door.round()
    assert says(door.asked(prefix), "on hold: a dock says so")


def test_a_dock_of_another_share_counts_before_anybody_carried_its_hold_out(folder: Folder, tmp_path: Path) -> None:
    mine = next(one for one in (Share(1, 2), Share(2, 2)) if one.mine(CAMERA))
    name = next(name for name in (f"dock-{number}" for number in range(99)) if not mine.mine(name))
    one = dock(folder, tmp_path, name)
    prefix = one.deliver(b"a clip")
    one.publish()
    door = opened(custodian(folder, tmp_path, [one], share=mine), one, prefix)
    one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    door.round()
    assert says(door.asked(prefix), "on hold: a dock says so")
    assert [key for key in folder.listed() if key.startswith("custodian/holds/")] == [], "that is the other's work"


def test_there_is_none_yet_says_just_that(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    prefix = one.deliver(b"a clip")
    one.publish()
    door = Door(custodian(folder, tmp_path, [one], settings=Settings(ledger_wait_ms=0, permits=PermitPolicy())))
    door.round()
    assert (door.asked(prefix).status, door.asked(prefix).body) == (404, b"there is none yet\n")


def test_a_hold_before_the_receipt(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    prefix = one.deliver(b"a clip")
    one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    door = Door(custodian(folder, tmp_path, [one]))
    assert [door.round(), door.round()] == [0, 0]
    assert says(door.asked(prefix), "on hold: a dock says so")
