"""The dock's hardware from the outside: pyserial on a real pseudo terminal, and the packets that the notes print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import serial

from hil.cameras.furniture.cradle_mc18 import Cradle, Opening
from hil.cameras.furniture.rfid import RfidReader


@contextmanager
def on(hardware: Cradle | RfidReader, baud: int) -> Iterator[serial.Serial]:
    with serial.Serial(str(hardware.open()), baud, timeout=0.3) as line:
        yield line
    hardware.hang_up()
    hardware.hang_up()


def ask(line: serial.Serial, wire: str) -> str:
    line.write(bytes.fromhex(wire))
    return line.read(64).hex(" ")


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("01 71 05 03 76 00", "01 06 07 30 03 33"),
        ("01 6f 05 03 68 00", "01 07 07 ff ff 03 02"),
        ("01 70 05 03 77 00", "01 07 07 ff fe 03 03"),
        ("01 7e 05 03 79 00", "01 07 07 ff fd 03 00"),
        ("01 7a 05 03 7d 00", "01 07 07 02 c6 03 c6"),
        ("01 7b 05 03 7c 00", "01 07 07 02 9b 03 9b"),
        ("01 7c 05 03 7b 00", "01 07 07 00 00 03 02"),
        ("01 69 05 03 6e 00", "01 14 07 32 31 30 33 35 35 32 33 30 32 33 39 36 32 30 03 2c"),
        ("01 6d 05 03 6a 00", "01 06 07 01 03 02"),
        ("01 66 05 03 61 00", "01 17 07 43 52 44 2d 4d 43 31 38 2d 31 53 4c 4f 54 2d 30 31 00 03 59"),
        ("01 77 05 03 70 00", "01 07 07 05 01 03 06"),
        ("01 81 05 03 86 00", "01 05 07 03 00"),
        ("01 76 0c 01 f4 01 f4 00 63 00 03 1b 00", "01 05 07 03 00"),
    ],
)
def test_the_cradle_answers_as_the_notes_print_it(request_: str, answer: str) -> None:
    with on(Cradle(), 9600) as line:
        assert ask(line, request_) == answer


def test_the_latch() -> None:
    cradle = Cradle()
    with on(cradle, 9600) as line:
        assert not cradle.unlatched()
        assert ask(line, "01 65 0b 0a 01 f4 01 f4 00 03 66 00") == "01 05 07 03 00"
        assert cradle.unlatched()
    assert cradle.openings == (Opening(10, 500, 500, False),)


@pytest.mark.parametrize(
    "wire",
    [
        "01 65 0b 09 01 f4 01 f4 00 03 65 00",  # 9 seconds
        "01 65 0b 1f 01 f4 01 f4 00 03 73 00",  # 31 seconds
        "01 65 0b 0a 01 f4 01 f4 00 03 67 00",  # a wrong check
        "01 65 0b 0a 01 f4 01 f4 00 03 66 01",  # another last byte
        "01 99 05 03 9e 00",  # a command that nobody knows
        "01 65 ff ff ff",
    ],
)
def test_the_latch_stays_shut_for_anything_else(wire: str) -> None:
    cradle = Cradle()
    with on(cradle, 9600) as line:
        assert ask(line, wire) == ""
        assert not cradle.unlatched()
        assert ask(line, "01 77 05 03 70 00") == "01 07 07 05 01 03 06"  # and it goes on answering


def test_what_can_be_wrong_with_it() -> None:
    cradle = Cradle()
    with on(cradle, 9600) as line:
        cradle.faults.silent = 1
        assert ask(line, "01 77 05 03 70 00") == ""
        cradle.faults.wrong_checks, cradle.faults.noise = 1, b"\x01\x07"
        assert ask(line, "01 77 05 03 70 00") == "01 07 01 07 07 05 01 03 07"
        cradle.faults.noise, cradle.faults.answer, cradle.faults.byte_delay = b"", b"", 0.01
        assert ask(line, "01 77 05 03 70 00") == "01 05 07 03 00"
        with pytest.raises(RuntimeError, match="open already"):
            cradle.open()


def test_a_packet_in_pieces() -> None:
    with on(Cradle(), 9600) as line:
        for byte in bytes.fromhex("ff 01 77 05 03 70"):
            line.write(bytes((byte,)))
        assert line.read(64) == b""
        assert ask(line, "00") == "01 07 07 05 01 03 06"


def test_the_reader_of_tags() -> None:
    reader = RfidReader(bytes.fromhex("0612ab34cd"))
    read = "02 01 a4 0b 00 00 00 00 00 00 00 00 00 00 00 ac 03"
    with on(reader, 4800) as line:
        assert ask(line, "02 01 00 00 03 03") == "02 01 00 00 03 03"
        assert ask(line, read) == "02 01 00 05 06 12 ab 34 cd 40 03"
        assert ask(line, "02 01 00 00 02 03") == ""  # a wrong check
        reader.tag = b""
        assert ask(line, read) == ""
        reader.faults.silent = True
        assert ask(line, "02 01 00 00 03 03") == ""
    assert reader.asked == (0x0100, 0x01A4, 0x01A4, 0x0100)
