"""DockBays: a camera that hangs or crashes its reader costs its own bay only, and comes back by itself."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.errors import Gone
from dockagent.transports import Footage
from dockagent.transports.bays import DockBays
from dockagent.transports.isolated import Crashed, Hung
from dockagent.transports.reader_child import unburied
from tests.transports import volumes

HANG_S = 2.0


@pytest.fixture
def bays(tmp_path: Path) -> Iterator[DockBays]:
    for bay in ("bay01", "bay02"):
        volumes.write(tmp_path / bay, {"a.MP4": bay.encode()})
    made = DockBays(SystemClock(), tmp_path / "mounts", hang_s=HANG_S)
    for bay in ("bay01", "bay02"):
        made.came(bay, "folder", str(tmp_path / bay), {"usb_port": "99-1"})
    yield made
    made.close()
    assert unburied() == 0


def _reader_of(folder: Path) -> int:
    """The process that reads a folder, found as anybody would find it."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended meanwhile
        if b"dockagent.transports.reader" in words and os.fsencode(folder) in words:
            return int(entry.name)
    raise AssertionError(f"nobody reads {folder}")


def _content(footage: Footage) -> bytes:
    with footage.open(b"a.MP4") as reader:
        return reader.read(100)


def _soon(act: Callable[[], Footage], patience_s: float = 30) -> Footage:
    """What ``act`` gives once it does not raise Gone any more."""
    until = time.monotonic() + patience_s
    while True:
        try:
            return act()
        except Gone:
            assert time.monotonic() < until, "the bay did not come back"
            time.sleep(0.1)


def test_a_hang_costs_its_own_bay_and_for_a_while(
    bays: DockBays, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hangs, other = bays.footage("bay01"), bays.footage("bay02")
    os.kill(_reader_of(tmp_path / "bay01"), signal.SIGSTOP)
    with pytest.raises(Hung):
        hangs.facts()
    assert _content(other) == b"bay02"
    assert bays.footage("bay02") is other
    with pytest.raises(Gone):  # at once: the port is being switched
        bays.footage("bay01")
    assert _content(_soon(lambda: bays.footage("bay01"))) == b"bay01"
    assert "USB port 99-1: there is no" in caplog.text  # what the switch said: there is no such port


def test_a_port_is_switched_once_a_minute_at_most(
    bays: DockBays, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        footage = _soon(lambda: bays.footage("bay01"))
        os.kill(_reader_of(tmp_path / "bay01"), signal.SIGSTOP)
        with pytest.raises(Hung):
            footage.facts()
    _soon(lambda: bays.footage("bay01"))
    assert caplog.text.count("USB port 99-1") == 1


def test_a_crash_is_forgotten_without_touching_the_port(
    bays: DockBays, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    footage = bays.footage("bay01")
    os.kill(_reader_of(tmp_path / "bay01"), signal.SIGKILL)
    with pytest.raises(Crashed):
        footage.facts()
    assert _content(_soon(lambda: bays.footage("bay01"))) == b"bay01"
    assert "USB port" not in caplog.text


def test_a_card_that_left_is_gone_for_its_readers(bays: DockBays) -> None:
    footage = bays.footage("bay01")
    bays.left("bay01", "folder")
    with pytest.raises(Gone):
        footage.facts()
    with pytest.raises(Gone, match="there is no camera in bay01"):
        bays.footage("bay01")


def test_a_card_that_rests_is_opened_anew(bays: DockBays) -> None:
    first = bays.footage("bay01")
    bays.rest("bay01")
    second = bays.footage("bay01")
    assert second is not first
    assert _content(second) == b"bay01"
