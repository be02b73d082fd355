"""A dock that is told to stop while something that it waits for never answers: it ends in seconds all the same."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from hil.cameras import card
from hil.cameras.camera import ReferenceCamera
from hil.cameras.card import Shift
from hil.cameras.plate import Plate
from hil.demo.place import Place, fresh
from hil.demo.records import read
from hil.scenarios.agent import StillAgent
from tests.rigs.silent_folder import silent_folder

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


class _DeafToParts(BaseHTTPRequestHandler):
    """A store that may only be put to, so that all goes there in parts; it says nothing to those. ``heard``: what it
    was asked."""

    protocol_version = "HTTP/1.1"
    heard: ClassVar[list[str]] = []
    over: ClassVar[threading.Event] = threading.Event()

    def do_HEAD(self) -> None:
        self._say(403, "")

    def do_GET(self) -> None:
        self._say(403, "<Error><Code>AccessDenied</Code></Error>")

    def do_POST(self) -> None:
        key = self.path.partition("?")[0].lstrip("/").partition("/")[2]
        names = f"<Bucket>footage</Bucket><Key>{key}</Key><UploadId>one</UploadId>"
        self._say(200, f"<InitiateMultipartUploadResult>{names}</InitiateMultipartUploadResult>")

    def do_PUT(self) -> None:
        self.heard.append(self.requestline)
        self.over.wait(LIMIT_S)
        self.close_connection = True

    def _say(self, status: int, body: str) -> None:
        self.heard.append(self.requestline)
        self.send_response(status)
        self.send_header("x-amz-request-id", "1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def deaf_to_parts() -> Iterator[int]:
    """The port of a store that takes parts and says nothing to them."""
    _DeafToParts.heard.clear()
    _DeafToParts.over.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _DeafToParts) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            _DeafToParts.over.set()
            server.shutdown()
            thread.join()


def _configure(place: Place, port: int | None = None) -> None:
    """``port``: of an S3 store; else it is the place's folder."""
    store: dict[str, str] = {}
    if port is not None:
        secret = place.root / "secret"
        secret.write_text("secret")
        secret.chmod(0o600)
        at = {"endpoint": f"http://127.0.0.1:{port}", "region": "us-east-1", "access_key": "key"}
        store = {**at, "secret_key_file": str(secret)}
    place.configure(
        {
            "dock": {"id": "box", "site": "test", "responsible": "test"},
            "bays": {"udev": False, "settle_ms": 200, "console_wait_ms": 0},
            "limits": {"spool_reserve_mib": 16},
            "preview": {"enabled": False},
            **({"store": store} if store else {}),
        }
    )


@contextmanager
def _uploading(place: Place, port: int) -> Iterator[StillAgent]:
    """A dock that has a camera, and delivers to the S3 store at ``port``."""
    pytest.importorskip("botocore", reason="the S3 store needs botocore")
    _configure(place, port)
    home = place.cards / "alice"
    card.film_reference(home, Plate("BWC-1"), Shift(1, start=STARTED, size=24 << 20, seed=7, sidecars=False))
    camera = ReferenceCamera(home, place.bays, "bay1", None)
    with StillAgent(place, store="s3://footage/dock") as agent:
        agent.start()
        camera.plug()
        yield agent
        camera.unplug()


def _ends_in_time(agent: StillAgent) -> None:
    begun = time.monotonic()
    assert agent.stop(signal.SIGTERM) == 0
    assert time.monotonic() - begun < ENDS_S


def test_a_dock_whose_store_never_answers_ends_when_it_is_told_to(place: Place, deaf: int) -> None:
    with _uploading(place, deaf) as agent:
        _until(lambda: "admit" in [one.type for one in read(place.entries).all], agent)
        time.sleep(1)  # its upload waits for the store
        _ends_in_time(agent)
    (stopped,) = [one for one in read(place.entries).all if one.type == "dock.stop"]
    assert stopped.index == len(read(place.entries).all) - 1


def test_a_dock_whose_parts_are_never_answered_leaves_their_threads_behind(place: Place, deaf_to_parts: int) -> None:
    """They are of a pool, for whose threads the interpreter would wait before it ends."""
    with _uploading(place, deaf_to_parts) as agent:
        _until(lambda: any("partNumber=" in line for line in _DeafToParts.heard), agent, _DeafToParts.heard)
        _ends_in_time(agent)
    assert "left behind: " in place.log.read_text(), "nobody was left behind: this test shows nothing"


@pytest.mark.timeout(150)
def test_a_bay_that_does_not_answer_holds_neither_the_other_bays_nor_the_end(place: Place, tmp_path: Path) -> None:
    """Whoever asks there sleeps where not even SIGKILL reaches: a daemon that did so itself could not end."""
    _configure(place)
    home, dead = place.cards / "alice", place.cards / "bob"
    for number, folder in enumerate((home, dead)):
        shift = Shift(1, start=STARTED, size=2 << 20, seed=7 + number, sidecars=False)
        card.film_reference(folder, Plate(f"BWC-{number}"), shift)
    (place.bays / "bay1").mkdir()
    camera = ReferenceCamera(home, place.bays, "bay2", None)
    with StillAgent(place) as agent, silent_folder(dead, place.bays / "bay1") as silent:
        silent.fall_silent()
        agent.start()
        silent.asked()
        camera.plug()
        _until(lambda: "camera.release" in [one.type for one in read(place.entries).all], agent)
        _ends_in_time(agent)
        camera.unplug()
    assert {one.bay for one in read(place.entries).all if one.type.startswith("camera.")} == {"bay2"}


def _until(true: Callable[[], bool], agent: StillAgent, heard: Sequence[str] = ()) -> None:
    end = time.monotonic() + LIMIT_S
    while not true():
        assert agent.alive(), agent.last_words(12)
        assert time.monotonic() < end, (agent.last_words(12), heard)
        time.sleep(0.02)
