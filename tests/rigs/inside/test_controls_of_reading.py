"""Every fault of reading, seen by the expectations of a scenario: what holds without the letter fails with it."""

from pathlib import Path

import pytest

from hil.rigs.usbip import lacks
from tests.rigs.inside.controls import READING, Control, without

pytestmark = pytest.mark.skipif(bool(lacks()), reason=f"{lacks()} (python -m hil.rigs.uml -- pytest …)")


@pytest.mark.parametrize("letter", READING)
def test_a_fault_is_seen(letter: str, tmp_path: Path) -> None:
    outcome = READING[letter].play(tmp_path)
    assert not outcome.good
    assert READING[letter].why in outcome.why


@pytest.mark.parametrize("control", without(READING), ids=lambda one: one.script.splitlines()[-1])
def test_without_a_fault_all_of_it_holds(control: Control, tmp_path: Path) -> None:
    """So that what fails above fails for the letter's sake."""
    outcome = control.play(tmp_path, well=True)
    assert outcome.good, outcome.why
