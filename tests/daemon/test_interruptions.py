"""Cameras that are pulled out, daemons that are killed or stopped, cards that change between two dockings."""

import random
import signal
import time

import pytest

from hil.cameras import card
from hil.cameras.camera import ReferenceCamera
from hil.cameras.plate import Plate
from hil.scenarios.pace import Pace, lacks
from tests.daemon.box import MIB, Box, footage, noise, sha256, tree

LONG = 96 * MIB
FIRST = 4 * MIB


def _interrupted(box: Box, *, cut: bool = False, signed: bool = True) -> ReferenceCamera:
    """A camera that was pulled out in the middle of its one long clip."""
    camera = box.camera("BWC-1", "bay1", noise(1, LONG, "BWC-1", sidecars=False), signed=signed)
    _pull_out(box, camera, cut=cut)
    box.until(lambda: len(box.records("camera.detach")) == 1)
    assert not box.records("acquire")
    return camera


def _pull_out(box: Box, camera: ReferenceCamera, *, cut: bool = False) -> None:
    """Start the dock, dock a camera, and pull it out when so much of it was read. The dock is stopped at each read
    until the hand has looked, so it is never faster than the hand."""
    if why := lacks():
        pytest.skip(why)
    pace = Pace(box.agent)
    box.agent.start()
    pace.watch(camera.home.name, camera.home, camera.place)
    camera.plug()
    camera.unplug_when(lambda: pace.given(camera.home.name) >= FIRST and box.place.in_parts() > FIRST, cut=cut)
    camera.wait_unplugged(60)
    pace.forget_all()


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "moved-away"])
def test_pulled_out_in_the_middle_and_put_into_another_bay(box: Box, cut: bool) -> None:
    camera = _interrupted(box, cut=cut)
    before = tree(camera.home)
    (detached,) = box.records("camera.detach")
    assert not detached.what["clean"]
    camera.bay = "bay2"
    camera.plug()
    box.until_released(1)
    camera.unplug()
    (acquired,) = box.records("acquire")
    assert FIRST <= acquired.what["resumed_at"] < LONG
    assert acquired.bay == "bay2"
    (digest,) = footage(camera.home).values()
    assert acquired.what["sha256"] == digest
    assert {key: len(keys) for key, keys in box.masters().items()} == {digest: 1}
    assert tree(camera.home) == before
    assert box.left_in_spool() == []


def test_pulled_out_for_good(box: Box) -> None:
    """What was read whole is delivered without the camera; what was not is said to be only on it."""
    shift = noise(2, MIB, "BWC-1", sidecars=False)
    camera = box.camera("BWC-1", "bay1", shift, signed=False)
    short, long = (one.name for one in card.clips(camera.home))
    with (camera.home / long).open("ab") as file:
        file.write(bytes(LONG))
    _pull_out(box, camera)
    box.until(lambda: len(box.records("camera.detach")) == 1 and len(box.records("receipt")) == 1)
    (detached,) = box.records("camera.detach")
    assert detached.what["left"] == 1
    assert set(box.masters()) == {footage(camera.home)[short]}
    assert not box.records("camera.release")


@pytest.mark.parametrize("where", ["first", "last-kept", "beyond"])
def test_card_altered_between_two_dockings(box: Box, where: str) -> None:
    """Same name, size and times, other bytes: what the dock takes is what the card holds now."""
    camera = _interrupted(box, signed=False)
    clip = card.clips(camera.home)[0].name
    kept = box.place.in_parts() // MIB * MIB
    card.alter(camera.home, clip, {"first": 10, "last-kept": kept - 10, "beyond": LONG - 10}[where])
    camera.plug()
    box.until_released(1)
    (acquired,) = box.records("acquire")
    assert acquired.what["sha256"] == sha256(camera.card / clip)
    assert (acquired.what["resumed_at"] > 0) == (where == "beyond")
    assert set(box.masters()) == {sha256(camera.card / clip)}


def test_another_film_under_the_same_name_and_size(box: Box) -> None:
    """The camera was formatted and filmed anew: not one byte of the earlier film is in what the dock takes."""
    camera = _interrupted(box)
    again = noise(1, LONG, "another film", sidecars=False)
    card.film_reference(camera.home, Plate("BWC-1"), again)
    box.sign(camera.home, Plate("BWC-1"), again, sequence=2)
    camera.plug()
    box.until_released(1)
    (acquired,) = box.records("acquire")
    assert acquired.what["resumed_at"] == 0
    (row,) = box.json("clips")
    assert row["state"] == "delivered"
    assert row["verdicts"]["intact"] == "pass"


