"""Every fault of the wire, seen by the expectations of a scenario: what holds without the letter fails with it."""

from pathlib import Path

import pytest

from hil.rigs.faults import LETTERS
from hil.rigs.usbip import lacks
from hil.scenarios.play import Outcome, play
from hil.scenarios.read import read

pytestmark = pytest.mark.skipif(bool(lacks()), reason=f"{lacks()} (python -m hil.rigs.uml -- pytest …)")

RELEASED = "plug alice bay01\nwait alice released within 10 s"
FAST = "plug alice bay01\nwait alice pulling 512 KiB within 10 s\nwait alice pulling 6144 KiB within 0.7 s"
CONTROLS = {
    "B": ("rrB", RELEASED, "alice released"),
    "F": ("rrF", RELEASED, "alice quarantined 0"),
    "H": ("rrH", RELEASED, "alice released"),
    "S": ("SSSSSSSS", FAST, "alice untouched"),
    "U": ("rrU", RELEASED, "alice released"),
    "P": ("rrrP", RELEASED, "alice not resumed"),
}
"""For each letter: a script with it, what is played, and what cannot hold then."""
UNSEEN = {"E"}
"""An error that heals is read past by the kernel before any program hears of it: no expectation can tell. That it
happens is shown by tests.rigs.inside.test_usbip.py."""


def _play(letters: str, script: str, expect: str, folder: Path) -> Outcome:
    path = folder / "control.toml"
    camera = 'model = "reference-signed", clips = 1, clip_kib = 8192, sidecars = false'
    path.write_text(
        'about = "A control"\nwhy = "shows that the fault bites"\n\n'
        f'camera.alice = {{ {camera}, faults = "{letters}" }}'
        f'\n\nscript = """\n{script}\n"""\n\nexpect = """\n{expect}\n"""\n'
    )
    return play(read(path), "usbip", folder / "run")


@pytest.mark.parametrize("letter", CONTROLS)
def test_a_fault_is_seen(letter: str, tmp_path: Path) -> None:
    letters, script, expect = CONTROLS[letter]
    outcome = _play(letters, script, expect, tmp_path)
    assert not outcome.good


def test_without_a_fault_all_of_it_holds(tmp_path: Path) -> None:
    """So that what fails above fails for the letter's sake."""
    claims = "\n".join({expect: "" for _, _, expect in CONTROLS.values()})
    outcome = _play("", RELEASED, claims, tmp_path)
    assert outcome.good, outcome.why
    (tmp_path / "fast").mkdir()
    outcome = _play("", FAST, "alice untouched", tmp_path / "fast")
    assert outcome.good, outcome.why


def test_every_letter_has_a_control() -> None:
    assert CONTROLS.keys() | UNSEEN | {"r"} == LETTERS.keys()
