"""ReferenceConsole over a real pty, against a camera that misbehaves in every way a line can."""

import os
import select
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.core.moment import parse_rfc3339, rfc3339
from dockagent.errors import Gone, Permanent, Retryable, UsageError
from dockagent.transports import Control
from dockagent.transports.console_codec import check
from dockagent.transports.serial_port import ReferenceConsole

Script = Callable[["Camera", str, list[str]], bytes]


class Camera:
    """The camera's side, written from docs/reference-camera.md. ``script`` gives the bytes sent for each request."""

    def __init__(self, script: Script) -> None:
        self.master, slave = os.openpty()
        self.path = os.ttyname(slave)
        tty.setraw(slave)
        os.close(slave)
        self.script = script
        self.asked: list[list[str]] = []
        self._stop, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def ok(self, ident: str, fields: str = "") -> bytes:
        return _line(f"< {ident} OK {fields}".rstrip())

    def error(self, ident: str, code: str) -> bytes:
        return _line(f"< {ident} ERR {code} as asked")

    def unplug(self) -> None:
        os.close(self.master)
        self.master = -1

    def close(self) -> None:
        os.write(self._wake, b"x")
        self._thread.join(5)
        for fd in (self.master, self._stop, self._wake):
            if fd >= 0:
                os.close(fd)

    def _serve(self) -> None:
        buffer = b""
        while self.master >= 0:
            ready, _, _ = select.select([self.master, self._stop], [], [])
            if self._stop in ready:
                return
            try:
                buffer += os.read(self.master, 4096)
            except OSError:  # EIO: nobody has the line open
                time.sleep(0.01)
                continue
            *lines, buffer = buffer.split(b"\r\n")
            for line in filter(None, lines):
                self._answer(line)

    def _answer(self, line: bytes) -> None:
        body, _, given = line.rpartition(b" *")
        assert int(given, 16) == check(body), line
        _, ident, verb, *arguments = body.decode().split(" ")
        self.asked.append([verb, *arguments])
        answer = self.script(self, ident, [verb, *arguments])
        if self.master >= 0:
            os.write(self.master, answer)


def _line(body: str) -> bytes:
    return b"%b *%02X\r\n" % (body.encode(), check(body.encode()))


def good(camera: Camera, ident: str, words: list[str]) -> bytes:
    fields = {
        "ID": "serial=BWC-0001 model=BWC%201 firmware=1.4.2",
        "BATTERY": "percent=87 charging=1",
        "CLOCK": f"time={rfc3339(time.time_ns() // 1_000_000 + 5000)} zone=Europe/London",
        "PROVE": "sig=AQIDBA==",
    }
    return camera.ok(ident, fields.get(words[0], ""))


@pytest.fixture
def plug() -> Iterator[Callable[..., tuple[Camera, ReferenceConsole]]]:
    made: list[tuple[Camera, ReferenceConsole]] = []

    def make(script: Script = good, timeout_ms: int = 400) -> tuple[Camera, ReferenceConsole]:
        camera = Camera(script)
        made.append((camera, ReferenceConsole(camera.path, SystemClock(), timeout_ms=timeout_ms)))
        return made[-1]

    yield make
    for camera, console in made:
        console.close()
        camera.close()


Plug = Callable[..., tuple[Camera, ReferenceConsole]]


def test_the_whole_dialogue(plug: Plug) -> None:
    camera, made = plug()
    console: Control = made
    assert console.identity() == {"serial": "BWC-0001", "model": "BWC 1", "firmware": "1.4.2"}
    assert console.battery() == (87, True)
    assert console.prove(bytes(range(32))) == b"\x01\x02\x03\x04"
    console.release(True, "all done, ümlaut")
    console.release(False, "")
    assert camera.asked[2:] == [
        ["PROVE", bytes(range(32)).hex()],
        ["RELEASE", "SAFE", "all%20done,%20%C3%BCmlaut"],
        ["RELEASE", "WAIT", "-"],
    ]


def test_the_clock_reading_with_the_smallest_round_trip_wins(plug: Plug) -> None:
    delays = iter([0.2, 0.15, 0.0, 0.1, 0.2])

    def slow(camera: Camera, ident: str, words: list[str]) -> bytes:
        time.sleep(next(delays))
        return good(camera, ident, words)

    _, console = plug(slow)
    reading = console.clock()
    assert abs(reading.offset_ms - 5000) <= reading.uncertainty_ms + 1
    assert reading.uncertainty_ms < 50
    assert reading.zone == "Europe/London"


def test_setting_the_clock_states_the_time_of_the_attempt_that_gets_through(plug: Plug) -> None:
    answers = iter(["BUSY", "BUSY", ""])

    def busy_twice(camera: Camera, ident: str, words: list[str]) -> bytes:
        code = next(answers)
        return camera.error(ident, code) if code else camera.ok(ident)

    camera, console = plug(busy_twice)
    console.set_clock(parse_rfc3339("2026-11-22T14:30:05.123Z"))
    first, _, last = (parse_rfc3339(words[1]) for words in camera.asked)
    assert rfc3339(first).startswith("2026-11-22T14:30:05.1")
    assert 390 <= last - first <= 2000


def _before(noise: bytes) -> Script:
    return lambda camera, ident, words: noise + good(camera, ident, words)


