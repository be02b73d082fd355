"""The dock reads an emulated MTP camera: every byte, every file, whatever the camera lies about."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockagent.errors import Gone, Refused, Retryable
from dockagent.transports import Filler
from dockagent.transports.mtp import MtpFootage
from hil.cameras.usb.mtp_model import MtpFaults, MtpModel
from hil.cameras.usb.mtp_wire import Code, Op
from tests.contracts.test_footage import CARD_TIME_S
from tests.transports.mtp_bench import Bench, camera

NO_PARTS = MtpModel().without(Op.GET_PARTIAL_OBJECT, Op.GET_PARTIAL_OBJECT_64)
NARROW = MtpModel().without(Op.GET_PARTIAL_OBJECT_64)
FILES = {
    b"camera.json": b"{}",
    b"DCIM/100BWC/BWC0001.MP4": os.urandom(300_000),
    b"DCIM/100BWC/BWC0002.MP4": os.urandom((1 << 20) + 500),
    b"DCIM/100BWC/BWC0003.MP4": os.urandom(4096 - 12),
    b"DCIM/100BWC/BWC0004.MP4": os.urandom((128 << 10) - 12),
    b"DCIM/100BWC/BWC0001.GPS": b"$GPRMC\n",
    b"DCIM/100BWC/empty.MP4": b"",
    "DCIM/100BWC/été 東京 🎥.MP4".encode(): b"a",
    b"DCIM/100BWC/" + b"n" * 250 + b".MP4": b"c",
    b"DCIM/100BWC-x/after.MP4": b"d",
    b"DCIM/100BWC.txt": b"e",
    b".hidden/file": b"f",
}


def make_card(root: Path, files: dict[bytes, bytes] = FILES) -> Path:
    for path, data in files.items():
        target = root / os.fsdecode(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        os.utime(target, (CARD_TIME_S, CARD_TIME_S))
    return root


def read_all(footage: MtpFootage, path: bytes, step: int = 70_000, start: int = 0) -> bytes:
    with footage.open(path) as reader:
        reader.seek(start)
        pieces = []
        while piece := reader.read(step):
            assert len(piece) <= step
            pieces.append(piece)
        assert reader.read(1) == b""
        assert reader.size() == start + sum(len(piece) for piece in pieces)
    return b"".join(pieces)


@pytest.fixture
def card(tmp_path: Path) -> Path:
    return make_card(tmp_path / "card")


@pytest.fixture(
    params=[
        (MtpModel(), MtpFaults()),
        (NARROW, MtpFaults()),
        (NO_PARTS, MtpFaults()),
        (MtpModel(), MtpFaults(split=True)),
        (MtpModel(), MtpFaults(no_zero=True)),
        (NO_PARTS, MtpFaults(no_zero=True)),
        (NO_PARTS, MtpFaults(split=True)),
        (MtpModel(), MtpFaults(sparing=1000)),
        (MtpModel().without(Op.GET_OBJECT_PROP_VALUE), MtpFaults(shuffle=True)),
        (MtpModel(), MtpFaults(session_open=True)),
    ],
    ids=["plain", "32 bits", "whole", "split", "no zero", "whole, no zero", "whole, split", "sparing", "order", "open"],
)
def bench(request: pytest.FixtureRequest, card: Path) -> Iterator[Bench]:
    model, faults = request.param
    with camera(card, model=model, faults=faults) as made:
        yield made


def test_lists_every_file_sorted_by_raw_path(bench: Bench) -> None:
    footage = bench.footage()
    found = list(footage.list())
    assert [fact.path for fact in found] == sorted(FILES)
    assert {fact.path: fact.size for fact in found} == {path: len(data) for path, data in FILES.items()}
    assert {fact.mtime_ms for fact in found} == {CARD_TIME_S * 1000}
    assert list(footage.list()) == found


def test_reads_every_byte_of_every_file(bench: Bench) -> None:
    footage = bench.footage()
    for path, data in FILES.items():
        assert read_all(footage, path) == data


def test_reads_on_from_anywhere(bench: Bench) -> None:
    footage = bench.footage()
    path = b"DCIM/100BWC/BWC0002.MP4"
    data = FILES[path]
    for start in (1, 511, 512, 500_000, len(data) - 1):
        assert read_all(footage, path, 1 << 20, start) == data[start:]
    with footage.open(path) as reader:
        reader.seek(len(data) - 10)
        assert reader.read(100) == data[-10:]
        reader.seek(0)
        assert reader.read(10) == data[:10]
        assert reader.size() == len(data)
        assert reader.read(10) == data[10:20]


def test_fills_a_room_that_is_larger_than_any_answer(bench: Bench) -> None:
    path = b"DCIM/100BWC/BWC0002.MP4"
    room = bytearray(4 << 20)
    with bench.footage().open(path) as reader:
        assert isinstance(reader, Filler)
        assert reader.read_into(memoryview(room)[:1000]) == 1000
        assert reader.read_into(memoryview(room)[1000:]) == len(FILES[path]) - 1000
        assert reader.read_into(memoryview(room)) == 0
    assert room[: len(FILES[path])] == FILES[path]


def test_reading_one_file_may_be_given_up_for_another(bench: Bench) -> None:
    footage = bench.footage()
    with footage.open(b"DCIM/100BWC/BWC0002.MP4") as first:
        head = first.read(1000)
        assert read_all(footage, b"DCIM/100BWC/BWC0001.MP4") == FILES[b"DCIM/100BWC/BWC0001.MP4"]
        assert head + first.read(1000) == FILES[b"DCIM/100BWC/BWC0002.MP4"][: len(head) + 1000]
    assert read_all(footage, b"camera.json") == b"{}"


@pytest.mark.parametrize(
    "path",
    [b"", b"/etc/passwd", b"../card", b"DCIM/../camera.json", b"./camera.json", b"DCIM//x", b"DCIM/", b"a\0b"],
)
def test_refuses_paths_that_are_none(card: Path, path: bytes) -> None:
    with camera(card) as made, pytest.raises(Refused):
        made.footage().open(path)


def test_refuses_folders_and_what_lies_below_files_and_misses_what_is_not_there(card: Path) -> None:
    with camera(card) as made:
        footage = made.footage()
        for path in (b"DCIM", b"DCIM/100BWC", b"camera.json/x"):
            with pytest.raises(Refused):
                footage.open(path)
        for path in (b"DCIM/100BWC/BWC9999.MP4", b"nowhere/BWC9999.MP4"):
            with pytest.raises(Gone):
                footage.open(path)


def test_says_who_the_camera_is(card: Path) -> None:
    model = MtpModel(manufacturer="GoPro", model="HERO8 Black", version="HD8.01.02.51.00", serial="C3331325000001")
    with camera(card, model=model) as made:
        facts = made.footage().facts()
    assert facts == {
        "filesystem": "mtp",
        "readonly": "yes",
        "device": "/dev/bus/usb/001/002",
        "vendor": "GoPro",
        "product": "HERO8 Black",
        "serial": "C3331325000001",
        "firmware": "HD8.01.02.51.00",
        "label": "card",
    }


def test_close_may_be_repeated_and_ends_all_reading(card: Path) -> None:
    with camera(card) as made:
        footage = made.footage()
        footage.close()
        footage.close()
        assert made.function.operations[-1] == Op.CLOSE_SESSION
        with pytest.raises(Gone):
            list(footage.list())
        with pytest.raises(Gone):
            footage.open(b"camera.json")
        with pytest.raises(Gone):
            footage.facts()


def test_several_storages_come_first_in_the_path_even_when_they_bear_one_name(tmp_path: Path) -> None:
    roots = [make_card(tmp_path / str(index) / "SD", {b"A.MP4": bytes([index])}) for index in range(2)]
    with camera(*roots) as made:
        footage = made.footage()
        assert [fact.path for fact in footage.list()] == [b"SD/A.MP4", b"SD~2/A.MP4"]
        assert read_all(footage, b"SD/A.MP4") == b"\0"
        assert read_all(footage, b"SD~2/A.MP4") == b"\1"
        assert footage.facts()["label"] == "SD, SD"


def test_two_files_of_one_name_are_two_files(card: Path) -> None:
    faults = MtpFaults(names={"BWC0001.GPS": "BWC0001.MP4"}, twins=frozenset({"camera.json"}))
    with camera(card, faults=faults) as made:
        footage = made.footage()
        paths = [fact.path for fact in footage.list()]
        assert len(paths) == len(set(paths)) == len(FILES) + 1
        found = {read_all(footage, b"DCIM/100BWC/" + name) for name in (b"BWC0001.MP4", b"BWC0001~2.MP4")}
        assert found == {FILES[b"DCIM/100BWC/BWC0001.MP4"], b"$GPRMC\n"}
        assert read_all(footage, b"camera~2.json") == read_all(footage, b"camera.json") == b"{}"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("..", b"_.."),
        ("", b"_"),
        ("a/b", b"a_b"),
        ("../../etc/passwd", b".._.._etc_passwd"),
        ("\ud800.MP4", b"\xed\xa0\x80.MP4"),
    ],
)
def test_a_name_that_is_none_leads_nowhere_else(card: Path, name: str, part: bytes) -> None:
    with camera(card, faults=MtpFaults(names={"camera.json": name})) as made:
        footage = made.footage()
        assert part in [fact.path for fact in footage.list()]
        assert read_all(footage, part) == b"{}"


def test_a_folder_that_holds_itself_is_listed_once(card: Path) -> None:
    with camera(card, faults=MtpFaults(loop=True)) as made:
        assert [fact.path for fact in made.footage().list()] == sorted(FILES)


def test_one_object_that_the_camera_cannot_describe_does_not_hide_the_others(card: Path) -> None:
    with camera(card, faults=MtpFaults(refuse=frozenset({"BWC0001.MP4"}))) as made:
        listing = made.footage().list()
        found = []
        with pytest.raises(Retryable, match="describe an object in DCIM/100BWC"):
            for fact in listing:
                found.append(fact.path)
        assert found == sorted(FILES.keys() - {b"DCIM/100BWC/BWC0001.MP4"})
        footage = made.footage()
        with pytest.raises(Retryable, match="describe an object in DCIM/100BWC"):
            footage.open(b"DCIM/100BWC/BWC0001.MP4")
        assert read_all(footage, b"DCIM/100BWC/BWC0001.GPS") == b"$GPRMC\n"


def test_a_camera_without_its_card_is_not_an_empty_one(card: Path, tmp_path: Path) -> None:
    with camera(card, faults=MtpFaults(no_store=True)) as made:
        footage = made.footage()
        assert footage.facts()["serial"]
        with pytest.raises(Retryable, match="its card is not there"):
            list(footage.list())
    with camera() as made, pytest.raises(Retryable, match="shows no card"):
        list(made.footage().list())


def test_a_busy_camera_is_asked_again_later(card: Path) -> None:
    with camera(card) as made:
        footage = made.footage()
        made.function.faults.busy = 3
        with pytest.raises(Retryable, match="busy"):
            footage.open(b"camera.json")
        made.function.faults.busy = 0
        assert read_all(footage, b"camera.json") == b"{}"


@pytest.mark.parametrize(
    ("code", "words"),
    [(Code.ACCESS_DENIED, "denies access"), (Code.TRANSACTION_CANCELLED, "cancelled"), (0x2FFF, "0x2FFF")],
)
def test_an_error_of_the_camera_is_told_in_words_and_passes(card: Path, code: int, words: str) -> None:
    path = b"DCIM/100BWC/BWC0001.MP4"
    faults = MtpFaults(errors={Op.GET_PARTIAL_OBJECT: [code]})
    with camera(card, faults=faults) as made, made.footage().open(path) as reader:
        with pytest.raises(Retryable, match=words):
            reader.read(1000)
        assert reader.read(1000) == FILES[path][:1000]


def test_a_file_that_was_removed_is_gone_and_a_growing_one_is_read_on(card: Path) -> None:
    with camera(card) as made:
        footage = made.footage()
        path = b"DCIM/100BWC/BWC0001.GPS"
        file = card / os.fsdecode(path)
        with footage.open(path) as reader:
            assert reader.read(100) == b"$GPRMC\n"
            file.write_bytes(b"$GPRMC\n$GPGGA\n")
            assert reader.read(100) == b"$GPGGA\n"
            assert reader.size() == 14
            file.unlink()
            with pytest.raises(Gone):
                reader.size()
        with pytest.raises(Gone):
            footage.open(path)
