"""Record a real USB device, a gadget of the guest: all of its words, none of its footage; then play the recording."""

import base64
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hil.cameras.console import Console
from hil.cameras.plate import Plate
from hil.cameras.specimen import Specimen, UsbPlate
from hil.recordings import record, recording, replay, samples
from hil.recordings.capture import shape
from hil.rigs import usbip
from hil.rigs.usb_tree import Changes, UsbTree, read
from tests.rigs.gadgets import BACK_S, Plugged, card_image, gadget, needs_gadgets

PLATE = UsbPlate(0x2E1A, 0x1001, 0x0102, "HIL", "BodyCam X", "SN-00421-XK", ("HILMAKER", "A9 DSC Platform", "0107"))
WINDOW = 12
"""Bytes in a row of which none may be found in a recording: by chance, a card of random bytes has no such run there."""


def _card(root: Path) -> Path:
    (root / "DCIM" / "100BWC").mkdir(parents=True)
    for number in range(3):
        path = root / "DCIM" / "100BWC" / f"BWC000{number}.MP4"
        path.write_bytes(os.urandom((number + 1) * 1_500_000))
        os.utime(path, (1_790_000_000 + number * 2, 1_790_000_000 + number * 2))  # FAT keeps even seconds
    (root / "DCIM" / "100BWC" / "SMALL.GPS").write_bytes(os.urandom(64))
    return root


@contextmanager
def _plugged(tmp_path: Path, plate: UsbPlate, card: Path, label: str, talker: object) -> Iterator[Plugged]:
    image = card_image(tmp_path / f"{label}.img", card, label)
    with gadget(plate, image=image, talker=talker) as camera, Changes() as changes:  # type: ignore[arg-type]
        device = UsbTree().device(camera.port)
        assert device is not None
        assert changes.wait(lambda: bool(device.disks and device.terminals), BACK_S)
        yield camera


def _recorded(tmp_path: Path, camera: Plugged, *options: str) -> recording.Recording:
    out = tmp_path / f"out{len(options)}"
    status = record.main(["--port", camera.port, "--out", str(out), "--ask-reference", *options])
    assert status == record.GOOD
    [folder] = out.glob("*/*")
    return recording.load(folder)


def test_all_that_a_camera_says_is_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs_gadgets()
    card = _card(tmp_path / "card")
    with _plugged(tmp_path, PLATE, card, "BWC00421", Console(Plate("SN-00421-XK"))) as camera:
        found = _recorded(tmp_path, camera, "--no-scrub")
        again = record.main(["--port", camera.port, "--out", str(tmp_path / "out1"), "--no-scrub"])
    assert (found.model, found.state, found.scrubbed) == ("hil-bodycam-x", "storage", False)
    assert (found.usb.manufacturer, found.usb.product, found.usb.serial, found.usb.speed) == (
        *("HIL", "BodyCam X", "SN-00421-XK"),
        480,
    )
    assert found.disk is not None
    assert found.disk.inquiry.texts == ("HILMAKER", "A9 DSC Platform", "0107")
    assert (found.disk.filesystem, found.disk.label, found.disk.cluster) == ("vfat", "BWC00421", 512)
    assert found.disk.size == (tmp_path / "BWC00421.img").stat().st_size
    on_card = {entry.path: entry.size for entry in shape(card)}
    assert {entry.path: entry.size for entry in found.listing} == on_card
    times = {entry.path: entry.changed for entry in found.listing}
    assert times["DCIM/100BWC/BWC0001.MP4"] == 1_790_000_002 * 10**9
    assert [turn.dock for turn in found.dialogue] == [True, False] * 3
    assert b"serial=SN-00421-XK" in found.dialogue[1].data
    assert again == record.USAGE
    assert "is there already" in capsys.readouterr().err


