"""`python -m hil` and its words: mistakes end in one line and status 2, with the nearest word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hil.__main__ import main
from hil.words import meant, nearest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lsit"], "hil: 'lsit' is no command (did you mean list?); there are: run, list, show, check, record"),
        (["moon"], "hil: 'moon' is no command; there are: run, list, show, check, record"),
        (["show", "hagn"], "hagn: there is no such scenario (did you mean hang?); `python -m hil list` shows those"),
        (["check"], "hil check: bench.toml cannot be read: No such file or directory; write one (docs/bench.md; "),
        (["check", "--bench", "/"], "hil check: / cannot be read: Is a directory; write one (docs/bench.md; "),
        (["run"], "name scenarios, or say --all"),
        (
            ["run", "hang", "--memory", "-5"],
            "argument --memory: '-5' is wrong (MiB); write a whole number from 256 on; ",
        ),
        (
            ["run", "hang", "--timeout=0"],
            "argument --timeout: '0' is wrong (seconds); write a whole number from 1 on; ",
        ),
        (["run", "hang", "--seed", "x"], "argument --seed: 'x' is wrong (a seed); write a whole number from 0 on; "),
        (["run", "hang", "--rig", "usbpi"], "(did you mean usbip?); `python -m hil run --help` says what there is"),
        (["run", "hang", "--kep", "x"], "unrecognized arguments: --kep x (did you mean --keep?); "),
        (["run", "hang", "--rig", "bench"], "--rig bench: which bench? add --bench FILE; docs/bench.md says how"),
        (
            ["run", "hang", "--rig", "bench", "--bench", "none"],
            "--bench none: cannot be read: No such file or directory",
        ),
        (["run", "hang", "--keep", "/proc/x"], "--keep /proc/x: nothing can be written there: "),
        (["run", "hang", "--faults", "alice"], "--faults alice: write CAMERA=LETTERS, as in alice=rrU"),
        (["run", "hang", "--faults", "alice=rX"], "no fault is called X; allowed: r (read well), E "),
        (["run", "hang", "--soak", "8d"], "'8d' is no limit; write 8h, 30m, 90s, or a number of runs"),
        (["record"], "python -m hil record: the following arguments are required: --port; `python -m hil record"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        status = main(words)
    except SystemExit as end:  # what the parser itself refuses
        status = int(str(end.code))
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_command_ends_with_that_status() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hil", "lsit"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("hil: 'lsit' is no command (did you mean list?)")


def test_the_nearest_word() -> None:
    assert (nearest("plgu", ["plug", "drain"]), nearest("x", ["plug"])) == ("plug", "")
    assert (meant("plgu", ["plug"]), meant("x", ["plug"])) == (" (did you mean plug?)", "")
