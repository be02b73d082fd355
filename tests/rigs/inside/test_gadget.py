"""Cameras that are gadgets of the kernel: seen, read, pulled, switched off, spoilt, changed; and nothing stays."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from hil.cameras.console import Console
from hil.cameras.plate import Plate
from hil.cameras.specimen import Specimen
from hil.rigs.extents import SECTOR
from hil.rigs.faults import Script
from hil.rigs.gadget import GadgetRig, lacks
from hil.rigs.gadget_files import GADGETS
from tests.hil.bench import Dock
from tests.rigs.inside.test_usbip import BAD_SECTOR
from tests.rigs.readers import LIMIT_S, MIB, TREE, Read, a_camera, device, disk, gone, read_direct, until

pytestmark = pytest.mark.skipif(bool(lacks()), reason=f"{lacks()} (python -m hil.rigs.uml -- pytest …)")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[GadgetRig]:
    rig = GadgetRig(tmp_path / "rig")
    yield rig
    rig.close()
    assert not list(GADGETS.glob("hil-*")), "a gadget stayed"
    assert b"hil-" not in subprocess.run(["dmsetup", "ls"], capture_output=True, check=True).stdout
    until(lambda: all(gone(place.port) for place in rig.places), "all ports empty again")


def clip_of(rig: GadgetRig, camera: Specimen) -> tuple[bytes, int]:
    """A camera's clip, and at which byte of its medium it begins."""
    contents = rig.cards.card(camera).medium.contents
    assert contents is not None
    return (camera.card / "DCIM" / "CLIP.MP4").read_bytes(), contents[0].start * SECTOR


def test_four_cameras_are_seen_and_read_well(rig: GadgetRig, tmp_path: Path) -> None:
    cameras = [a_camera(tmp_path, f"c{index}", mib=1) for index in range(len(rig.places))]
    for place, camera in zip(rig.places, cameras, strict=True):
        rig.plug(place.name, camera, Script())
    for place, camera in zip(rig.places, cameras, strict=True):
        clip, start = clip_of(rig, camera)
        assert device(place.port).serial == camera.usb.serial
        assert read_direct(disk(place.port), start, len(clip)) == Read(clip, 0)
    with pytest.raises(RuntimeError, match="taken"):
        rig.plug(rig.places[0].name, cameras[0], Script())


def test_pulled_in_the_middle_of_a_read(rig: GadgetRig, tmp_path: Path) -> None:
    camera, place = a_camera(tmp_path, mib=64), rig.places[0]
    stay = rig.plug(place.name, camera, Script())
    clip, start = clip_of(rig, camera)
    node, results = disk(place.port), list[Read]()
    far = threading.Event()

    def read() -> None:
        results.append(read_direct(node, start, len(clip), MIB, lambda got: far.set() if got >= 4 * MIB else None))

    reader = threading.Thread(target=read)
    reader.start()
    assert far.wait(LIMIT_S)
    stay.unplug()
    reader.join(LIMIT_S)
    # The next read fails, or finds a disk that ends at 0: block/genhd.c sets its size to that when it is gone.
    assert 4 * MIB <= len(results[0].data) < len(clip)
    assert results[0].data == clip[: len(results[0].data)]
    assert not stay.there
    until(lambda: gone(place.port), "the port empty")


def test_an_error_that_heals_and_one_that_does_not(rig: GadgetRig, tmp_path: Path) -> None:
    camera, place = a_camera(tmp_path), rig.places[1]
    stay = rig.plug(place.name, camera, Script("rErB"))
    clip, start = clip_of(rig, camera)
    node = disk(place.port)
    first = read_direct(node, start, len(clip))
    assert first.errno == BAD_SECTOR and MIB < len(first.data) <= MIB + MIB // 2
    until(lambda: len(read_direct(node, start, len(clip)).data) > 2 * MIB, "the first place healed")
    for _ in range(3):
        later = read_direct(node, start, len(clip))
        assert later.errno == BAD_SECTOR and 3 * MIB < len(later.data) <= 3 * MIB + MIB // 2
    stay.unplug()
    until(lambda: gone(place.port), "the port empty")
    rig.plug(place.name, camera, Script("rErB"))
    assert read_direct(disk(place.port), start, len(clip)) == Read(clip, 0)


def test_the_power_of_a_port(rig: GadgetRig, tmp_path: Path) -> None:
    console, place = Console(Plate("BWC-0001")), rig.places[0]
    camera = a_camera(tmp_path, functions=("storage", "acm"), talker=console)
    stay = rig.plug(place.name, camera, Script())
    assert "BWC-0001" in _ask(place.port)
    stay.power(False)
    until(lambda: gone(place.port) or not device(place.port).interfaces, "the device away")
    assert stay.there
    stay.power(True)
    assert "BWC-0001" in _ask(place.port)
    assert disk(place.port).exists()


def _ask(port: str) -> str:
    until(lambda: (found := TREE.device(port)) and found.terminals, "a serial line")
    node = Path("/dev") / device(port).terminals[0]
    until(node.exists, str(node))
    with serial.Serial(str(node), 115200, timeout=10) as line:
        return Dock(line).ask("ID")


def test_what_is_written_is_seen(rig: GadgetRig, tmp_path: Path) -> None:
    camera, place = a_camera(tmp_path), rig.places[0]
    before = rig.digest(camera)
    stay = rig.plug(place.name, camera, Script())
    assert rig.digest(camera) == before
    with disk(place.port).open("r+b", buffering=0) as file:
        file.write(b"changed!")
        os.fsync(file.fileno())
    stay.unplug()
    assert rig.digest(camera) != before


def test_another_mode(rig: GadgetRig, tmp_path: Path) -> None:
    then, place = a_camera(tmp_path, "disk", product=0x2002), rig.places[0]
    camera = a_camera(tmp_path, functions=("acm",), talker=Console(Plate()), then=then)
    stay = rig.plug(place.name, camera, Script())
    assert device(place.port).product == 0x1001
    stay.become()
    until(lambda: (found := TREE.device(place.port)) and found.product == 0x2002, "the other identity")
    assert disk(place.port).exists() and stay.there


def test_what_a_gadget_cannot_do_it_refuses(rig: GadgetRig, tmp_path: Path) -> None:
    place = rig.places[0]
    for letters in "HSUPF":
        with pytest.raises(ValueError, match=letters):
            rig.plug(place.name, a_camera(tmp_path), Script(f"r{letters}"))
    with pytest.raises(ValueError, match="mtp"):
        rig.plug(place.name, a_camera(tmp_path, functions=("mtp",)), Script())
    assert gone(place.port)
