"""Play a recorded dialogue: a terminal behind which a camera answers as it did when it was recorded.

The dock of today does not say what the dock of the recording said, letter for letter: it counts its requests anew,
sends other times and other nonces. So requests are matched **loosely**, by their verb. A line of the reference console
(docs/reference-camera.md) has a verb and an id of its own, and gets its answer under its id, with the right check. Of
any other protocol, what counts is a request without its digits; if none is like it, its first letters.

What was never asked in the recording is not answered: a recording knows no more than it heard. An answer to a nonce is
the recorded one, so no proof of identity succeeds on it. That is what such a proof is for.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import termios
import threading
import tty
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hil.cameras.wire import answer_line, check, parse_request
from hil.recordings.recording import Turn

LONGEST_PAUSE_S = 1.0
"""A recorded silence before an answer is kept up to this."""

_ANSWER = re.compile(rb"< [A-Za-z0-9]{1,8} ([^\r\n]*) \*([0-9A-Fa-f]{2})")
_LONGEST_REQUEST = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """What the camera said to one request, after so many seconds."""

    pause: float
    data: bytes


class Book:
    """The recorded requests and their answers. A request that was made several times gets its answers in their order,
    then the last ones again. ``greeting``: what the camera said before it was asked. ``ends``: bytes that end a
    request."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.greeting = b""
        self.ends = frozenset(turn.data[-1] for turn in turns if turn.dock)
        self._answers: dict[str, list[tuple[Answer, ...]]] = {}
        asked, since = "", 0.0
        for turn in turns:
            if turn.dock:
                for request in _requests(turn.data):
                    asked = key(request)
                    self._answers.setdefault(asked, []).append(())
            elif asked:
                pause = min(turn.at - since, LONGEST_PAUSE_S)
                self._answers[asked][-1] += (Answer(pause, turn.data),)
            else:
                self.greeting += turn.data
            since = turn.at
        self._made: Counter[str] = Counter()

    def answers(self, request: bytes) -> tuple[Answer, ...] | None:
        """What is to be said to a request: nothing for one that stayed without an answer, None for one that was
        never heard."""
        found = self._find(key(request))
        if found is None:
            return None
        times = self._answers[found]
        recorded = times[min(self._made[found], len(times) - 1)]
        self._made[found] += 1
        return tuple(Answer(one.pause, _under_id_of(request, one.data)) for one in recorded)

    def _find(self, wanted: str) -> str | None:
        if wanted in self._answers:
            return wanted
        verb = _first_letters(wanted)
        return next((one for one in self._answers if verb and _first_letters(one) == verb), None)


def _requests(data: bytes) -> list[bytes]:
    """A dock that got no answer may have asked again before its turn was over."""
    return data.splitlines(keepends=True) if data.endswith((b"\n", b"\r")) else [data]


def key(request: bytes) -> str:
    """What two requests that ask the same have in common."""
    parsed = parse_request(request.strip(b"\r\n"))
    return f"> {parsed.verb}" if parsed is not None else re.sub(r"\d+", "0", request.decode("latin-1").strip())


def _first_letters(request: str) -> str:
    found = re.search(r"[A-Za-z]+", request)
    return found[0] if found is not None else ""


def _under_id_of(request: bytes, answer: bytes) -> bytes:
    """The answer with the id of this request, in every line of the reference console whose check was right."""
    parsed = parse_request(request.strip(b"\r\n"))
    if parsed is None:
        return answer

    def renamed(found: re.Match[bytes]) -> bytes:
        right = check(found[0].rpartition(b" *")[0]) == int(found[2], 16)
        return answer_line(parsed.id, found[1].decode("ascii"))[:-2] if right else found[0]

    return _ANSWER.sub(renamed, answer)


class Replayed:
    """A :class:`hil.cameras.specimen.Talker` that says what was recorded. ``unknown``: requests it had no answer to."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = tuple(turns)
        self.unknown: tuple[bytes, ...] = ()
        self._line: _Line | None = None

    def open(self) -> Path:
        """Begin anew, as the recording began. Raises RuntimeError if the line is open."""
        if self._line is not None:
            raise RuntimeError("this line is open; hang it up first")
        self._line = _Line(Book(self._turns), self._not_known)
        return self._line.path

    def hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _not_known(self, request: bytes) -> None:
        self.unknown = (*self.unknown, request)


class _Line:
    """One opening of the line: a pseudo terminal and the thread that answers on it."""

    def __init__(self, book: Book, not_known: Callable[[bytes], None]) -> None:
        self._book, self._not_known = book, not_known
        self._master, self._slave = os.openpty()
        # The other side stays open here: without it the master reads EIO while no dock has the line open.
        tty.setraw(self._slave)
        # Packet mode (ioctl_tty(2)): each read begins with a byte that tells when the other side threw its input away.
        fcntl.ioctl(self._master, termios.TIOCPKT, struct.pack("i", 1))
        os.set_blocking(self._master, False)
        self.path = Path(os.ttyname(self._slave))
        self._over = threading.Event()
        self._wake, self._waker = os.pipe()
        self._send(self._book.greeting)
        self._thread = threading.Thread(target=self._run, name=f"recording {self.path}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        os.write(self._waker, b"!")
        self._thread.join()
        for descriptor in (self._master, self._slave, self._wake, self._waker):
            os.close(descriptor)

    def _run(self) -> None:
        heard, greet = b"", True
        while not self._over.is_set():
            ready, _, _ = select.select([self._master, self._wake], [], [])
            if self._master not in ready:
                continue
            packet = os.read(self._master, 4096)
            if packet[0] & termios.TIOCPKT_FLUSHREAD and greet:
                # A dock that opens a line throws away what came before, and so the greeting: it is said once more.
                self._send(self._book.greeting)
                greet = False
            elif not packet[0]:
                heard, greet = self._hear(heard + packet[1:])[-_LONGEST_REQUEST:], False

    def _hear(self, heard: bytes) -> bytes:
        """Answer every whole request; what is left is the beginning of the next. Ends that follow each other at once
        (CR, LF) are one."""
        start = 0
        for at, byte in enumerate(heard):
            if byte in self._book.ends and heard[at + 1 : at + 2] != b"\n":
                self._answer(heard[start : at + 1])
                start = at + 1
        return heard[start:]

    def _answer(self, request: bytes) -> None:
        answers = self._book.answers(request)
        if answers is None:
            self._not_known(request)
        for answer in answers or ():
            if not self._over.wait(answer.pause):
                self._send(answer.data)

    def _send(self, data: bytes) -> None:
        while data and not self._over.is_set():
            _, writable, _ = select.select([self._wake], [self._master], [], LONGEST_PAUSE_S)
            if not writable:
                return  # nobody reads: lost, as on any serial line
            with suppress(BlockingIOError):
                data = data[os.write(self._master, data) :]
