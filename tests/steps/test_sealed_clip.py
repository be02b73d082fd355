"""A sealed clip on its way: its record, its quarantine, its place in the store, and what a start finds of it."""

import hashlib
from dataclasses import replace
from random import Random

import pytest

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.model import Clip, ClipPhase, Seal, State, Thing
from dockagent.steps.admit import admit
from dockagent.steps.pull import Task, pull
from dockagent.steps.tidy import tidy
from dockagent.steps.upload import send_master, send_preview, thing_of
from tests.contracts.disk_files import tree
from tests.simulation.memory_disk import MemoryDisk
from tests.steps.card import Card, OneBay, entry_of, some_bytes, task_of, world_over
from tests.steps.test_admit import ID, MASTER, SPRITE, clip, statement
from tests.steps.test_upload import PREFIX, RECORD, Watched, delivered, failed, world
from tests.steps.test_upload import task as upload_task

CLOSED, CLOSED_SPRITE = b"sealed " + some_bytes(9000), b"sealed picture"
SEAL = Seal(
    "age-encryption.org/v1", ("age1x",), thing_of("master.age", CLOSED), (thing_of("sprite.jpg.age", CLOSED_SPRITE),)
)
FILES = {f"spool/{ID}/master.age": CLOSED, f"spool/{ID}/preview/sprite.jpg.age": CLOSED_SPRITE}


def sealed_clip(doubt: str = "") -> Clip:
    return clip(doubt, seal=SEAL, manifest_sha256="")


def disk_with(*more: tuple[str, bytes]) -> MemoryDisk:
    disk = MemoryDisk(Random(1))
    for path, data in (*FILES.items(), *more):
        disk.write(path, data)
    return disk


# ---- record and quarantine ------------------------------------------------------------------------------------------


def test_the_record_names_both_sides() -> None:
    disk = disk_with()
    admit(world_over(disk, OneBay(Card(b""))), sealed_clip())
    said = statement(disk.read(f"spool/{ID}/record.json"))
    digests = {one["name"]: one["digest"]["sha256"] for one in said["subject"]}
    objects = {
        "master": MASTER, "preview/sprite.jpg": SPRITE, "master.age": CLOSED, "preview/sprite.jpg.age": CLOSED_SPRITE,
    }  # fmt: skip
    assert digests == {name: hashlib.sha256(data).hexdigest() for name, data in objects.items()}
    sealing = said["predicate"]["sealing"]
    assert (sealing["format"], sealing["recipients"]) == ("age-encryption.org/v1", ["age1x"])
    assert {one["name"]: (one["of"], one["of_bytes"], one["bytes"]) for one in sealing["objects"]} == {
        "master.age": ("master", len(MASTER), len(CLOSED)),
        "preview/sprite.jpg.age": ("preview/sprite.jpg", len(SPRITE), len(CLOSED_SPRITE)),
    }
    assert said["predicate"]["bytes"] == len(MASTER)


def test_the_record_of_a_clip_that_is_not_sealed_does_not_speak_of_it() -> None:
    disk = MemoryDisk(Random(1))
    admit(world_over(disk, OneBay(Card(b""))), clip(manifest_sha256=""))
    assert "sealing" not in statement(disk.read(f"spool/{ID}/record.json"))["predicate"]


def test_a_clip_in_doubt_goes_to_quarantine_sealed() -> None:
    disk = disk_with()
    *_, event = admit(world_over(disk, OneBay(Card(b""))), sealed_clip("intact: other bytes"))
    assert isinstance(event, ev.Quarantined)
    found = tree(disk)
    assert found.pop(f"quarantine/{ID}/record.json")
    assert found == {path.replace("spool", "quarantine"): data for path, data in FILES.items()}


# ---- store ----------------------------------------------------------------------------------------------------------


def uploading(disk: MemoryDisk) -> MemoryDisk:
    disk.write("spool/4f/master.age", CLOSED)
    disk.write("spool/4f/preview/sprite.jpg.age", CLOSED_SPRITE)
    disk.write("spool/4f/record.json", RECORD)
    return disk


TASK = upload_task(master=SEAL.master, preview=SEAL.previews, manifest_sha256="")


def test_sealed_objects_go_under_their_names_previews_first() -> None:
    store, disk = Watched(), uploading(MemoryDisk(Random(1)))
    send_preview(world(store, disk), TASK)
    event = delivered(send_master(world(store, disk), TASK))
    assert store.came == ["preview/sprite.jpg.age", "record.json", "master.age"]
    assert (event.receipt.sha256, event.receipt.bytes) == (SEAL.master.sha256, len(CLOSED))


