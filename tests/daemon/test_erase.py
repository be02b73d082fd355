"""A real dock in a folder of bays, a store that it can read, and a custodian's receipts and permits in it."""

import hashlib
from pathlib import Path

import pytest

from dockagent.core import strict_json
from dockagent.core.central import store_receipt
from dockagent.core.central.store_receipt import Held, Retention, StoreReceipt
from dockagent.core.permits import permit
from dockagent.core.permits.permit import Named, Permit
from dockagent.core.proof import dsse
from dockagent.custodian.key import SigningKey
from dockagent.durable import RealDisk
from hil.cameras.camera import ReferenceCamera
from hil.cameras.console import Console
from tests.daemon.box import Box, footage, noise

TIME = "2026-11-22T08:15:00.000Z"
FOREVER_MS = 4_000_000_000_000


def _receipt(master: Path, store: Path, key: SigningKey) -> tuple[StoreReceipt, bytes]:
    record, data = (master.parent / "record.json").read_bytes(), master.read_bytes()
    said = strict_json.parse(dsse.parse(record).payload)["predicate"]
    digest = hashlib.sha256(data).hexdigest()
    receipt = StoreReceipt(
        store=store.as_uri(),
        key=master.relative_to(store).as_posix(),
        version="",
        etag="",
        bytes=len(data),
        sha256=digest,
        chunk_root=digest,
        clip_id=master.parent.name,
        camera=said["camera"],
        clip_bytes=len(data),
        clip_sha256=digest,
        record=Held("record.json", len(record), hashlib.sha256(record).hexdigest()),
        objects=(),
        retention=Retention(),
        legal_hold=store_receipt.OFF,
        checkpoint=None,
        quarantine="",
        findings=(),
        custodian=key.public.name,
        time=TIME,
    )
    envelope = key.seal(store_receipt.statement(receipt))
    (master.parent / "receipt.json").write_bytes(envelope)
    return receipt, envelope


def _permit(master: Path, store: Path, key: SigningKey) -> bytes:
    """The permit for a stored clip, under the paths of its record."""
    receipt, envelope = _receipt(master, store, key)
    said = strict_json.parse(dsse.parse((master.parent / "record.json").read_bytes()).payload)["predicate"]
    digest = hashlib.sha256(envelope).hexdigest()
    files = (Named(said["path"], receipt.clip_id, receipt.clip_sha256, receipt.clip_bytes, digest),)
    name = permit.name(receipt.camera, files, "test")
    return key.seal(permit.statement(Permit(name, "any", receipt.camera, "test", 0, 0, FOREVER_MS, files)))


def test_what_permits_name_goes_from_the_card_and_nothing_else(box: Box, tmp_path: Path) -> None:
    """Of three clips one is on hold, one has its permit in the store, and one is handed in by a person."""
    key = SigningKey.open(RealDisk(tmp_path / "custodian"), "desk")
    box.configure(custodian={"keys": [key.public.text()]}, erase={"when": "permit"})
    camera = box.camera("BWC-7001", "A", noise(3, 200_000, "BWC-7001"))
    box.agent.start()
    camera.plug()
    box.until_released(1)
    box.agent.stop()
    before = footage(camera.card)
    clips = {row["path"]: row["clip_id"] for row in box.json("clips") if row["role"] == "footage"}
    held, handed, _ = sorted(clips)
    assert box.agent.ask("hold", "set", clips[held], "--basis", "order", "--authority", "Sgt Kay").code == 0
    for master in sorted(box.place.store.rglob("master")):
        folder = tmp_path if master.parent.name == clips[handed] else master.parent
        (folder / "permit.json").write_bytes(_permit(master, box.place.store, key))
    box.agent.start()
    box.until(lambda: footage(camera.card).keys() & clips.keys() == {held, handed})
    answer = box.agent.ask("erase", "--permit", tmp_path / "permit.json")
    assert (answer.code, "for camera BWC-7001, which is in bay A: " in answer.out) == (0, True), answer
    box.until(lambda: footage(camera.card).keys() & clips.keys() == {held})
    box.until(lambda: len(box.records("erase")) == len(before) - len(footage(camera.card)))
    released = len(box.records("camera.release"))
    box.until(lambda: len(box.records("camera.release")) > released or box.records()[-1].type == "camera.release")
    box.agent.stop()
    stones = [one for record in box.records("erase") for one in record.what["files"]]
    gone = before.keys() - footage(camera.card).keys()
    assert {one["path"]: one["sha256"] for one in stones} == {path: before[path] for path in gone}
    assert box.masters().keys() >= {one["sha256"] for one in stones}
    assert [record.what["ground"] for record in box.records("permit.refused")] in ([], ["hold"])
    assert box.json("show", clips[handed])["permit"]["erased"].keys() == {handed}
    assert box.verify().code == 0


