"""A guest for each file of tests here; ``inside`` is collected only in one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.rigs.qemu import image
from hil.rigs.qemu.view import View

collect_ignore = [] if os.environ.get("DOCKAGENT_GUEST") == "qemu" else ["inside"]


@pytest.fixture(scope="session")
def made() -> image.Image:
    """The guest in the cache. Made here it would take minutes inside a test's limit."""
    found = image.built()
    assert found is not None, "the guest is not made; run: make rig-guest"
    return found


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the module's guest may write to, under the same path."""
    return tmp_path_factory.mktemp("share")


@pytest.fixture(scope="module")
def view(made: image.Image, share: Path) -> Iterator[View]:
    """A guest in which this checkout is seen."""
    begun = time.monotonic()
    with View(made, share) as view:
        print(f"\nrestored and entered after {time.monotonic() - begun:.1f} s")
        yield view
