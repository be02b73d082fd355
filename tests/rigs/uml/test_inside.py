"""Every file of ``tests/rigs/inside``, each in a guest of its own."""

import sys
from pathlib import Path

import pytest

from hil.rigs.uml.guest import CHECKOUT
from tests.rigs.uml.in_guest import run

INSIDE = CHECKOUT / "tests" / "rigs" / "inside"
PARTS = sorted(path.name for path in INSIDE.glob("test_*.py"))
PYTEST = (sys.executable, "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", PARTS)
def test_inside(part: str, tmp_path: Path) -> None:
    status, said = run([*PYTEST, "--durations=5", str(INSIDE / part)], tmp_path, 840)
    assert status == 0, said[-20_000:]
    assert "SKIPPED" not in said, f"nothing is to be skipped in the guest:\n{said[-3000:]}"


def test_there_is_something_inside() -> None:
    assert PARTS, f"no tests in {INSIDE}"
