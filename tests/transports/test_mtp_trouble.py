"""What goes wrong between the dock and an MTP camera: cut answers, silence, pulled cables, sizes that lie."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockagent.errors import DockError, Gone, Permanent, Retryable
from dockagent.transports import mtp_codec as codec
from dockagent.transports.mtp_port import Silent
from dockagent.transports.mtp_session import Session
from hil.cameras.usb.mtp_model import SIZE, MtpFaults, MtpModel
from hil.cameras.usb.mtp_wire import Op
from hil.rigs.faults import Script
from tests.transports.mtp_bench import Bench, camera
from tests.transports.test_mtp import NARROW, NO_PARTS, make_card, read_all

PATH = b"DCIM/BWC0001.MP4"
DATA = os.urandom(3 << 20)
GIB = 1 << 30
TAIL = os.urandom(1 << 20)


@pytest.fixture
def card(tmp_path: Path) -> Path:
    return make_card(tmp_path / "card", {PATH: DATA, b"DCIM/BWC0002.MP4": b"second"})


@pytest.fixture
def giant(tmp_path: Path) -> Iterator[Path]:
    """A card with one sparse file of 5 GiB whose last MiB is noise."""
    root = tmp_path / "giant"
    (root / "DCIM").mkdir(parents=True)
    with (root / "DCIM/GX010001.MP4").open("wb") as file:
        file.seek(5 * GIB - len(TAIL))
        file.write(TAIL)
    yield root
    (root / "DCIM/GX010001.MP4").unlink()


def patient_read(bench: Bench, path: bytes) -> tuple[bytes, list[DockError]]:
    """All of a file, and the errors on the way, each of which is met by going on where it was."""
    footage, data, errors = bench.footage(patience_s=0.5), b"", list[DockError]()
    while len(errors) < 5:
        try:
            with footage.open(path) as reader:
                reader.seek(len(data))
                while piece := reader.read(400_000):
                    data += piece
                return data, errors
        except Retryable as err:
            errors.append(err)
    raise AssertionError(errors)


@pytest.mark.parametrize("model", [MtpModel(), NARROW, NO_PARTS], ids=["64 bits", "32 bits", "whole"])
@pytest.mark.parametrize("letter", ["E", "H", "rE", "rH", "EHE"])
def test_every_byte_arrives_though_the_camera_stumbles(card: Path, model: MtpModel, letter: str) -> None:
    with camera(card, model=model, script=Script(letter)) as made:
        data, errors = patient_read(made, PATH)
        assert data == DATA
        assert len(errors) == len(letter.replace("r", ""))
        assert [isinstance(err, Silent) for err in errors] == [one == "H" for one in letter.replace("r", "")]
        assert read_all(made.footage(), b"DCIM/BWC0002.MP4") == b"second"


@pytest.mark.parametrize("model", [MtpModel(), NO_PARTS], ids=["parts", "whole"])
def test_a_medium_error_that_stays_is_told_each_time_and_hides_nothing_else(card: Path, model: MtpModel) -> None:
    with camera(card, model=model, script=Script("B")) as made:
        footage = made.footage()
        for _ in range(2):
            with footage.open(PATH) as reader, pytest.raises(Retryable, match="could not read all of it"):
                while reader.read(1 << 20):
                    pass
        assert read_all(footage, b"DCIM/BWC0002.MP4") == b"second"


@pytest.mark.parametrize("model", [MtpModel(), NO_PARTS], ids=["parts", "whole"])
def test_a_flipped_bit_is_handed_on_as_it_came(card: Path, model: MtpModel) -> None:
    """PTP has no check of its own: what the dock proves is proved by reading again, and by what the camera signed."""
    with camera(card, model=model, script=Script("F")) as made:
        footage = made.footage()
        first, second = read_all(footage, PATH), read_all(footage, PATH)
    assert second == DATA
    differing = [at for at, (one, other) in enumerate(zip(first, DATA, strict=True)) if one != other]
    assert differing == [512 << 10]


@pytest.mark.parametrize("model", [MtpModel(), NO_PARTS], ids=["parts", "whole"])
def test_a_pulled_camera_is_gone_in_the_middle_of_an_object(card: Path, model: MtpModel) -> None:
    with camera(card, model=model, script=Script("rU")) as made:
        footage, data = made.footage(), b""
        with pytest.raises(Gone), footage.open(PATH) as reader:
            while piece := reader.read(100_000):
                data += piece
        assert data == DATA[: len(data)]
        assert len(data) < 2 << 20
        assert model is NO_PARTS or len(data) >= 1 << 20  # of a whole object, what was not taken yet is lost as well
        for act in (footage.facts, lambda: list(footage.list()), lambda: footage.open(PATH)):
            with pytest.raises(Gone):
                act()
        footage.close()


def test_a_slow_camera_is_waited_for(card: Path) -> None:
    with camera(card, script=Script("S", step=64 << 10)) as made:
        assert read_all(made.footage(patience_s=5), PATH) == DATA


def test_what_somebody_left_in_the_pipe_is_not_taken_for_ours(card: Path) -> None:
    """A process that is ended in the middle of an answer leaves its session open, and the rest of the answer."""
    with camera(card) as made:
        session = Session(made.cord, 2.0)
        session.begin(codec.Op.GET_OBJECT, 2)
        assert read_all(made.footage(), PATH) == DATA
        assert made.function.operations.count(Op.OPEN_SESSION) >= 2


def test_a_listing_does_not_outlive_its_session(card: Path) -> None:
    """Handles may stand for other objects in a new session, so none of an old one is asked for in it."""
    with camera(card, script=Script("H")) as made:
        footage = made.footage(patience_s=0.5)
        listing = footage.list()
        assert next(listing).path == PATH
        with footage.open(PATH) as reader:
            with pytest.raises(Silent):
                reader.read(1 << 20)
            assert reader.read(1000) == DATA[:1000]
        with pytest.raises(Retryable, match="list it again"):
            next(listing)
        assert [fact.path for fact in footage.list()] == [PATH, b"DCIM/BWC0002.MP4"]


def test_a_whole_object_is_given_up_by_a_cancel(card: Path) -> None:
    with camera(card, model=NO_PARTS) as made:
        footage = made.footage()
        with footage.open(PATH) as reader:
            assert reader.read(100) == DATA[:100]
        opened = made.function.operations.count(Op.OPEN_SESSION)
        assert read_all(footage, b"DCIM/BWC0002.MP4") == b"second"
        assert made.function.operations.count(Op.OPEN_SESSION) == opened


def test_a_whole_giant_that_runs_on_after_its_cancel_is_ended_by_a_reset(giant: Path) -> None:
    with camera(giant, model=NO_PARTS) as made:
        footage = made.footage()
        with footage.open(b"DCIM/GX010001.MP4") as reader:
            assert reader.read(100) == bytes(100)
        assert [fact.size for fact in footage.list()] == [5 * GIB]
        assert made.function.operations.count(Op.OPEN_SESSION) == 2


@pytest.mark.parametrize("faults", [MtpFaults(), MtpFaults(narrow=True)], ids=["honest", "32-bit size wraps"])
def test_the_last_mebibyte_of_a_giant_is_read(giant: Path, faults: MtpFaults) -> None:
    with camera(giant, faults=faults) as made:
        footage = made.footage()
        assert [fact.size for fact in footage.list()] == [5 * GIB]
        assert read_all(footage, b"DCIM/GX010001.MP4", start=5 * GIB - len(TAIL) - 5) == bytes(5) + TAIL


def test_a_giant_whose_size_nobody_tells_is_not_read(giant: Path) -> None:
    model = MtpModel().without(Op.GET_OBJECT_PROP_VALUE)
    for faults in (MtpFaults(), MtpFaults(wide_only=True)):
        with camera(giant, model=model, faults=faults) as made:
            footage = made.footage()
            assert [fact.size for fact in footage.list()] == [4 * GIB]
            with pytest.raises(Permanent, match=r"4 GiB or larger.*take its card out"):
                footage.open(b"DCIM/GX010001.MP4")


def test_a_giant_that_the_camera_cuts_at_4_gib_fails_instead_of_being_short(giant: Path) -> None:
    """The property says 5 GiB, and GetObject gives what is above 4 GiB only: as gphoto/libgphoto2 #990."""
    with camera(giant, model=NARROW, faults=MtpFaults(wrap_given=True)) as made:
        footage, count = made.footage(), 0
        with footage.open(b"DCIM/GX010001.MP4") as reader:
            assert reader.size() == 5 * GIB
            with pytest.raises(Permanent, match="larger than this camera can give"):
                while piece := reader.read(1 << 20):
                    count += len(piece)
        assert count == GIB


