"""ZZX over a real TCP connection, against a camera that misbehaves in every way a server can."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from dockagent.clock import SystemClock
from dockagent.errors import Gone, Permanent, Retryable, UsageError
from dockagent.transports import ModeSwitch
from dockagent.transports.gat_zzx import LONGEST, ZZX
from hil.cameras.console import CameraClock
from hil.cameras.dialects.zzx import ZzxCamera
from tests.transports.hands import ms

WORD = "s3cr3t-ü"
Plug = Callable[..., tuple[ZzxCamera, ZZX]]


@pytest.fixture
def plug() -> Iterator[Plug]:
    made: list[tuple[ZzxCamera, ZZX]] = []

    def make(offset: float = 0, password: str = WORD) -> tuple[ZzxCamera, ZZX]:
        camera = ZzxCamera("0000042", WORD, clock=CameraClock(offset))
        made.append((camera, ZZX(camera.open(), SystemClock(), password.encode())))
        return made[-1]

    yield make
    for camera, control in made:
        control.close()
        camera.hang_up()


def answer(number: object, body: object) -> bytes:
    header = {"version": "1.0", "id": number, "device": "ZZX2080"}
    return json.dumps({"header": header, "body": body}).encode() + b"\r\n"


def test_the_whole_dialogue(plug: Plug) -> None:
    camera, control = plug()
    assert isinstance(control, ModeSwitch)
    assert control.identity() == {"serial": "0000042", "model": "ZZXP5", "firmware": "", "officer": "012345"}
    assert control.battery() == (88, False)
    control.to_storage()
    assert camera.mode == "disk"
    assert [number for number, _ in camera.requests] == [3, 2, 8, 2, 6]
    assert all(body == {"password": WORD} for _, body in camera.requests)


@pytest.mark.parametrize("offset", [0.0, 7200.0, -86400.0 * 400])
def test_its_clock_tells_seconds(plug: Plug, offset: float) -> None:
    _, control = plug(offset)
    reading = control.clock()
    assert abs(reading.offset_ms - offset * 1000) <= reading.uncertainty_ms
    assert 500 <= reading.uncertainty_ms < 1500


def test_and_takes_milliseconds(plug: Plug) -> None:
    camera, control = plug(-3600)
    target = ms("2031-07-01T12:00:00.600Z")
    control.set_clock(target)
    assert camera.requests[-1] == (5, {"password": WORD, "Time": str(target)})
    off = camera.clock.now() - datetime.fromtimestamp(target / 1000, UTC)
    assert 0 <= off.total_seconds() < 1


def test_a_wrong_password_is_named_and_never_shown(plug: Plug) -> None:
    camera, control = plug(password="9f8e7d6c")
    for ask in (control.identity, control.battery, control.clock, control.to_storage, lambda: control.set_clock(0)):
        with pytest.raises(Permanent, match="refuses the password") as caught:
            ask()
        assert "9f8e7d6c" not in str(caught.value)
    assert camera.mode == "work"


def test_a_password_that_is_no_text_is_not_shown() -> None:
    with pytest.raises(UsageError, match="not UTF-8") as caught:
        ZZX("127.0.0.1:1", SystemClock(), b"secret\xff")
    assert caught.value.__cause__ is None
    assert "secret" not in str(caught.value)


def test_a_camera_that_records_becomes_a_disk_later(plug: Plug) -> None:
    camera, control = plug()
    camera.faults.recording = True
    with pytest.raises(Retryable, match="is recording"):
        control.to_storage()
    camera.faults.recording = False
    control.to_storage()
    assert camera.mode == "disk"


def test_hanging_up_is_how_a_camera_becomes_a_disk(plug: Plug) -> None:
    camera, control = plug()
    camera.faults.drop_on = 6
    control.to_storage()
    assert camera.requests[-1][0] == 6


def test_a_line_that_died_before_is_not_taken_for_that(plug: Plug) -> None:
    camera, control = plug()
    control.battery()
    camera.hang_up()
    with pytest.raises(Gone):
        control.to_storage()


def test_a_line_that_died_is_opened_again(plug: Plug) -> None:
    camera, control = plug()
    assert control.battery() == (88, False)
    camera.drop()
    assert control.battery() == (88, False)
    assert camera.clients == 2


def test_an_answer_in_two_parts(plug: Plug) -> None:
    camera, control = plug()
    camera.faults.split = True
    assert control.identity()["model"] == "ZZXP5"


def test_values_may_be_numbers_and_words(plug: Plug) -> None:
    camera, control = plug()
    camera.faults.instead = answer("8", {"password": True, "battery": 42})
    assert control.battery() == (42, False)


@pytest.mark.parametrize(
    ("instead", "words"),
    [
        (b"\r\n", "no JSON object"),
        (b"hello\r\n", "no JSON object"),
        (b"[1, 2]\r\n", "no JSON object"),
        (b"{}\r\n", "no JSON object"),
        (b'{"header": 1, "body": 2}\r\n', "no JSON object"),
        (b'{"header": {"id": 8}, "body": []}\r\n', "no JSON object"),
        (b'{"header": {"id": 8}, "header": {}, "body": {}}\r\n', "no JSON object"),
        (b"[" * 5000 + b"\r\n", "no JSON object"),
        (b"\xcd\xf5\xd0\xa1\xc3\xf7\r\n", "no JSON object"),
        (answer(8, {"password": "true", "battery": "101"}), "0 to 100"),
        (answer(8, {"password": "true", "battery": "٤٢"}), "0 to 100"),
        (answer(8, {"password": "true"}), "no readable battery"),
        (answer(8, {"password": "true", "battery": "9" * 65}), "no readable battery"),
        (answer(8, {"password": "true", "battery": {"a": [1]}}), "0 to 100"),
        (answer(8, {}), "refuses the password"),
        (answer("\x1b]0;x", {"password": "true"}), "an answer to request %1B"),
        (b"x" * (LONGEST + 5000), f"a line of more than {LONGEST} bytes"),
    ],
)
def test_nonsense_is_refused_in_clear_words(plug: Plug, instead: bytes, words: str) -> None:
    camera, control = plug()
    camera.faults.instead = instead
    with pytest.raises(Permanent, match=words) as caught:
        control.battery()
    said = str(caught.value)
    assert "\n" not in said
    assert "\x1b" not in said
    assert len(said) < 300
    camera.faults.instead = None
    assert control.battery() == (88, False)


def test_an_answer_to_another_question_is_refused(plug: Plug) -> None:
    camera, control = plug()
    camera.faults.id_ahead = 1
    with pytest.raises(Permanent, match="an answer to request 9 when 8 was asked"):
        control.battery()


def test_a_line_without_an_end_is_refused(plug: Plug) -> None:
    camera, control = plug()
    camera.faults.endless = True
    with pytest.raises(Permanent, match="a line of more than"):
        control.identity()


def test_a_serial_with_strange_characters_is_shown_safely(plug: Plug) -> None:
    camera, control = plug()
    camera.serial = "a\x1b[2J\u202e%"
    assert control.identity()["serial"] == "a%1B[2J%E2%80%AE%25"
    camera.serial = ""
    with pytest.raises(Permanent, match="no readable serial"):
        control.identity()


def test_a_silent_camera_is_retryable(plug: Plug) -> None:
    camera, control = plug()
    camera.faults.silent = True
    with pytest.raises(Retryable, match="does not answer in time") as caught:
        control.battery()
    assert not isinstance(caught.value, Gone)
    camera.faults.silent = False
    assert control.battery() == (88, False)


def test_it_proves_and_shows_nothing(plug: Plug) -> None:
    camera, control = plug()
    for ask in (lambda: control.prove(bytes(32)), lambda: control.release(True, "done")):
        with pytest.raises(Permanent, match="this camera"):
            ask()
    assert camera.requests == ()
