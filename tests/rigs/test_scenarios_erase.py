"""Scenarios of erasing, with the installed custodian beside the store: on folders, and on loop devices as root."""

from pathlib import Path

import pytest

from hil.scenarios import rigs
from hil.scenarios.leave import WAYS
from hil.scenarios.play import Outcome, Skipped, play
from hil.scenarios.read import all_cases, find, read

ON_FOLDERS = (
    "erased-by-permit",
    "erase-stale",
    "erase-wrong-camera",
    "erase-other-bytes",
    "erase-unknown-signer",
    "erase-changed",
)
ON_LOOP_DEVICES = ("erase-locked", "erased-and-back")


def _play(name: str, rig: str, folder: Path) -> Outcome:
    try:
        return play(read(find(name)), rig, folder)
    except Skipped as why:
        pytest.skip(str(why))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ON_FOLDERS)
def test_on_folders(name: str, tmp_path: Path) -> None:
    outcome = _play(name, "folder", tmp_path)
    assert outcome.good, outcome.why


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ON_LOOP_DEVICES)
def test_on_loop_devices(name: str, tmp_path: Path) -> None:
    if why := rigs.lacks("loop"):
        pytest.skip(why)
    outcome = _play(name, "loop", tmp_path)
    assert outcome.good, outcome.why


@pytest.mark.timeout(300)
def test_a_scenario_that_expects_what_cannot_be_fails(tmp_path: Path) -> None:
    """One under a good permit that says that its card is as it was: the judge looks at the card."""
    text = find("erased-by-permit").read_text()
    path = tmp_path / "control.toml"
    path.write_text(text.replace("alice erased 6\nalice delivered", "alice erased 0\nalice delivered"))
    outcome = play(read(path), "folder", tmp_path / "run")
    assert not outcome.good
    assert [one.text for one in outcome.judged if not one.holds] == ["alice erased 0"]


def test_all_of_them_are_played_and_each_way_of_a_permit_is_used() -> None:
    cases = [one for one in map(read, all_cases()) if "erase" in one.dock]
    assert {one.name for one in cases} == {*ON_FOLDERS, *ON_LOOP_DEVICES}
    assert {line.words["way"] for one in cases for line in one.script if line.kind == "permit"} == WAYS.keys()
