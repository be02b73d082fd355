"""`python -m hil list` and what `python -m hil run` says of runs that were not played."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hil.scenarios import rigs
from hil.scenarios.overview import main
from hil.scenarios.read import all_cases

ROOT = Path(__file__).parents[3]
LIMIT = 60


def _hil(*words: str, columns: int = 80, where: Path = ROOT) -> subprocess.CompletedProcess[str]:
    surroundings = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    surroundings |= {"COLUMNS": str(columns)} if columns else {}
    command = [sys.executable, "-m", "hil", *words]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=where, env=surroundings, timeout=LIMIT, check=False
    )


def _marks(lines: list[str], names: list[str]) -> dict[str, dict[str, str]]:
    """What stands in each column of a table, by scenario and rig."""
    starts = {rig: lines[0].index(f" {name}") + 1 for rig, name in zip(rigs.RIGS, names, strict=True)}
    rows = lines[1 : len(all_cases()) + 1]
    return {row.split()[0]: {rig: row[at:].split()[0] for rig, at in starts.items()} for row in rows}


@pytest.mark.parametrize("columns", [80, 100, 300])
def test_the_table_has_a_whole_line_for_each_scenario(columns: int) -> None:
    done = _hil("list", columns=columns)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["scenario", *rigs.RIGS, "needs"]
    assert max(map(len, lines[: len(all_cases()) + 1])) <= columns
    marks = _marks(lines, list(rigs.RIGS))
    assert list(marks) == [path.stem for path in all_cases()]
    assert set(marks["plain-signed"].values()) == {"yes"}
    assert [marks["docked-twice-read-once"][rig] for rig in ("folder", "loop")] == ["no", "yes"]
    assert [marks["power-off-and-on"][rig] for rig in ("folder", "loop", "usbip")] == ["no", "no", "yes"]
    assert list(marks["growing-file"].values()) == ["yes", *["-"] * (len(rigs.RIGS) - 1)]
    needs = {line.split()[0]: line[lines[0].index("needs") :] for line in lines[1 : len(all_cases()) + 1]}
    assert needs["boot-rom"] == ("mode-swit…" if columns == 80 else "mode-switch, usb")


@pytest.mark.parametrize("columns", [30, 45, 60])
def test_a_narrow_terminal_has_the_rigs_by_their_letters(columns: int) -> None:
    """Names give way last: what is cut says so."""
    lines = _hil("list", columns=columns).stdout.splitlines()
    assert lines[0].split()[:7] == ["scenario", *(name[0] for name in rigs.RIGS)]
    rows = lines[1 : len(all_cases()) + 1]
    assert max(map(len, [lines[0], *rows])) <= columns
    for row, path in zip(rows, all_cases(), strict=True):
        name = row.split()[0]
        assert name == path.stem or (name.endswith("…") and path.stem.startswith(name[:-1]))
    marks = _marks(lines, [name[0] for name in rigs.RIGS])
    assert list(marks["growing-file"].values()) == ["y", *["-"] * (len(rigs.RIGS) - 1)]
    assert max(map(len, lines)) <= columns, "nor is anything below the table wider"


def test_a_pipe_loses_nothing() -> None:
    done = _hil("list", columns=0)
    lines = done.stdout.splitlines()
    assert "…" not in done.stdout
    assert "keyboard, mode-switch, usb" in done.stdout or max(map(len, lines)) > 80


def test_the_table_says_of_each_rig_whether_it_can_be_used_here() -> None:
    ends = _hil("list", columns=0).stdout.splitlines()[-len(rigs.RIGS) :]
    assert [line.split(":")[0] for line in ends] == list(rigs.RIGS)
    assert ends[0] == "folder: can be used here"
    for line, name in zip(ends, rigs.RIGS, strict=True):
        why = rigs.lacks(name)
        assert line == f"{name}: {f'not here: {why}' if why else 'can be used here'}"


def test_the_same_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said["rigs"]) == list(rigs.RIGS)
    rows = {row["scenario"]: row["rigs"] for row in said["scenarios"]}
    assert list(rows) == [path.stem for path in all_cases()]
    assert rows["hang"]["loop"] == "needs hang"
    assert rows["growing-file"]["loop"] == "its file says: only on folder"


def test_a_checkout_without_a_rig_says_so(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "hil", tmp_path / "hil", ignore=shutil.ignore_patterns("qemu", "__pycache__"))
    done = _hil("list", where=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    row = next(line for line in lines if line.startswith("plain-signed "))
    assert row.split() == ["plain-signed", "yes", "yes", "yes", "yes", "no", "yes"]
    assert any(line.startswith("qemu: not here: this rig is not there: ") for line in lines)


def test_a_run_that_was_not_played_names_no_report(tmp_path: Path) -> None:
    done = _hil("run", "hang", "--rig", "folder", "--keep", str(tmp_path))
    assert done.returncode == 3
    assert done.stdout.splitlines() == [
        "skipped  hang: folder cannot carry it: needs hang",
        "0 good, 0 failed, 1 skipped",
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_not_played_leaves_an_earlier_report(tmp_path: Path) -> None:
    kept = tmp_path / "hang-folder" / "report.json"
    kept.parent.mkdir()
    kept.write_text("{}")
    assert _hil("run", "hang", "--rig", "folder", "--keep", str(tmp_path)).returncode == 3
    assert kept.read_text() == "{}"
