"""Every fault that takes a camera away, seen by the expectations of a scenario: what holds without it fails with it."""

from pathlib import Path

import pytest

from hil.rigs.faults import LETTERS
from hil.rigs.usbip import lacks
from tests.rigs.inside.controls import LEAVING, READING, Control, without

pytestmark = pytest.mark.skipif(bool(lacks()), reason=f"{lacks()} (python -m hil.rigs.uml -- pytest …)")


@pytest.mark.parametrize("letter", LEAVING)
def test_a_fault_is_seen(letter: str, tmp_path: Path) -> None:
    outcome = LEAVING[letter].play(tmp_path)
    assert not outcome.good
    assert LEAVING[letter].why in outcome.why


@pytest.mark.parametrize("control", without(LEAVING), ids=lambda one: one.script.splitlines()[-1])
def test_without_a_fault_all_of_it_holds(control: Control, tmp_path: Path) -> None:
    """So that what fails above fails for the letter's sake."""
    outcome = control.play(tmp_path, well=True)
    assert outcome.good, outcome.why


def test_every_letter_has_a_control() -> None:
    assert sorted([*READING, *LEAVING, "r"]) == sorted(LETTERS)
