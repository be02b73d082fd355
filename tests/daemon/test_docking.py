"""Cameras at a running dock: several at once, the same one again, and those that are easily confused."""

import json
from pathlib import Path

import pytest

from hil.cameras import card
from hil.cameras.camera import ReferenceCamera
from hil.cameras.card import Shift
from hil.cameras.footage import Look
from hil.cameras.plate import Plate
from tests.daemon.box import STARTED, Box, footage, noise, tree


def test_four_cameras_at_once(box: Box) -> None:
    """One signed and good, with previews; one altered after signing; one unsigned; one of another make."""
    box.configure(preview={"enabled": True})
    films = Shift(1, start=STARTED, look=Look(seconds=1, width=160, height=120, rate=10))
    good = box.camera("BWC-1", "bay1", films)
    altered = box.camera("BWC-2", "bay2", noise(3, 9000, "BWC-2"))
    card.alter(altered.home, card.clips(altered.home)[1].name, 4000)
    unsigned = box.camera("BWC-3", "bay3", noise(2, 9000, "BWC-3"), signed=False)
    gopro = box.take(ReferenceCamera(box.place.cards / "C44", box.place.bays, "bay4"))
    card.film_gopro(gopro.home, Plate("C44", "GoPro", "HERO10 Black", "H21"), noise(1, 9000, "C44"))
    before = {camera.bay: tree(camera.home) for camera in box.cameras}
    bad = card.clips(altered.home)[1].name

    box.agent.start()
    for camera in box.cameras:
        camera.plug()
    box.until_released(4)

    status = box.agent.ask("status", "--json")
    assert status.code == 3  # all is stored, but what is in quarantine needs a person
    rows = json.loads(status.out)
    assert [row["safe_to_take"] for row in rows["bays"]] == [True] * 4
    assert [row["path"] for row in rows["quarantined"]] == [bad]
    assert "the camera signed the digest" in rows["quarantined"][0]["reason"]

    clips = box.json("clips")
    verdicts = {(row["camera"], row["path"]): row["verdicts"] for row in clips}
    film = card.clips(good.card)[0].name
    assert set(verdicts["BWC-1", film].values()) == {"pass"}
    assert verdicts["BWC-2", bad]["intact"] == "fail"
    assert verdicts["BWC-2", bad]["signature"] == "pass"
    assert {one["signature"] for (serial, _), one in verdicts.items() if serial in ("BWC-3", "C44")} == {"unsigned"}
    assert {row["state"] for row in clips if row["path"] != bad or row["camera"] != "BWC-2"} == {"delivered"}
    shown = box.json("show", next(row["clip_id"] for row in clips if row["path"] == film and row["camera"] == "BWC-1"))
    assert {"proxy.mp4", "sprite.jpg", "storyboard.vtt"} <= set(shown["preview"])

    for camera in box.cameras:
        camera.unplug()
    assert {camera.bay: tree(camera.home) for camera in box.cameras} == before
    assert box.agent.stop() == 0
    sources = {digest for camera in (good, altered, unsigned, gopro) for digest in footage(camera.home).values()}
    assert set(box.masters()) == sources
    assert len(list((box.place.store / "quarantine").rglob("master"))) == 1
    assert box.verify(box.place.home).code == 0
    assert box.verify(box.place.store / "clips").code == 0
    assert box.verify().code == 3


@pytest.mark.parametrize("restart", [False, True], ids=["same-run", "after-restart"])
def test_the_same_camera_again(box: Box, restart: bool) -> None:
    """Nothing is copied, and the store is not touched."""
    camera = box.camera("BWC-1", "bay1", noise(4, 20_000, "BWC-1"))
    box.agent.start()
    camera.plug()
    box.until_released(1)
    camera.unplug()
    box.until(lambda: len(box.records("camera.detach")) == 1)
    stored = tree(box.place.store)
    if restart:
        box.agent.stop()
        box.agent.start()
    camera.plug()
    box.until_released(2)
    listed = box.records("camera.inventory")[-1].what
    assert len(listed["held"]) == len(listed["entries"]) == 12
    assert len(box.records("acquire")) == len(box.records("receipt")) == 12
    assert tree(box.place.store) == stored


