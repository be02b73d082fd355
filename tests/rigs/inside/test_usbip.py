"""Cameras in pure Python on the kernel's own USB stack: that they are seen, that each fault bites, that nothing stays.

Every fault has its control: the same read without the letter is well.
"""

from __future__ import annotations

import errno
import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.cameras.specimen import Specimen
from hil.rigs.extents import SECTOR
from hil.rigs.faults import Script
from hil.rigs.medium import medium_of
from hil.rigs.usbip import UsbipRig, UsbipStay, lacks
from tests.rigs.readers import LIMIT_S, MIB, Read, a_camera, device, disk, gone, read_direct, until

pytestmark = pytest.mark.skipif(bool(lacks()), reason=f"{lacks()} (python -m hil.rigs.uml -- pytest …)")

BAD_SECTOR = errno.ENODATA
"""What Linux calls an unrecovered read error when the page cache is passed by (blk_errors, block/blk-core.c)."""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[UsbipRig]:
    rig = UsbipRig(tmp_path / "rig")
    yield rig
    rig.close()
    until(lambda: all(gone(place.port) for place in rig.places), "all ports empty again")


class Bench:
    """One camera on one place, and its clip on its disk."""

    def __init__(self, rig: UsbipRig, camera: Specimen, letters: str) -> None:
        self.rig, self.camera = rig, camera
        self.clip = (camera.card / "DCIM" / "CLIP.MP4").read_bytes()
        contents = medium_of(camera, camera.card.parent / "rig" / "media").contents
        assert contents is not None and len(contents) == 1
        self.start = contents[0].start * SECTOR
        self.stay = self.plug(letters)

    @property
    def port(self) -> str:
        return self.rig.places[0].port

    def plug(self, letters: str) -> UsbipStay:
        self.stay = self.rig.plug("bay01", self.camera, Script(letters))
        self.node = disk(self.port)
        return self.stay

    def read(self) -> Read:
        return read_direct(self.node, self.start, len(self.clip))


def test_a_camera_is_seen_as_what_it_says_it_is(rig: UsbipRig, tmp_path: Path) -> None:
    bench = Bench(rig, a_camera(tmp_path), "")
    seen = device(bench.port)
    assert (seen.vendor, seen.product, seen.serial, seen.name) == (0x2E1A, 0x1001, "SN-one", "BodyCam X")
    assert bench.read() == Read(bench.clip, 0)
    assert bench.stay.wrote == 0 and bench.stay.given >= len(bench.clip)
    bench.stay.unplug()
    assert not bench.stay.there
    until(lambda: gone(bench.port), "the port empty")


def test_what_is_written_to_a_card_is_seen(rig: UsbipRig, tmp_path: Path) -> None:
    bench = Bench(rig, a_camera(tmp_path), "")
    before = rig.digest(bench.camera)
    assert rig.digest(bench.camera) == before
    with bench.node.open("r+b", buffering=0) as file:
        file.seek(bench.start)
        file.write(b"changed!" * 512)
    until(lambda: bench.stay.wrote > 0, "the write")
    bench.stay.unplug()
    assert rig.digest(bench.camera) != before
    assert medium_of(bench.camera, tmp_path / "rig" / "media").path.exists()
    bench.plug("")
    assert bench.read().data[:8] == b"changed!"


def test_a_card_that_is_write_protected_is_not_written_to(tmp_path: Path) -> None:
    rig = UsbipRig(tmp_path / "rig", writable=False)
    bench = Bench(rig, a_camera(tmp_path), "")
    assert Path(f"/sys/block/{bench.node.name}/ro").read_text() == "1\n"
    with pytest.raises(OSError, match="Read-only"):
        bench.node.open("r+b", buffering=0)
    rig.close()


def test_an_error_that_heals(rig: UsbipRig, tmp_path: Path) -> None:
    bench = Bench(rig, a_camera(tmp_path), "rE")
    failed = bench.read()
    assert failed.errno == BAD_SECTOR
    middle = MIB + MIB // 2
    assert middle - (64 << 10) <= len(failed.data) <= middle
    assert bench.read() == Read(bench.clip, 0)


def test_an_error_that_stays_until_the_camera_is_plugged_in_again(rig: UsbipRig, tmp_path: Path) -> None:
    bench = Bench(rig, a_camera(tmp_path), "rB")
    assert [bench.read().errno for _ in range(3)] == [BAD_SECTOR] * 3
    bench.stay.unplug()
    until(lambda: gone(bench.port), "the port empty")
    bench.plug("rB")
    assert bench.read() == Read(bench.clip, 0)


