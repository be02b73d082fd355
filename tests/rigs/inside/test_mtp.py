"""MTP on the kernel's own USB stack: other people's programs look at the emulated camera, and the dock reads it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dockagent.errors import Gone, Permanent, Retryable
from dockagent.transports.isolated import Hung, IsolatedFootage
from dockagent.transports.mtp import MtpFootage
from dockagent.transports.mtp_port import Silent, UsbPort
from hil.cameras.plate import Plate
from hil.cameras.specimen import Specimen, UsbPlate
from hil.cameras.usb.mtp import VENDOR_SPECIFIC, MtpFunction
from hil.cameras.usb.mtp_card import MtpStorage, reach_of
from hil.cameras.usb.mtp_model import TYPES, MtpFaults, MtpModel, from_recording
from hil.cameras.usb.mtp_wire import Op
from hil.recordings.mtp_detect import MtpFacts, read_mtp_detect
from hil.rigs.faults import Script
from hil.rigs.usbip import UsbipRig, UsbipStay, lacks
from tests.corpus import corpus
from tests.rigs.readers import device, gone, until

pytestmark = pytest.mark.skipif(bool(lacks()), reason=f"{lacks()} (python -m hil.rigs.uml -- pytest …)")

GIB = 1 << 30
CLIP = b"DCIM/100GOPRO/GX010001.MP4"
DATA = os.urandom((3 << 20) + 77)
TAIL = os.urandom(1 << 20)
HERO8 = UsbPlate(0x2672, 0x0049, manufacturer="GoPro", name="HERO8 Black", serial="C3331325000001")
LIMIT_S = 120


@dataclass
class Plugged:
    """A camera in a port: what it is, and the node that the dock is given."""

    stay: UsbipStay
    function: MtpFunction
    node: Path

    def footage(self, patience_s: float = 20) -> MtpFootage:
        return MtpFootage(self.node, patience_s=patience_s)


class Bench:
    """A rig with cameras that speak MTP only."""

    def __init__(self, rig: UsbipRig, card: Path) -> None:
        self.rig, self.card = rig, card

    def plug(
        self,
        *,
        model: MtpModel | None = None,
        faults: MtpFaults | None = None,
        letters: str = "",
        plate: UsbPlate = HERO8,
        triple: tuple[int, int, int] = (6, 1, 1),
    ) -> Plugged:
        storages = [MtpStorage(self.card)]
        made: list[MtpFunction] = []

        def make(_: Specimen, stay: UsbipStay, script: Script) -> MtpFunction:
            reach = reach_of(storages, script)
            ways = {"on_hang": stay.hang, "on_power": stay.cycle}
            made.append(MtpFunction(storages, model, faults, reach, triple=triple, **ways))
            return made[-1]

        self.rig.makers["mtp"] = make
        camera = Specimen("gopro", Plate(), plate, self.card, functions=("mtp",))
        stay = self.rig.plug("bay01", camera, Script(letters))
        return Plugged(stay, made[-1], self.node())

    def node(self) -> Path:
        found = device(self.rig.places[0].port)
        until(lambda: found.interfaces, "the interface")
        bus, number = (int((found.folder / name).read_text()) for name in ("busnum", "devnum"))
        node = Path(f"/dev/bus/usb/{bus:03}/{number:03}")
        until(node.exists, f"{node}")
        return node


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    card = tmp_path / "card"
    (card / "DCIM/100GOPRO").mkdir(parents=True)
    (card / os.fsdecode(CLIP)).write_bytes(DATA)
    (card / "DCIM/100GOPRO/GX010001.THM").write_bytes(b"thumb")
    (card / "MISC").mkdir()
    rig = UsbipRig(tmp_path / "rig")
    yield Bench(rig, card)
    rig.close()
    until(lambda: all(gone(place.port) for place in rig.places), "all ports empty again")


def tool(*command: str | Path) -> str:
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"needs {command[0]}: install the package mtp-tools or gphoto2")
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read_all(footage: MtpFootage, path: bytes, start: int = 0) -> bytes:
    with footage.open(path) as reader:
        reader.seek(start)
        return b"".join(iter(lambda: reader.read(1 << 20), b""))


def known(facts: MtpFacts) -> list[tuple[int, set[int]]]:
    """Formats and those of their properties that the emulation has."""
    return [(one.code, set(one.properties) & TYPES.keys()) for one in facts.formats]


@pytest.mark.parametrize("log", ["mtp-detect-gopro-hero4.txt", "mtp-detect-gopro-hero5-black.txt"])
def test_libmtp_finds_in_the_emulation_what_it_found_in_the_real_camera(bench: Bench, log: str) -> None:
    real = read_mtp_detect(corpus("usb", log).read_text())
    plate = UsbPlate(real.vendor, real.product, manufacturer=real.manufacturer, name=real.model, serial=real.serial)
    plugged = bench.plug(model=from_recording(real), plate=plate)
    seen = read_mtp_detect(tool("mtp-detect"))
    for name in ("vendor", "product", "manufacturer", "model", "version", "serial", "extension_id", "extensions"):
        assert getattr(seen, name) == getattr(real, name)
    for name in ("operations", "events", "properties"):
        assert getattr(seen, name) == getattr(real, name)
    assert known(seen) == known(real)
    assert [one.filesystem for one in seen.storages] == [one.filesystem for one in real.storages]
    assert read_all(plugged.footage(), CLIP) == DATA
    assert plugged.function.changes == []


@pytest.mark.parametrize("faults", [MtpFaults(), MtpFaults(split=True), MtpFaults(session_open=True)])
def test_libmtp_lists_and_reads(bench: Bench, tmp_path: Path, faults: MtpFaults) -> None:
    plugged = bench.plug(faults=faults)
    listed = tool("mtp-files")
    names = [line.split(":", 1)[1].strip() for line in listed.splitlines() if line.strip().startswith("Filename:")]
    assert sorted(names) == ["GX010001.MP4", "GX010001.THM"]
    numbers = [line.split()[2] for line in listed.splitlines() if line.startswith("File ID:")]
    number = dict(zip(names, numbers, strict=True))["GX010001.MP4"]
    tool("mtp-getfile", number, tmp_path / "copy.mp4")
    assert (tmp_path / "copy.mp4").read_bytes() == DATA
    assert plugged.function.changes == []


@pytest.mark.parametrize("model", [MtpModel(), MtpModel(knows_formats=False)], ids=["formats", "no formats"])
def test_libgphoto2_reads_every_byte(bench: Bench, tmp_path: Path, model: MtpModel) -> None:
    (bench.card / "A.JPG").write_bytes(DATA[:100_000])
    plugged = bench.plug(model=model)
    for folder, name, data in (("", "A.JPG", DATA[:100_000]), ("/DCIM/100GOPRO", "GX010001.MP4", DATA)):
        copy = tmp_path / name
        tool("gphoto2", "--folder", f"/store_00010001{folder}", "--get-file", name, "--filename", copy)
        assert copy.read_bytes() == data
    assert plugged.function.changes == []


@pytest.mark.parametrize("triple", [(6, 1, 1), VENDOR_SPECIFIC])
def test_the_dock_lists_and_reads_every_byte(bench: Bench, triple: tuple[int, int, int]) -> None:
    plugged = bench.plug(triple=triple)
    footage = plugged.footage()
    facts = footage.facts()
    assert (facts["serial"], facts["filesystem"], facts["readonly"]) == ("0123456789", "mtp", "yes")
    assert [(fact.path, fact.size) for fact in footage.list()] == [
        (CLIP, len(DATA)),
        (CLIP.replace(b"MP4", b"THM"), 5),
    ]
    assert read_all(footage, CLIP) == DATA
    assert read_all(footage, CLIP, 1_234_567) == DATA[1_234_567:]
    footage.close()
    with pytest.raises(Gone):
        footage.facts()
    assert read_all(plugged.footage(), CLIP) == DATA
    assert plugged.function.changes == []


def test_the_dock_reads_through_a_process_of_its_own(bench: Bench) -> None:
    plugged = bench.plug(letters="rH")
    footage = IsolatedFootage("mtp", plugged.node, hang_s=10)
    assert footage.facts()["filesystem"] == "mtp"
    assert [fact.path for fact in footage.list()] == [CLIP, CLIP.replace(b"MP4", b"THM")]
    with footage.open(CLIP) as reader:
        assert reader.read(100_000) == DATA[:100_000]
        with pytest.raises(Hung):
            while reader.read(1 << 20):
                pass
    footage.close()
    bench.rig.close()
    plugged.stay.wait_out(LIMIT_S)
    until(lambda: gone(bench.rig.places[0].port), "the port empty")
    footage = IsolatedFootage("mtp", bench.plug().node)
    with footage.open(CLIP) as reader:
        assert b"".join(iter(lambda: reader.read(1 << 20), b"")) == DATA
    footage.close()


@pytest.mark.parametrize("faults", [MtpFaults(), MtpFaults(no_zero=True), MtpFaults(split=True)])
@pytest.mark.parametrize("parts", [True, False], ids=["parts", "whole"])
def test_the_dock_reads_where_packets_end_oddly(bench: Bench, faults: MtpFaults, parts: bool) -> None:
    sizes = (1, 499, 500, 501, 512, 4096 - 12, (128 << 10) - 12, (128 << 10) - 11, 128 << 10)
    for size in sizes:
        (bench.card / f"{size:07}.BIN").write_bytes(os.urandom(size))
    model = MtpModel() if parts else MtpModel().without(Op.GET_PARTIAL_OBJECT, Op.GET_PARTIAL_OBJECT_64)
    footage = bench.plug(model=model, faults=faults).footage()
    for size in sizes:
        assert read_all(footage, b"%07d.BIN" % size) == (bench.card / f"{size:07}.BIN").read_bytes()
    assert read_all(footage, CLIP) == DATA


def test_the_dock_reads_beyond_4_gib_or_says_why_not(bench: Bench) -> None:
    with (bench.card / "GIANT.MP4").open("wb") as file:
        file.seek(5 * GIB - len(TAIL))
        file.write(TAIL)
    plugged = bench.plug()
    footage = plugged.footage()
    assert {fact.path: fact.size for fact in footage.list()}[b"GIANT.MP4"] == 5 * GIB
    assert read_all(footage, b"GIANT.MP4", 5 * GIB - len(TAIL) - 3) == bytes(3) + TAIL
    footage.close()
    plugged.stay.unplug()
    until(lambda: gone(bench.rig.places[0].port), "the port empty")
    model = MtpModel().without(Op.GET_PARTIAL_OBJECT_64, Op.GET_OBJECT_PROP_VALUE)
    footage = bench.plug(model=model).footage()
    with pytest.raises(Permanent, match="take its card out"):
        footage.open(b"GIANT.MP4")
    assert read_all(footage, CLIP) == DATA


def test_a_camera_that_another_program_has_is_asked_for_later(bench: Bench) -> None:
    plugged = bench.plug()
    other = UsbPort(plugged.node)
    with pytest.raises(Retryable, match="another program has the camera"):
        plugged.footage()
    other.close()
    assert read_all(plugged.footage(), CLIP) == DATA


def test_a_device_without_ptp_is_no_camera_and_an_empty_port_is_gone(bench: Bench, tmp_path: Path) -> None:
    root_hub = bench.plug().node.parent / "001"
    with pytest.raises(Permanent, match="speaks no PTP"):
        MtpFootage(root_hub)
    with pytest.raises(Gone):
        MtpFootage(tmp_path / "002")


def test_a_pulled_camera_is_gone_and_the_rest_is_read_when_it_is_back(bench: Bench) -> None:
    plugged = bench.plug(letters="rU")
    footage, data = plugged.footage(), b""
    with pytest.raises(Gone), footage.open(CLIP) as reader:
        while piece := reader.read(256 << 10):
            data += piece
    assert 1 << 20 <= len(data) < 2 << 20
    for act in (footage.facts, lambda: list(footage.list()), lambda: footage.open(CLIP)):
        with pytest.raises(Gone):
            act()
    footage.close()
    plugged.stay.wait_out(LIMIT_S)
    until(lambda: gone(bench.rig.places[0].port), "the port empty")
    assert data + read_all(bench.plug().footage(), CLIP, len(data)) == DATA


def test_a_camera_that_falls_silent_is_given_up_in_time(bench: Bench) -> None:
    plugged = bench.plug(letters="H")
    with plugged.footage(patience_s=2).open(CLIP) as reader, pytest.raises(Silent):
        while reader.read(1 << 20):
            pass


def test_a_medium_error_passes(bench: Bench) -> None:
    plugged = bench.plug(letters="E")
    with plugged.footage().open(CLIP) as reader:
        with pytest.raises(Retryable, match="could not read all of it"):
            reader.read(1 << 20)
        reader.seek(0)
        assert b"".join(iter(lambda: reader.read(1 << 20), b"")) == DATA


@pytest.mark.parametrize("whole", [False, True], ids=["parts", "whole"])
def test_a_reader_that_was_killed_leaves_a_camera_that_can_be_read(bench: Bench, whole: bool) -> None:
    model = MtpModel().without(Op.GET_PARTIAL_OBJECT, Op.GET_PARTIAL_OBJECT_64) if whole else MtpModel()
    plugged = bench.plug(model=model, letters="rS")
    reader = (
        "import sys, pathlib; from dockagent.transports.mtp import MtpFootage\n"
        f"with MtpFootage(pathlib.Path(sys.argv[1])).open({CLIP!r}) as r:\n"
        "    while r.read(1 << 20): print('some', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", reader, str(plugged.node)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"some\n"
        child.send_signal(signal.SIGKILL)
    assert read_all(plugged.footage(), CLIP) == DATA
