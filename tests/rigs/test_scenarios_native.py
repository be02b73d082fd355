"""The scenarios that need neither USB nor a guest, on folders and on loop devices; and that every fault which these
rigs can carry out is seen by the expectations: a scenario that expects what cannot be must fail."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from hil.scenarios import rigs
from hil.scenarios.model import Scenario
from hil.scenarios.play import Outcome, Skipped, drawn, play
from hil.scenarios.read import find, read
from hil.scenarios.shrink import Trial
from hil.scenarios.soak import Job, Limit, scenario_of, soak

ON_FOLDERS = (
    "plain-signed-console",
    "plain-gopro",
    "pulled-out-mid-clip",
    "two-cameras-one-serial",
    "swapped-cards",
    "console-impostor",
    "clock-not-set",
    "manifest-digest",
    "altered-after-signing",
    "growing-file",
    "docked-twice",
    "dock-killed-in-pull",
    "store-away",
)
"""One of each kind. `python -m hil run --all` plays them all."""

ON_LOOP_DEVICES = ("docked-twice-read-once", "other-bay")


def _play(scenario: Scenario, rig: str, folder: Path, seed: int | None = None) -> Outcome:
    try:
        return play(drawn(scenario, rig, seed), rig, folder, seed=seed)
    except Skipped as why:
        pytest.skip(str(why))


@pytest.mark.parametrize("name", ON_FOLDERS)
def test_on_folders(name: str, tmp_path: Path) -> None:
    outcome = _play(read(find(name)), "folder", tmp_path)
    assert outcome.good, outcome.why


@pytest.mark.parametrize("name", ON_LOOP_DEVICES)
def test_on_loop_devices(name: str, tmp_path: Path) -> None:
    if why := rigs.lacks("loop"):
        pytest.skip(why)
    outcome = _play(read(find(name)), "loop", tmp_path)
    assert outcome.good, outcome.why


def _written(folder: Path, script: str, expect: str, camera: str) -> Scenario:
    path = folder / "control.toml"
    path.write_text(
        f'about = "A control"\nwhy = "shows that the fault bites"\n\ncamera.alice = {{ {camera} }}\n\n'
        f'script = """\n{script}\n"""\n\nexpect = """\n{expect}\n"""\n'
    )
    return read(path)


LONG = 'model = "reference-signed", clips = 1, clip_kib = 16384, sidecars = false'
DRAIN = "plug alice bay01\nwait alice released within 6 s"
CONTROLS = {
    "U": (LONG + ', faults = "rrrU"', DRAIN, "alice released", "wait alice released"),
    "altered": (LONG + ", altered = 1", DRAIN, "alice delivered all", "files are not in the store"),
    "flaw": (LONG + ', flaw = "signature"', DRAIN, "alice quarantined 0", "there are 1"),
    "impostor": (LONG + ', console = "impostor"', DRAIN, "alice known by proof", "knows it by console"),
    "silent": (LONG + ', console = "silent"', "plug alice bay01\nwait alice released", "alice shows SAFE", "nothing"),
    "clock": (LONG + ', console = "not-set"', DRAIN, 'no finding "clock" about alice', "clock"),
    "killed": (LONG, "plug alice bay01\nkill dock\nstart dock\nwait alice released", "dock started 1 times", "are 2"),
    "away": (LONG, "store away\n" + DRAIN, "alice released", "wait alice released"),
}


@pytest.mark.parametrize("fault", CONTROLS)
def test_a_fault_is_seen(fault: str, tmp_path: Path) -> None:
    """The same scenario that would pass without the fault fails with it, for the reason that the fault gives."""
    camera, script, expect, why = CONTROLS[fault]
    outcome = _play(_written(tmp_path, script, expect, camera), "folder", tmp_path / "run")
    assert not outcome.good
    assert why in outcome.why


def test_a_control_without_its_fault_passes(tmp_path: Path) -> None:
    outcome = _play(_written(tmp_path, DRAIN, "alice released\nalice delivered all", LONG), "folder", tmp_path / "run")
    assert outcome.good, outcome.why


def test_a_card_that_somebody_writes_to_is_noticed(tmp_path: Path) -> None:
    """The always-on check has teeth: a byte that changes on a card while it is in the bay is found at the end."""
    scenario = _written(tmp_path, "plug alice bay01\ngrow alice 1 KiB\nwait alice released", "alice released", LONG)
    good = _play(scenario, "folder", tmp_path / "camera")
    assert good.good, good.why  # the camera itself may
    broken = replace(scenario, script=tuple(line for line in scenario.script if line.kind != "grow"))
    intruder = tmp_path / "nobody" / "dock" / "bays" / "bay01" / "camera.json"
    outcome = _watched(broken, tmp_path / "nobody", intruder)
    assert [one.text for one in outcome.judged if not one.holds] == ["nobody wrote to a camera"]


def _watched(scenario: Scenario, folder: Path, intruder: Path) -> Outcome:
    """Play it, while somebody else changes a file of the card as soon as it is there."""
    over = threading.Event()

    def write() -> None:
        while not over.wait(0.01):
            if intruder.exists():
                intruder.write_text(intruder.read_text() + "\n")
                return

    thread = threading.Thread(target=write)
    thread.start()
    try:
        return _play(scenario, "folder", folder)
    finally:
        over.set()
        thread.join()


def test_seeds_draw_faults_and_what_fails_is_made_small(tmp_path: Path) -> None:
    """A scenario that cannot bear a resume, with a camera that has nothing to do with it."""
    scenario = _written(
        tmp_path,
        "plug bob bay02\ndrain alice bay01",
        "alice not resumed",
        'model = "generic-dcf", clips = 1, clip_kib = 6144, sidecars = false, faults = "random U" }\n'
        'camera.bob = { model = "generic-dcf", clips = 1, clip_kib = 64',
    )
    lines: list[str] = []
    outcome = soak(Job(scenario, "folder", tmp_path / "soak"), 1, Limit(runs=30), lines.append)
    assert not outcome.good, lines
    assert outcome.why == "alice not resumed: a file was read on from its middle"
    assert set(outcome.scenario.cameras) == {"alice"}
    assert outcome.letters["alice"].lstrip("r") == "U"
    assert f"--faults alice={outcome.letters['alice']} --without bob" in outcome.command
    again = scenario_of(scenario, Trial(("alice",), outcome.letters))
    assert not _play(again, "folder", tmp_path / "again").good
