"""The latch of a bay at a running dock: it opens when all of the camera is delivered, and only then."""

import os
from collections.abc import Iterator

import pytest

from hil.cameras.furniture.cradle_mc18 import Cradle
from tests.daemon.box import Box, noise

# Terminals' numbers are used again: a dock whose camera hung up may look for it where another test's line is by now.
pytestmark = pytest.mark.xdist_group("terminals")
FAR = 64
"""More terminals than the cameras of all tests that run beside this one have; the lowest free number is given."""


@pytest.fixture
def cradle(box: Box) -> Iterator[Cradle]:
    low = [os.openpty() for _ in range(FAR)]
    cradle = Cradle()
    box.configure(**{"furniture.cradles": {"bay1": str(cradle.open())}})
    for pair in low:
        for end in pair:
            os.close(end)
    yield cradle
    cradle.hang_up()


def test_the_latch_opens_after_the_last_receipt(box: Box, cradle: Cradle) -> None:
    camera = box.camera("BWC-1", "bay1", noise(1, 9000, "BWC-1"))
    box.agent.start()
    camera.plug()
    box.until(cradle.unlatched, 30)
    assert box.records("receipt")
    box.until_released(1)
    (released,) = box.records("camera.release")
    assert released.what["told"] == "no console; its latch is open for 10 s"
    assert max(record.index for record in box.records("receipt")) < released.index


def test_a_camera_that_must_stay_is_not_let_go(box: Box, cradle: Cradle) -> None:
    camera = box.camera("BWC-1", "bay1", noise(1, 9000, "BWC-1"))
    box.place.store.rmdir()
    box.place.store.write_text("a store that is no folder")
    box.agent.start()
    camera.plug()
    box.until(lambda: bool(box.records("clip.failed")), 30)
    assert not cradle.unlatched()
    assert not box.records("camera.release")


def test_a_latch_that_does_not_answer_holds_up_nothing_else(box: Box, cradle: Cradle) -> None:
    cradle.faults.silent = 99
    camera = box.camera("BWC-1", "bay1", noise(1, 9000, "BWC-1"))
    box.agent.start()
    camera.plug()
    box.until_released(1)
    (released,) = box.records("camera.release")
    assert "its latch did not open" in released.what["told"]