def test_a_dock_that_erases_nothing_takes_no_permit(box: Box, tmp_path: Path) -> None:
    key = SigningKey.open(RealDisk(tmp_path / "custodian"), "desk")
    box.configure(custodian={"keys": [key.public.text()]})
    camera = box.camera("BWC-7002", "A", noise(1, 100_000, "BWC-7002"))
    box.agent.start()
    camera.plug()
    box.until_released(1)
    before = footage(camera.card)
    for master in sorted(box.place.store.rglob("master")):
        (master.parent / "permit.json").write_bytes(_permit(master, box.place.store, key))
        (tmp_path / "permit.json").write_bytes((master.parent / "permit.json").read_bytes())
    answer = box.agent.ask("erase", "--permit", tmp_path / "permit.json")
    assert (answer.code, "erases nothing" in answer.err) == (2, True)
    box.agent.stop()
    box.agent.start()
    box.until(lambda: len(box.records("custodian.receipt")) == len(box.masters()))
    box.until_released(2)
    box.agent.stop()
    assert footage(camera.card) == before
    assert box.records("permit", "permit.handed", "erase.ask", "erase") == []


@pytest.fixture
def protected(box: Box, tmp_path: Path) -> ReferenceCamera:
    """A camera on its line, in its bay, that keeps its clip; its dock holds a permit for all of its files."""
    key = SigningKey.open(RealDisk(tmp_path / "custodian"), "desk")
    box.configure(custodian={"keys": [key.public.text()]}, erase={"when": "permit"})
    camera = box.camera("BWC-7003", "A", noise(1, 100_000, "BWC-7003"), console=True)
    box.agent.start()
    camera.plug()
    box.until_released(1)
    camera.unplug()
    box.agent.stop()
    line = _console(camera)
    line.protected = frozenset(one["path"] for one in box.json("clips") if one["role"] == "footage")
    for master in sorted(box.place.store.rglob("master")):
        (master.parent / "permit.json").write_bytes(_permit(master, box.place.store, key))
    box.agent.start()
    return camera


def _console(camera: ReferenceCamera) -> Console:
    assert camera.console is not None
    return camera.console


def test_a_camera_is_asked_to_let_go_of_a_protected_clip(box: Box, protected: ReferenceCamera) -> None:
    """In the words of its profile, for each file, before its card is written to; and the tombstone says so."""
    line, kept = _console(protected), _console(protected).protected
    protected.plug()
    box.until(lambda: kept <= {one["path"] for record in box.records("erase") for one in record.what["files"]})
    box.agent.stop()
    assert kept
    assert line.protected == frozenset()
    asked = [one for one in line.transcript if one.request.startswith("UNPROTECT ")]
    digests = {one["path"]: one["sha256"] for record in box.records("erase") for one in record.what["files"]}
    for path, sha256 in digests.items():
        assert f"UNPROTECT {path} {sha256}" in [one.request for one in asked]
    assert {one.answer for one in asked} == {"OK state=open"}
    methods = {record.what["method"] for record in box.records("erase")}
    assert methods == {"unprotected by the camera (UNPROTECT: state=open); unlinked"}
    assert not kept & footage(protected.card).keys()


def test_what_a_camera_keeps_is_not_erased(box: Box, protected: ReferenceCamera) -> None:
    line, before = _console(protected), footage(protected.card)
    line.faults.keeps = True
    protected.plug()
    box.until(lambda: bool(box.records("erase.failed")))
    box.until(lambda: box.records("camera.release")[-1].index > box.records("erase.failed")[-1].index)
    box.agent.stop()
    (failed,) = [one.what for one in box.records("erase.failed")]
    assert (failed["ground"], failed["retry"], failed["unsure"]) == ("medium", False, False)
    (path,) = line.protected
    assert f"the camera keeps {path}: it answered state=protected to UNPROTECT" in failed["reason"]
    assert footage(protected.card)[path] == before[path]
