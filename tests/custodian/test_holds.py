"""Holds that docks set after delivery, carried to a real bucket under Object Lock by a custodian with an account of its
own."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.core.central import hold_note
from dockagent.core.central.hold_note import HoldNote
from dockagent.core.proof import dsse
from dockagent.custodian.rounds import once
from dockagent.custodian.server import Desk
from dockagent.custodian.service_state import ServiceState
from dockagent.custodian.world import Custodian, PermitPolicy, Settings
from dockagent.stores.archive_s3 import S3Archive
from hil.central import rgw
from tests.contracts.store_places import Bucket
from tests.custodian import account
from tests.custodian.account import CUSTODIAN
from tests.custodian.made import Dock, Folder, InBucket, custodian, dock
from tests.custodian.test_rounds import reports_of

NAMES = ("master", "record.json", "preview/sprite.jpg")
Make = Callable[..., Custodian]
_numbers = iter(range(10_000))


@pytest.fixture
def place(gateway: rgw.Gateway) -> InBucket:
    made = InBucket(Bucket(gateway.endpoint, f"holds-{next(_numbers)}", locked=True))
    account.let_in(made.bucket, "evidence/dock-7")
    return made


@pytest.fixture
def one(place: InBucket, tmp_path: Path) -> Dock:
    return dock(place, tmp_path)


@pytest.fixture
def its(place: InBucket, one: Dock, tmp_path: Path) -> Custodian:
    return made(place, one, tmp_path)


def made(place: InBucket, one: Dock, folder: Path, **more: object) -> Custodian:
    """A custodian with its own credential."""
    settings = Settings(ledger_wait_ms=0, settle_ms=0, permits=PermitPolicy("test/1"), **more)  # type: ignore[arg-type]
    beside = custodian(place, folder, [one], settings=settings)
    archive = S3Archive(place.bucket.settings(account=CUSTODIAN), SystemClock())
    return Custodian(archive, beside.key, beside.clock, beside.trust, settings)


def held(place: InBucket, prefix: str) -> dict[str, str]:
    """The legal hold on each object of a clip, as an administrator sees it."""
    found: dict[str, str] = {}
    for name in NAMES:
        head = place.bucket.client.head_object(Bucket=place.bucket.name, Key=f"evidence/dock-7/{prefix}/{name}")
        found[name] = head.get("ObjectLockLegalHoldStatus", "OFF")
    return found


def all_of(word: str) -> dict[str, str]:
    return dict.fromkeys(NAMES, word)


def notes(place: InBucket) -> list[dict[str, object]]:
    found = [place.take(key) for key in place.listed() if key.startswith("custodian/holds/")]
    return [json.loads(dsse.parse(data).payload)["predicate"] for data in found if data is not None]


def clip_of(prefix: str) -> str:
    return prefix.rpartition("/")[2]


def told_to(its: Custodian, clip: str, hold: int, dock: str = "dock-7") -> HoldNote | None:
    """What a dock is answered that asks about one of its holds."""
    desk = Desk(its.key.public, its.archive, None, ServiceState(its.clock, 600))
    answer = desk.get(f"/holds/{clip}?folder=&name={hold_note.which(dock, hold)}")
    assert answer.status in (200, 404), answer
    return hold_note.read(answer.body, [its.key.public]) if answer.status == 200 else None


def test_a_hold_after_delivery_reaches_the_store_and_ends_with_the_last(
    place: InBucket, one: Dock, its: Custodian
) -> None:
    prefix, other = one.deliver(b"a clip"), one.deliver(b"another")
    one.publish()
    once(its)
    first = one.tell("hold.set", clip_id=clip_of(prefix))
    assert told_to(its, clip_of(prefix), first) is None
    second = one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    tally = once(its)
    assert (tally.told, tally.troubles) == ([], [])
    assert (held(place, prefix), held(place, other)) == (all_of("ON"), all_of("OFF"))
    for hold in (first, second):
        said = told_to(its, clip_of(prefix), hold)
        assert said is not None
        assert (said.keeps, said.hold, said.store) == (True, hold, place.url)
        assert {one.name for one in said.objects} == set(NAMES)
    assert told_to(its, clip_of(other), first) is None
    assert told_to(its, clip_of(prefix), first, "dock-70") is None
    one.tell("hold.clear", clip_id=clip_of(prefix), hold=first)
    one.publish()
    assert once(its).told == []
    assert held(place, prefix) == all_of("ON")
    one.tell("hold.clear", clip_id=clip_of(prefix), hold=second)
    one.publish()
    assert once(its).told == []
    assert held(place, prefix) == all_of("OFF")
    assert sorted((one["hold"], one["cleared"]) for one in notes(place)) == [
        *((first, False), (first, True), (second, False), (second, True))
    ]
    before = place.listed()
    once(its)
    assert place.listed() == before


def test_what_is_on_hold_gets_no_permit(place: InBucket, one: Dock, tmp_path: Path) -> None:
    prefix = one.deliver(b"a clip")
    one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    account.let_in(place.bucket, "evidence/dock-7", holds=False)
    its = made(place, one, tmp_path)
    its = Custodian(
        its.archive,
        its.key,
        its.clock,
        its.trust,
        Settings(ledger_wait_ms=0, permits=PermitPolicy("test/1", modes=())),
    )
    once(its)
    tally = once(its)
    assert (tally.permits, place.take(f"{prefix}/permit.json")) == (0, None)
    assert held(place, prefix) == all_of("OFF")


def test_where_nobody_may_it_is_said_in_every_round_until_somebody_may(
    place: InBucket, one: Dock, its: Custodian
) -> None:
    prefix = one.deliver(b"a clip")
    first, second = (one.tell("hold.set", clip_id=clip_of(prefix)) for _ in range(2))
    one.publish()
    account.let_in(place.bucket, "evidence/dock-7", holds=False)
    for new in ({"not-held": 1}, {}):
        tally = once(its)
        assert (dict(tally.new), len(tally.told), tally.exit_code) == (new, 1, 3)
    (said,) = reports_of(place, "not-held")
    assert "let nobody set the legal hold" in str(said["words"])
    assert held(place, prefix) == all_of("OFF")
    for hold in (first, second):
        answer = told_to(its, clip_of(prefix), hold)
        assert answer is not None
        assert (answer.keeps, answer.objects) == (False, ())
        assert "allow it s3:PutObjectLegalHold" in answer.refused
    assert len(notes(place)) == 2, "what was said once is not said again"
    account.let_in(place.bucket, "evidence/dock-7")
    assert once(its).told == []
    assert held(place, prefix) == all_of("ON")
    for hold in (first, second):
        answer = told_to(its, clip_of(prefix), hold)
        assert answer is not None
        assert (answer.keeps, answer.refused) == (True, "")


def test_another_reason_is_told_and_the_newest_counts(place: InBucket, one: Dock, its: Custodian) -> None:
    prefix = one.deliver(b"a clip")
    hold = one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    account.let_in(place.bucket, "evidence/dock-7", holds=False)
    once(its)
    stale = place.take(f"custodian/holds/{clip_of(prefix)}/{hold_note.which('dock-7', hold)}.refused.1.json")
    assert stale is not None
    payload = dsse.parse(stale).payload.replace(b"let nobody set", b"let everybody set")
    place.put(
        f"custodian/holds/{clip_of(prefix)}/{hold_note.which('dock-7', hold)}.refused.2.json", its.key.seal(payload)
    )
    once(its)
    answer = told_to(its, clip_of(prefix), hold)
    assert answer is not None
    assert "let nobody set" in answer.refused
    once(its)
    assert len(notes(place)) == 3


def test_a_hold_by_somebody_else_is_not_lifted(place: InBucket, one: Dock, its: Custodian) -> None:
    prefix = one.deliver(b"a clip")
    place.bucket.client.put_object_legal_hold(
        Bucket=place.bucket.name, Key=f"evidence/dock-7/{prefix}/master", LegalHold={"Status": "ON"}
    )
    hold = one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    once(its)
    one.tell("hold.clear", clip_id=clip_of(prefix), hold=hold)
    one.publish()
    assert dict(once(its).new) == {"still-held": 1}
    assert held(place, prefix) == {**all_of("OFF"), "master": "ON"}


def test_a_person_lifts_it_where_the_force_wants_that(place: InBucket, one: Dock, tmp_path: Path) -> None:
    its = made(place, one, tmp_path, lift_holds=False)
    prefix = one.deliver(b"a clip")
    hold = one.tell("hold.set", clip_id=clip_of(prefix))
    one.tell("hold.clear", clip_id=clip_of(prefix), hold=hold)
    one.publish()
    assert dict(once(its).new) == {"still-held": 1}
    assert held(place, prefix) == all_of("ON")


def test_a_note_by_a_stranger_lifts_nothing(place: InBucket, one: Dock, its: Custodian, tmp_path: Path) -> None:
    """Whoever can write below ``custodian/`` cannot have a hold lifted by saying that it was the custodian's."""
    prefix = one.deliver(b"a clip")
    place.bucket.client.put_object_legal_hold(
        Bucket=place.bucket.name, Key=f"evidence/dock-7/{prefix}/master", LegalHold={"Status": "ON"}
    )
    hold = one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    thief = made(place, one, tmp_path / "thief")
    once(thief)
    (forged,) = [key for key in place.listed() if key.startswith("custodian/holds/")]
    data = place.take(forged)
    assert data is not None
    payload = dsse.parse(data).payload.replace(b'"before":"on"', b'"before":"off"')
    place.put(forged, thief.key.seal(payload))
    one.tell("hold.clear", clip_id=clip_of(prefix), hold=hold)
    one.publish()
    assert dict(once(its).new) == {"still-held": 1, "false-receipt": 1}
    assert held(place, prefix)["master"] == "ON"


