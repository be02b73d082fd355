"""The bench rig as a person builds it, on a hub of QEMU's that switches the power of each port alone: uhubctl speaks to
it as to any hub, and what is behind a dark port is gone. The cameras are usb-storage of QEMU's, read at the rate of
real ones."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.cameras import card
from hil.cameras.card import Shift
from hil.cameras.plate import Plate
from hil.cameras.specimen import Specimen, UsbPlate
from hil.rigs import check, medium
from hil.rigs.bench import BenchRig
from hil.rigs.bench_file import read_bench
from hil.rigs.faults import Script
from hil.rigs.qemu import devices
from hil.rigs.qemu.rig import buses
from hil.rigs.qemu.wire import Wire
from hil.rigs.uhubctl import Uhubctl
from hil.rigs.usb_tree import UsbTree
from hil.scenarios.play import play
from hil.scenarios.read import read
from tests.rigs.readers import MIB, disk, gone, read_direct, until

HUB_PORT = 8
RATE = 2 * MIB
"""Bytes in a second. The hub takes some tenths of a second to switch, on a processor that is emulated some seconds."""
PART = 12 * MIB
CLIPS, CLIP = 2, 24 * MIB + 77
"""A clip takes some seconds to read: its port has gone dark before it is over, and there is something to read on."""
BENCH = """
[bays.bay01]
port = "{hub}.1"
power = "uhubctl"
camera = "alice"
[bays.bay02]
port = "{hub}.2"
power = "sysfs"
camera = "bob"
[cameras.alice]
usb = "46f4:0001"
serial = "^SN-alice$"
[cameras.bob]
label = "^BOB$"
[limits]
gone = 15
back = 60
"""
SCENARIO = """
about = "A real camera loses its port's power in the middle of a clip, and gets it back"
why = "what a bench is for: it is pulled out there as a person would"

camera.alice = { model = "reference-signed", clips = 2, clip_kib = 24576, faults = "rrU" }

script = \"\"\"
plug alice bay01
wait alice gone within 60 s
plug alice bay01
wait alice released within 60 s
\"\"\"

expect = \"\"\"
alice delivered 2
alice resumed
alice released
alice known by card
alice untouched
one camera known
\"\"\"
"""


def a_camera(folder: Path, name: str) -> Specimen:
    shift = Shift(CLIPS, size=CLIP, seed=sum(name.encode()), sidecars=False)
    card.film_reference(folder / name, Plate(f"BWC-{name}"), shift)
    plate = UsbPlate(0x46F4, 1, serial=f"SN-{name}")
    return Specimen(name, Plate(f"BWC-{name}"), plate, folder / name, label=name.upper())


@pytest.fixture(scope="module")
def cameras() -> dict[str, Specimen]:
    folder = Path(os.environ["HIL_SHARE"]) / "bench"
    return {name: a_camera(folder, name) for name in ("alice", "bob")}


@pytest.fixture(scope="module")
def bench(cameras: dict[str, Specimen], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of a bench that is wired as it says: hub and cameras are plugged in, and stay where they are."""
    wire, hub, tree = Wire(), f"{buses()[0]}-{HUB_PORT}", UsbTree()
    devices.plug(wire, "usb-hub", "bench-hub", str(HUB_PORT), ports=4, **{"port-power": True})
    until(lambda: not tree.silent(hub), "the hub")
    for number, (name, camera) in enumerate(cameras.items(), 1):
        image = medium.medium_of(camera, camera.card.parent).path
        port, serial = f"{HUB_PORT}.{number}", camera.usb.serial
        devices.plug_disk(wire, f"bench-{name}", port, image, serial=serial, rate=RATE)
        until(lambda: not tree.silent(f"{hub}.{number}"), name)  # noqa: B023, called at once
    path = tmp_path_factory.mktemp("bench") / "bench.toml"
    path.write_text(BENCH.format(hub=hub))
    yield path
    for name in cameras:
        devices.pull_disk(wire, f"bench-{name}")
    devices.pull(wire, "bench-hub")
    until(lambda: gone(hub), "the hub's leaving")
    wire.close()


def test_check_is_content_and_uhubctl_knows_the_hub(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = check.main(["--bench", str(bench)])
    said = capsys.readouterr().out
    assert status == check.GOOD, said
    assert re.search(r"^bay01 +\S+ +alice +uhubctl +-$", said, re.MULTILINE), said
    assert re.search(r"^bay02 +\S+ +bob +sysfs +-$", said, re.MULTILINE), said
    assert "note" not in said, said
    port = read_bench(bench).bays["bay01"].port
    assert Uhubctl(port).hub().switching == "ppps"


def test_uhubctl_alone_makes_a_port_dark(bench: Path) -> None:
    port = read_bench(bench).bays["bay01"].port
    switch = Uhubctl(port)
    switch.off()
    until(lambda: UsbTree().silent(port), "a dark port")
    assert switch.state() == "off"
    assert not switch.status().connected
    switch.on()
    until(lambda: not UsbTree().silent(port), "the camera")
    assert switch.state() == "on"


def test_a_camera_that_comes_back_goes_on_in_its_script(bench: Path) -> None:
    """It is pulled once, where its script says so. With another script it would be pulled again."""
    with BenchRig(read_bench(bench)) as rig:
        bob, script, port = rig.specimen("bob"), Script("rU"), rig.places[1].port
        first = rig.plug("bay02", bob, script)
        assert read_direct(disk(port), 0, PART).errno
        until(lambda: not first.there, "bob's leaving")
        assert first.given >= MIB
        second = rig.plug("bay02", bob, script)
        assert read_direct(disk(port), 0, PART).errno == 0
        assert second.there
        assert second.given >= PART


@pytest.mark.timeout(600)
def test_a_scenario(bench: Path, cameras: dict[str, Specimen], tmp_path: Path) -> None:
    file = tmp_path / "bench-scenario.toml"
    file.write_text(SCENARIO)
    outcome = play(read(file), "bench", tmp_path / "run", bench=bench)
    words = "\n".join(f"{one.seconds:6.1f} {one.kind}: {one.words}" for one in outcome.moments)
    print(f"\n{words}")
    assert outcome.good, f"{outcome.why}\n{words}"
    stored = {sha256(path) for path in (tmp_path / "run" / "dock" / "store").rglob("master")}
    filmed = {sha256(path) for path in cameras["alice"].card.rglob("*.MP4")}
    assert len(filmed) == CLIPS
    assert filmed <= stored


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
