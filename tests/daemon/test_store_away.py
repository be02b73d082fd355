"""A central store that is away while cameras come and go: footage waits in the dock, and everybody is told why."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hil.scenarios.agent import StillAgent
from tests.daemon.box import Box, footage, noise


@contextmanager
def _closed_port() -> Iterator[int]:
    """A TCP port of this machine at which nobody listens, kept so."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def _drain_into_spool(box: Box) -> dict[str, str]:
    """Dock a camera while the store is away, look at what is said, and take the camera; its footage."""
    camera = box.camera("BWC-1", "bay1", noise(3, 60_000, "BWC-1"), console=True)
    wanted = footage(camera.home)
    camera.plug()
    box.until(lambda: len(box.records("acquire")) == 9 and len(box.records("clip.failed")) > 0)
    answer = box.agent.ask("status", "--json")
    status = answer.json()
    assert answer.code == 1
    assert status["store"] not in ("", "no trouble seen")
    assert [row["safe_to_take"] for row in status["bays"]] == [False]
    assert status["clips"] == {"spooled": 9}
    assert status["store"] in status["bays"][0]["reason"]
    (said,) = [line for line in box.agent.ask("status").out.splitlines() if line.startswith("Store:")]
    assert "no trouble" not in said
    camera.unplug()
    box.until(lambda: len(box.records("camera.detach")) == 1)
    assert camera.console is not None
    assert [one.state for one in camera.console.releases if one.state == "SAFE"] == []
    assert box.records("camera.release") == []
    return wanted


def test_the_store_s_folder_is_away_and_comes_back(box: Box) -> None:
    away = box.place.root / "store-away"
    box.agent.start()
    box.until(lambda: box.records() != [])
    box.place.store.rename(away)
    box.place.store.write_text("not a folder: the share is not mounted")
    wanted = _drain_into_spool(box)
    box.place.store.unlink()
    away.rename(box.place.store)
    box.until(lambda: len(box.records("receipt")) == 9)
    assert set(box.masters()) == set(wanted.values())
    box.until(lambda: box.left_in_spool() == [])


def test_nobody_answers_at_the_store(box: Box) -> None:
    """An S3 store whose port is closed. Then the dock is given another store: what waits goes there, without camera."""
    pytest.importorskip("botocore", reason="the S3 store needs botocore")
    with _closed_port() as port:
        store = {"endpoint": f"http://127.0.0.1:{port}", "region": "us-east-1", "access_key": "key"}
        secret = box.place.root / "secret"
        secret.write_text("secret")
        secret.chmod(0o600)
        box.configure(store={**store, "secret_key_file": str(secret)})
        with StillAgent(box.place, store="s3://footage/dock") as box.agent:
            box.agent.start()
            wanted = _drain_into_spool(box)
    with StillAgent(box.place) as box.agent:
        box.agent.start()
        box.until(lambda: len(box.records("receipt")) == 9)
        assert set(box.masters()) == set(wanted.values())
        assert {row["state"] for row in box.json("clips")} == {"delivered"}
        assert box.json("status")["store"] == "no trouble seen"
