"""One command in a guest of its own, and what belongs to the long tier."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hil.rigs.uml.guest import Guest

LONG = os.environ.get("DOCKAGENT_RIG") == "long"
long_tier = pytest.mark.skipif(not LONG, reason="long: DOCKAGENT_RIG=long runs it")


def run(words: Sequence[str], folder: Path, seconds: float, **more: Any) -> tuple[int, str]:
    """Run a command in a guest that shares ``folder``; its exit status and all that it said. ``more``: as
    :class:`hil.rigs.uml.guest.Guest` takes it. Raises TimeoutError with what it said until then."""
    said = folder / "said"
    with said.open("wb") as output, Guest(words, [folder], output=output, **more) as guest:
        try:
            status = guest.wait(seconds)
        except TimeoutError as err:
            raise TimeoutError(f"{err}\n{_read(said)[-8000:]}") from err
    return status, _read(said)


def _read(said: Path) -> str:
    return said.read_text(errors="replace")