def test_one_bit_is_flipped_once(rig: UsbipRig, tmp_path: Path) -> None:
    bench = Bench(rig, a_camera(tmp_path), "rF")
    first, second = bench.read(), bench.read()
    assert first.errno == 0 and second == Read(bench.clip, 0)
    different = [index for index in range(len(bench.clip)) if first.data[index] != bench.clip[index]]
    assert different == [MIB + MIB // 2]
    assert first.data[different[0]] ^ bench.clip[different[0]] == 1


def test_pulled_out_at_a_byte(rig: UsbipRig, tmp_path: Path) -> None:
    bench = Bench(rig, a_camera(tmp_path), "rrU")
    reach = bench.rig.cards.card(bench.camera).reach
    cut = bench.read()
    assert cut.errno in (errno.EIO, errno.ENODEV)
    bench.stay.wait_out(LIMIT_S)
    assert not bench.stay.there
    assert reach.fresh == 2 * MIB + MIB // 2
    assert cut.data == bench.clip[: len(cut.data)]
    until(lambda: gone(bench.port), "the port empty")
    bench.plug("rrU")
    assert bench.read() == Read(bench.clip, 0)
    assert bench.stay.there


def test_a_hung_camera_holds_its_reader_until_it_is_pulled(rig: UsbipRig, tmp_path: Path) -> None:
    bench = Bench(rig, a_camera(tmp_path), "rH")
    results: list[Read] = []
    reader = threading.Thread(target=lambda: results.append(bench.read()))
    reader.start()
    until(lambda: bench.stay.device.hung, "the hang")
    reader.join(3)
    assert reader.is_alive() and not results
    bench.stay.unplug()
    reader.join(LIMIT_S)
    assert results and results[0].errno in (errno.EIO, errno.ENODEV)
    assert len(results[0].data) < len(bench.clip)


def test_a_slow_step_takes_a_second_more(rig: UsbipRig, tmp_path: Path) -> None:
    bench = Bench(rig, a_camera(tmp_path), "SS")
    first, slow = _timed(bench)
    second, fast = _timed(bench)
    assert (first, second) == (Read(bench.clip, 0),) * 2
    assert slow > 1.8 and fast < slow / 2


def test_a_rate_limits_all_reading(tmp_path: Path) -> None:
    rig = UsbipRig(tmp_path / "rig", rate=2 * MIB)
    bench = Bench(rig, a_camera(tmp_path), "")
    assert _timed(bench)[1] > 1.8
    rig.habits["one"].oddities.rate = 0
    assert _timed(bench)[1] < 1.8
    rig.close()


def test_a_port_that_loses_its_power(rig: UsbipRig, tmp_path: Path) -> None:
    bench = Bench(rig, a_camera(tmp_path), "P")
    cut = bench.read()
    assert cut.errno in (errno.EIO, errno.ENODEV)
    assert bench.stay.there
    until(lambda: gone(bench.port), "the device away")
    bench.node = disk(bench.port)
    assert bench.read() == Read(bench.clip, 0)
    bench.stay.power(False)
    until(lambda: gone(bench.port), "the device away")
    assert bench.stay.there
    bench.stay.power(True)
    bench.node = disk(bench.port)
    assert bench.read() == Read(bench.clip, 0)


def test_eight_cameras_at_once_two_of_them_with_one_serial(rig: UsbipRig, tmp_path: Path) -> None:
    cameras = [a_camera(tmp_path, f"c{n}", mib=1, serial="TWIN" if n < 2 else "") for n in range(8)]
    for place, camera in zip(rig.places, cameras, strict=True):
        rig.plug(place.name, camera, Script())
    for place, camera in zip(rig.places, cameras, strict=True):
        assert device(place.port).serial == camera.usb.serial
        medium = medium_of(camera, tmp_path / "rig" / "media")
        assert medium.contents is not None
        clip = (camera.card / "DCIM" / "CLIP.MP4").read_bytes()
        read = read_direct(disk(place.port), medium.contents[0].start * SECTOR, len(clip))
        assert hashlib.sha256(read.data).digest() == hashlib.sha256(clip).digest()
    with pytest.raises(RuntimeError, match="taken"):
        rig.plug("bay01", cameras[0], Script())


def _timed(bench: Bench) -> tuple[Read, float]:
    began = time.monotonic()
    read = bench.read()
    return read, time.monotonic() - began
