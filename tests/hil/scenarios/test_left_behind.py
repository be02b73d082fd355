"""What a run leaves in the folder for temporary files: nothing, however it ends, but reports that were told of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LIMIT_S = 120.0
TEXT = """about = "A camera is put in"
why = "something must be left behind"
camera.alice = { model = "reference-unsigned", clip_kib = 64, sidecars = false }
script = '''
SCRIPT
'''
expect = "alice CLAIM"
"""
GOOD = TEXT.replace("SCRIPT", "plug alice bay01\nwait alice released").replace("CLAIM", "released")
BAD = GOOD.replace("alice released", "alice not released").replace("wait alice not", "wait alice")
ENDLESS = GOOD.replace("plug alice", "store away\nplug alice").replace("released\n", "released within 300 s\n")


def _start(folder: Path, text: str, *words: str) -> subprocess.Popen[str]:
    path = folder / "case.toml"
    path.write_text(text)
    (folder / "tmp").mkdir()
    # Who starts tests in the background may have them ignore SIGINT, which a child inherits.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "hil", "run", str(path), *words]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _ended(run: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        said, _ = run.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        run.kill()
        run.communicate()
        raise
    return run.returncode, said


def _left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder / "tmp")) for path in (folder / "tmp").rglob("*") if path.is_file())


def _docks(folder: Path) -> list[int]:
    """The processes of docks that work in this folder (proc(5), /proc/pid/cmdline)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            if str(folder / "tmp").encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def test_a_good_run_leaves_nothing(tmp_path: Path) -> None:
    status, said = _ended(_start(tmp_path, GOOD))
    assert (status, said.splitlines()[-1]) == (0, "1 good, 0 failed, 0 skipped"), said
    assert _left(tmp_path) == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_run_that_is_not_played_leaves_nothing(tmp_path: Path) -> None:
    status, said = _ended(_start(tmp_path, GOOD.replace("64,", '64, faults = "rE",')))
    assert status == 3, said
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_run_that_fails_leaves_the_report_that_it_names(tmp_path: Path) -> None:
    status, said = _ended(_start(tmp_path, BAD))
    assert status == 1, said
    (folder,) = (tmp_path / "tmp").iterdir()
    assert said.splitlines()[-1] == f"0 good, 1 failed, 0 skipped; reports in {folder}"
    assert f"report: {folder / 'case-folder' / 'report.html'}\n" in said
    assert (folder / "case-folder" / "report.html").is_file()
    assert not (folder / "case-folder" / "dock").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("words", [[], ["--soak", "3"]], ids=["run", "soak"])
def test_a_run_that_is_interrupted_leaves_nothing(tmp_path: Path, number: signal.Signals, words: list[str]) -> None:
    run = _start(tmp_path, ENDLESS, *words)
    end = time.monotonic() + LIMIT_S
    try:
        while not any((tmp_path / "tmp").glob("hil-*/**/ledger/entries.jsonl")):
            assert time.monotonic() < end, "the dock did not begin"
            assert run.poll() is None, run.communicate()[0]
            time.sleep(0.02)
        assert _docks(tmp_path)
        run.send_signal(number)
    finally:
        status, said = _ended(run)
    assert (status, said.splitlines()[-1]) == (130, "interrupted; dock and rig are taken down"), said
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not _docks(tmp_path)
