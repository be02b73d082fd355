"""The cradle over a real pty. The packets are those that the notes on its protocol print, byte for byte."""

import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockagent.clock import SystemClock
from dockagent.errors import Gone, Permanent, Retryable, UsageError
from dockagent.transports.cradle_mc18 import Cradle, Place, find_answer, packet
from hil.cameras.furniture import cradle_mc18 as emulated

Plug = Callable[..., tuple[emulated.Cradle, Cradle]]


@pytest.fixture
def plug() -> Iterator[Plug]:
    made: list[tuple[emulated.Cradle, Cradle]] = []

    def make(timeout_ms: int = 400) -> tuple[emulated.Cradle, Cradle]:
        hardware = emulated.Cradle()
        made.append((hardware, Cradle(str(hardware.open()), SystemClock(), timeout_ms)))
        return made[-1]

    yield make
    for hardware, cradle in made:
        cradle.close()
        hardware.hang_up()


@pytest.mark.parametrize(
    ("command", "data", "wire"),
    [
        (0x65, "0a 01f4 01f4 00", "01 65 0b 0a 01 f4 01 f4 00 03 66 00"),
        (0x65, "0a 0000 0000 00", "01 65 0b 0a 00 00 00 00 00 03 66 00"),
        (0x65, "1e 01f4 01f4 00", "01 65 0b 1e 01 f4 01 f4 00 03 72 00"),
        (0x76, "01f4 01f4 0005 00", "01 76 0c 01 f4 01 f4 00 05 00 03 7d 00"),
        (0x76, "01f4 01f4 0063 00", "01 76 0c 01 f4 01 f4 00 63 00 03 1b 00"),
        (0x76, "00c8 00c8 0002 00", "01 76 0c 00 c8 00 c8 00 02 00 03 7a 00"),
        (0x81, "", "01 81 05 03 86 00"),
        (0x71, "", "01 71 05 03 76 00"),
        (0x6F, "", "01 6f 05 03 68 00"),
        (0x70, "", "01 70 05 03 77 00"),
        (0x7E, "", "01 7e 05 03 79 00"),
        (0x69, "", "01 69 05 03 6e 00"),
        (0x77, "", "01 77 05 03 70 00"),
    ],
)
def test_packets_to_the_cradle(command: int, data: str, wire: str) -> None:
    assert packet(command, bytes.fromhex(data)) == bytes.fromhex(wire)


ANSWERS = {
    "01 05 07 03 00": "",
    "01 06 07 30 03 33": "30",
    "01 07 07 ff ff 03 02": "ffff",
    "01 07 07 ff fd 03 00": "fffd",
    "01 07 07 02 c6 03 c6": "02c6",
    "01 07 07 02 9b 03 9b": "029b",
    "01 14 07 32 31 30 33 35 35 32 33 30 32 33 39 36 32 30 03 2c": b"210355230239620".hex(),
    "01 17 07 43 52 44 2d 4d 43 31 38 2d 31 53 4c 4f 54 2d 30 31 00 03 59": b"CRD-MC18-1SLOT-01\0".hex(),
    "01 07 07 05 01 03 06": "0501",
}


@pytest.mark.parametrize(("wire", "data"), ANSWERS.items())
def test_answers_of_the_cradle(wire: str, data: str) -> None:
    whole = bytes.fromhex(wire)
    assert find_answer(whole) == bytes.fromhex(data)
    assert find_answer(b"\x01\x07\xff\x00" + whole + b"\x01") == bytes.fromhex(data)
    for end in range(len(whole)):
        assert find_answer(whole[:end]) is None


@given(st.sampled_from(sorted(ANSWERS)), st.data())
def test_no_answer_with_one_wrong_bit_is_taken(wire: str, draw: st.DataObject) -> None:
    whole = bytearray(bytes.fromhex(wire))
    bit = draw.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    assert find_answer(bytes(whole)) is None


def test_what_it_tells(plug: Plug) -> None:
    _, cradle = plug()
    assert (cradle.part(), cradle.serial(), cradle.firmware()) == ("CRD-MC18-1SLOT-01", "210355230239620", "5.1")
    assert cradle.place() == Place(65535, 65534, 65533)
    assert (cradle.hardware(), cradle.fast_charge()) == (1, False)
    volts = cradle.voltages()
    assert (round(volts.supply, 6), round(volts.logic, 6)) == (5.205279, 3.260020)  # the published readings
    with pytest.raises(Gone):
        Cradle("/dev/no-such-line", SystemClock())


