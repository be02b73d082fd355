"""Cameras that QEMU emulates, as the dock sees them: ports behind a hub, another bay after a pull, MTP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.steps.detect_udev import UdevWatch
from dockagent.transports import FootageReader
from dockagent.transports.mtp import MtpFootage
from hil.rigs import medium
from hil.rigs.faults import Script
from hil.rigs.qemu.rig import QemuRig
from tests.rigs.readers import MIB, a_camera, disk, gone, read_direct, until
from tests.steps.watching import Seen, watching

LONG_S = 60.0
NOTHING = Script()
GIB = 1 << 30


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(os.environ["HIL_SHARE"])


@pytest.fixture(scope="module")
def rig(folder: Path) -> Iterator[QemuRig]:
    rig = QemuRig(folder / "media")
    yield rig
    rig.close()
    until(lambda: all(gone(port) for port in rig.bays()["ports"]), "all ports empty again")


@pytest.fixture
def seen(rig: QemuRig) -> Iterator[Seen]:
    ports = rig.bays()["ports"]
    with watching(lambda seen: UdevWatch(ports, seen, seen.errors.append, SystemClock())) as seen:
        yield seen


def test_a_camera_moves_from_a_port_of_the_controller_to_one_of_a_hub(rig: QemuRig, seen: Seen, folder: Path) -> None:
    camera = a_camera(folder, "walker", mib=2)
    image = medium.medium_of(camera, folder / "media").path
    before = rig.digest(camera)
    slow, fast = rig.buses
    for bay, port in (("bay01", f"{fast}-1"), ("bay05", f"{slow}-8.1"), ("bay07", f"{slow}-8.3")):
        stay = rig.plug(bay, camera, NOTHING)
        (found,) = seen.wait(("appeared", bay, "block"), seconds=LONG_S)
        wanted = {"vendor_id": "46f4", "product_id": "0001", "serial": "SN-walker", "usb_port": port}
        assert found.port == port
        assert {**wanted, "filesystem": "vfat", "label": "BWCAM"}.items() <= found.facts.items()
        assert found.facts["interfaces"] == "080650"
        assert read_direct(disk(port), 0, 8 * MIB).data == image.read_bytes()[: 8 * MIB]
        assert stay.given >= 8 * MIB
        stay.unplug()
        seen.wait(("gone", bay, "block"), seconds=LONG_S)
    assert rig.digest(camera) == before


def test_two_cameras_on_one_hub_and_one_beside_it(rig: QemuRig, seen: Seen, folder: Path) -> None:
    bays = ("bay02", "bay05", "bay06")
    stays = {bay: rig.plug(bay, a_camera(folder, bay, mib=1), NOTHING) for bay in bays}
    found = {}
    until(lambda: len(seen.sightings) == len(bays), "three cameras", LONG_S)
    for one in seen.wait(*seen.told()):
        found[one.bay] = one.facts["serial"]
    assert found == {bay: f"SN-{bay}" for bay in bays}
    with pytest.raises(RuntimeError, match="bay05 is taken"):
        rig.plug("bay05", a_camera(folder, "late", mib=1), NOTHING)
    stays["bay05"].unplug()
    seen.wait(("gone", "bay05", "block"), seconds=LONG_S)
    stays["bay02"].unplug()
    seen.wait(("gone", "bay02", "block"), seconds=LONG_S)
    stays["bay06"].unplug()
    seen.wait(("gone", "bay06", "block"), seconds=LONG_S)


def test_what_qemu_cannot_do_is_refused(rig: QemuRig, folder: Path) -> None:
    with pytest.raises(ValueError, match="cannot carry yank"):
        rig.plug("bay01", a_camera(folder, "fine", mib=1), Script("rU"))
    with pytest.raises(ValueError, match="no camera that is storage and acm"):
        rig.plug("bay01", a_camera(folder, "fine", mib=1, functions=("storage", "acm")), NOTHING)


def pieces(reader: FootageReader) -> Iterator[bytes]:
    while piece := reader.read(MIB):
        yield piece


def test_a_camera_that_speaks_mtp_gives_every_byte(rig: QemuRig, seen: Seen, folder: Path) -> None:
    """QEMU's MTP is nobody's of ours: objects of undefined format, parts of them up to 4 GiB."""
    camera = a_camera(folder, "mtp", mib=3, functions=("mtp",))
    (camera.card / "DCIM" / "DEEP").mkdir(exist_ok=True)
    (camera.card / "DCIM" / "DEEP" / "ODD.MP4").write_bytes(os.urandom(MIB + 77))
    with (camera.card / "GIANT.MP4").open("wb") as file:
        file.truncate(5 * GIB)
    small = {path: path.read_bytes() for path in camera.card.rglob("*.MP4") if path.stat().st_size < GIB}
    stay = rig.plug("bay06", camera, NOTHING)
    (found,) = seen.wait(("appeared", "bay06", "usb"), seconds=LONG_S)
    assert (found.facts["vendor_id"], found.facts["product_id"]) == ("46f4", "0004")
    footage = MtpFootage(Path(found.address))
    listed = {os.fsdecode(fact.path): fact.size for fact in footage.list()}
    paths = {str(path.relative_to(camera.card)): path.stat().st_size for path in (*small, camera.card / "GIANT.MP4")}
    assert listed == paths
    for path, data in small.items():
        with footage.open(os.fsencode(path.relative_to(camera.card))) as reader:
            assert b"".join(pieces(reader)) == data
    footage.close()
    stay.unplug()
    seen.wait(("gone", "bay06", "usb"), seconds=LONG_S)
