"""Every file of ``tests/rigs/inside``, each in a guest of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from hil.rigs.uml.guest import CHECKOUT

INSIDE = CHECKOUT / "tests" / "rigs" / "inside"
PARTS = sorted(path.name for path in INSIDE.glob("test_*.py"))
PYTEST = (sys.executable, "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", PARTS)
def test_inside(part: str) -> None:
    words = [sys.executable, "-m", "hil.rigs.uml", "--timeout", "840", "--", *PYTEST, str(INSIDE / part)]
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=880)
    assert done.returncode == 0, f"{done.stdout[-20_000:]}\n{done.stderr[-2000:]}"
    assert "SKIPPED" not in done.stdout, f"nothing is to be skipped in the guest:\n{done.stdout[-3000:]}"


def test_there_is_something_inside() -> None:
    assert PARTS, f"no tests in {Path(INSIDE)}"
