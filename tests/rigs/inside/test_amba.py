"""The Ambarella dialogue over a real USB stack: libusb and the kernel between the dock and an emulated camera."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.errors import DockError, Gone, Permanent, Retryable, UsageError
from dockagent.transports.amba_bulk import AmbaBulk, open_camera
from dockagent.transports.usb_bulk import UsbPipe
from hil.cameras.dialects import amba
from hil.cameras.dialects.amba import AmbaCamera, Stranger
from hil.cameras.specimen import Specimen, UsbPlate
from hil.cameras.usb import Function
from hil.rigs.faults import Script
from hil.rigs.usbip import UsbipRig, UsbipStay, lacks
from tests.rigs.readers import TREE, a_camera, device, disk, gone, until
from tests.transports.hands import LONDON, ms

NO_LIBUSB = "" if importlib.util.find_spec("usb") else "needs the package pyusb"
pytestmark = [
    pytest.mark.skipif(bool(lacks()), reason=f"{lacks()} (python -m hil.rigs.uml -- pytest …)"),
    pytest.mark.skipif(bool(NO_LIBUSB), reason=NO_LIBUSB),
]
SECRET = b"s3cr3t-1"
PORT_S = 10.0


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[UsbipRig]:
    rig = UsbipRig(tmp_path / "rig")
    yield rig
    rig.close()
    until(lambda: all(gone(place.port) for place in rig.places), "all ports empty again")


def usb_node(port: str) -> str:
    """The node of the device in a port, when it is configured."""
    device(port)
    sys = Path("/sys/bus/usb/devices") / port
    until((sys / f"{port}:1.0").exists, "its interface")
    node = Path(f"/dev/bus/usb/{int((sys / 'busnum').read_text()):03}/{int((sys / 'devnum').read_text()):03}")
    until(node.exists, f"{node}")
    return str(node)


class Bench:
    """A device under the camera's USB id in the first place, with a disk that it may become."""

    def __init__(self, rig: UsbipRig, folder: Path, make: Callable[[UsbipStay], Function]) -> None:
        rig.makers["bulk"] = lambda camera, stay, script: make(stay)
        self.port = rig.places[0].port
        card = replace(a_camera(folder), name="card", label="CAM00042")
        plate = UsbPlate(amba.VENDOR, amba.PRODUCT, manufacturer="Ambarella", name="Amba Simple Class")
        camera = Specimen("amba", card.plate, plate, card.card, functions=("bulk",), then=card)
        self.stay = rig.plug("bay01", camera, Script())

    def control(self) -> AmbaBulk:
        return open_camera(usb_node(self.port), SystemClock(), SECRET, LONDON)

    def refused(self, kind: type[DockError]) -> str:
        control = self.control()
        try:
            with pytest.raises(kind) as caught:
                control.to_storage()
        finally:
            control.close()
        return str(caught.value)


def test_a_camera_is_asked_set_and_becomes_a_disk_on_the_same_port(rig: UsbipRig, tmp_path: Path) -> None:
    cameras: list[AmbaCamera] = []

    def make(stay: UsbipStay) -> AmbaCamera:
        cameras.append(AmbaCamera("CAM00042", stay.become, SECRET))
        cameras[-1].faults.split = 7
        return cameras[-1]

    bench = Bench(rig, tmp_path, make)
    control = bench.control()
    assert control.identity()["serial"] == "CAM00042"
    control.set_clock(ms("2026-07-01T22:30:00Z"))
    (camera,) = cameras
    assert [moment.isoformat() for moment in camera.set_to] == ["2026-07-01T23:30:00"]
    control.to_storage()
    assert camera.mode == "disk"
    control.close()
    control.close()

    node = disk(bench.port)
    found = TREE.device(bench.port)
    assert found is not None
    assert (found.vendor, found.product) == (0x2E1A, 0x1001)
    assert b"CAM00042" in node.read_bytes()  # the label of the card is the id that the camera told
    with pytest.raises((Permanent, Gone)):  # the disk is nobody's to talk to
        UsbPipe(usb_node(bench.port), SystemClock())


def test_a_dock_that_still_holds_the_camera_learns_that_it_left(rig: UsbipRig, tmp_path: Path) -> None:
    bench = Bench(rig, tmp_path, lambda stay: AmbaCamera("CAM00042", password=SECRET))
    control = bench.control()
    assert control.identity()["serial"] == "CAM00042"
    bench.stay.unplug()
    with pytest.raises(Gone):
        control.identity()
    control.close()
    with pytest.raises(Gone):
        UsbPipe("/dev/bus/usb/250/250", SystemClock())


@pytest.mark.parametrize("make", [amba.one_rs, amba.boot_loader, amba.echo])
def test_strangers_are_told_nothing_but_the_harmless_question(
    rig: UsbipRig, tmp_path: Path, make: Callable[[], Stranger]
) -> None:
    stranger = make()
    bench = Bench(rig, tmp_path, lambda stay: stranger)
    assert "does not answer as one" in bench.refused(Permanent)
    assert stranger.told == (b"@Ver;8;00000000;#",)


def test_a_dumb_device_is_given_up_after_three_seconds(rig: UsbipRig, tmp_path: Path) -> None:
    stranger = Stranger(None)
    bench = Bench(rig, tmp_path, lambda stay: stranger)
    started = time.monotonic()
    assert "does not answer Ver" in bench.refused(Retryable)
    assert 3 <= time.monotonic() - started < 3 + PORT_S
    assert stranger.harmed == ()


def test_a_device_that_halts_is_no_camera(rig: UsbipRig, tmp_path: Path) -> None:
    camera = AmbaCamera("CAM00042", password=SECRET)
    camera.faults.stall_on = "Ver"
    bench = Bench(rig, tmp_path, lambda stay: camera)
    bench.refused(Permanent)
    assert [one.command for one in camera.requests] == ["Ver"]


def test_a_device_of_another_class_is_not_opened(rig: UsbipRig, tmp_path: Path) -> None:
    stay = rig.plug("bay01", a_camera(tmp_path), Script())
    port = rig.places[0].port
    node = disk(port)
    with pytest.raises(Permanent, match="speaks class 08"):
        UsbPipe(usb_node(port), SystemClock())
    assert len(node.read_bytes()) > 0  # its kernel driver was not taken off
    assert stay.there


def test_one_dock_at_a_time(rig: UsbipRig, tmp_path: Path) -> None:
    bench = Bench(rig, tmp_path, lambda stay: AmbaCamera("CAM00042", password=SECRET))
    first = bench.control()
    with pytest.raises(Retryable, match="stop the other program"):
        bench.control()
    first.close()
    second = bench.control()
    assert second.identity()["serial"] == "CAM00042"
    second.close()


def test_what_is_no_device() -> None:
    with pytest.raises(UsageError, match="is not a USB device"):
        UsbPipe("/dev/ttyUSB0", SystemClock())
