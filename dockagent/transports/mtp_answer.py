"""The answer to one PTP operation as it comes in: data, if there are any, and a response (PIMA 15740, D.3).

How long the data are is known in three ways that need not agree: the container's head says it in 32 bits, the object's
size says it in 64, and a short packet ends them. Only when all that were said came in full is an answer taken as whole.
"""

from collections.abc import Callable
from dataclasses import dataclass

from dockagent.errors import DockError, Gone, Permanent, Retryable
from dockagent.transports import mtp_codec as codec
from dockagent.transports.mtp_codec import Kind, Malformed

PIECE = 128 << 10  # bytes that are asked for at once; a shorter answer was ended by a short packet

OK, BUSY, SESSION_OPEN, NO_SUCH_OBJECT = 0x2001, 0x2019, 0x201E, 0x2009
NEVER = {0x2005, 0x2006, 0x200A, 0x2014, 0xA801, 0xA802, 0xA80A}
"""Responses that say that the camera has no such operation or property."""
_WORDS = {
    BUSY: ("it is busy", "wait; if it stays so, restart the camera"),
    0x2002: ("it reports an error", "try again, then take its card out"),
    0x2007: ("it could not read all of it", "try again, then take its card out"),
    0x200F: ("it denies access", "unlock the camera, and end other programs that use it"),
    0x2013: ("its card is not there", "put the card back, or unlock the camera"),
    0x201F: ("it cancelled the transfer", "try again"),
}


class Removed(Gone):
    """The object is not on the camera any more."""


class CutShort(Retryable):
    """The data ended before all that was announced had come."""


def answer_error(code: int, what: str) -> DockError:
    """What a response other than OK means. ``what``: what was to be done, as in "list DCIM"."""
    said = f"the camera cannot {what}"
    if code == NO_SUCH_OBJECT:
        return Removed(f"{said}: it is not there any more", "put the camera back")
    why, hint = _WORDS.get(code, (f"it answers 0x{code:04X}", "try again, then take its card out"))
    return (Permanent if code in NEVER else Retryable)(f"{said}: {why}", hint)


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked. ``expected``: bytes of data by the object's own size, or None where nothing tells it."""

    operation: int
    transaction: int
    expected: int | None = None


class Answer:
    """One answer. ``receive`` gives the next bytes: until a short packet, or PIECE. ``on_end`` is called once: with
    True when the camera is left in the middle of something. ``on_cancel`` cancels on the camera's side.

    ``done``: the response is there; ``code`` and ``params`` are its. ``received``: bytes of data so far.

    Raises Malformed for bytes that are no answer to this question, and what ``receive`` raises.
    """

    def __init__(self, asked: Question, receive: Callable[[], bytes], on_end: Callable[[bool], None]) -> None:
        self._asked, self._receive, self._on_end = asked, receive, on_end
        self.done, self.code, self.received = False, 0, 0
        self.params: tuple[int, ...] = ()
        self._length: int | None = None
        self._ready = b""
        self._data_over = False
        first = self._next()
        header = self._of_this(first)
        if header.kind == Kind.RESPONSE:
            self._data_over, self._length = True, 0
            self._respond(first)
        else:
            self._length = self._announced(header.length)
            body = first[codec.HEADER.size :]
            alone = not body and self._length != 0  # the head in a packet of its own; the data follow
            self._take(body, short=len(first) < PIECE and not alone)

    def read(self, size: int) -> bytes:
        """1..``size`` bytes of data; b"" when the response is there. Raises CutShort when data are missing and the
        camera says that all is well, and what its response means when it says otherwise."""
        while not self._ready and not self._data_over:
            data = self._next()
            self._take(data, short=len(data) < PIECE)
        part, self._ready = self._ready[:size], self._ready[size:]
        if not part and not self.done:
            self._finish()
        if not part and self._length is not None and self.received < self._length:
            if self.code != OK:
                raise answer_error(self.code, "give it")
            raise CutShort(f"the camera gave {self.received} bytes and had announced {self._length}", "try again")
        return part

    def _announced(self, length: int) -> int | None:
        """How many bytes of data are due. A head of 32 bits says of 4 GiB and more only what is left above them, or
        nothing; then the object's size counts."""
        expected = self._asked.expected
        if length == codec.UNKNOWN_LENGTH:
            return expected
        said = length - codec.HEADER.size
        if expected is not None and expected > said and (expected - said) % (1 << 32) == 0:
            return expected
        return said

    def _take(self, data: bytes, short: bool) -> None:
        """Data, and perhaps the response right behind them, where no empty packet stands between the two."""
        room = len(data) if self._length is None else self._length - self.received
        self._ready, behind = data[:room], data[room:]
        self.received += len(self._ready)
        self._data_over = short or self.received == self._length
        if behind:
            self._of_this(behind)
            self._respond(behind)

    def _finish(self) -> None:
        data = self._next() or self._next()  # an empty packet ends data of whole packets
        self._of_this(data)
        self._respond(data)

    def _respond(self, data: bytes) -> None:
        header = codec.read_header(data)
        if header.kind != Kind.RESPONSE:
            raise self._malformed("data where a response was due")
        self.code, self.params = header.code, codec.params(data)
        self.done = True
        self._on_end(False)

    def _of_this(self, data: bytes) -> codec.Header:
        """The head of a container of this transaction."""
        try:
            header = codec.read_header(data)
        except Malformed:
            self._on_end(True)
            raise
        if header.transaction != self._asked.transaction:
            raise self._malformed(f"an answer to transaction {header.transaction}, not to {self._asked.transaction}")
        if header.kind not in (Kind.DATA, Kind.RESPONSE):
            raise self._malformed(f"a container of type {header.kind}")
        if header.kind == Kind.DATA and header.code != self._asked.operation:
            raise self._malformed(f"data of operation 0x{header.code:04X}, not of 0x{self._asked.operation:04X}")
        return header

    def _malformed(self, what: str) -> Malformed:
        self._on_end(True)
        return Malformed(f"the camera sent {what}", "put the camera back, or restart it")

    def _next(self) -> bytes:
        try:
            return self._receive()
        except Retryable:
            self._on_end(True)
            raise
