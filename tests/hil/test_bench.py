"""The bench: its file, the check of its wiring, and the rig, on files and on real gadgets in the guest."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from hil.cameras.console import Console
from hil.cameras.plate import Plate
from hil.cameras.specimen import Specimen, UsbPlate
from hil.rigs import Stay, check
from hil.rigs.bench import BenchRig
from hil.rigs.bench_file import read_bench
from hil.rigs.bench_table import Mistakes
from hil.rigs.faults import Script
from hil.rigs.usb_tree import Changes, UsbTree
from tests.rigs.gadgets import BACK_S, Plugged, card_image, gadget, needs_gadgets, port_of
from tests.rigs.sysfs_files import make_device, make_hub

EXAMPLE = Path(check.__file__).with_name("bench.example.toml")
TWO_BAYS = """
[bays.bay01]
port = "1-2.1"
power = "sysfs"
camera = "alice"
[bays.bay02]
port = "1-2.2"
power = "sysfs"
camera = "bruno"
[cameras.alice]
usb = "2672:000f"
serial = "^C3141"
[cameras.bruno]
serial = "^C2718"
"""
WRONG = """
shelf = 1
[bays.bay01]
port = "2.3"
power = "magic"
camera = "alcie"
[bays.bay02]
port = "1-2.2"
twin = "2-2.2"
[bays.bay03]
port = "2-2.2"
power = "none"
colour = "red"
[cameras.alice]
usb = "2672:000F"
serial = "("
[cameras.alice.line]
baud = 115
ask = "> 1 ID"
[limits]
gone = 0
"""


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bench.toml"
    path.write_text(text)
    return path


def test_the_example_is_right_and_whole() -> None:
    bench = read_bench(EXAMPLE)
    assert [(bay.port, bay.power, bay.twin, bay.camera) for bay in bench.bays.values()] == [
        ("1-2.1", "uhubctl", "2-2.1", "alice"),
        ("1-2.2", "sysfs", "", "bruno"),
        ("1-4", "none", "", ""),
    ]
    assert bench.cameras["alice"].fits("2672:000f", "C3141324616764")
    assert not bench.cameras["alice"].fits("2672:000f", "C2718")
    assert not bench.cameras["bruno"].fits("1d6b:0104", "", frozenset({"BWC0003"}))
    assert bench.store["url"].startswith("file:///")


def test_every_mistake_is_told_at_once_with_its_key_and_what_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(Mistakes) as caught:
        read_bench(_file(tmp_path, WRONG))
    keys = [one.split(" ", 1)[0] for one in caught.value.each]
    assert sorted(set(keys)) == [
        "bays.bay01.camera",
        "bays.bay01.port",
        "bays.bay01.power",
        "bays.bay03.colour",
        "bays.bay03.port",
        "cameras.alice.line.ask",
        "cameras.alice.line.baud",
        "cameras.alice.serial",
        "cameras.alice.usb",
        "limits.gone",
        "shelf",
    ]
    assert all("; allowed is " in one for one in caught.value.each)
    assert "a name of [cameras]: alice" in str(caught.value)


def test_a_kind_of_camera_is_not_a_camera(tmp_path: Path) -> None:
    """Of one model there are dozens: a pattern that takes them all would let any of them pass for alice."""
    with pytest.raises(Mistakes, match="VID:PID tells the kind, not which one"):
        read_bench(_file(tmp_path, TWO_BAYS.replace('serial = "^C3141"\n', "")))


def _looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str = TWO_BAYS) -> tuple[int, str]:
    status = check.main(["--bench", str(_file(tmp_path, text)), "--no-switch"], sysfs=tmp_path / "sys")
    return status, capsys.readouterr().out


def _hub(tmp_path: Path) -> Path:
    sysfs = tmp_path / "sys"
    make_hub(sysfs, "usb1", 4)
    make_hub(sysfs, "1-2", 4)
    return sysfs


def test_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sysfs = _hub(tmp_path)
    make_device(sysfs, "1-2.1", "2672:000f", "C3141")
    make_device(sysfs, "1-2.2", "2672:000f", "C2718")
    status, said = _looked_at(tmp_path, capsys)
    assert (status, said.splitlines()[-1]) == (check.GOOD, "All is as the file says.")
    assert re.search(r"^bay02 +1-2\.2 +bruno", said, re.MULTILINE)


def test_swapped_cameras_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sysfs = _hub(tmp_path)
    make_device(sysfs, "1-2.1", "2672:000f", "C2718")
    make_device(sysfs, "1-2.2", "2672:000f", "C3141")
    status, said = _looked_at(tmp_path, capsys)
    assert status == check.BAD
    assert "camera bruno is in bay01, the file says bay02; swap" in said
    assert "camera alice is in bay02, the file says bay01; swap" in said


def test_an_empty_bay_a_stranger_and_a_neighbour(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sysfs = _hub(tmp_path)
    make_device(sysfs, "1-2.2", "046d:c31c", "")
    make_device(sysfs, "1-2.4", "0bda:8153", "0001")
    status, said = _looked_at(tmp_path, capsys)
    assert status == check.BAD
    assert "wrong bay01: camera alice is not in it; plug it in" in said
    assert "wrong bay02: it holds 046d:c31c" in said
    assert "note  bench: port 1-2.4 holds 0bda:8153" in said


def test_ports_and_hubs_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _hub(tmp_path)
    moved = TWO_BAYS.replace("1-2.1", "1-3.1").replace("1-2.2", "1-2.7")
    status, said = _looked_at(tmp_path, capsys, moved)
    assert status == check.BAD
    assert "wrong bay01: its hub 1-3 is not there" in said
    assert "wrong bay02: hub 1-2 has no such port" in said


def test_a_pattern_that_takes_two_cameras(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sysfs = _hub(tmp_path)
    make_device(sysfs, "1-2.1", "2672:000f", "C3141-C2718")
    make_device(sysfs, "1-2.2", "2672:000f", "C2718")
    status, said = _looked_at(tmp_path, capsys, TWO_BAYS.replace("^C2718", "C2718"))
    assert status == check.BAD
    assert "alice also fits the patterns of bruno" in said


def test_a_controller_has_only_so_much_room(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sysfs = _hub(tmp_path)
    make_device(sysfs, "1-2.1", "2672:000f", "C3141")
    make_device(sysfs, "1-2.2", "2672:000f", "C2718")
    make_device(sysfs, "1-3", "1234:5678", "", endpoints=94)
    status, said = _looked_at(tmp_path, capsys)
    assert status == check.GOOD  # it works now: the note is for who adds the next camera
    assert "note  bench: controller controller1 has 5 devices with 103 endpoints" in said


def test_a_line_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sysfs = _hub(tmp_path)
    make_device(sysfs, "1-2.1", "2672:000f", "C3141")
    make_device(sysfs, "1-2.2", "2672:000f", "C2718", terminal="ttyHIL9")
    wired = f'{TWO_BAYS}[cameras.alice.line]\nport = "1-2.3"\n[cameras.bruno.line]\n[limits]\nback = 0.1\n'
    status, said = _looked_at(tmp_path, capsys, wired)
    assert status == check.BAD
    assert "wrong bay01: alice: no serial line at port 1-2.3" in said
    assert re.search(r"^bay02 .*ttyHIL9$", said, re.MULTILINE)


def test_a_wrong_file_and_a_machine_without_usb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["--bench", str(tmp_path / "none.toml")], sysfs=tmp_path) == check.USAGE
    assert check.main(["--bench", str(_file(tmp_path, WRONG))], sysfs=tmp_path) == check.USAGE
    assert check.main(["--bench", str(_file(tmp_path, TWO_BAYS)), "--no-switch"], sysfs=tmp_path) == check.UNKNOWN
    said = capsys.readouterr().err
    assert said.count("allowed is") == said.count("bench.toml:") > 8
    assert "no USB at all" in said


# From here on with real devices: two gadgets on two controllers, each with a card, the second with a console.

ALICE = UsbPlate(0x2672, 0x000F, manufacturer="HIL", name="Alice", serial="C3141")
BRUNO = UsbPlate(0x1D6B, 0x0104, manufacturer="HIL", name="Bruno", serial="C2718")
REAL = """
[bays.bay01]
port = "{0}"
power = "uhubctl"
camera = "alice"
[bays.bay02]
port = "{1}"
power = "sysfs"
camera = "bruno"
[cameras.alice]
serial = "^C3141"
[cameras.bruno]
label = "^BRUNO$"
[cameras.bruno.line]
ask = "> 1 ID"
check = "xor"
answer = "serial=BWC-0002"
[limits]
gone = 1
"""


@contextmanager
def _two(tmp_path: Path, first: UsbPlate = ALICE, second: UsbPlate = BRUNO) -> Iterator[list[Plugged]]:
    """A bench in bench.toml, and both cameras plugged in."""
    needs_gadgets(2)
    _file(tmp_path, REAL.format(port_of(0), port_of(1)))
    with ExitStack() as stack:
        plugged = []
        for udc, plate in enumerate((first, second)):
            card = tmp_path / f"card{udc}"
            card.mkdir()
            (card / "CLIP.MP4").write_bytes(os.urandom(4 << 20))
            image = card_image(tmp_path / f"{udc}.img", card, plate.name.upper())
            talker = Console(Plate("BWC-0002")) if plate is BRUNO else None
            plugged.append(stack.enter_context(gadget(plate, udc=udc, image=image, talker=talker)))
        yield plugged


def test_check_on_real_ports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with _two(tmp_path):
        status = check.main(["--bench", str(tmp_path / "bench.toml")])
        said = capsys.readouterr().out
    assert status == check.GOOD, said
    assert re.search(r"^bay01 +\S+ +alice +uhubctl +-$", said, re.MULTILINE), said
    assert re.search(r"^bay02 +\S+ +bruno +sysfs +ttyACM\d answers$", said, re.MULTILINE), said


def test_check_finds_real_cameras_swapped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with _two(tmp_path, BRUNO, ALICE):
        status = check.main(["--bench", str(tmp_path / "bench.toml"), "--no-switch"])
        said = capsys.readouterr().out
    assert status == check.BAD
    assert "camera alice is in bay02, the file says bay01" in said, said


def _in(stay: Stay) -> bool:
    return stay.there


def test_the_rig_plugs_reads_and_leaves_all_as_it_was(tmp_path: Path) -> None:
    with _two(tmp_path) as plugged:
        bench, tree = read_bench(tmp_path / "bench.toml"), UsbTree()
        with Changes() as changes, BenchRig(bench) as rig:
            assert rig.bays()["ports"] == {plugged[0].port: "bay01", plugged[1].port: "bay02"}
            assert {"usb", "serial", "block", "power", "yank"} == rig.carries
            assert all(tree.silent(one.port) for one in plugged)
            alice = rig.specimen("alice")
            before = rig.digest(alice)
            assert tree.silent(plugged[0].port)
            stay = rig.plug("bay01", alice, Script())
            assert _in(stay)
            with pytest.raises(RuntimeError, match="bay bay01 is taken by alice"):
                rig.plug("bay01", alice, Script())
            stay.power(False)
            assert not _in(stay)
            stay.power(True)
            assert changes.wait(lambda: _in(stay), BACK_S)
            stay.unplug()
            stay.unplug()
            assert not _in(stay)
            assert rig.digest(alice) == before
            assert rig.digest(rig.specimen("bruno")) != before
        with Changes() as changes:
            assert changes.wait(lambda: not any(tree.silent(one.port) for one in plugged), BACK_S)


def test_the_rig_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    with _two(tmp_path):
        bench = read_bench(tmp_path / "bench.toml")
        with BenchRig(bench) as rig:
            alice = rig.specimen("alice")
            with pytest.raises(ValueError, match="bit-flip"):
                rig.plug("bay01", alice, Script("rF"))
            with pytest.raises(ValueError, match="no camera is called carol"):
                rig.specimen("carol")
            with pytest.raises(RuntimeError, match=r"holds .*bruno, not alice; run: python -m hil check"):
                rig.plug("bay02", alice, Script())
            assert UsbTree().silent(bench.bays["bay02"].port)


def test_a_camera_is_pulled_while_it_is_read(tmp_path: Path) -> None:
    """U in the third MiB: a reader gets an error near there, and not before the middle of the second."""
    with _two(tmp_path), BenchRig(read_bench(tmp_path / "bench.toml")) as rig:
        stay = rig.plug("bay02", rig.specimen("bruno"), Script("rrU"))
        disk = _disk(rig, stay.there)
        reader = subprocess.run(
            [sys.executable, "-c", _SLOW_READER, f"/dev/{disk}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert 2 << 20 < int(reader.stdout) < 8 << 20, "of 40 MiB"
        assert stay.given > 2 << 20
        stay.unplug()
        assert not stay.there


# 64 KiB at a time, past the cache, at 2 MiB/s: a real camera is not so much faster than a bench can look.
_SLOW_READER = """
import mmap, os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT)
buffer, total = mmap.mmap(-1, 65536), 0
try:
    while count := os.readv(fd, [buffer]):
        total += count
        time.sleep(0.03)
except OSError:
    pass
print(total)
"""


def _disk(rig: BenchRig, there: bool) -> str:
    assert there
    tree = UsbTree()
    with Changes() as changes:
        port = rig.places[1].port

        def disks() -> tuple[str, ...]:
            device = tree.device(port)
            return device.disks if device is not None else ()

        assert changes.wait(lambda: bool(disks()), BACK_S)
        return disks()[0]


def test_a_specimen_of_a_bench_is_no_folder(tmp_path: Path) -> None:
    rig = BenchRig(read_bench(_file(tmp_path, TWO_BAYS)), UsbTree(tmp_path))
    alice: Specimen = rig.specimen("alice")
    assert (alice.usb.vendor, alice.usb.product) == (0x2672, 0x000F)
    assert not alice.card.exists()
    assert rig.carries == {"usb", "block", "power", "yank", "hub"}
