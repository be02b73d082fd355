"""Recordings: written, scrubbed, read again and played; and what other people recorded, read by us."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import serial

from hil.cameras import wire
from hil.cameras.console import Console
from hil.cameras.plate import Plate
from hil.recordings import descriptors, record, recording, replay
from hil.recordings.capture import shape
from hil.recordings.dialogue import ABOUT_REFERENCE, Listener, ask
from hil.recordings.mtp_detect import read_mtp_detect
from hil.recordings.recording import Disk, Entry, Recording, Turn, Usb
from hil.recordings.scrub import Scrubber, camera_words, scrub
from hil.recordings.scsi import SERIAL, Inquiry
from hil.recordings.talk import Replayed
from hil.recordings.umockdev import read_umockdev
from tests.corpus import corpus

# A composite camera: mass storage, then a CDC-ACM pair behind an association (USB 2.0, 9.6; CDC 1.2, 5.2).
_INTERFACES = bytes.fromhex(
    "0904000002080650000705810200020007050202000200"  # mass storage, bulk in and out
    "080b010202020100"  # association of the next two
    "09040100010202010205240010010524010002042402060524060102070583030800" "09"  # CDC control
    "09040200020a000000" "07058402000200" "07050502000200"  # CDC data
)  # fmt: skip
CAMERA = (
    bytes.fromhex("12010002ef0201401a2e0110000101020301")
    + bytes.fromhex("0902") + (9 + len(_INTERFACES)).to_bytes(2, "little") + bytes.fromhex("03010080fa")
    + _INTERFACES
)  # fmt: skip
SERIAL_NUMBER = "SN-00421-XK"
INQUIRY = bytes.fromhex("008004021f000000") + b"Ambarell" + b"A9 DSC EVK Platf" + b"0001" + b"MAKERSERIAL99999\0\0\0\0"
LISTING = (
    Entry("DCIM", None, 1_790_000_000_000_000_000),
    Entry("DCIM/100GOPRO", None, 1_790_000_001_000_000_000),
    Entry("DCIM/100GOPRO/GHAA0001.MP4", 5 << 30, 1_790_000_002_000_000_000),
    Entry("DCIM/100GOPRO/GX010001.THM", 1234, 1_790_000_004_000_000_000),
    Entry("Interview Margaret Miller.MP4", 0, 1_790_000_006_000_000_000),
    Entry(f"{SERIAL_NUMBER}.log", 7, 1_790_000_006_000_000_000),
)


def _line(body: str) -> bytes:
    return f"{body} *{wire.check(body.encode()):02x}\r\n".encode()


DIALOGUE = (
    Turn(0.0, False, b"boot 3.1\r\n"),
    Turn(1.0, True, _line("> a1 ID")),
    Turn(1.1, False, _line(f"< a1 OK serial={SERIAL_NUMBER} model=BWC-1 firmware=1.4.2")),
    Turn(2.0, True, _line("> a2 BATTERY")),
    Turn(2.1, False, _line("< a2 OK percent=80 charging=1")),
    Turn(3.0, True, _line("> a3 BATTERY")),
    Turn(3.1, False, _line("< a3 OK percent=81 charging=1")),
    Turn(4.0, True, _line("> a4 PROVE " + "0" * 64)),
    Turn(4.2, False, _line("< a4 OK sig=" + "Q" * 80 + "==")),
    Turn(5.0, True, b"@Ver;8;00000000;#\r\n"),
    Turn(5.1, False, b"@Ver;OK\xff#"),
)
WHOLE = Recording(
    model="hil-bodycam",
    state="storage",
    scrubbed=False,
    usb=Usb(CAMERA, "HIL", "BodyCam X", SERIAL_NUMBER, 480, ("", "Console", "")),
    disk=Disk(Inquiry(INQUIRY, {0: b"\0\0\0\2\0\x80", SERIAL: b"\0\x80\0\x10" + SERIAL_NUMBER.encode().ljust(16)}),
              64 << 30, "exfat", "BWC00421", 131072, 1),
    listing=LISTING,
    dialogue=DIALOGUE,
)  # fmt: skip


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    facts = read_mtp_detect(corpus("usb", "mtp-detect-gopro-hero4.txt").read_text())
    whole = replace(WHOLE, mtp=facts)
    folder = recording.save(whole, tmp_path)
    assert folder == tmp_path / "hil-bodycam" / "storage"
    assert recording.load(folder) == whole
    with pytest.raises(FileExistsError):
        recording.save(whole, tmp_path)


def test_names_of_every_kind_survive(tmp_path: Path) -> None:
    odd = ('a"b\\c', "tab\there", "del\x7f", "Jürgen", os.fsdecode(b"\xff\xfe.MP4"), "new\nline")
    named = replace(
        WHOLE, listing=tuple(Entry(name, 1, 0) for name in odd), usb=replace(WHOLE.usb, product='X "\x7f" \\')
    )
    assert recording.load(recording.save(named, tmp_path)) == named


@pytest.mark.parametrize(
    ("file", "text", "wrong"),
    [
        ("camera.toml", "format = 2", "only 1 is known"),
        ("camera.toml", "format = 1", "model"),
        ("dialogue.jsonl", "{}", "hex"),
    ],
)
def test_a_folder_that_is_no_recording(tmp_path: Path, file: str, text: str, wrong: str) -> None:
    folder = recording.save(WHOLE, tmp_path)
    (folder / file).write_text(text)
    with pytest.raises(ValueError, match=wrong):
        recording.load(folder)


def test_scrubbed_nothing_tells_who(tmp_path: Path) -> None:
    scrubbed = scrub(WHOLE, private=["0001"])
    folder = recording.save(scrubbed, tmp_path)
    said = b"".join(path.read_bytes() for path in folder.iterdir()).lower()
    said += bytes.fromhex(scrubbed.disk.inquiry.standard.hex()) if scrubbed.disk else b""
    for secret in (SERIAL_NUMBER, "BWC00421", "Margaret", "Miller", "Interview", "MAKERSERIAL", "q" * 32):
        assert secret.lower().encode() not in said, secret
        assert secret.encode().hex().encode() not in said, secret
    assert b"dcim/100gopro" in said
    assert b"ghaa" in said  # a looped recording's name is the family's, not a person's


def test_scrubbed_it_still_hangs_together() -> None:
    one = scrub(WHOLE)
    assert one.disk is not None
    assert one.usb.serial != SERIAL_NUMBER
    assert [char.isdigit() for char in one.usb.serial] == [char.isdigit() for char in SERIAL_NUMBER]
    assert one.disk.inquiry.serial == one.usb.serial
    assert f"serial={one.usb.serial} ".encode() in one.dialogue[2].data
    assert f"{one.usb.serial}.log" in [entry.path for entry in one.listing]
    assert [(entry.size, entry.changed) for entry in one.listing] == [(entry.size, entry.changed) for entry in LISTING]
    assert scrub(WHOLE).usb.serial != one.usb.serial  # the key is forgotten with the run
    for turn in one.dialogue[1:9]:
        body, _, check = turn.data.strip().rpartition(b" *")
        assert int(check, 16) == wire.check(body)
    assert one.dialogue[9:] == DIALOGUE[9:]


def test_a_wrong_check_stays_wrong() -> None:
    """A recording of a bad line must not be repaired on the way."""
    spoilt = b"< 7 OK serial=" + SERIAL_NUMBER.encode() + b" *00\r\n"
    assert Scrubber([SERIAL_NUMBER]).said(spoilt).endswith(b" *00\r\n")


def test_two_files_never_become_one() -> None:
    """All names of two letters there are: few keys keep them apart, and none may join them in silence."""
    names = tuple(Entry(f"{a}{b}", 1, 0) for a in "abcdefghij" for b in "klmnopq" if a + b not in camera_words())
    try:
        paths = [entry.path for entry in scrub(replace(WHOLE, listing=names)).listing]
    except ValueError as err:
        assert "fall together" in str(err)
    else:
        assert len(set(paths)) == len(names)


def test_a_card_of_the_same_shape(tmp_path: Path) -> None:
    specimen = replay.load(recording.save(WHOLE, tmp_path / "out"), tmp_path / "card")
    assert shape(specimen.card) == LISTING
    assert sum(path.stat().st_blocks for path in specimen.card.rglob("*")) * 512 < 3 << 20  # of 5 GiB
    with (specimen.card / LISTING[2].path).open("rb") as file:
        assert len(set(file.read(4096))) > 200
    small = replay.load(tmp_path / "out" / "hil-bodycam" / "storage", tmp_path / "small", most=1 << 20)
    assert (small.card / LISTING[2].path).stat().st_size == 1 << 20


def test_who_the_played_camera_is(tmp_path: Path) -> None:
    specimen = replay.load(recording.save(WHOLE, tmp_path / "out"), tmp_path / "card")
    assert (specimen.usb.vendor, specimen.usb.product, specimen.usb.device) == (0x2E1A, 0x1001, 0x0100)
    assert (specimen.usb.serial, specimen.usb.name) == (SERIAL_NUMBER, "BodyCam X")
    assert specimen.usb.inquiry == ("Ambarell", "A9 DSC EVK Platf", "0001")
    assert (specimen.filesystem, specimen.label, specimen.functions) == ("exfat", "BWC00421", ("storage", "acm"))
    storage, control, data = replay.interfaces(WHOLE)
    assert [(one.pipe, one.size) for one in storage.endpoints] == [("bulk-in", 512), ("bulk-out", 512)]
    assert (control.text, control.extra[:5]) == ("Console", bytes.fromhex("0524001001"))
    assert [one.pipe for one in data.endpoints] == ["bulk-in", "bulk-out"]


KEPT = sorted(path.parent for path in Path(recording.__file__).parent.glob("*/*/camera.toml"))


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_every_recording_that_is_kept_can_be_played(folder: Path, tmp_path: Path) -> None:
    kept, specimen = recording.load(folder), replay.load(folder, tmp_path / "card")
    assert (kept.model, kept.state) == (folder.parent.name, folder.name)
    assert {entry.path: entry.size for entry in shape(specimen.card)} == {one.path: one.size for one in kept.listing}
    assert ("storage" in specimen.functions) == (kept.disk is not None)
    assert ("mtp" in specimen.functions) == (kept.mtp is not None)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 100_000


def test_there_are_recordings_of_each_kind() -> None:
    assert {folder.name for folder in KEPT} >= {"storage", "mtp"}


def test_a_listing_cannot_write_outside_of_the_card(tmp_path: Path) -> None:
    for path in ("../outside", "/outside"):
        with pytest.raises(ValueError, match="leads out of the card"):
            replay.lay_out((Entry(path, 1, 0),), tmp_path / f"card{len(path)}")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("cut", [0, 17, 18, 26, 40, len(CAMERA) - 1])
def test_descriptors_that_are_cut(cut: int) -> None:
    with pytest.raises(ValueError, match="descriptor"):
        descriptors.interfaces(CAMERA[:cut])


def _say(line: serial.Serial, request: bytes) -> bytes:
    line.write(request)
    return bytes(line.read_until(b"\n"))


def test_the_dialogue_is_played_to_another_dock() -> None:
    """Other ids, another nonce, another order than recorded."""
    talker = Replayed(DIALOGUE)
    with serial.Serial(str(talker.open()), timeout=3) as line:
        assert line.read_until(b"\n") == b"boot 3.1\r\n"
        assert _say(line, _line("> zz9 BATTERY")) == _line("< zz9 OK percent=80 charging=1")
        assert _say(line, _line("> 17 ID")) == _line(f"< 17 OK serial={SERIAL_NUMBER} model=BWC-1 firmware=1.4.2")
        assert _say(line, _line("> 3 BATTERY")) == _line("< 3 OK percent=81 charging=1")
        assert _say(line, _line("> 4 BATTERY")) == _line("< 4 OK percent=81 charging=1")
        assert _say(line, _line("> p PROVE " + "f" * 64)).startswith(b"< p OK sig=QQ")
        line.write(b"@Ver;9;11111111;#\r\n")
        assert line.read(9) == b"@Ver;OK\xff#"
        assert not talker.unknown
        line.timeout = 0.3
        assert _say(line, _line("> 5 SETCLOCK now")) == b""
        assert list(talker.unknown) == [_line("> 5 SETCLOCK now")]
    talker.hang_up()
    talker.hang_up()


def test_a_listener_in_the_middle_changes_nothing_and_hears_all(tmp_path: Path) -> None:
    console = Console(Plate("BWC-0009"))
    with Listener(console.open()) as listener, serial.Serial(str(listener.path), timeout=3) as dock:
        assert _say(dock, _line("> 1 ID")) == _line("< 1 OK serial=BWC-0009 model=BWC-1 firmware=1.4.2")
        assert _say(dock, _line("> 2 BATTERY")) == _line("< 2 OK percent=80 charging=1")
    console.hang_up()
    assert [(turn.dock, turn.data) for turn in listener.turns] == [
        (True, _line("> 1 ID")),
        (False, _line("< 1 OK serial=BWC-0009 model=BWC-1 firmware=1.4.2")),
        (True, _line("> 2 BATTERY")),
        (False, _line("< 2 OK percent=80 charging=1")),
    ]
    assert [turn.at for turn in listener.turns] == sorted(turn.at for turn in listener.turns)


def test_a_camera_that_is_asked_and_then_played() -> None:
    console = Console(Plate("BWC-0009"))
    node = console.open()
    turns = ask(node, [record._with_check(one) for one in ABOUT_REFERENCE])
    console.hang_up()
    assert [turn.dock for turn in turns] == [True, False] * 3
    assert console.skipped == ()
    talker = Replayed(turns)
    with serial.Serial(str(talker.open()), timeout=3) as line:
        assert b"serial=BWC-0009" in _say(line, _line("> 5 ID"))
        assert b"time=20" in _say(line, _line("> 6 CLOCK"))
    talker.hang_up()


def test_a_silent_camera_is_noted_as_silent() -> None:
    console = Console(Plate("BWC-0009"))
    console.faults.silent = True
    turns = ask(console.open(), ["> 1 ID *00"], limit_s=0.3)
    console.hang_up()
    assert [(turn.dock, turn.data) for turn in turns] == [(True, b"> 1 ID *00\r\n")]


def test_no_camera_no_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert record.main(["--port", "1-2.3", "--out", str(tmp_path)], sysfs=tmp_path) == record.ABSENT
    assert "no camera at port 1-2.3" in capsys.readouterr().err
    with pytest.raises(SystemExit) as usage:
        record.main(["--port", "nowhere", "--out", str(tmp_path)], sysfs=tmp_path)
    assert usage.value.code == record.USAGE
    assert os.listdir(tmp_path) == []  # noqa: PTH208


@pytest.mark.parametrize(
    ("log", "model", "serial_number", "operations", "events"),
    [
        ("hero4", "HERO4 Session", "C3141324616764", 23, 11),
        ("hero5-black", "HERO5 Black", "C3161325800627", 27, 13),
    ],
)
def test_what_mtp_detect_said_of_real_cameras(
    log: str, model: str, serial_number: str, operations: int, events: int
) -> None:
    facts = read_mtp_detect(corpus("usb", f"mtp-detect-gopro-{log}.txt").read_text())
    assert (facts.vendor, facts.manufacturer, facts.model, facts.serial) == (0x2672, "GoPro", model, serial_number)
    assert (len(facts.operations), len(facts.events)) == (operations, events)
    assert {0x1001, 0x1009, 0x101B} <= set(facts.operations)
    assert [(storage.id, storage.type, storage.access) for storage in facts.storages] == [(0x10001, 4, 2)]
    assert facts.storages[0].capacity > facts.storages[0].free > 0
    assert {(one.code, one.name) for one in facts.formats} >= {
        (0x3001, "Association/Directory"),
        (0x300D, "Apple Quicktime"),
    }
    assert all(0xDC07 in one.properties for one in facts.formats)


def test_mtp_logs_that_say_nothing() -> None:
    log = corpus("usb", "mtp-detect-gopro-hero4.txt").read_text()
    with pytest.raises(ValueError, match="of 0 devices"):
        read_mtp_detect("No raw devices found.\n")
    with pytest.raises(ValueError, match="of 2 devices"):
        read_mtp_detect(log + log)
    with pytest.raises(ValueError, match="has no 'Model'"):
        read_mtp_detect(log.replace("   Model:", "   Type:"))
    with pytest.raises(ValueError, match="no number"):
        read_mtp_detect(log.replace("MaxCapacity: 64020807680", "MaxCapacity: much"))


def test_a_camera_that_others_recorded() -> None:
    devices = read_umockdev(corpus("usb", "canon-powershot-sx200.umockdev").read_text())
    cameras = [device for device in devices if device.is_usb_device]
    assert [camera.port for camera in cameras] == ["1-1.5.2.3"]
    plate = cameras[0].plate()
    assert (plate.vendor, plate.product, plate.device) == (0x04A9, 0x31C0, 0x0002)
    assert (plate.manufacturer, plate.name) == ("Canon Inc.", "Canon Digital Camera")
    canon = cameras[0].recording("canon-powershot-sx200", "ptp")
    assert descriptors.functions(canon.usb.descriptors) == ("mtp",)
    [still] = replay.interfaces(canon)
    assert still.triple == (6, 1, 1)
    assert [(one.pipe, one.size, one.interval) for one in still.endpoints] == [
        ("bulk-in", 512, 0),
        ("bulk-out", 512, 0),
        ("interrupt-in", 8, 9),
    ]
    with pytest.raises(ValueError, match="no line of a umockdev"):
        read_umockdev("P: /devices/x\nwhat is this\n")


_LOOK = """
import json, pyudev
found = [device for device in pyudev.Context().list_devices(subsystem="usb")]
keys = "ID_USB_INTERFACES", "GPHOTO2_DRIVER"
print(json.dumps([[device.sys_name, *(device.get(key) for key in keys)] for device in found]))
"""
_WATCH = """
import json, time
from dockagent.clock import SystemClock
from dockagent.steps.detect_udev import UdevWatch
seen, wrong = [], []
watch = UdevWatch({"1-1.5.2.3": "bay01"}, seen.append, wrong.append, SystemClock(), auto=True)
watch.start()
time.sleep(1.5)
watch.stop()
print(json.dumps([[str(one) for one in seen], wrong]))
"""


def _under_umockdev(program: str) -> object:
    if shutil.which("umockdev-run") is None:
        pytest.skip("needs umockdev-run: apt-get install umockdev")
    description = corpus("usb", "canon-powershot-sx200.umockdev")
    command = ["umockdev-run", "-d", str(description), "--", sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_udev_lists_the_recorded_camera_under_umockdev() -> None:
    found = _under_umockdev(_LOOK)
    assert ["1-1.5.2.3", ":060101:", "PTP"] in found  # type: ignore[operator]


def test_a_ptp_camera_is_none_of_the_docks_disks_or_consoles() -> None:
    """It shows neither: the dock must not report it as a card, nor stumble over it."""
    assert _under_umockdev(_WATCH) == [[], []]
