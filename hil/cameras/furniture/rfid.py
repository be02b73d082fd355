"""A D302 reader of 125 kHz tags: says hello, and the number of the tag that lies on it. Without a tag it is silent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import xor

from hil.cameras.furniture.port import OnALine
from hil.cameras.terminal import Line

HELLO, READ, WRITE = 0x0100, 0x01A4, 0x01A5


@dataclass(slots=True)
class Faults:
    """What is wrong with the reader now. Set its fields at any time."""

    silent: bool = False
    wrong_check: bool = False
    noise: bytes = b""  # sent before every answer
    byte_delay: float = 0.0  # seconds before each byte of an answer


class RfidReader(OnALine):
    """Answers on its line while it is open. ``tag``: the five bytes of the one that lies on it, or empty; ``asked``:
    the commands that came with a right check."""

    def __init__(self, tag: bytes = b"") -> None:
        super().__init__()
        self.tag, self.faults = tag, Faults()
        self.asked: tuple[int, ...] = ()

    def _serve(self, data: bytes, line: Line) -> None:
        self._came = (self._came + data)[-64:]
        while (found := take_frame(self._came)) is not None:
            command, self._came = found
            self.asked += (command,)
            said = self._answer(command)
            if said is not None and not self.faults.silent:
                line.send(self.faults.noise)
                line.send(answer_frame(said, spoil=self.faults.wrong_check), self.faults.byte_delay)

    def _answer(self, command: int) -> bytes | None:
        if command == HELLO:
            return b""
        return self.tag or None if command == READ else None


def take_frame(came: bytes) -> tuple[int, bytes] | None:
    """The command of the first right frame, and what follows it; None if there is none yet."""
    for start in range(len(came) - 5):
        end = start + came[start + 3] + 6
        frame = came[start:end]
        framed = frame[:1] == b"\x02" and len(frame) == end - start and frame[-1] == 3
        if framed and reduce(xor, frame[:-2]) == frame[-2]:
            return int.from_bytes(frame[1:3], "big"), came[end:]
    return None


def answer_frame(data: bytes, *, spoil: bool = False) -> bytes:
    """An answer as it travels; all answers bear the command 0100."""
    body = b"\x02\x01\x00" + bytes((len(data),)) + data
    return body + bytes((reduce(xor, body) ^ spoil, 3))
