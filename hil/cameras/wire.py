"""The console's lines, from the camera's side: requests in, answers out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

LONGEST = 1024
"""Bytes in a line, CR LF included."""

REQUEST = re.compile(r"> ([A-Za-z0-9]{1,8}) ([!-~]+)((?: [!-~]+)*)")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request whose check was right. The arguments are as they came, `%XX` and all."""

    id: str
    verb: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((self.verb, *self.arguments))


class Lines:
    """Cuts a stream of bytes into lines that end with CR LF. What is too long to be a line is dropped."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that data completes, without their CR LF. A bare CR or LF ends noise, not a line."""
        *pieces, self._rest = (self._rest + data).split(b"\n")
        # Noise without end must not grow without end: a line is at most so long, and it is at the end of the noise.
        self._rest = self._rest[-LONGEST:]
        whole = [piece[-LONGEST:-1] for piece in pieces if piece.endswith(b"\r")]
        return [line.rpartition(b"\r")[2] for line in whole]


def parse_request(line: bytes) -> Request | None:
    """The request in a line, after whatever noise comes before its `>`; None if there is none, which is ordinary."""
    start = line.find(b">")
    body, star, given = line[max(start, 0) :].rpartition(b" *")
    if start < 0 or not star or len(line) - start + 2 > LONGEST:
        return None
    if not re.fullmatch(rb"[0-9A-Fa-f]{2}", given) or int(given, 16) != check(body):
        return None
    match = REQUEST.fullmatch(body.decode("latin-1"))
    return match and Request(match[1], match[2], tuple(match[3].split()))


def answer_line(request_id: str, words: str, *, spoil_check: bool = False) -> bytes:
    """A whole answer, CR LF included; with a check that is wrong by one bit if spoil_check."""
    body = f"< {request_id} {words}".encode("ascii")
    return body + b" *%02x\r\n" % (check(body) ^ spoil_check)


def check(body: bytes) -> int:
    """The XOR of all bytes."""
    value = 0
    for byte in body:
        value ^= byte
    return value


def escape(text: str) -> str:
    """A text as a value: UTF-8 bytes outside `!`-`~`, and `%`, as `%XX`."""
    return "".join(chr(byte) if 0x21 <= byte <= 0x7E and byte != 0x25 else f"%{byte:02X}" for byte in text.encode())


def unescape(value: str) -> str:
    """The text of a value. Raises ValueError for a `%` without two hex digits, or bytes that are no UTF-8."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", value):
        raise ValueError(f"{value!r} is not a value")
    pieces = re.split(r"%(..)", value)
    raw = b"".join(bytes([int(piece, 16)]) if odd % 2 else piece.encode() for odd, piece in enumerate(pieces))
    return raw.decode()


def format_time(moment: datetime) -> str:
    """A moment as the console writes it: UTC, milliseconds."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def parse_time(text: str) -> datetime:
    """A moment that was written so. Raises ValueError for anything else."""
    if not TIME.fullmatch(text):
        raise ValueError(f"{text!r} is not a time")
    return datetime.fromisoformat(text)
