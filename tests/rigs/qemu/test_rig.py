"""The rig ``qemu``, used from inside its guest: each file of ``inside``."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.rigs.qemu.view import View
from tests.rigs.qemu.guests import passes

PARTS = sorted(path.name for path in (Path(__file__).parent / "inside").glob("test_*.py"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", PARTS)
def test_inside(view: View, part: str) -> None:
    passes(view, part, 600)


def test_there_is_something_inside() -> None:
    assert PARTS
