"""Telling systemd how we are: over a real datagram socket, as sd_notify(3) says."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockagent import systemd


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """systemd's end of the line, of either kind, named in the environment."""
    named = os.fspath(tmp_path / "notify") if request.param == "path" else f"@dockagent-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(named.replace("@", "\0", 1) if request.param == "abstract" else named)
        line.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", named)
        yield line


@pytest.mark.parametrize("state", ["READY=1", "WATCHDOG=1", "STATUS=3 cameras\nWATCHDOG=1", "STATUS=Größe"])
def test_a_state_arrives_as_one_datagram(manager: socket.socket, state: str) -> None:
    systemd.notify(state)
    assert manager.recv(4096) == state.encode()


def test_each_state_is_a_datagram_of_its_own(manager: socket.socket) -> None:
    systemd.notify("READY=1")
    systemd.notify("STOPPING=1")
    assert [manager.recv(4096), manager.recv(4096)] == [b"READY=1", b"STOPPING=1"]


@pytest.mark.parametrize("named", [None, ""])
def test_without_systemd_nothing_is_said(named: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if named is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", named)
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a path would hold one open itself)
    systemd.notify("READY=1")
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_manager_that_does_not_listen_does_not_end_the_dock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word that nobody hears is no reason to stop pulling evidence (sd_notify(3))."""
    monkeypatch.setenv("NOTIFY_SOCKET", os.fspath(tmp_path / "nobody"))
    systemd.notify("WATCHDOG=1")
