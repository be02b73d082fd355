"""Every fault of the wire, seen by the expectations of a scenario: what holds without the letter fails with it."""

from pathlib import Path

import pytest

from hil.rigs.faults import LETTERS
from hil.rigs.usbip import lacks
from hil.scenarios.play import Outcome, play
from hil.scenarios.read import read

pytestmark = pytest.mark.skipif(bool(lacks()), reason=f"{lacks()} (python -m hil.rigs.uml -- pytest …)")

DISK = 'model = "reference-signed", clips = 1, clip_kib = 8192, sidecars = false'
FILES = 'model = "gopro-hero", mode = "mtp", clips = 1, clip_kib = 4096'
"""From a disk the kernel reads past an error that heals, before any program hears of it; over MTP it is heard."""

RELEASED = "plug alice bay01\nwait alice released within 10 s"
FAST = "plug alice bay01\nwait alice pulling 512 KiB within 10 s\nwait alice pulling 6144 KiB within 0.7 s"
CONTROLS = {
    "E": (FILES, "rrE", RELEASED, 'no reason "could not read all of it" about alice'),
    "B": (DISK, "rrB", RELEASED, "alice released"),
    "F": (DISK, "rrF", RELEASED, "alice quarantined 0"),
    "H": (DISK, "rrH", RELEASED, "alice released"),
    "S": (DISK, "SSSSSSSS", FAST, "alice untouched"),
    "U": (DISK, "rrU", RELEASED, "alice released"),
    "P": (DISK, "rrrP", RELEASED, "alice not resumed"),
}
"""For each letter: a camera, its script, what is played, and what cannot hold then."""


def _play(camera: str, letters: str, script: str, expect: str, folder: Path) -> Outcome:
    path = folder / "control.toml"
    path.write_text(
        'about = "A control"\nwhy = "shows that the fault bites"\n\n'
        f'camera.alice = {{ {camera}, faults = "{letters}" }}'
        f'\n\nscript = """\n{script}\n"""\n\nexpect = """\n{expect}\n"""\n'
    )
    return play(read(path), "usbip", folder / "run")


@pytest.mark.parametrize("letter", CONTROLS)
def test_a_fault_is_seen(letter: str, tmp_path: Path) -> None:
    outcome = _play(*CONTROLS[letter], tmp_path)
    assert not outcome.good


@pytest.mark.parametrize(("camera", "script"), sorted({(camera, script) for camera, _, script, _ in CONTROLS.values()}))
def test_without_a_fault_all_of_it_holds(camera: str, script: str, tmp_path: Path) -> None:
    """So that what fails above fails for the letter's sake."""
    claims = {expect: "" for one, _, lines, expect in CONTROLS.values() if (one, lines) == (camera, script)}
    outcome = _play(camera, "", script, "\n".join(claims), tmp_path)
    assert outcome.good, outcome.why


def test_every_letter_has_a_control() -> None:
    assert CONTROLS.keys() | {"r"} == LETTERS.keys()
