"""How a scenario ends: a limit holds for a whole line, and what the hand does at the end is no camera's doing."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.scenarios.play import Outcome, play
from hil.scenarios.read import read

LONG = 'model = "generic-dcf", clips = 1, clip_kib = 8192, sidecars = false'


def _play(folder: Path, script: str, expect: str, camera: str = LONG) -> Outcome:
    path = folder / "edge.toml"
    path.write_text(
        f'about = "An edge"\nwhy = "of a line"\n\ncamera.alice = {{ {camera} }}\n\n'
        f'script = """\n{script}\n"""\n\nexpect = """\n{expect}\n"""\n'
    )
    return play(read(path), "folder", folder / "run")


def _at(outcome: Outcome, words: str) -> list[float]:
    return [one.seconds for one in outcome.moments if words in one.words]


@pytest.mark.parametrize(
    ("before", "camera", "stays"),
    [
        ("store away\n", LONG, range(1, 2)),  # nothing ever comes of it
        ("", f'{LONG}, faults = "{"U" * 8}"', range(2, 9)),  # it falls out again and again, and comes further each time
    ],
    ids=["one-long-stay", "many-short-stays"],
)
def test_the_limit_of_drain_is_for_all_stays_together(before: str, camera: str, stays: range, tmp_path: Path) -> None:
    outcome = _play(tmp_path, f"{before}drain alice bay01 within 3 s", "alice not released", camera)
    assert outcome.stopped == "drain alice bay01 within 3 s: not within 3 s"
    plugged, ended = _at(outcome, "is plugged into"), _at(outcome, "the script ends here")
    assert len(plugged) in stays
    assert ended[0] - plugged[0] < 4 * 3, "a limit of its own for each of twelve stays would be twelve times as much"


def test_a_camera_that_the_hand_takes_home_did_not_leave_by_itself(tmp_path: Path) -> None:
    taken = _play(tmp_path, "plug alice bay01\nwait alice released", "alice released")
    assert taken.good, taken.why
    assert _at(taken, "the scenario is over")
    assert not _at(taken, "by itself")


def test_a_camera_that_falls_out_left_by_itself(tmp_path: Path) -> None:
    outcome = _play(tmp_path, "plug alice bay01\nwait alice gone", "alice not released", f'{LONG}, faults = "rrrU"')
    assert outcome.good, outcome.why
    assert len(_at(outcome, "alice left its bay by itself")) == 1