def test_no_byte_of_a_file_is_in_the_recording(tmp_path: Path) -> None:
    """Not as it is, not in hex, not in base64; and the card was hardly read at all."""
    needs_gadgets()
    card = _card(tmp_path / "card")
    with _plugged(tmp_path, PLATE, card, "BWC00421", Console(Plate("SN-00421-XK"))) as camera:
        [disk] = _disks(camera)
        before = _read_bytes(disk)
        _recorded(tmp_path, camera, "--no-scrub")
        assert _read_bytes(disk) - before < 2_000_000
    contents = [path.read_bytes() for path in card.rglob("*") if path.is_file()]
    assert sum(map(len, contents)) > 9_000_000
    written = b"\n".join(path.read_bytes() for path in (tmp_path / "out1").rglob("*") if path.is_file())
    windows = set(_windows(written))
    for found in re.findall(rb"[0-9a-f]{24,}", written):
        windows |= set(_windows(bytes.fromhex(found[: len(found) // 2 * 2].decode())))
    for found in re.findall(rb"[A-Za-z0-9+/]{16,}", written):
        windows |= set(_windows(base64.b64decode(found[: len(found) // 4 * 4])))
    assert len(windows) > 1000
    for content in contents:
        assert windows.isdisjoint(_windows(content))
    assert not windows.isdisjoint(_windows(b"...BodyCam X...DCIM/100BWC/BWC0001.MP4"))  # the measure itself measures


def test_scrubbed_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs_gadgets()
    card = _card(tmp_path / "card")
    (card / "DCIM" / "100BWC" / "MILLER.MP4").write_bytes(b"")
    with _plugged(tmp_path, PLATE, card, "BWC00421", Console(Plate("SN-00421-XK"))) as camera:
        found = _recorded(tmp_path, camera)
    written = b"\n".join(path.read_bytes() for path in (tmp_path / "out0").rglob("*") if path.is_file()).lower()
    for secret in (b"sn-00421-xk", b"bwc00421", b"miller"):
        assert secret not in written
        assert secret.hex().encode() not in written
    assert found.scrubbed
    assert "serial numbers and names are replaced" in capsys.readouterr().out
    assert f"serial={found.usb.serial} ".encode() in found.dialogue[1].data


def test_a_recording_of_a_played_recording_is_the_same(tmp_path: Path) -> None:
    """Record, play it as another device, record that: nothing of what a dock can see was lost on the way."""
    needs_gadgets()
    card = _card(tmp_path / "card")
    with _plugged(tmp_path, PLATE, card, "BWC00421", Console(Plate("SN-00421-XK"))) as camera:
        first = _recorded(tmp_path, camera, "--no-scrub")
    played: Specimen = replay.load(tmp_path / "out1" / first.model / first.state, tmp_path / "played")
    assert played.functions == ("storage", "acm")
    (tmp_path / "second").mkdir()
    with _plugged(tmp_path / "second", played.usb, played.card, played.label, played.talker) as camera:
        second = _recorded(tmp_path / "second", camera, "--no-scrub")
    assert second.usb == first.usb
    assert second.disk == first.disk
    files = [(one.path, one.size, one.changed) for one in first.listing if one.size is not None]
    assert [(one.path, one.size, one.changed) for one in second.listing if one.size is not None] == files
    assert [(turn.dock, turn.data) for turn in second.dialogue] == [(turn.dock, turn.data) for turn in first.dialogue]


def test_a_disk_that_cannot_be_read_is_not_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recording without its card would be played as a camera that has none."""
    needs_gadgets()
    (tmp_path / "blank.img").write_bytes(bytes(4 << 20))
    with gadget(PLATE, image=tmp_path / "blank.img") as camera:
        status = record.main(["--port", camera.port, "--out", str(tmp_path / "out")])
    assert status == record.FAILED
    assert "shows no file system on its disk" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_kept_is_what_recording_gives(tmp_path: Path) -> None:
    """The recordings of the emulated cameras are made anew, and nothing but times of today may differ."""
    if why := usbip.lacks():
        pytest.skip(f"{why}: run it in the guest (python -m hil.rigs.uml)")
    if shutil.which("mtp-detect") is None:
        pytest.skip("needs mtp-detect: apt-get install mtp-tools")
    samples.make(tmp_path / "out", tmp_path / "work")
    made = sorted(path.parent.relative_to(tmp_path / "out") for path in (tmp_path / "out").glob("*/*/camera.toml"))
    assert len(made) == 3
    for name in made:
        new, kept = recording.load(tmp_path / "out" / name), recording.load(Path(recording.__file__).parent / name)
        assert (new.usb, new.disk, new.mtp) == (kept.usb, kept.disk, kept.mtp)
        assert [one for one in new.listing if one.size is not None] == [
            one for one in kept.listing if one.size is not None
        ]
        assert [_said(turn) for turn in new.dialogue] == [_said(turn) for turn in kept.dialogue]


def _said(turn: recording.Turn) -> tuple[bool, bytes]:
    """A turn without the camera's clock, and so without its check."""
    return turn.dock, re.sub(rb"time=\S+ (.*) \*..", rb"\1", turn.data)


def _disks(camera: Plugged) -> tuple[str, ...]:
    device = UsbTree().device(camera.port)
    assert device is not None
    return device.disks


def _read_bytes(disk: str) -> int:
    return int(read(Path("/sys/class/block") / disk / "stat").split()[2]) * 512


def _windows(data: bytes) -> Iterator[bytes]:
    return (data[at : at + WINDOW] for at in range(len(data) - WINDOW + 1))
