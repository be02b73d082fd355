"""The console, asked by pyserial over a real pseudo terminal."""

from __future__ import annotations

import base64
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.cameras.console import CameraClock, Console, Exchange, Release
from hil.cameras.plate import Plate
from hil.cameras.wire import Lines, escape, parse_request, parse_time, unescape
from tests.hil.bench import PLATE, dialogue, framed, identity, seconds_since, signature_holds

NONCE = "0f" * 32


def make(offset: float = 0.0) -> Console:
    return Console(PLATE, identity(), clock=CameraClock(offset))


def shown(answer: str) -> datetime:
    """The time in an answer to CLOCK."""
    assert answer.startswith("OK time=") and answer.endswith("Z zone=Europe/London")
    return datetime.strptime(answer.split()[1], "time=%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def test_identity_and_battery() -> None:
    console = Console(Plate("B 1%", model="BWC-Ä"), identity())
    with dialogue(console) as dock:
        assert dock.ask("ID", "7") == "OK serial=B%201%25 model=BWC-%C3%84 firmware=1.4.2"
        assert dock.ask("BATTERY", "aB3dE6gH") == "OK percent=80 charging=1"
        console.battery, console.charging = 3, False
        assert dock.ask("BATTERY") == "OK percent=3 charging=0"
    assert console.transcript[-1] == Exchange("BATTERY", "OK percent=3 charging=0")


@pytest.mark.parametrize("offset", [0.0, 3600.5, -86400.0])
def test_the_clock_is_off_until_it_is_set(offset: float) -> None:
    console = make(offset)
    with dialogue(console) as dock:
        error = shown(dock.ask("CLOCK")) - datetime.now(UTC)
        assert error.total_seconds() == pytest.approx(offset, abs=0.5)
        assert dock.ask("SETCLOCK 2030-01-02T03:04:05.678Z") == "OK"
        error = shown(dock.ask("CLOCK")) - datetime(2030, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
        assert 0 <= error.total_seconds() < 0.5
    (done,) = console.clock_sets
    assert done.to == datetime(2030, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert (done.before - datetime.now(UTC)).total_seconds() == pytest.approx(offset, abs=1)


def test_a_camera_without_a_clock_says_so_until_it_has_one() -> None:
    console = make()
    console.faults.not_set = True
    with dialogue(console) as dock:
        assert dock.ask("CLOCK").startswith("ERR NOTSET ")
        assert dock.ask("SETCLOCK 2030-01-02T03:04:05.678Z") == "OK"
        assert shown(dock.ask("CLOCK")).year == 2030


def proved(answer: str, folder: Path) -> bool:
    signature = base64.b64decode(answer.removeprefix("OK sig="), validate=True)
    said = f"dockagent-camera-proof/1\nBWC-0001\n{NONCE}\n".encode()
    return signature_holds(identity(), signature, said, folder)


def test_a_proof_holds_and_an_impostor_s_does_not(tmp_path: Path) -> None:
    console = make()
    with dialogue(console) as dock:
        assert proved(dock.ask(f"PROVE {NONCE}"), tmp_path)
        console.faults.impostor = True
        assert not proved(dock.ask(f"PROVE {NONCE}"), tmp_path)
    with dialogue(Console(PLATE)) as dock:
        assert dock.ask(f"PROVE {NONCE}").startswith("ERR NOTSET ")


def test_release_is_shown() -> None:
    assert make().release is None
    console = make()
    with dialogue(console) as dock:
        assert dock.ask("RELEASE WAIT 3%20clips%20left") == "OK"
        assert console.release == Release("WAIT", "3 clips left")
        assert dock.ask("RELEASE SAFE done") == "OK"
    console.wait_until(lambda it: it.release == Release("SAFE", "done"), timeout=1)
    assert [release.state for release in console.releases] == ["WAIT", "SAFE"]
    with pytest.raises(TimeoutError, match="RELEASE SAFE done"):
        console.wait_until(lambda it: len(it.releases) == 3, timeout=0.01)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("FORMAT", "BADVERB"),
        ("id", "BADVERB"),
        ("ID now", "BADARG"),
        ("ID " + "x" * 1010, "BADARG"),  # 1024 bytes, as long as a line may be
        ("SETCLOCK", "BADARG"),
        ("SETCLOCK 2030-01-02T03:04:05Z", "BADARG"),
        ("SETCLOCK 2030-13-02T03:04:05.000Z", "BADARG"),
        ("PROVE abc", "BADARG"),
        (f"PROVE {'g' * 64}", "BADARG"),
        ("RELEASE SAFE", "BADARG"),
        ("RELEASE GONE now", "BADARG"),
        ("RELEASE SAFE %2", "BADARG"),
        ("RELEASE SAFE %FF", "BADARG"),
        ("RELEASE SAFE two words", "BADARG"),
    ],
)
def test_what_is_wrong_is_named(words: str, code: str) -> None:
    console = make()
    with dialogue(console) as dock:
        assert dock.ask(words).startswith(f"ERR {code} ")
    assert console.releases == () and console.clock_sets == ()


@pytest.mark.parametrize(
    "sent",
    [
        b"> q1 ID *00\r\n",  # a wrong check
        b"> q1 ID\r\n",  # none
        framed("> q1 ID").replace(b"\r\n", b"\n"),  # a wrong end
        framed("> q1 ID").replace(b"\r\n", b"\r"),
        framed("> toolong99 ID"),  # a wrong id
        framed("> q-1 ID"),
        framed("> q1  ID"),  # two spaces
        framed("> q1"),
        framed("< q1 ID"),
        framed("> q1 ID " + "x" * 1011),  # 1025 bytes
        b"\r\n\r\n*\r\n>\r\n> *\r\n",
        bytes(range(256)) * 40,
    ],
)
def test_what_is_not_a_whole_right_line_gets_no_answer(sent: bytes) -> None:
    console = make()
    with dialogue(console) as dock:
        dock.port.write(sent + b"\r\n")
        # The one answer is that to the question after it.
        assert dock.ask("BATTERY", "after") == "OK percent=80 charging=1"
        dock.port.timeout = 0.05
        assert dock.line() == ""
    assert console.transcript == (Exchange("BATTERY", "OK percent=80 charging=1"),)


def test_requests_are_found_in_noise_in_pieces_and_in_a_row() -> None:
    with dialogue(make()) as dock:
        dock.port.write(b"AT\rATI\r\n\x00\xff~~boot")
        assert dock.ask("BATTERY") == "OK percent=80 charging=1"
        for byte in framed("> piece BATTERY"):
            dock.port.write(bytes([byte]))
            time.sleep(0.001)
        assert dock.line().startswith("< piece OK percent=80")
        dock.port.write(framed("> a BATTERY") + b"noise\r\n" + framed("> b ID"))
        assert dock.line().startswith("< a OK percent=80")
        assert dock.line().startswith("< b OK serial=BWC-0001")


def test_upper_case_checks_are_right_too() -> None:
    line = next(line for line in (framed(f"> {n} ID") for n in range(100)) if line[-4:-2].upper() != line[-4:-2])
    with dialogue(make()) as dock:
        dock.port.write(line[:-4] + line[-4:].upper())
        assert "OK serial=BWC-0001" in dock.line()


def test_faults_can_be_switched_while_it_runs() -> None:
    console = make()
    faults = console.faults
    with dialogue(console, timeout=0.2) as dock:
        faults.silent = True
        assert dock.ask("ID") == ""
        assert console.transcript[-1] == Exchange("ID", None)
        faults.silent = False
        faults.busy = 2
        assert [dock.ask("BATTERY")[:8] for _ in range(3)] == ["ERR BUSY", "ERR BUSY", "OK perce"]
        faults.wrong_checks = 1
        dock.port.write(framed("> x BATTERY"))
        wrong = dock.line()
        assert wrong.startswith("< x OK percent=80") and framed(wrong.rpartition(" *")[0]).decode() != wrong + "\r\n"
        assert dock.ask("BATTERY") == "OK percent=80 charging=1"
        faults.noise_before, faults.noise_after = b"[ 0.1] boot\r\nAT\r", b"\xffOK\r\n"
        dock.port.write(framed("> x BATTERY"))
        lines = [dock.line() for _ in range(3)]
        assert (lines[0], lines[1][:5], lines[2]) == ("[ 0.1] boot", "AT\r< ", "\xffOK")


def test_a_fault_counts_from_the_next_request_on() -> None:
    def switch(_: Exchange) -> None:
        console.faults.noise_after = b"late\r\n"

    console = Console(PLATE, observer=switch)
    with dialogue(console) as dock:
        for request_id in ("1", "2"):
            dock.port.write(framed(f"> {request_id} BATTERY"))
        assert [dock.line()[:6] for _ in range(3)] == ["< 1 OK", "< 2 OK", "late"]


def test_the_line_is_raw_before_a_dock_makes_it_so() -> None:
    console = make()
    descriptor = os.open(console.open(), os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(descriptor, framed("> 1 BATTERY"))
        assert os.read(descriptor, 100) == framed("< 1 OK percent=80 charging=1")
        os.write(descriptor, framed("> 2 BATTERY"))
        assert os.read(descriptor, 100) == framed("< 2 OK percent=80 charging=1")
    finally:
        os.close(descriptor)
        console.hang_up()
    assert console.skipped == ()


def test_a_slow_console_sends_byte_by_byte() -> None:
    console = make()
    console.faults.byte_delay = 0.005
    with dialogue(console) as dock:
        start = time.monotonic()
        assert dock.ask("BATTERY") == "OK percent=80 charging=1"
        assert seconds_since(start) > 0.15


@pytest.mark.parametrize("by_itself", [False, True])
def test_a_hung_up_line_is_dead_and_the_next_one_is_not(by_itself: bool) -> None:
    console = make(1000)
    path = console.open()
    with serial.Serial(str(path), timeout=2) as port:
        if by_itself:
            console.faults.hang_up_on = "CLOCK"
            port.write(framed("> 1 CLOCK"))
        else:
            console.hang_up()
        with pytest.raises(serial.SerialException):
            port.read(1)
    console.hang_up()
    assert not path.exists()
    with dialogue(console) as dock:
        assert dock.ask("ID").startswith("OK ")
        with pytest.raises(RuntimeError, match="open already"):
            console.open()


def test_hanging_up_is_quick_though_nobody_reads() -> None:
    console = make()
    console.faults.noise_after = b"x" * 500_000
    with dialogue(console) as dock:
        dock.port.write(framed("> 1 ID"))
        console.wait_until(lambda it: len(it.transcript) == 1, timeout=1)
        start = time.monotonic()
        console.hang_up()
        assert seconds_since(start) < 0.5


def test_the_observer_sees_every_exchange_and_may_hang_up() -> None:
    seen: list[Exchange] = []

    def observe(exchange: Exchange) -> None:
        seen.append(exchange)
        if exchange.request.startswith("RELEASE"):
            console.hang_up()

    console = Console(PLATE, observer=observe)
    with dialogue(console) as dock:
        assert dock.ask("BATTERY")
        dock.port.write(framed("> 1 RELEASE SAFE x"))
        with pytest.raises(serial.SerialException):
            dock.port.read(1)
    assert [exchange.request for exchange in seen] == ["BATTERY", "RELEASE SAFE x"]


@settings(deadline=None)
@given(st.text())
def test_values_come_back(text: str) -> None:
    value = escape(text)
    assert all("!" <= char <= "~" for char in value)
    assert unescape(value) == text


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"\r\n", b"\r", b"x" * 700])))
def test_lines_do_not_depend_on_how_the_bytes_come(pieces: list[bytes]) -> None:
    pieces = [*pieces, b"\r\n> 1 ID\r\n"]
    lines = Lines()
    assert [line for piece in pieces for line in lines.feed(piece)] == Lines().feed(b"".join(pieces))


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_no_line_breaks_the_parser(line: bytes) -> None:
    assert parse_request(line) is None or b" *" in line


def test_times_are_strict() -> None:
    for text in ("2030-01-02T03:04:05.678+00:00", "2030-01-02 03:04:05.678Z", "2030-01-02T03:04:05.678z", ""):
        with pytest.raises(ValueError, match="not a time"):
            parse_time(text)