def test_a_note_that_nobody_signed_keeps_no_hold_from_being_set(
    place: InBucket, one: Dock, its: Custodian, tmp_path: Path
) -> None:
    """Whoever can write below ``custodian/`` cannot have it believed that a hold was carried out."""
    prefix = one.deliver(b"a clip")
    hold = one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    taken = f"custodian/holds/{clip_of(prefix)}/{hold_note.which('dock-7', hold)}.set.json"
    place.put(taken, b"{}")
    tally = once(its)
    assert (dict(tally.new), tally.troubles, tally.exit_code) == ({"stray": 1}, [], 3)
    assert held(place, prefix) == all_of("ON")
    assert place.take(taken) == b"{}"


def test_a_note_that_nobody_signed_ends_no_hold(place: InBucket, one: Dock, its: Custodian) -> None:
    prefix = one.deliver(b"a clip")
    its = replace(its, settings=Settings(ledger_wait_ms=0, permits=PermitPolicy("test/1", modes=())))
    hold = one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    account.let_in(place.bucket, "evidence/dock-7", holds=False)  # so that only the note speaks of the hold
    place.put(f"custodian/holds/{clip_of(prefix)}/{hold_note.which('dock-7', hold)}.cleared.json", b"{}")
    assert [once(its).permits for _ in range(2)] == [0, 0]
    one.tell("hold.clear", clip_id=clip_of(prefix), hold=hold)
    one.publish()
    assert once(its).permits == 1


def test_a_record_that_no_dock_signed_sets_nothing(place: InBucket, one: Dock, its: Custodian, tmp_path: Path) -> None:
    prefix = one.deliver(b"a clip")
    thief = dock(place, tmp_path, "thief", 3)
    thief.tell("hold.set", clip_id=clip_of(prefix))
    one.entries.append(thief.entries[0].replace(b"thief", b"dock7"))
    one.publish()
    assert "ledger" in once(its).new
    assert held(place, prefix) == all_of("OFF")


def test_a_folder_knows_no_legal_hold(folder: Folder, tmp_path: Path) -> None:
    one = dock(folder, tmp_path)
    prefix = one.deliver(b"a clip")
    one.tell("hold.set", clip_id=clip_of(prefix))
    one.publish()
    tally = once(custodian(folder, tmp_path, [one]))
    assert dict(tally.new) == {"not-held": 1}
    assert "is a folder" in str(reports_of(folder, "not-held"))
