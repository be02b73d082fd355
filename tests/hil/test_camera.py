"""Plugging and unplugging, seen from the bays' folder."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import serial

from hil.cameras.camera import ReferenceCamera
from hil.cameras.card import Shift, clips, film_reference, remove
from hil.cameras.console import Console, Exchange
from tests.hil.bench import BYTES, PLATE, Dock, framed, identity, seconds_since


def make(tmp_path: Path, console: Console | None = None, shift: Shift = BYTES) -> ReferenceCamera:
    film_reference(tmp_path / "home", PLATE, shift)
    return ReferenceCamera(tmp_path / "home", tmp_path / "bays", "bay01", console)


def test_a_plugged_camera_is_a_folder_and_a_link_to_a_terminal(tmp_path: Path) -> None:
    camera = make(tmp_path, Console(PLATE, identity()))
    assert camera.card == tmp_path / "home"
    with camera:
        camera.plug()
        assert camera.plugged and camera.card == tmp_path / "bays" / "bay01"
        assert len(clips(camera.card)) == 3
        assert (tmp_path / "bays" / "bay01.tty").readlink().parts[:3] == ("/", "dev", "pts")
        with serial.Serial(str(tmp_path / "bays" / "bay01.tty"), timeout=2) as port:
            assert Dock(port).ask("BATTERY").startswith("OK ")
    assert list((tmp_path / "bays").iterdir()) == []
    assert len(clips(tmp_path / "home")) == 3
    camera.unplug()


def test_a_watcher_never_sees_half_a_card_or_a_card_before_its_console(tmp_path: Path) -> None:
    camera = make(tmp_path, Console(PLATE))
    (tmp_path / "bays").mkdir()
    bays_seen: set[tuple[str, ...]] = set()
    files_seen: set[int] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            bays_seen.add(tuple(sorted(path.name for path in (tmp_path / "bays").iterdir())))
            with suppress(FileNotFoundError):
                files_seen.add(len(list((tmp_path / "bays" / "bay01" / "DCIM" / "100BWC").iterdir())))

    thread = threading.Thread(target=watch)
    thread.start()
    for _ in range(30):
        camera.plug()
        time.sleep(0.002)
        camera.unplug()
    over.set()
    thread.join()
    assert bays_seen <= {(), ("bay01.tty",), ("bay01", "bay01.tty")}
    assert ("bay01", "bay01.tty") in bays_seen
    assert files_seen == {9}


def test_it_can_be_docked_again_with_its_clock_and_what_was_erased(tmp_path: Path) -> None:
    console = Console(PLATE)
    with make(tmp_path, console) as camera:
        camera.plug()
        with serial.Serial(str(camera.terminal), timeout=2) as port:
            assert Dock(port).ask("SETCLOCK 2030-01-02T03:04:05.678Z") == "OK"
        remove(camera.card, clips(camera.card)[0].name)
        camera.unplug()
        camera.plug()
        assert len(clips(camera.card)) == 2
        with serial.Serial(str(camera.terminal), timeout=2) as port:
            assert "time=2030-01-02T03:04:0" in Dock(port).ask("CLOCK")


@pytest.mark.parametrize("cut", [False, True])
def test_pulled_out_while_somebody_reads(tmp_path: Path, cut: bool) -> None:
    with make(tmp_path, Console(PLATE), Shift(clips=2, size=300_000)) as camera:
        camera.plug()
        first, second = (camera.card / clip.name for clip in clips(camera.card))
        whole = first.read_bytes()
        with first.open("rb", buffering=0) as file, serial.Serial(str(camera.terminal), timeout=2) as port:
            assert file.read(1000) == whole[:1000]
            camera.unplug(cut=cut)
            assert not second.exists() and not os.path.lexists(camera.terminal)
            assert file.read() == (b"" if cut else whole[1000:])
            with pytest.raises(serial.SerialException):
                port.read(1)
        assert (camera.card / clips(camera.card)[0].name).read_bytes() == whole
        assert sorted(path.name for path in tmp_path.iterdir()) == ["bays", "home"]


def test_pulled_out_when_something_has_happened(tmp_path: Path) -> None:
    console = Console(PLATE)
    with make(tmp_path, console) as camera:
        with pytest.raises(RuntimeError, match="nothing to pull out"):
            camera.unplug_when(lambda: True)
        for _ in range(5):
            happened = threading.Event()
            camera.plug()
            camera.unplug_when(happened.is_set, cut=True)
            with pytest.raises(TimeoutError):
                camera.wait_unplugged(0.01)
            start = time.monotonic()
            happened.set()
            camera.wait_unplugged(2)
            assert seconds_since(start) < 1
            assert list(camera.bays.iterdir()) == []


def test_the_console_may_pull_it_out_from_its_own_thread(tmp_path: Path) -> None:
    def taken(exchange: Exchange) -> None:
        if exchange.request.startswith("RELEASE SAFE"):
            camera.unplug()

    camera = make(tmp_path, Console(PLATE, observer=taken))
    with camera:
        camera.plug()
        with serial.Serial(str(camera.terminal), timeout=2) as port:
            port.write(framed("> 1 RELEASE SAFE x"))
            camera.wait_unplugged(2)


def test_a_console_that_comes_back_under_the_same_name(tmp_path: Path) -> None:
    with make(tmp_path, Console(PLATE)) as camera:
        camera.plug()
        with serial.Serial(str(camera.terminal), timeout=2) as port:
            camera.reconnect_console()
            with pytest.raises(serial.SerialException):
                port.read(1)
        with serial.Serial(str(camera.terminal), timeout=2) as port:
            assert Dock(port).ask("BATTERY").startswith("OK ")
        assert camera.place.is_dir()


def test_a_bay_holds_one_camera(tmp_path: Path) -> None:
    with make(tmp_path, Console(PLATE)) as camera:
        camera.plug()
        with pytest.raises(RuntimeError, match="bay01 is taken"):
            camera.plug()
        other = ReferenceCamera(tmp_path / "other", camera.bays, "bay01")
        with pytest.raises(RuntimeError, match="bay01 is taken"):
            other.plug()
        assert camera.terminal.exists()


def test_a_card_that_is_not_there_leaves_no_console_behind(tmp_path: Path) -> None:
    camera = ReferenceCamera(tmp_path / "nowhere", tmp_path / "bays", "bay01", Console(PLATE))
    with pytest.raises(FileNotFoundError):
        camera.plug()
    assert list((tmp_path / "bays").iterdir()) == []
