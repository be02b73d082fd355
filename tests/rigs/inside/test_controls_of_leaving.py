"""Every fault that takes a camera away, seen by the expectations of a scenario: what holds without it fails with it."""

from pathlib import Path

import pytest

from hil.rigs.faults import LETTERS
from hil.rigs.usbip import lacks
from tests.rigs.inside.controls import LEAVING, READING, Control, without

ENDS_S = 20.0
"""For the workers, the camera that hangs and the ledger, on a processor that is emulated."""

pytestmark = pytest.mark.skipif(bool(lacks()), reason=f"{lacks()} (python -m hil.rigs.uml -- pytest …)")


@pytest.mark.parametrize("letter", LEAVING)
def test_a_fault_is_seen(letter: str, tmp_path: Path) -> None:
    outcome = LEAVING[letter].play(tmp_path)
    assert not outcome.good
    assert LEAVING[letter].why in outcome.why


def test_a_dock_ends_while_its_camera_hangs(tmp_path: Path) -> None:
    """Though the kernel holds whoever asked the device: it is told to stop, records that, and is gone, with its camera
    still in its bay. What was read before is kept."""
    outcome = LEAVING["H"].play(tmp_path)
    said = [(one.kind, one.words, one.seconds) for one in outcome.moments]
    (told,) = [seconds for _, words, seconds in said if "told to stop" in words]
    (stopped,) = [seconds for kind, _, seconds in said if kind == "dock.stop"]
    (failed,) = [words for kind, words, _ in said if kind == "acquire.failed"]
    assert "2097152 bytes are kept" in failed
    assert stopped - told < ENDS_S
    late = [words for _, words, _ in said if "did not end" in words or "cannot be pulled out" in words]
    assert not late, late
    assert [one.why for one in outcome.judged if one.text == "the dock ended as it was told"] == [""]


@pytest.mark.parametrize("control", without(LEAVING), ids=lambda one: one.script.splitlines()[-1])
def test_without_a_fault_all_of_it_holds(control: Control, tmp_path: Path) -> None:
    """So that what fails above fails for the letter's sake."""
    outcome = control.play(tmp_path, well=True)
    assert outcome.good, outcome.why


def test_every_letter_has_a_control() -> None:
    assert sorted([*READING, *LEAVING, "r"]) == sorted(LETTERS)
