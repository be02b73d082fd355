"""The agent as a service of a real systemd, with real udev events of a USB disk: ``with_systemd`` in a guest."""

import sys
from pathlib import Path

import pytest

from tests.rigs.uml.in_guest import run

HERE = Path(__file__).parent
PYTEST = (sys.executable, "-m", "pytest", "-q", "-s", "-ra", "--color=no", "-p", "no:cacheprovider")


@pytest.mark.timeout(300)
def test_as_a_service(tmp_path: Path) -> None:
    """Its own rules only, as installed: the guest brings none."""
    words = [*PYTEST, str(HERE / "with_systemd.py")]
    settings = {"DOCKAGENT_RIG": "1", "PYTEST_ADDOPTS": ""}
    status, text = run(words, tmp_path, 240, systemd=True, rules=(), environment=settings)
    print(text)
    assert status == 0, text[-20_000:]
    assert "skipped" not in text.splitlines()[-1]
