"""Lines of the reference camera's console (docs/reference-camera.md, section 2). Pure: bytes in, values out.

``> <id> <VERB> [<argument> …] *<xx>`` goes out, ``< <id> OK|ERR … *<xx>`` comes back; ``xx`` is the XOR of all bytes
before `` *``. Values travel as ``!``–``~`` with ``%XX`` for the rest.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import xor

from dockagent.core.paths import to_text
from dockagent.errors import Refused

LONGEST_LINE = 1024  # bytes, with its CR LF
_ID = re.compile(r"[A-Za-z0-9]{1,8}")
_VERB = re.compile(r"[A-Z]+")
_KEY = re.compile(rb"[a-z][a-z0-9_]*")
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
_VALUE = re.compile(rb"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")
_ANSWER = re.compile(rb"(<[\x20-\x7e]*?) \*([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``code`` is empty for OK; ``values`` are decoded, control characters and what is no UTF-8 shown as
    ``%XX`` (see :func:`dockagent.core.paths.to_text`); ``words`` are the camera's own words behind an error's code."""

    ident: str
    code: str
    values: Mapping[str, str]
    words: str


def request(ident: str, verb: str, arguments: Sequence[bytes] = ()) -> bytes:
    """One request line. Raises Refused for what cannot be one: a bad id or verb, an empty argument, too long."""
    if not _ID.fullmatch(ident) or not _VERB.fullmatch(verb) or not all(arguments):
        raise Refused(f"not a console request: {ident!r} {verb!r} {arguments!r}")
    parts = (ident.encode(), verb.encode(), *map(encode_value, arguments))
    line = _checked(b"> " + b" ".join(parts)) + b"\r\n"
    if len(line) > LONGEST_LINE:
        raise Refused(f"console request {verb} is longer than {LONGEST_LINE} bytes")
    return line


def parse(line: bytes) -> Answer | None:
    """The answer in a line, or None where there is none with the right check. Noise before it on the line is
    skipped: what a camera printed at boot, or the first half of an answer that was cut off."""
    start = line.find(b"<")
    while start >= 0:
        match = _ANSWER.fullmatch(line[start:].rstrip(b"\r\n"))
        answer = _answer(match[1]) if match and int(match[2], 16) == check(match[1]) else None
        if answer is not None:
            return answer
        start = line.find(b"<", start + 1)
    return None


def split(buffer: bytes) -> tuple[Sequence[bytes], bytes]:
    """Whole lines, and the unfinished rest, each cut to its last :data:`LONGEST_LINE` bytes: noise without an end
    must not fill the memory, and an answer behind it is still found."""
    *lines, rest = buffer.split(b"\n")
    return [line[-LONGEST_LINE:] for line in lines], rest[-LONGEST_LINE:]


def check(body: bytes) -> int:
    """The XOR of all bytes: 0–255."""
    return reduce(xor, body, 0)


def encode_value(raw: bytes) -> bytes:
    """A value as it travels: no spaces, ``%XX`` for ``%`` and for bytes outside ``!``–``~``."""
    return b"".join(b"%c" % byte if 0x21 <= byte <= 0x7E and byte != 0x25 else b"%%%02X" % byte for byte in raw)


def decode_value(value: bytes) -> bytes:
    """The bytes that :func:`encode_value` was given."""
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), value)


def _checked(body: bytes) -> bytes:
    return b"%b *%02X" % (body, check(body))


def _answer(body: bytes) -> Answer | None:
    """An answer from its checked bytes, or None where they are no answer: an 8-bit check lets noise through."""
    head, *fields = body.split(b" ")
    if head != b"<" or len(fields) < 2 or not _ID.fullmatch(fields[0].decode()):
        return None
    ident = fields[0].decode()
    if fields[1] == b"OK":
        values = _values(fields[2:])
        return None if values is None else Answer(ident, "", values, "")
    if fields[1] == b"ERR" and len(fields) > 2 and _VERB.fullmatch(fields[2].decode()):
        return Answer(ident, fields[2].decode(), {}, to_text(decode_value(b" ".join(fields[3:]))))
    return None


def _values(fields: Sequence[bytes]) -> Mapping[str, str] | None:
    values: dict[str, str] = {}
    for field in fields:
        key, equals, value = field.partition(b"=")
        if not equals or not _KEY.fullmatch(key) or not _VALUE.fullmatch(value) or key.decode() in values:
            return None
        values[key.decode()] = to_text(decode_value(value))
    return values
