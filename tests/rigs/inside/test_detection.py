"""What the dock's watch makes of real USB devices: disks, odd ones, impostors; with the project's own udev rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.steps.detect import Watch
from dockagent.steps.detect_udev import BARE_S, UdevWatch
from hil.rigs.faults import Script
from hil.rigs.usbip import Habits, UsbipRig
from tests.rigs.readers import a_camera, until
from tests.steps.watching import Seen, watching

LONG_S = 40.0
NOTHING = Script()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[UsbipRig]:
    rig = UsbipRig(tmp_path / "rig")
    yield rig
    rig.close()


def ports_of(rig: UsbipRig, *bays: str) -> Callable[[Seen], Watch]:
    """A watch of these bays; ``auto`` where none is named."""
    ports = {place.port: place.name for place in rig.places if place.name in bays}
    return lambda seen: UdevWatch(
        ports, seen, seen.errors.append, SystemClock(), auto=not bays, is_camera=lambda usb: usb == "2e1a:1002"
    )


def test_a_camera_on_a_port_comes_and_goes_with_all_that_it_says(rig: UsbipRig, tmp_path: Path) -> None:
    with watching(ports_of(rig, "bay01")) as seen:
        stay = rig.plug("bay01", a_camera(tmp_path, mib=1), NOTHING)
        (found,) = seen.wait(("appeared", "bay01", "block"), seconds=LONG_S)
        port = rig.places[0].port
        assert found.port == port
        wanted = {"vendor_id": "2e1a", "product_id": "1001", "serial": "SN-one", "usb_port": port, "label": "BWCAM"}
        assert wanted.items() <= found.facts.items()
        assert found.facts["interfaces"] == "080650"
        assert found.facts["filesystem"] == "vfat"
        stay.unplug()
        seen.wait(("gone", "bay01", "block"), seconds=LONG_S)


def test_what_shows_no_disk_in_a_mapped_port_is_reported_as_it_is(rig: UsbipRig, tmp_path: Path) -> None:
    with watching(ports_of(rig, "bay01")) as seen:
        rig.plug("bay01", a_camera(tmp_path, mib=1, functions=("keyboard",)), NOTHING)
        (found,) = seen.wait(("appeared", "bay01", "usb"), seconds=LONG_S)
        assert found.address.startswith("/dev/bus/usb/")
        assert found.facts["interfaces"].startswith("03")
        rig.close()
        seen.wait(("gone", "bay01", "usb"), seconds=LONG_S)


def test_in_ports_of_nobody_only_what_a_profile_knows_is_reported(rig: UsbipRig, tmp_path: Path) -> None:
    with watching(ports_of(rig)) as seen:
        rig.plug("bay01", a_camera(tmp_path, "desk", mib=1, functions=("keyboard",)), NOTHING)
        rig.plug("bay02", a_camera(tmp_path, "odd", mib=1, functions=("keyboard",), product=0x1002), NOTHING)
        (found,) = seen.wait(("appeared", rig.places[1].port, "usb"), seconds=LONG_S)
        assert found.facts["product_id"] == "1002"
        seen.quiet(2)


def test_a_disk_without_a_medium_is_reported_in_the_end_and_its_medium_when_it_comes(
    rig: UsbipRig, tmp_path: Path
) -> None:
    camera = a_camera(tmp_path, mib=1)
    habits = rig.habits[camera.name] = Habits()
    habits.oddities.no_medium = True
    with watching(ports_of(rig, "bay01")) as seen:
        begun = time.monotonic()
        rig.plug("bay01", camera, NOTHING)
        seen.wait(("appeared", "bay01", "usb"), seconds=BARE_S + LONG_S)
        assert time.monotonic() - begun >= BARE_S
        habits.oddities.no_medium = False  # the kernel polls for it; the disk is there before the odd device has gone
        seen.wait(("gone", "bay01", "usb"), ("appeared", "bay01", "block"), seconds=LONG_S)


def test_a_disk_that_is_a_keyboard_too_has_its_keyboard_switched_off(rig: UsbipRig, tmp_path: Path) -> None:
    with watching(ports_of(rig, "bay01")) as seen:
        rig.plug("bay01", a_camera(tmp_path, mib=1, functions=("storage", "keyboard")), NOTHING)
        (found,) = seen.wait(("appeared", "bay01", "block"), seconds=LONG_S)
        assert found.facts["interfaces"] == "080650 030101"
        port = rig.places[0].port
        switch = Path(f"/sys/bus/usb/devices/{port}/{port}:1.1/authorized")
        until(lambda: switch.read_text() == "0\n", "the keyboard is switched off")
