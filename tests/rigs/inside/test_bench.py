"""The bench on real devices: two gadgets on two controllers, each with a card, the second with a console."""

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
from hil.cameras.specimen import UsbPlate
from hil.rigs import Stay, check
from hil.rigs.bench import BenchRig
from hil.rigs.bench_file import read_bench
from hil.rigs.faults import Script
from hil.rigs.usb_tree import Changes, UsbTree
from tests.rigs.gadgets import BACK_S, Plugged, card_image, gadget, needs_gadgets, port_of

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
    (tmp_path / "bench.toml").write_text(REAL.format(port_of(0), port_of(1)))
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
