"""The custodian's unit, checked by systemd's own tools."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[2] / "systemd"
SERVICE = UNITS / "dockagent-custodian.service"
WORST_EXPOSURE = 18
"""Tenths, as ``systemd-analyze security`` counts. What is left: the network, and asking the kernel about the clock."""


def _run(program: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}; `make test` installs it")
    return subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """The unit as it is, but for the program, which is not installed here."""
    unit = tmp_path / SERVICE.name
    unit.write_text(SERVICE.read_text().replace("/opt/dockagent/bin/dockagent", "/bin/true"))
    return unit


def test_the_unit_is_one_that_systemd_takes_without_a_word(service: Path) -> None:
    done = _run("systemd-analyze", "verify", "--man=no", service)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_exposes_little(service: Path) -> None:
    done = _run("systemd-analyze", "security", "--offline=true", f"--threshold={WORST_EXPOSURE}", "--no-pager", service)
    assert done.returncode == 0, done.stdout


def test_its_user_is_the_one_that_is_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    done = _run("systemd-sysusers", f"--root={tmp_path}", UNITS / "dockagent-custodian.sysusers")
    assert done.returncode == 0, done.stderr
    user = next(line for line in SERVICE.read_text().splitlines() if line.startswith("User="))
    assert f"{user.removeprefix('User=')}:" in (tmp_path / "etc" / "passwd").read_text()