def test_a_giant_without_any_way_to_give_it_is_refused_at_once(giant: Path) -> None:
    model = NARROW.without(Op.GET_OBJECT)
    with camera(giant, model=model) as made, pytest.raises(Permanent, match="larger than this camera can give"):
        made.footage().open(b"DCIM/GX010001.MP4")


def test_a_file_that_is_listed_as_empty_and_is_not_fails(card: Path) -> None:
    with camera(card, faults=MtpFaults(zero=True)) as made:
        footage = made.footage()
        assert {fact.size for fact in footage.list()} == {0}
        for path in (PATH, b"DCIM/BWC0002.MP4"):
            with pytest.raises(Permanent, match="listed as empty, and is not"):
                footage.open(path)


def test_a_property_that_fails_is_no_reason_to_believe_32_bits(giant: Path) -> None:
    faults = MtpFaults(narrow=True, errors={Op.GET_OBJECT_PROP_VALUE: [0x2002, 0x2002]})
    with camera(giant, faults=faults) as made:
        footage = made.footage()
        for _ in range(2):
            with pytest.raises(Retryable, match="say how large"):
                list(footage.list())
        assert [fact.size for fact in footage.list()] == [5 * GIB]


def test_the_property_of_the_size_is_the_one_that_is_asked_for(card: Path) -> None:
    without = tuple((kind, tuple(code for code in codes if code != SIZE)) for kind, codes in MtpModel().formats)
    with camera(card, model=MtpModel(formats=without)) as made:
        assert [fact.size for fact in made.footage().list()] == [len(DATA), len(b"second")]


def test_a_camera_that_never_answers_is_not_waited_for(card: Path) -> None:
    with camera(card) as made:
        made.cord.device.hang()
        with pytest.raises(Silent):
            made.footage(patience_s=0.3)
