"""One question over a camera's serial line, and whether the answer is the right one."""

from __future__ import annotations

import time
from pathlib import Path

import serial

from hil.cameras.wire import check
from hil.rigs.bench_file import Line
from hil.rigs.bench_seats import Seats
from hil.rigs.usb_tree import Changes, UsbDevice


class NoAnswer(RuntimeError):
    """A line is not there, or does not answer as it should. One line: what, why, what to do."""


def node_of(line: Line, camera: UsbDevice, seats: Seats, limit_s: float) -> Path:
    """The terminal of a camera's line, as soon as it is there. Raises NoAnswer if it does not come."""
    port = line.port or camera.port

    def terminals() -> tuple[str, ...]:
        device = seats.tree.device(port)
        return device.terminals if device is not None else ()

    with Changes() as changes:
        changes.wait(lambda: bool(terminals()), limit_s)
    found = terminals()
    if not found:
        raise NoAnswer(f"no serial line at port {port} within {limit_s:g} s; check its cable, or line.port")
    return Path("/dev") / found[0]


def question(line: Line) -> bytes:
    """What is sent: the question, its check if the line has one, CR LF."""
    body = line.ask.encode("ascii")
    return body + (b" *%02x" % check(body) if line.check == "xor" else b"") + b"\r\n"


def ask(line: Line, node: Path, limit_s: float) -> str:
    """Ask the line's question; what came back once the right answer is in it. Raises NoAnswer if it does not come."""
    if line.answer is None:
        return ""
    heard = b""
    try:
        with serial.Serial(str(node), line.baud, timeout=0.1, write_timeout=limit_s, exclusive=True) as port:
            port.reset_input_buffer()
            port.write(question(line))
            end = time.monotonic() + limit_s
            while time.monotonic() < end:
                heard += port.read(max(1, port.in_waiting))
                if line.answer.search(heard.decode("latin-1")):
                    return heard.decode("latin-1")
    except OSError as err:  # serial.SerialException is one
        raise NoAnswer(f"{node} cannot be spoken to: {err}; end what has it open, and run as root") from err
    if heard:
        raise NoAnswer(
            f"{node} answers {heard[-120:]!r}, without {line.answer.pattern!r}; is it another camera's line?"
        )
    raise NoAnswer(f"{node} is silent for {limit_s:g} s; check that the camera is on, and line.baud")
