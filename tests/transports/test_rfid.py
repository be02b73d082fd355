"""The reader of tags over a real pty; its frames are those that the notes on it print."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from dockagent.clock import SystemClock
from dockagent.errors import Gone, Retryable
from dockagent.transports import rfid
from dockagent.transports.rfid import RfidReader, find_answer, frame
from hil.cameras.furniture import rfid as emulated

TAG = bytes.fromhex("0612ab34cd")
Plug = Callable[..., tuple[emulated.RfidReader, RfidReader]]


@pytest.fixture
def plug() -> Iterator[Plug]:
    made: list[tuple[emulated.RfidReader, RfidReader]] = []

    def make(tag: bytes = b"") -> tuple[emulated.RfidReader, RfidReader]:
        hardware = emulated.RfidReader(tag)
        made.append((hardware, RfidReader(str(hardware.open()), SystemClock())))
        return made[-1]

    yield make
    for hardware, reader in made:
        reader.close()
        hardware.hang_up()


def test_frames() -> None:
    assert frame(b"\x01\x00") == bytes.fromhex("02 01 00 00 03 03")
    assert frame(b"\x01\xa4", bytes(11)) == bytes.fromhex("02 01 a4 0b 00 00 00 00 00 00 00 00 00 00 00 ac 03")
    read = bytes.fromhex("02 01 00 05 06 12 ab 34 cd") + bytes((2 ^ 1 ^ 5 ^ 6 ^ 0x12 ^ 0xAB ^ 0x34 ^ 0xCD, 3))
    assert find_answer(read, 5) == TAG
    assert find_answer(b"\x02\x01\x00\x05\xff" + read, 5) == TAG
    assert find_answer(read, 0) is None
    for end in range(len(read)):
        assert find_answer(read[:end], 5) is None
        assert find_answer(read[:end] + bytes((read[end] ^ 1,)) + read[end + 1 :], 5) is None


def test_opening_waits_until_the_reader_listens(plug: Plug) -> None:
    started = time.monotonic()
    hardware, reader = plug()
    assert time.monotonic() - started >= 0.5
    reader.hello()
    assert hardware.asked == (0x0100,)


def test_a_tag_is_read_and_none_is_none(plug: Plug) -> None:
    hardware, reader = plug(TAG)
    assert reader.read() == "0612ab34cd"
    hardware.tag = b""
    assert reader.read() == ""
    reader.hello()
    assert 0x01A5 not in hardware.asked  # nothing is ever written to a tag


def test_each_tag_comes_once_while_it_lies_there(plug: Plug) -> None:
    hardware, reader = plug(TAG)

    def change() -> None:
        hardware.tag = bytes(reversed(TAG))

    later = threading.Timer(0.8, change)
    later.start()
    tags = list(reader.tags(2.0))
    later.join()
    assert tags == ["0612ab34cd", "cd34ab1206"]


def test_noise_wrong_checks_and_slow_bytes(plug: Plug) -> None:
    hardware, reader = plug(TAG)
    hardware.faults.noise = b"\x02\x01\x00\x05\x02\x00"
    assert next(reader.tags(30.0)) == "0612ab34cd"  # a busy machine may need a second look, as people's tags get
    hardware.faults.byte_delay = 0.01
    assert next(reader.tags(30.0)) == "0612ab34cd"
    hardware.faults.byte_delay, hardware.faults.wrong_check = 0.0, True
    assert reader.read() == ""
    with pytest.raises(Retryable, match="does not answer"):
        reader.hello()


def test_a_dead_reader_and_a_pulled_cable(plug: Plug) -> None:
    hardware, reader = plug(TAG)
    hardware.faults.silent = True
    with pytest.raises(Retryable) as caught:
        reader.hello()
    assert not isinstance(caught.value, Gone)
    hardware.hang_up()
    with pytest.raises(Gone):
        reader.read()


def test_its_words_warn_of_trusting_a_tag() -> None:
    assert "no proof of identity" in (rfid.__doc__ or "")