def test_another_sealed_copy_stays_and_ours_lies_beside_it_under_its_digest() -> None:
    store, disk = Watched(), uploading(MemoryDisk(Random(1)))
    for name in ("master.age", "preview/sprite.jpg.age"):
        store.objects[f"{PREFIX}/{name}"] = b"sealed by another dock"
    (shown,) = send_preview(world(store, disk), TASK)
    assert isinstance(shown, ev.Transferred)
    for _ in range(2):  # it may be repeated
        event = delivered(send_master(world(store, disk), TASK))
        assert event.receipt.key == f"{PREFIX}/master.{SEAL.master.sha256[:8]}.age"
    assert (shown.findings, [one.key for one in shown.receipts]) == (
        (), [f"{PREFIX}/preview/sprite.jpg.{SEAL.previews[0].sha256[:8]}.age"],
    )  # fmt: skip
    assert store.objects[f"{PREFIX}/master.age"] == b"sealed by another dock"
    assert store.objects[event.receipt.key] == CLOSED


def test_when_both_names_are_taken_it_is_an_alarm() -> None:
    store, disk = Watched(), uploading(MemoryDisk(Random(1)))
    for name in ("master.age", f"master.{SEAL.master.sha256[:8]}.age"):
        store.objects[f"{PREFIX}/{name}"] = b"other bytes"
    assert "ALARM" in failed(send_master(world(store, disk), TASK)).reason


@pytest.mark.parametrize("rot", [None, CLOSED[:-1], b"x" + CLOSED[1:]])
def test_a_sealed_copy_that_rotted_or_went_is_found_out_and_pulled_again(rot: bytes | None) -> None:
    store, disk = Watched(), uploading(MemoryDisk(Random(1)))
    disk.remove("spool/4f/master.age") if rot is None else disk.write("spool/4f/master.age", rot)
    event = failed(send_master(world(store, disk), TASK))
    assert event.lost
    assert f"{PREFIX}/master.age" not in store.objects
    if rot is not None:
        assert disk.read("quarantine/4f.damaged/master.age") == rot


# ---- a start --------------------------------------------------------------------------------------------------------


def state_with(one: Clip, phase: ClipPhase) -> State:
    return State(clips={one.id: replace(one, phase=phase)}, known={"BWC-0001": {"i1": {one.id: 0}}})


PLAIN = ((f"spool/{ID}/master", MASTER), (f"spool/{ID}/preview/sprite.jpg", SPRITE), (plan.put_aside(ID), MASTER))


@pytest.mark.parametrize("phase", [ClipPhase.LOCKED, ClipPhase.ADMITTED, ClipPhase.SHOWN, ClipPhase.DELIVERED])
def test_plaintext_that_a_power_cut_brought_back_goes(phase: ClipPhase) -> None:
    disk = disk_with(*PLAIN, (plan.part_file("i1"), MASTER), (plan.leaves_file("i1"), bytes(64)))
    assert tidy(disk, state_with(sealed_clip(), phase)) == []
    assert tree(disk) == FILES


def test_plaintext_stays_until_its_removal_was_ordered() -> None:
    disk = disk_with(*PLAIN)
    tidy(disk, state_with(sealed_clip(), ClipPhase.SEALED))
    assert tree(disk) == {**FILES, **dict(PLAIN)}


def test_a_sealed_copy_that_no_record_names_goes_and_the_plaintext_stays() -> None:
    disk = disk_with(*PLAIN[:2], (f"spool/{ID}/master.age.part", b"half"))
    tidy(disk, state_with(clip(), ClipPhase.PREVIEWED))
    assert tree(disk) == dict(PLAIN[:2])


def test_half_of_a_pull_stays_for_the_next() -> None:
    disk = disk_with((plan.part_file("i2"), MASTER))
    tidy(disk, state_with(sealed_clip(), ClipPhase.LOCKED))
    assert disk.read(plan.part_file("i2")) == MASTER


# ---- room -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("headroom", "room", "taken"), [(0, 5500, True), (5000, 9999, False), (5000, 10_500, True)])
def test_room_for_the_sealed_copy_is_kept(headroom: int, room: int, taken: bool) -> None:
    """Else a spool full of plaintext could never be sealed, and so never be emptied."""
    disk = MemoryDisk(Random(1), room=room)
    job: Task = replace(task_of(5000), headroom=headroom)
    assert job.entry == entry_of(5000)
    (event,) = pull(world_over(disk, OneBay(Card(some_bytes(5000)))), job)
    assert isinstance(event, ev.Acquired if taken else ev.AcquireFailed)
    if isinstance(event, ev.AcquireFailed):
        assert (event.kind, event.retry) == ("spool-full", True)


def test_a_thing_is_named_after_what_is_in_it() -> None:
    assert SEAL.master == Thing("master.age", len(CLOSED), hashlib.sha256(CLOSED).hexdigest())
    assert plan.sealed_name("master") == plan.SEALED_MASTER == "master.age"
    assert plan.other_seal("preview/a.b.age", "0123456789") == "preview/a.b.01234567.age"
