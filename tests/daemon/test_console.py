"""The camera's console at a running dock: its clock, what it is told, and everything that can be wrong with it."""

import pytest

from hil.cameras.console import Console, Faults
from tests.daemon.box import Box, noise

pytestmark = pytest.mark.xdist_group("terminals")  # see test_cradle.py


def _line(box: Box, behind: float = 0.0, faults: Faults | None = None) -> Console:
    """A camera with a console, plugged into a dock that runs; its console."""
    camera = box.camera("BWC-1", "bay1", noise(1, 9000, "BWC-1"), console=True, behind=behind)
    assert camera.console is not None
    if faults is not None:
        camera.console.faults = faults
    box.agent.start()
    camera.plug()
    return camera.console


def test_the_offset_is_recorded_before_the_clock_is_set(box: Box) -> None:
    console = _line(box, behind=47.0)
    console.wait_until(lambda line: bool(line.releases), 30)
    (measured,), (was_set,) = box.records("clock.camera"), box.records("clock.set")
    assert measured.index < was_set.index
    assert abs(measured.what["offset_ms"] + 47_000) <= measured.what["uncertainty_ms"] + 50
    assert was_set.what["done"]
    assert was_set.what["offset_before_ms"] == measured.what["offset_ms"]
    assert abs(was_set.what["offset_after_ms"]) < 500
    (done,) = console.clock_sets
    assert 46 < (done.to - done.before).total_seconds() < 48
    asked = [exchange.request.split()[0] for exchange in console.transcript]
    assert asked.index("CLOCK") < asked.index("SETCLOCK") < asked.index("RELEASE")


def test_a_clock_within_the_tolerance_is_left_alone(box: Box) -> None:
    console = _line(box, behind=0.4)
    console.wait_until(lambda line: bool(line.releases), 30)
    assert console.clock_sets == ()
    assert [record.what["done"] for record in box.records("clock.set")] == [False]


def test_a_dock_that_must_not_set_clocks(box: Box) -> None:
    box.configure(clock={"set_cameras": False})
    console = _line(box, behind=47.0)
    console.wait_until(lambda line: bool(line.releases), 30)
    assert console.clock_sets == ()
    assert [abs(record.what["offset_ms"]) > 46_000 for record in box.records("clock.camera")] == [True]


def test_the_camera_is_told_that_it_may_be_taken(box: Box) -> None:
    """Once, after all of it is in the store; and the ledger says that it was told."""
    console = _line(box)
    console.wait_until(lambda line: bool(line.releases), 30)
    assert [(one.state, one.words) for one in console.releases] == [("SAFE", "all 3 files delivered")]
    box.until_released(1)
    (released,) = box.records("camera.release")
    assert released.what["told"] == "told"
    assert max(record.index for record in box.records("receipt")) < released.index


# What is wrong with the console; how the camera is known then; the findings that say so.
FAULTS: dict[str, tuple[Faults, str, set[str]]] = {
    "silent": (Faults(silent=True), "card", {"console"}),
    "noise": (
        Faults(noise_before=b"\xff\x00AT\r[    0.41] usb: ready\r\n", noise_after=b"\r\nlogin: "),
        "proof",
        set(),
    ),
    "slow": (Faults(byte_delay=0.003), "proof", set()),
    "busy-at-first": (Faults(busy=2), "proof", set()),
    "busy": (Faults(busy=10_000), "card", {"console"}),
    "wrong-check": (Faults(wrong_checks=10_000), "card", {"console"}),
    "not-set": (Faults(not_set=True), "proof", {"clock"}),
    "impostor": (Faults(impostor=True), "console", {"identity-proof"}),
    "dead-at-first": (Faults(hang_up_on="ID"), "card", {"console"}),
    "dead-at-the-clock": (Faults(hang_up_on="CLOCK"), "proof", {"clock"}),
    "dead-at-the-end": (Faults(hang_up_on="RELEASE"), "proof", set()),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_is_wrong_with_the_console_the_clips_are_delivered(box: Box, fault: str) -> None:
    faults, known_by, codes = FAULTS[fault]
    _line(box, faults=faults)
    box.until_released(1, seconds=18)
    assert {row["state"] for row in box.json("clips")} == {"delivered"}
    (identified,) = box.records("camera.identify")
    assert identified.what["camera"]["known_by"] == known_by
    found = {one["code"] for one in identified.what["findings"]}
    found |= {"clock" for record in box.records("session.failed") if record.what["step"] in ("read-clock", "set-clock")}
    found |= {"clock" for _ in box.records("clock.unset")}
    assert found == codes


def test_a_camera_without_a_clock_gets_one(box: Box) -> None:
    """NOTSET is no reason to leave it without: it cannot be measured, but it can be set."""
    console = _line(box, faults=Faults(not_set=True))
    box.until_released(1)
    assert len(console.clock_sets) == 1
    assert len(box.records("clock.set")) == 1
