"""Record what a dock and a camera say to each other on a serial line: as a listener in the middle, or by asking.

In the middle: the dock is given a pseudo terminal, whose bytes go to the camera's line and back, unchanged and at once,
and each is noted with its time. By asking: only questions that a person wrote down are sent, as nobody knows what an
unknown camera does when it is asked something.
"""

from __future__ import annotations

import os
import select
import threading
import time
import tty
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import serial

from hil.recordings.recording import Turn

PAUSE_S = 0.25
"""Silence after which the same side's next bytes are another turn."""

ABOUT_REFERENCE = ("> 1 ID *", "> 2 BATTERY *", "> 3 CLOCK *")
"""Questions to a reference camera that change nothing in it. A ``*`` at the end stands for the check."""


class Listener:
    """Stands between a dock and the camera's line at ``node``. ``path``: the terminal for the dock.

    As a context manager it listens until the block ends; :attr:`turns` grows meanwhile, and is whole after it. A line
    that is pulled ends it early, which is no error: what was said until then is kept.
    """

    def __init__(self, node: Path, baud: int = 115200) -> None:
        self._line = serial.Serial(str(node), baud, timeout=0, exclusive=True)
        self._dock, self._far = os.openpty()
        tty.setraw(self._far)
        self.path = Path(os.ttyname(self._far))
        self._began = time.monotonic()
        self._said: list[Turn] = []
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._run, name=f"listener at {node}", daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        os.write(self._waker, b"!")
        self._thread.join()
        self._line.close()
        for descriptor in (self._dock, self._far, self._wake, self._waker):
            os.close(descriptor)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What was said until now."""
        return merge(tuple(self._said))

    def _run(self) -> None:
        other = {self._dock: self._line.fileno(), self._line.fileno(): self._dock}
        while True:
            ready, _, _ = select.select([self._wake, *other], [], [])
            # What is there is taken down before the end is looked at: the last answer belongs to the recording.
            for source, sink in other.items():
                if source in ready and not self._carry(source, sink):
                    return
            if self._wake in ready:
                return

    def _carry(self, source: int, sink: int) -> bool:
        """Carry what there is; False when a side is gone."""
        try:
            data = os.read(source, 4096)
        except OSError:
            data = b""
        if not data:
            return False
        self._said.append(Turn(time.monotonic() - self._began, source == self._dock, data))
        while data:
            select.select([], [sink], [], PAUSE_S)
            with suppress(BlockingIOError):
                data = data[os.write(sink, data) :]
        return True


def ask(node: Path, questions: Iterable[str], *, baud: int = 115200, limit_s: float = 3.0) -> tuple[Turn, ...]:
    """Ask questions one after the other, each a line that ends with CR LF, and note the answers. An answer is over
    after a pause; none within ``limit_s`` is noted as none. Raises OSError for a line that cannot be opened."""
    said: list[Turn] = []
    began = time.monotonic()
    with serial.Serial(str(node), baud, timeout=PAUSE_S, write_timeout=limit_s, exclusive=True) as line:
        for question in questions:
            asked = question.encode("ascii") + b"\r\n"
            said.append(Turn(time.monotonic() - began, True, asked))
            line.write(asked)
            said += _answers(line, began, limit_s)
    return merge(tuple(said))


def _answers(line: serial.Serial, began: float, limit_s: float) -> list[Turn]:
    """What comes until a pause, or nothing until the limit."""
    found: list[Turn] = []
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if data := line.read(max(1, line.in_waiting)):
            found.append(Turn(time.monotonic() - began, False, data))
        elif found:
            break
    return found


def merge(said: Sequence[Turn]) -> tuple[Turn, ...]:
    """Join what one side said without a pause: how a line's bytes come in pieces is chance."""
    turns: list[Turn] = []
    last = 0.0
    for piece in said:
        if turns and turns[-1].dock == piece.dock and piece.at - last < PAUSE_S:
            turns[-1] = Turn(turns[-1].at, piece.dock, turns[-1].data + piece.data)
        else:
            turns.append(piece)
        last = piece.at
    return tuple(turns)
