"""The bench: its file, and the check of its wiring, on a sysfs made of files. With real devices it is tried in the
guests (tests/rigs/inside/test_bench.py, tests/rigs/qemu/inside/test_bench.py)."""

import re
from pathlib import Path

import pytest

from hil.cameras.specimen import Specimen
from hil.rigs import check
from hil.rigs.bench import BenchRig
from hil.rigs.bench_faults import Due, due
from hil.rigs.bench_file import read_bench
from hil.rigs.bench_table import Mistakes
from hil.rigs.faults import MIB, Script
from hil.rigs.usb_tree import UsbTree
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


def _hub(tmp_path: Path, bay01: str = "", bay02: str = "") -> Path:
    """A sysfs with the hub of both bays, and in them cameras of one kind with these serial numbers."""
    sysfs = tmp_path / "sys"
    make_hub(sysfs, "usb1", 4)
    make_hub(sysfs, "1-2", 4)
    for port, serial in (("1-2.1", bay01), ("1-2.2", bay02)):
        if serial:
            make_device(sysfs, port, "2672:000f", serial)
    return sysfs


def test_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _hub(tmp_path, "C3141", "C2718")
    status, said = _looked_at(tmp_path, capsys)
    assert (status, said.splitlines()[-1]) == (check.GOOD, "All is as the file says.")
    assert re.search(r"^bay02 +1-2\.2 +bruno", said, re.MULTILINE)


def test_swapped_cameras_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _hub(tmp_path, "C2718", "C3141")
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
    _hub(tmp_path, "C3141-C2718", "C2718")
    status, said = _looked_at(tmp_path, capsys, TWO_BAYS.replace("^C2718", "C2718"))
    assert status == check.BAD
    assert "alice also fits the patterns of bruno" in said


def test_a_controller_has_only_so_much_room(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sysfs = _hub(tmp_path, "C3141", "C2718")
    make_device(sysfs, "1-3", "1234:5678", "", endpoints=94)
    status, said = _looked_at(tmp_path, capsys)
    assert status == check.GOOD  # it works now: the note is for who adds the next camera
    assert "note  bench: controller controller1 has 5 devices with 103 endpoints" in said


def test_a_line_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sysfs = _hub(tmp_path, "C3141")
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


def test_a_specimen_of_a_bench_is_no_folder(tmp_path: Path) -> None:
    rig = BenchRig(read_bench(_file(tmp_path, TWO_BAYS)), UsbTree(tmp_path))
    alice: Specimen = rig.specimen("alice")
    assert (alice.usb.vendor, alice.usb.product) == (0x2672, 0x000F)
    assert not alice.card.exists()
    assert rig.carries == {"usb", "block", "power", "yank", "hub"}


def test_what_is_due_and_what_is_past() -> None:
    script, half = Script("rUrP"), MIB // 2
    assert due(script) == (Due(MIB + half, "U"), Due(3 * MIB + half, "P"))
    assert due(script, MIB + half) == (Due(2 * MIB, "P"),)
    assert due(script, 4 * MIB) == ()
    with pytest.raises(ValueError, match="not B, F; use an emulated one"):
        due(Script("rFB"))
