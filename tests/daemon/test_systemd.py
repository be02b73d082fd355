"""What systemd hears of the daemon (sd_notify(3)), and how the daemon ends when it cannot begin."""

import signal
import socket
from pathlib import Path

import pytest

from hil.demo import agent
from hil.demo.place import Place
from hil.scenarios.agent import StillAgent
from tests.daemon.box import Box


def _heard(line: socket.socket, until: str) -> list[str]:
    """Messages up to one that says `until`."""
    heard: list[str] = []
    while until not in heard:
        heard += line.recv(4096).decode().splitlines()
    return heard


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_ready_watchdog_and_stopping(box: Box, kind: str) -> None:
    path = str(box.place.root / "n")
    address = path if kind == "path" else f"\0{path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(address)
        line.settimeout(15)
        named = {"NOTIFY_SOCKET": address.replace("\0", "@")}
        with StillAgent(box.place, environment=named) as box.agent:
            box.agent.start()
            assert _heard(line, "READY=1") == ["READY=1"]
            assert set(_heard(line, "WATCHDOG=1")) == {"WATCHDOG=1"}
            assert box.agent.stop() == 0
        assert _heard(line, "STOPPING=1")[-1] == "STOPPING=1"


def test_a_second_daemon_on_the_same_home_is_refused(box: Box) -> None:
    box.agent.start()
    box.until(lambda: box.records() != [])
    answer = agent.run("run", "--home", box.place.home, "--bays", box.place.bays, "--store", box.place.store.as_uri())
    assert answer.code == 4  # the lock is busy: try again
    assert "Traceback" not in answer.err
    assert box.agent.alive()


def test_a_configuration_with_a_mistake(box: Box) -> None:
    box.place.configure({"bays": {"foldr": "/nowhere"}})
    answer = box.agent.ask("run")
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1
    assert "foldr" in answer.err


def test_no_folder_of_bays(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.configure({"bays": {"udev": False}})
    answer = agent.run(
        *("run", "--home", place.home, "--config", place.config, "--bays", tmp_path / "nowhere"),
        *("--store", place.store.as_uri()),
    )
    assert answer.code == 2
    assert "Traceback" not in answer.err
    assert "nowhere" in answer.err


def test_an_interrupt_from_the_terminal(box: Box) -> None:
    """SIGINT ends it as cleanly as SIGTERM."""
    box.agent.start()
    box.until((box.place.home / "ledger" / "checkpoint").exists)  # from here on it listens to signals
    assert box.agent.stop(signal.SIGINT) == 0
    assert box.records()[-1].type == "dock.stop"
