"""E12 over a real TCP connection, against a camera that misbehaves in every way a server can."""

import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from dockagent.clock import SystemClock
from dockagent.errors import Gone, Permanent, Retryable, UsageError
from dockagent.transports import ModeSwitch, tcp_line
from dockagent.transports.gat_e12 import E12, Info, message, parse_info
from hil.cameras.console import CameraClock
from hil.cameras.dialects.e12 import E12Camera, Owner
from tests.transports.hands import LONDON, SHANGHAI, Hands, ms

Plug = Callable[..., tuple[E12Camera, E12]]


@pytest.fixture
def plug() -> Iterator[Plug]:
    made: list[tuple[E12Camera, E12]] = []

    def make(
        owner: Owner | None = None, zone: ZoneInfo = SHANGHAI, password: bytes = b"", offset: float = 0
    ) -> tuple[E12Camera, E12]:
        camera = E12Camera(owner or Owner(), zone, clock=CameraClock(offset))
        made.append((camera, E12(camera.open(), SystemClock(), zone, password)))
        return made[-1]

    yield make
    for camera, control in made:
        control.close()
        camera.hang_up()


def test_the_whole_dialogue(plug: Plug) -> None:
    camera, control = plug()
    assert isinstance(control, ModeSwitch)
    assert control.identity() == {"serial": "E120001", "model": "ABCDE", "firmware": "", "officer": "012345"}
    assert control.info() == Info("E120001", "012345", "王小明", "110101000000", "东城分局")
    assert control.battery() == (73, False)
    control.to_storage()
    assert camera.mode == "disk"
    assert camera.commands[:2] == (b"E12CMDS004", b"E12CMDS009")
    assert camera.commands[-1] == b"E12CMDS008"


def test_messages_on_the_wire() -> None:
    assert message(b"E12CMDS004") == b"\x0a\x00\x00\x00E12CMDS004"


def test_the_89_bytes_field_by_field() -> None:
    raw = b"E120001" + b"01\0\0\0\0" + b"\xcd\xf5" + bytes(30) + b"1" * 12 + b"\xb6\xab" * 16
    assert len(raw) == 89
    assert parse_info(raw) == Info("E120001", "01", "王", "1" * 12, "东" * 16)


@pytest.mark.parametrize(
    ("name", "shown"),
    [(b"\xcd\xf5\xff", "%CD%F5%FF"), (b"\xcd", "%CD"), (b"a\x1b[2J", "a%1B[2J"), (b"%", "%25"), (b" Li ", "Li")],
)
def test_a_name_that_is_no_gbk_is_shown_and_never_trusted(name: bytes, shown: str) -> None:
    assert parse_info(b"E120001" + bytes(6) + name.ljust(32, b"\0") + bytes(44)).wearer == shown


@pytest.mark.parametrize("offset", [0.0, 3600.0, -86400.0 * 400])
def test_its_clock_is_read_in_its_zone(plug: Plug, offset: float) -> None:
    _, control = plug(offset=offset)
    reading = control.clock()
    assert abs(reading.offset_ms - offset * 1000) <= reading.uncertainty_ms
    assert 500 <= reading.uncertainty_ms < 1500
    assert reading.zone == ""