def test_a_resumed_file_that_contradicts_its_manifest_is_read_anew(box: Box) -> None:
    """The card changed where a resume does not look again, and was signed as it is now. What the dock pieced together
    from both was on the card at no time: it is neither the camera's fault nor evidence."""
    camera = _interrupted(box, signed=False)
    clip = card.clips(camera.home)[0].name
    card.alter(camera.home, clip, MIB + 5)
    card.alter(camera.home, clip, LONG - 10)
    box.sign(camera.home, Plate("BWC-1"), noise(1, LONG, "BWC-1", sidecars=False))
    camera.plug()
    box.until_released(1)
    (row,) = box.json("clips")
    assert row["sha256"] == sha256(camera.card / clip)
    assert row["state"] == "delivered"


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_five_times_during_a_drain(box: Box, seed: int) -> None:
    """`kill -9` at random moments: nothing is lost, nothing is there twice, the ledger holds, the card is untouched."""
    dice = random.Random(seed)
    camera = box.camera("BWC-1", "bay1", noise(6, 2 * MIB, "BWC-1"))
    before, wanted = tree(camera.home), footage(camera.home)
    camera.plug()
    for kills in range(5):
        box.agent.start()
        _until_records(box, len(box.records()) + dice.randint(1, 30), starts=kills + 1)
        time.sleep(dice.random() * 0.05)
        assert box.agent.stop(signal.SIGKILL) == -signal.SIGKILL
    box.agent.start()
    box.until(lambda: _released(box, starts=6) and box.left_in_spool() == [])
    assert box.agent.stop() == 0
    camera.unplug()

    starts = [record.what["after"] for record in box.records("dock.start")]
    assert starts == ["first start"] + ["crash or power cut"] * 5
    assert {key: len(keys) for key, keys in box.masters().items()} == dict.fromkeys(wanted.values(), 1)
    clips = box.json("clips")
    assert {row["path"]: row["sha256"] for row in clips} == wanted
    assert {row["state"] for row in clips} == {"delivered"}
    assert [path.name for path in box.place.store.iterdir() if path.name.startswith(".part-")] == []
    assert box.verify().code == 0
    assert tree(camera.home) == before


def _until_records(box: Box, goal: int, starts: int) -> None:
    """Wait until the ledger has so many records, or nothing more will come since all is done."""
    box.until(lambda: len(box.records()) >= goal or _released(box, starts))


def _released(box: Box, starts: int) -> bool:
    """Whether the daemon's run of that number has released the camera."""
    kinds = [record.type for record in box.records("dock.start", "camera.release")]
    return kinds.count("dock.start") == starts and kinds[-1] == "camera.release"


def test_killed_in_the_middle_of_a_long_file(box: Box) -> None:
    camera = box.camera("BWC-1", "bay1", noise(1, LONG, "BWC-1", sidecars=False))
    box.agent.start()
    camera.plug()
    box.until(lambda: box.place.in_parts() > FIRST)
    box.agent.stop(signal.SIGKILL)
    assert not box.records("acquire"), "the dock was faster than the kill; LONG is too short for this machine"
    box.agent.start()
    box.until_released(1)
    (acquired,) = box.records("acquire")
    assert acquired.what["resumed_at"] >= FIRST - MIB
    assert {key: len(keys) for key, keys in box.masters().items()} == dict.fromkeys(footage(camera.card).values(), 1)


def test_stopped_in_the_middle(box: Box) -> None:
    """SIGTERM: a clean end that is recorded; the next start goes on, and reads no file twice."""
    camera = box.camera("BWC-1", "bay1", noise(12, 4 * MIB, "BWC-1", sidecars=False))
    wanted = footage(camera.home)
    box.agent.start()
    camera.plug()
    box.until(lambda: len(box.records("acquire")) >= 2)
    assert box.agent.stop() == 0
    stopped = box.records()
    assert stopped[-1].type == "dock.stop"
    assert len(box.records("acquire")) < 12
    assert box.verify(box.place.home).code == 0

    box.agent.start()
    box.until_released(1)
    assert [record.what["after"] for record in box.records("dock.start")] == ["first start", "clean stop"]
    assert sorted(record.what["path"] for record in box.records("acquire")) == sorted(wanted)
    assert set(box.masters()) == set(wanted.values())


def test_stopped_in_the_middle_of_a_long_file(box: Box) -> None:
    """What was read of it is kept over the stop, or the file was read to its end: in no case is it read twice."""
    camera = box.camera("BWC-1", "bay1", noise(1, LONG, "BWC-1", sidecars=False))
    box.agent.start()
    camera.plug()
    box.until(lambda: box.place.in_parts() > FIRST)
    assert box.agent.stop() == 0
    before = box.records("acquire")
    box.agent.start()
    box.until_released(1)
    (acquired,) = box.records("acquire")
    assert before or acquired.what["resumed_at"] >= FIRST
    assert set(box.masters()) == set(footage(camera.card).values())
