"""A dock that is told to stop while something that it waits for never answers: it ends in seconds all the same."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hil.cameras import card
from hil.cameras.camera import ReferenceCamera
from hil.cameras.card import Shift
from hil.cameras.plate import Plate
from hil.demo.place import Place, fresh
from hil.demo.records import read
from hil.scenarios.agent import StillAgent

LIMIT_S = 60.0
ENDS_S = 20.0
"""Twice the patience of the workers, and room for a busy machine. What hangs here hangs for a minute and longer."""
STARTED = datetime(2026, 9, 1, 8, 15, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with fresh(tmp_path / "dock") as found:
        yield found


@pytest.fixture
def deaf() -> Iterator[int]:
    """A TCP port at which everybody gets a connection and nobody an answer."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(64)
        yield held.getsockname()[1]


def _configure(place: Place, port: int) -> None:
    secret = place.root / "secret"
    secret.write_text("secret")
    at = {"endpoint": f"http://127.0.0.1:{port}", "region": "us-east-1", "access_key": "key"}
    place.configure(
        {
            "dock": {"id": "box", "site": "test", "responsible": "test"},
            "bays": {"udev": False, "settle_ms": 200, "console_wait_ms": 0},
            "limits": {"spool_reserve_mib": 16},
            "preview": {"enabled": False},
            "store": {**at, "secret_key_file": str(secret)},
        }
    )


def test_a_dock_whose_store_never_answers_ends_when_it_is_told_to(place: Place, deaf: int) -> None:
    pytest.importorskip("boto3", reason="the S3 store needs boto3")
    _configure(place, deaf)
    home = place.cards / "alice"
    card.film_reference(home, Plate("BWC-1"), Shift(1, start=STARTED, size=24 << 20, seed=7, sidecars=False))
    camera = ReferenceCamera(home, place.bays, "bay1", None)
    with StillAgent(place, store="s3://footage/dock") as agent:
        agent.start()
        camera.plug()
        _until(lambda: "admit" in [one.type for one in read(place.entries).all], agent)
        time.sleep(1)  # its upload waits for the store
        begun = time.monotonic()
        assert agent.stop(signal.SIGTERM) == 0
        assert time.monotonic() - begun < ENDS_S
        camera.unplug()
    (stopped,) = [one for one in read(place.entries).all if one.type == "dock.stop"]
    assert stopped.index == len(read(place.entries).all) - 1


def _until(true: Callable[[], bool], agent: StillAgent) -> None:
    end = time.monotonic() + LIMIT_S
    while not true():
        assert agent.alive(), agent.last_words(12)
        assert time.monotonic() < end, agent.last_words(12)
        time.sleep(0.02)