@pytest.mark.parametrize("utc", ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"])
def test_in_the_hour_that_comes_twice_the_nearer_moment_is_meant(utc: str) -> None:
    clock = CameraClock()
    camera = E12Camera(Owner(), LONDON, clock=clock)
    control = E12(camera.open(), Hands(ms(utc) + 300), LONDON)
    clock.set(datetime.fromtimestamp(ms(utc) / 1000 + 0.3, UTC))
    assert abs(control.clock().offset_ms) <= 500
    control.close()
    camera.hang_up()


def test_its_clock_is_set(plug: Plug) -> None:
    camera, control = plug(offset=-3600)
    target = ms("2031-07-01T12:00:00.600Z")
    control.set_clock(target)
    assert camera.commands == (b"E12CMDS003",)
    off = camera.clock.now() - datetime.fromtimestamp(target / 1000, UTC)
    assert -0.5 <= off.total_seconds() < 2
    camera.faults.refuse = b"E12CMDS003"
    with pytest.raises(Permanent, match="refuses E12CMDS003: E12DATR000"):
        control.set_clock(target)


def test_the_station_compares_the_password_and_shows_it_nowhere(plug: Plug) -> None:
    camera, control = plug(password=b"000000")
    assert control.battery() == (73, False)
    assert control.battery() == (73, False)
    assert camera.commands.count(b"E12CMDS010") == 1
    camera, control = plug(password=b"9f8e7d")
    with pytest.raises(Permanent, match="another password") as caught:
        control.to_storage()
    assert "9f8e7d" not in str(caught.value)
    assert "000000" not in str(caught.value)
    assert camera.commands == (b"E12CMDS010",)


@pytest.mark.parametrize("working", [0, 1, 20])
def test_working_and_finished_are_no_results(plug: Plug, working: int) -> None:
    camera, control = plug()
    camera.faults.working, camera.faults.finished = working, True
    assert [control.battery()[0] for _ in range(3)] == [73] * 3
    assert control.identity()["serial"] == "E120001"


def test_a_camera_that_works_for_ever_is_left(plug: Plug) -> None:
    camera, control = plug()
    camera.faults.working = -1
    with pytest.raises(Retryable, match="never comes to an end"):
        control.battery()
    camera.faults.working = 1
    assert control.battery() == (73, False)


def test_bytes_that_come_one_by_one(plug: Plug) -> None:
    camera, control = plug()
    camera.faults.byte_by_byte = True
    assert control.info().unit == "东城分局"


def test_a_silent_camera_is_retryable_after_five_seconds(plug: Plug) -> None:
    camera, control = plug()
    camera.faults.silent = True
    with pytest.raises(Retryable, match="does not answer in time") as caught:
        control.battery()
    assert not isinstance(caught.value, Gone)
    camera.faults.silent = False
    assert control.battery() == (73, False)
    assert camera.clients == 2
    assert tcp_line.READ_S == 5.0


def test_a_line_that_died_is_opened_again(plug: Plug) -> None:
    camera, control = plug()
    assert control.battery() == (73, False)
    camera.drop()
    assert control.battery() == (73, False)
    assert camera.clients == 2


def test_a_camera_that_hangs_up_on_each_question_is_gone(plug: Plug) -> None:
    camera, control = plug()
    camera.faults.drop_on = b"E12CMDS007"
    for _ in range(2):
        with pytest.raises(Gone, match="hung up"):
            control.battery()


def test_hanging_up_is_how_a_camera_becomes_a_disk(plug: Plug) -> None:
    camera, control = plug()
    camera.faults.drop_on = b"E12CMDS008"
    control.to_storage()
    assert camera.commands[-1] == b"E12CMDS008"


def test_a_line_that_died_before_is_not_taken_for_that(plug: Plug) -> None:
    camera, control = plug()
    control.battery()
    camera.hang_up()
    with pytest.raises(Gone):
        control.to_storage()


def test_a_camera_that_refuses_to_be_a_disk(plug: Plug) -> None:
    camera, control = plug()
    camera.faults.refuse = b"E12CMDS008"
    with pytest.raises(Permanent, match="refuses E12CMDS008: E12DATR010"):
        control.to_storage()
    assert camera.mode == "work"


@pytest.mark.parametrize(
    ("instead", "words"),
    [
        (struct.pack("<I", 1 << 31), "a message of 2147483648 bytes"),
        (struct.pack("<I", 0), "a message of 0 bytes"),
        (struct.pack(">I", 89) + b"x" * 89, "a message of 1493172224 bytes"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "a message of"),
        (message(b"x" * 88), "88 bytes about itself"),
        (message(b"x" * 90), "90 bytes about itself"),
        (message(bytes(89)), "no readable number"),
        (message(b"\xcd\xf5\xcd\xf5\xcd\xf5\xff" + bytes(82)), "no readable number"),
        (message(b"E12DATR120"), "refuses E12CMDS004"),
    ],
)
def test_nonsense_about_itself_is_refused_in_clear_words(plug: Plug, instead: bytes, words: str) -> None:
    camera, control = plug()
    camera.faults.instead = instead
    with pytest.raises(Permanent, match=words) as caught:
        control.identity()
    assert "\n" not in str(caught.value)
    camera.faults.instead = None
    assert control.identity()["serial"] == "E120001"


@pytest.mark.parametrize("said", [b"101", b"-1", b"", b"full", b"\xd9\xa1", b"1" * 2000])
def test_a_battery_that_is_none(plug: Plug, said: bytes) -> None:
    camera, control = plug()
    camera.battery = said
    with pytest.raises(Permanent, match="answers with"):
        control.battery()


@pytest.mark.parametrize("said", [b"2026-13-01 00:00:00", b"yesterday", b"\xff" * 19, b"E12DATR050"])
def test_a_time_that_is_none(plug: Plug, said: bytes) -> None:
    camera, control = plug()
    camera.faults.instead = message(said)
    with pytest.raises(Permanent):
        control.clock()


@pytest.mark.parametrize("address", ["", "host", "host:", ":80", "host:99999", "a@b:80", "host:80/x", "tty:x"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UsageError, match="is not the address of a camera"):
        E12(address, SystemClock(), LONDON)


def test_nobody_listens() -> None:
    camera = E12Camera(Owner(), LONDON)
    address = camera.open()
    camera.hang_up()
    with pytest.raises(Gone, match="nobody listens"):
        E12(address, SystemClock(), LONDON).identity()
