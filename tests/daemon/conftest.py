"""One dock in a box for each test; whatever happens, its daemon and its cameras are ended by it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.cameras.keyring import maker_in
from hil.demo.place import fresh
from hil.scenarios.agent import StillAgent
from tests.daemon.box import VALID, Box


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with fresh(tmp_path / "box") as place, StillAgent(place) as agent:
        maker_in(place.maker, "Reference", VALID)
        made = Box(place, agent)
        made.configure()
        yield made
        for camera in made.cameras:
            camera.unplug()
