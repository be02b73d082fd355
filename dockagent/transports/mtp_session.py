"""One PTP session with a camera: operations that read, and how to find back after a broken answer.

A process that held the camera may have been ended in the middle of an answer, and its session may still be open. So
whatever does not fit makes the camera's function be reset and the session be opened anew (PIMA 15740, D.5.2).
"""

from contextlib import suppress

from dockagent.errors import DockError, Retryable
from dockagent.transports import mtp_codec as codec
from dockagent.transports.mtp_answer import BUSY, OK, PIECE, SESSION_OPEN, Answer, Question, answer_error
from dockagent.transports.mtp_codec import DeviceInfo, Malformed, Op
from dockagent.transports.mtp_port import CANCEL, RESET, STATUS, Port, Silent, Stalled

PATIENCE_S = 20.0  # a camera that wakes its card up takes seconds
LARGEST_ANSWER = 64 << 20  # bytes of a data set; lists of handles are the longest

_CANCEL_CODE = b"\x01\x40"  # in the cancel request, before the transaction (PIMA 15740, D.5.2.2)
_SETTLE_S, _OPEN_S = 0.3, 5.0
_MOST_DRAINED = 16 << 20  # bytes of an old answer that are let run out before the camera is reset
_STATUS_TRIES = 10
_LAST_TRANSACTION = 0xFFFFFFFE


class Session:
    """A session on ``port``, which is closed with it. Every answer is awaited for ``patience_s`` seconds at most.

    ``info``: what the camera says of itself. ``epoch``: grows with each new session; handles of objects are good for
    one epoch only (MTP 1.1, 3.4.1).

    Raises Gone, and Retryable when the camera does not answer, answers nonsense, or reports an error that may pass;
    after the first two it is ``broken``.
    """

    def __init__(self, port: Port, patience_s: float = PATIENCE_S) -> None:
        self._port, self._patience_s = port, patience_s
        self.epoch = 0
        self._transaction = 0
        self._answer: Answer | None = None
        self._broken = False
        try:
            self._open()
            self.info: DeviceInfo = codec.device_info(self.fetch(Op.GET_DEVICE_INFO, what="say what it is"))
        except DockError:
            port.close()
            raise

    def can(self, operation: Op) -> bool:
        """Whether the camera says that it knows the operation."""
        return operation in self.info.operations

    @property
    def under_way(self) -> Answer | None:
        """The answer whose data are still coming in."""
        return self._answer

    @property
    def broken(self) -> bool:
        """Whether an answer broke off, so that only :meth:`mend` makes sense."""
        return self._broken

    def mend(self) -> None:
        """Open a new session where an answer broke off. All handles are void then, so nothing else does that."""
        if self._broken:
            self._recover()

    def check(self) -> None:
        """Raises Gone when the camera left."""
        self._port.check()

    def fetch(self, operation: Op, *params: int, what: str) -> bytes:
        """The data of an operation. Raises as :func:`answer_error` says for a response other than OK."""
        code, data = self.exchange(operation, *params)
        if code != OK:
            raise answer_error(code, what)
        return data

    def exchange(self, operation: Op, *params: int) -> tuple[int, bytes]:
        """Response code and data of an operation; there may be none."""
        answer = self.begin(operation, *params)
        parts = []
        while part := answer.read(PIECE):
            parts.append(part)
            if answer.received > LARGEST_ANSWER:
                self.cancel()
                raise Malformed(f"the camera gives more than {LARGEST_ANSWER >> 20} MiB for one answer", "restart it")
        return answer.code, b"".join(parts)

    def begin(self, operation: Op, *params: int, expected: int | None = None) -> Answer:
        """Ask for an operation whose data are then read piece by piece; the next operation cancels it. ``expected``:
        bytes of data, where an object's size tells."""
        self.cancel()
        if self._broken:
            raise Retryable("the last answer of the camera broke off", "try again")
        self._transaction = self._transaction % _LAST_TRANSACTION + 1
        number = 0 if operation == Op.OPEN_SESSION else self._transaction  # PIMA 15740, 9.3.1
        try:
            self._port.write(codec.command(operation, number, *params), self._patience_s)
        except Retryable:
            self._broken = True
            raise
        self._number = number
        answer = Answer(Question(operation, number, expected), self._receive, self._ended)
        self._answer = None if answer.done else answer
        return answer

    def cancel(self) -> None:
        """Give up what is under way, if anything is (PIMA 15740, D.5.2.2), and let what is on its way run out."""
        if self._answer is None:
            return
        self._answer = None
        self._broken = True  # unless it settles
        with suppress(Stalled):
            self._port.tell(CANCEL, _CANCEL_CODE + self._number.to_bytes(4, "little"))
            self._broken = not self._settle()

    def close(self) -> None:
        """End the session, if the camera still listens, and let it go. May be repeated."""
        self._patience_s = min(self._patience_s, _OPEN_S)
        try:
            self._port.check()
            if not self._broken:
                self.exchange(Op.CLOSE_SESSION)
        except Retryable:
            self._broken = True  # it is let go all the same; the next session sets it right
        self._port.close()

    def _receive(self) -> bytes:
        return self._port.read(PIECE, self._patience_s)

    def _ended(self, broken: bool) -> None:
        self._answer = None
        self._broken = self._broken or broken

    def _settle(self) -> bool:
        """Wait until the camera has nothing more to say; False if it goes on and on."""
        for _ in range(_STATUS_TRIES):
            if not self._drain():
                return False
            try:
                status = self._port.ask(STATUS, 64)
            except (Stalled, Silent):
                return True  # many cameras know no such request
            if len(status) > 4:  # it lists the endpoints that it halted
                self._port.clear_halts()
            if status[2:4] != BUSY.to_bytes(2, "little"):
                return True
        return False

    def _drain(self) -> bool:
        """Read and forget until nothing comes for a moment; False if it does not end."""
        drained = 0
        while drained < _MOST_DRAINED:
            try:
                drained += max(1, len(self._port.read(PIECE, _SETTLE_S)))
            except Silent:
                return True
            except Stalled:
                self._port.clear_halts()
                return True
        return False

    def _open(self) -> None:
        try:
            self._begin_session()
        except (Silent, Stalled, Malformed):
            self._recover()

    def _recover(self) -> None:
        """Begin anew after a broken answer: reset the function (D.5.2.4), forget what it had to say, open again."""
        self._broken = False
        with suppress(Stalled):
            self._port.tell(RESET)
        self._port.clear_halts()
        self._drain()
        self._begin_session()

    def _begin_session(self) -> None:
        patience, self._patience_s = self._patience_s, min(self._patience_s, _OPEN_S)
        try:
            code, _ = self.exchange(Op.OPEN_SESSION, 1)
            if code == SESSION_OPEN:  # left open by somebody who was ended
                self.exchange(Op.CLOSE_SESSION)
                code, _ = self.exchange(Op.OPEN_SESSION, 1)
        finally:
            self._patience_s = patience
        if code != OK:
            raise answer_error(code, "open a session")
        self.epoch += 1