def test_the_latch_opens_for_a_time(plug: Plug) -> None:
    hardware, cradle = plug()
    assert not hardware.unlatched()
    cradle.unlock(30, fade=True)
    cradle.unlock(blink_ms=0)
    assert hardware.unlatched()
    assert hardware.openings == (emulated.Opening(30, 500, 500, True), emulated.Opening(10, 0, 0, False))


@pytest.mark.parametrize("seconds", [-1, 0, 9, 31, 255, 3600])
def test_it_never_opens_for_another_time(plug: Plug, seconds: int) -> None:
    hardware, cradle = plug()
    with pytest.raises(UsageError, match="10 to 30 seconds"):
        cradle.unlock(seconds)
    assert hardware.asked == ()


def test_lights(plug: Plug) -> None:
    hardware, cradle = plug()
    cradle.flash(5)
    lit = [hardware.lit]
    cradle.dark()
    lit.append(hardware.lit)
    assert (lit, hardware.flashes) == ([True, False], (5,))
    assert not hardware.unlatched()


@pytest.mark.parametrize("noise", [b"\x00\xff\x01", b"\x01\x05\x07", b"\x01\x06\x07\x30\x03\x00", b"boot 5.1\r\n" * 40])
def test_noise_is_skipped(plug: Plug, noise: bytes) -> None:
    hardware, cradle = plug()
    hardware.faults.noise = noise
    assert cradle.serial() == "210355230239620"


def test_a_slow_answer_is_put_together(plug: Plug) -> None:
    hardware, cradle = plug()
    hardware.faults.byte_delay = 0.005
    assert cradle.part() == "CRD-MC18-1SLOT-01"


def test_a_wrong_check_and_silence_are_asked_again(plug: Plug) -> None:
    hardware, cradle = plug(200)
    hardware.faults.wrong_checks = 2
    assert cradle.firmware() == "5.1"
    hardware.faults.silent = 2
    assert cradle.firmware() == "5.1"
    assert hardware.asked == (0x77,) * 6


def test_a_late_answer_is_not_taken_for_the_next(plug: Plug) -> None:
    hardware, cradle = plug(60)
    hardware.faults.byte_delay = 0.03  # a whole answer takes longer than it is waited for
    with pytest.raises(Retryable):
        cradle.voltages()
    hardware.faults.byte_delay = 0.0
    time.sleep(0.5)  # the late ones lie in the line now
    assert cradle.place().row == 65535


def test_a_dead_cradle_is_retryable(plug: Plug) -> None:
    hardware, cradle = plug(100)
    hardware.faults.silent = 100
    with pytest.raises(Retryable, match="does not answer 65") as caught:
        cradle.unlock()
    assert not isinstance(caught.value, Gone)
    assert hardware.asked == (0x65,) * 3


@pytest.mark.parametrize("data", [b"", b"\x00", b"123"])
def test_an_answer_of_another_length_is_nonsense(plug: Plug, data: bytes) -> None:
    hardware, cradle = plug()
    hardware.faults.answer = data
    with pytest.raises(Permanent, match="answers 77 with"):
        cradle.firmware()


@pytest.mark.parametrize("data", [b"", b"\0\0", b"a\x1b[2J", b"\xff" * 15])
def test_a_number_that_is_no_text_is_nonsense(plug: Plug, data: bytes) -> None:
    hardware, cradle = plug()
    hardware.faults.answer = data
    with pytest.raises(Permanent, match="answers 69 with"):
        cradle.serial()


def test_a_cable_that_is_pulled_is_gone(plug: Plug) -> None:
    hardware, cradle = plug()
    hardware.hang_up()
    with pytest.raises(Gone):
        cradle.firmware()
    cradle.close()
    cradle.close()


def test_the_line_is_ours_alone(plug: Plug) -> None:
    hardware, _ = plug()
    assert hardware._line is not None
    with pytest.raises(Retryable, match="in use by another program"):
        Cradle(str(hardware._line.path), SystemClock())
