"""The agent as a service of a real systemd, with real udev events of a USB disk: ``with_systemd`` in a guest."""

import sys
from pathlib import Path

import pytest

from hil.rigs.uml.guest import Guest

HERE = Path(__file__).parent
PYTEST = (sys.executable, "-m", "pytest", "-q", "-s", "-ra", "--color=no", "-p", "no:cacheprovider")


@pytest.mark.timeout(300)
def test_as_a_service(tmp_path: Path) -> None:
    """Its own rules only, as installed: the guest brings none."""
    with (tmp_path / "said").open("w+b") as said:
        words = [*PYTEST, str(HERE / "with_systemd.py")]
        settings = {"DOCKAGENT_RIG": "1", "PYTEST_ADDOPTS": ""}
        with Guest(words, systemd=True, rules=(), environment=settings, output=said) as guest:
            status = guest.wait(240)
        said.seek(0)
        text = said.read().decode(errors="replace")
    print(text)
    assert status == 0, text[-20_000:]
    assert "skipped" not in text.splitlines()[-1]