def test_a_clip_is_added_between_two_dockings(box: Box) -> None:
    camera = box.camera("BWC-1", "bay1", noise(2, 20_000, "BWC-1", sidecars=False))
    box.agent.start()
    camera.plug()
    box.until_released(1)
    camera.unplug()
    box.until(lambda: len(box.records("camera.detach")) == 1)
    one_more = noise(1, 20_000, "BWC-1", first=3, sidecars=False)
    card.film_reference(camera.home, Plate("BWC-1"), one_more)
    box.sign(camera.home, Plate("BWC-1"), one_more, sequence=2)
    camera.plug()
    box.until_released(2)
    assert [record.what["path"] for record in box.records("acquire")] == [one.name for one in card.clips(camera.card)]
    assert {row["state"] for row in box.json("clips")} == {"delivered"}


def test_two_cameras_with_the_same_names_and_other_bytes(box: Box) -> None:
    first = box.camera("BWC-1", "bay1", noise(2, 20_000, "BWC-1", sidecars=False))
    second = box.camera("BWC-2", "bay2", noise(2, 20_000, "BWC-2", sidecars=False))
    assert set(footage(first.home)) == set(footage(second.home))
    box.agent.start()
    first.plug()
    second.plug()
    box.until_released(2)
    clips = {(row["camera"], row["path"]): row["sha256"] for row in box.json("clips")}
    assert clips == {
        (serial, path): digest
        for serial, camera in (("BWC-1", first), ("BWC-2", second))
        for path, digest in footage(camera.card).items()
    }
    assert all(len(keys) == 1 for keys in box.masters().values())


@pytest.mark.parametrize("at_once", [True, False], ids=["at-once", "one-after-the-other"])
def test_two_cameras_with_one_serial(box: Box, at_once: bool) -> None:
    """A copied or repaired camera: same serial, same names and sizes, other bytes. Nothing is lost or mixed up."""
    first = box.camera("BWC-1", "bay1", noise(2, 300_000, "one", sidecars=False), name="one")
    second = box.camera("BWC-1", "bay2", noise(2, 300_000, "two", sidecars=False), name="two")
    box.agent.start()
    first.plug()
    if not at_once:
        box.until_released(1)
        first.unplug()
    second.plug()
    box.until_released(2)
    wanted = {digest for camera in (first, second) for digest in footage(camera.card).values()}
    assert len(wanted) == 4
    assert set(box.masters()) == wanted
    assert all(len(keys) == 1 for keys in box.masters().values())
    assert {row["state"] for row in box.json("clips")} == {"delivered"}


def test_the_same_bytes_under_two_names_are_one_clip(box: Box) -> None:
    camera = box.camera("BWC-1", "bay1", noise(1, 20_000, "BWC-1", sidecars=False), signed=False)
    original = camera.home / card.clips(camera.home)[0].name
    copied = original.with_name("BWC0002_20260901T082200Z.MP4")
    copied.write_bytes(original.read_bytes())
    box.agent.start()
    camera.plug()
    box.until_released(1)
    (row,) = box.json("clips")
    assert {row["path"], *row["other_paths"]} == set(footage(camera.card))
    assert [len(keys) for keys in box.masters().values()] == [1]


def test_a_bay_that_nobody_can_read_stops_no_other(box: Box, tmp_path: Path) -> None:
    """A folder that no profile fits is said to be not recognised; the camera beside it is drained."""
    strange = box.take(ReferenceCamera(box.place.cards / "strange", box.place.bays, "bay1"))
    strange.home.mkdir()
    (strange.home / "notes.txt").write_text("no camera wrote this")
    camera = box.camera("BWC-1", "bay2", noise(1, 9000, "BWC-1"))
    box.agent.start()
    strange.plug()
    camera.plug()
    box.until_released(1)
    (failed,) = box.records("session.failed")
    assert failed.bay == "bay1"
    assert "not recognised" in failed.what["reason"]
    (row,) = [row for row in box.json("status")["bays"] if row["bay"] == "bay1"]
    assert not row["safe_to_take"]
    assert "not recognised" in row["reason"]