@pytest.mark.parametrize(
    "script",
    [
        _before(b"\x00\xff\xfeU-Boot 2019.04 < loading ...\r\n"),
        _before(b"AT+GCAP no line end "),
        _before(b"< 9 OK serial=half"),
        _before(b"\n\n\r\r\n"),
        _before(_line("< other OK serial=WRONG model=x firmware=y")),
        _before(b"x" * 3000),
        lambda camera, ident, words: (
            f"< {ident} OK serial=WRONG model=x firmware=y *00\r\n".encode() + good(camera, ident, words)
        ),
        lambda camera, ident, words: f"> {ident} ID *00\r\n".encode() + good(camera, ident, words),
    ],
)
def test_noise_is_skipped(plug: Plug, script: Script) -> None:
    _, console = plug(script)
    assert console.identity()["serial"] == "BWC-0001"


def test_a_late_answer_is_not_taken_for_the_next_one(plug: Plug) -> None:
    late: list[bytes] = []

    def one_behind(camera: Camera, ident: str, words: list[str]) -> bytes:
        late.append(camera.ok(ident, f"serial=S{len(late)} model=m firmware=f"))
        return late[-2] + late[-1] if len(late) > 1 else b""

    camera, console = plug(one_behind)
    assert console.identity()["serial"] == "S1"
    assert len(camera.asked) == 2


def test_an_answer_in_pieces_is_put_together(plug: Plug) -> None:
    def slowly(camera: Camera, ident: str, words: list[str]) -> bytes:
        answer = good(camera, ident, words)
        for byte in answer[:-1]:
            os.write(camera.master, bytes([byte]))
            time.sleep(0.001)
        return answer[-1:]

    _, console = plug(slowly)
    assert console.identity()["firmware"] == "1.4.2"


def test_endless_noise_ends(plug: Plug) -> None:
    stop = threading.Event()

    def flood(camera: Camera, ident: str, words: list[str]) -> bytes:
        deadline = time.monotonic() + 3
        while not stop.is_set() and time.monotonic() < deadline:
            os.write(camera.master, b"\x55" * 256)
        return b""

    _, console = plug(flood, timeout_ms=200)
    started = time.monotonic()
    with pytest.raises(Retryable, match="does not answer ID"):
        console.identity()
    assert time.monotonic() - started < 2
    assert len(console._rest) <= 1024
    stop.set()


def test_a_dumb_camera_is_retryable_after_the_attempts(plug: Plug) -> None:
    camera, console = plug(lambda camera, ident, words: b"", timeout_ms=100)
    with pytest.raises(Retryable, match="does not answer BATTERY") as caught:
        console.battery()
    assert not isinstance(caught.value, Gone)
    assert camera.asked == [["BATTERY"]] * 3


def test_busy_for_good_is_retryable(plug: Plug) -> None:
    camera, console = plug(lambda camera, ident, words: camera.error(ident, "BUSY"))
    with pytest.raises(Retryable, match="is busy"):
        console.identity()
    assert len(camera.asked) == 3


@pytest.mark.parametrize(("code", "words"), [("NOTSET", "set its clock"), ("BADVERB", "profile"), ("ODD", "manual")])
def test_a_refusal_is_permanent_and_asked_once(plug: Plug, code: str, words: str) -> None:
    camera, console = plug(lambda camera, ident, words: camera.error(ident, code))
    with pytest.raises(Permanent, match=f"{code} as asked; .*{words}"):
        console.clock()
    assert len(camera.asked) == 1


@pytest.mark.parametrize(
    ("fields", "ask"),
    [
        ("serial=1 model=2", ReferenceConsole.identity),
        ("percent=101 charging=0", ReferenceConsole.battery),
        ("percent=-1 charging=0", ReferenceConsole.battery),
        ("percent=50 charging=yes", ReferenceConsole.battery),
        ("time=2026-11-22T14:30:05", ReferenceConsole.clock),
        ("time=yesterday", ReferenceConsole.clock),
        ("sig=no!", lambda console: console.prove(bytes(32))),
    ],
)
def test_nonsense_is_permanent(plug: Plug, fields: str, ask: Callable[[ReferenceConsole], object]) -> None:
    _, console = plug(lambda camera, ident, words: camera.ok(ident, fields))
    with pytest.raises(Permanent, match="the camera answers"):
        ask(console)


def test_unplugged_before_and_during_a_question_is_gone(plug: Plug) -> None:
    def leave(camera: Camera, ident: str, words: list[str]) -> bytes:
        camera.unplug()
        return b""

    camera, console = plug(leave)
    for _ in range(2):
        with pytest.raises(Gone):
            console.identity()
    with pytest.raises(Gone):
        ReferenceConsole(camera.path, SystemClock())


def test_the_line_is_ours_alone(plug: Plug) -> None:
    camera, _ = plug()
    with pytest.raises(Retryable, match="in use by another program"):
        ReferenceConsole(camera.path, SystemClock())


def test_what_is_no_line_says_so(tmp_path: Path) -> None:
    with pytest.raises(Gone):
        ReferenceConsole(str(tmp_path / "none"), SystemClock())
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is not a serial line"):
        ReferenceConsole(str(tmp_path / "file"), SystemClock())


def test_close_may_be_repeated(plug: Plug) -> None:
    _, console = plug()
    with closing(console):
        console.identity()
    console.close()
    with pytest.raises(Gone):
        console.identity()
