"""The emulated MTP camera, asked in bytes: by the standard's numbers, not by anybody's library."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hil.cameras.usb.device import Device
from hil.cameras.usb.mtp import MtpFunction
from hil.cameras.usb.mtp_card import MtpStorage, reach_of
from hil.cameras.usb.mtp_model import MtpFaults, MtpModel, from_recording
from hil.cameras.usb.mtp_wire import Command, read_command
from hil.recordings.mtp_detect import read_mtp_detect
from hil.rigs.faults import Script
from tests.corpus import corpus
from tests.transports.mtp_bench import PLATE, Cord

OK, NOT_SUPPORTED, READ_ONLY = 0x2001, 0x2005, 0x200E
CLIP = bytes(range(256)) * 5


class Asker:
    """Speaks containers over a cord."""

    def __init__(self, function: MtpFunction) -> None:
        self.function = function
        self.cord = Cord(Device(PLATE, [function]))
        self._transaction = 0

    def ask(self, code: int, *params: int, data: bytes | None = None) -> tuple[int, bytes | None, tuple[int, ...]]:
        """Response, data and parameters of one operation; ``data``: what the host sends."""
        self._transaction += 1
        self._say(1, code, struct.pack(f"<{len(params)}I", *params))
        if data is not None:
            self._say(2, code, data)
        kind, said, body = self._hear()
        came = None
        if kind == 2:
            assert said == code
            came = body
            kind, said, body = self._hear()
        assert kind == 3
        return said, came, struct.unpack(f"<{len(body) // 4}I", body)

    def data(self, code: int, *params: int) -> bytes:
        said, came, _ = self.ask(code, *params)
        assert said == OK
        assert came is not None
        return came

    def _say(self, kind: int, code: int, body: bytes) -> None:
        self.cord.write(struct.pack("<IHHI", 12 + len(body), kind, code, self._transaction) + body, 1)

    def _hear(self) -> tuple[int, int, bytes]:
        whole = self.cord.read(128 << 10, 2) or self.cord.read(128 << 10, 2)
        length, kind, code, transaction = struct.unpack_from("<IHHI", whole)
        assert length == len(whole)
        assert transaction == self._transaction
        return kind, code, whole[12:]


@pytest.fixture
def card(tmp_path: Path) -> Path:
    (tmp_path / "card/DCIM").mkdir(parents=True)
    (tmp_path / "card/DCIM/A.MP4").write_bytes(CLIP)
    (tmp_path / "card/B.TXT").write_bytes(b"text")
    return tmp_path / "card"


@contextmanager
def asker(card: Path, model: MtpModel | None = None, faults: MtpFaults | None = None) -> Iterator[Asker]:
    made = Asker(MtpFunction([MtpStorage(card)], model, faults))
    assert made.ask(0x1002, 1)[0] == OK
    try:
        yield made
    finally:
        made.cord.close()


def test_a_session_is_needed_and_there_is_one(card: Path) -> None:
    made = Asker(MtpFunction([MtpStorage(card)]))
    assert made.ask(0x1004)[0] == 0x2003
    assert made.ask(0x1001)[0] == OK
    assert made.ask(0x1002, 0)[0] == 0x201D
    assert made.ask(0x1002, 1)[0] == OK
    assert made.ask(0x1002, 1) == (0x201E, None, (1,))
    assert made.ask(0x1003)[0] == OK
    assert made.ask(0x1003)[0] == 0x2003


def test_objects_are_found_by_storage_parent_and_format(card: Path) -> None:
    with asker(card) as made:
        assert made.data(0x1004) == struct.pack("<II", 1, 0x00010001)
        everything = struct.unpack("<4I", made.data(0x1007, 0xFFFFFFFF, 0, 0))
        assert everything == (3, 1, 2, 3)
        assert made.data(0x1007, 0x00010001, 0, 0xFFFFFFFF) == struct.pack("<III", 2, 1, 2)
        assert made.data(0x1007, 0x00010001, 0, 2) == struct.pack("<II", 1, 3)
        assert made.data(0x1007, 0x00010001, 0x3001, 0) == struct.pack("<II", 1, 2)
        assert made.ask(0x1006, 0x00010001, 0, 0xFFFFFFFF) == (OK, None, (2,))
        assert made.ask(0x1007, 7, 0, 0)[0] == 0x2008
        assert made.ask(0x1007, 0x00010001, 0, 1)[0] == 0x201A


def test_objects_are_given_whole_and_in_parts(card: Path) -> None:
    with asker(card) as made:
        assert made.data(0x1009, 3) == CLIP
        assert made.ask(0x101B, 3, 1000, 500) == (OK, CLIP[1000:], (280,))
        assert made.ask(0x95C1, 3, 10, 0, 20) == (OK, CLIP[10:30], (20,))
        assert made.ask(0x95C1, 3, 0, 1, 20)[0] == 0x201D  # 4 GiB is beyond its end
        assert made.ask(0x1009, 2)[0] == 0x2009  # a folder
        assert made.ask(0x1009, 99)[0] == 0x2009
        assert made.ask(0x100A, 3)[0] == 0x2010
        assert made.function.given == len(CLIP) + 280 + 20


def test_properties_of_objects(card: Path) -> None:
    with asker(card) as made:
        assert struct.unpack_from("<H", made.data(0x9802, 0xDC04, 0x3000), 2) == (0x0008,)
        assert made.data(0x9803, 3, 0xDC04) == struct.pack("<Q", len(CLIP))
        assert made.data(0x9803, 3, 0xDC07) == b"\x06" + "A.MP4\0".encode("utf-16-le")
        assert made.data(0x9803, 3, 0xDC0B) == struct.pack("<I", 2)
        assert len({made.data(0x9803, handle, 0xDC41) for handle in (1, 2, 3)}) == 3
        assert made.ask(0x9803, 3, 0xDC99)[0] == 0xA801
        assert made.ask(0x9801, 0x1234)[0] == 0xA802
        assert made.data(0x9805, 3, 0, 0xDC04, 0, 0) == struct.pack("<IIHHQ", 1, 3, 0xDC04, 0x0008, len(CLIP))
        assert struct.unpack_from("<I", made.data(0x9805, 3, 0, 0xFFFFFFFF, 0, 0)) == (9,)


def test_properties_of_the_device(card: Path) -> None:
    with asker(card) as made:
        assert made.data(0x1015, 0x5001) == bytes((80,))
        assert made.data(0x1014, 0x5001) == struct.pack("<HHB", 0x5001, 2, 0) + bytes((80, 80, 1, 0, 100, 1))
        assert made.ask(0x1015, 0x5011)[0] == 0x200A


@pytest.mark.parametrize(
    ("code", "data"),
    [(0x100B, None), (0x100F, None), (0x100C, bytes(100)), (0x1016, b"\0"), (0x95C2, bytes(512)), (0x9804, b"\0\0")],
)
def test_what_would_change_the_camera_is_refused_and_counted(card: Path, code: int, data: bytes | None) -> None:
    with asker(card) as made:
        before = sorted((path, path.stat().st_mtime_ns) for path in card.rglob("*"))
        assert made.ask(code, 3, data=data)[0] == NOT_SUPPORTED
        assert made.function.changes == [code]
        assert made.data(0x1009, 3) == CLIP
        assert sorted((path, path.stat().st_mtime_ns) for path in card.rglob("*")) == before
    with asker(card, MtpModel(operations=(*MtpModel().operations, code))) as made:
        assert made.ask(code, 3, data=data)[0] == READ_ONLY


def test_class_requests_and_events(card: Path) -> None:
    with asker(card) as made:
        assert made.cord.ask(0x67, 64) == struct.pack("<HH", 4, OK)
        made.cord.tell(0x66)
        assert made.ask(0x1004)[0] == 0x2003  # a reset ends the session
        made.function.announce(0x4004, 0x00010001)
        got = made.cord._urb(3, True, length=64)
        assert got == struct.pack("<IHHII", 16, 4, 0x4004, 0, 0x00010001)


def test_a_recorded_camera_answers_as_it_said(card: Path) -> None:
    real = read_mtp_detect(corpus("usb", "mtp-detect-gopro-hero5-black.txt").read_text())
    with asker(card, from_recording(real)) as made:
        assert made.ask(0x95C1, 3, 0, 0, 1)[0] == NOT_SUPPORTED
        assert made.ask(0x9805, 3, 0, 0xDC04, 0, 0)[0] == NOT_SUPPORTED
        assert made.ask(0x101B, 3, 0, 1)[1] == CLIP[:1]
        assert made.data(0x9803, 3, 0xDC02) == struct.pack("<H", 0x300D)  # an .MP4 is QuickTime to it
        assert real.model.encode("utf-16-le") in made.data(0x1001)


def test_sizes_wrap_where_they_are_to(tmp_path: Path) -> None:
    with (tmp_path / "GIANT.MP4").open("wb") as file:
        file.truncate((1 << 32) + 5)
    for faults, info, wide in (
        (MtpFaults(), 0xFFFFFFFF, (1 << 32) + 5),
        (MtpFaults(wrap=True), 5, 5),
        (MtpFaults(narrow=True), 5, (1 << 32) + 5),
        (MtpFaults(zero=True), 0, 0),
    ):
        with asker(tmp_path, faults=faults) as made:
            assert struct.unpack_from("<I", made.data(0x1008, 1), 8) == (info,)
            assert made.data(0x9803, 1, 0xDC04) == struct.pack("<Q", wide)


def test_a_script_needs_what_it_needs(card: Path) -> None:
    storages = [MtpStorage(card)]
    with pytest.raises(ValueError, match="power"):
        MtpFunction(storages, reach=reach_of(storages, Script("P")))


def test_only_whole_commands_are_commands() -> None:
    assert read_command(struct.pack("<IHHII", 16, 1, 0x1002, 0, 1)) == Command(0x1002, 0, (1,))
    for bad in (b"", b"\0" * 11, struct.pack("<IHHI", 13, 1, 0x1002, 0), struct.pack("<IHHI", 12, 2, 0x1002, 0)):
        assert read_command(bad) is None
