"""The age format as a stream: sealed by :class:`AgeSealer`, opened by :func:`open_stream`.

A payload is a sequence of 64 KiB chunks, each authenticated with its place and with whether it is the last, so that
nothing can be cut off, dropped, exchanged or added. What is opened before the end is authentic so far, but may be only
the beginning: nobody may use it before :func:`open_stream` has returned. age does not say who sealed: the dock's
signature on the clip record does.
"""

from collections.abc import Callable, Sequence
from typing import Any

from dockagent.errors import DockError, Missing, Refused, UsageError

FORMAT = "age-encryption.org/v1"
PIECE = 1 << 20  # bytes that are read and written at a time; pyrage itself asks for 8 KiB
Read = Callable[[int], bytes]
Write = Callable[[bytes], None]


def public_half(text: str) -> str:
    """A recipient as its own library writes it. Raises ValueError for what is none, UsageError without pyrage."""
    pyrage = _pyrage()
    try:
        return str(pyrage.x25519.Recipient.from_str(text))
    except pyrage.RecipientError as err:
        raise ValueError(str(err)) from err


def recipient_of(secret: str) -> str:
    """The recipient that an identity (``AGE-SECRET-KEY-1…``) belongs to. Raises as :func:`public_half` does."""
    return str(_identity(secret).to_public())


class AgeSealer:
    """Seals streams to fixed recipients. May be used by several threads. Raises UsageError without pyrage."""

    format = FORMAT

    def __init__(self, recipients: tuple[str, ...]) -> None:
        """``recipients``: one or more, as :func:`dockagent.sealing.recipients.recipients` gives them."""
        self.recipients = recipients
        self._pyrage = _pyrage()
        self._keys = [self._pyrage.x25519.Recipient.from_str(one) for one in recipients]

    def seal(self, read: Read, write: Write) -> None:
        """Read to the end (``read(n)`` gives 1..n bytes, or b""), and write the sealed bytes, under a new file key.
        Raises what ``read`` and ``write`` raise."""
        source, sink = _Source(read), _Sink(write)
        try:
            self._pyrage.encrypt_io(source, sink, self._keys)
        except self._pyrage.EncryptError as err:
            raise source.failed or sink.failed or DockError(f"age cannot seal: {err}") from err
        sink.empty()


def open_stream(read: Read, write: Write, identities: Sequence[str]) -> None:
    """Open a sealed stream for one of ``identities`` (``AGE-SECRET-KEY-1…``). What was written before an error is not
    to be used.

    Raises Missing where none of them fits, Refused for bytes that are not as they were sealed, or no age file at all.
    """
    pyrage = _pyrage()
    keys = [_identity(one) for one in identities]
    source, sink = _Source(read), _Sink(write)
    try:
        pyrage.decrypt_io(source, sink, keys)
    except (pyrage.DecryptError, OSError) as err:
        if failed := source.failed or sink.failed:
            raise failed from err
        if "No matching keys" in str(err):
            raise Missing("it is sealed to others than the identities given", "give --identity FILE") from err
        raise Refused("it cannot be opened: it was altered or cut, or it is no age file") from err
    sink.empty()


class _Source:
    """What pyrage reads from, in pieces of 8 KiB out of one."""

    def __init__(self, read: Read) -> None:
        self._read, self._piece, self._at = read, b"", 0
        self.failed: DockError | OSError | None = None

    def read(self, size: int) -> bytes:
        if self._at == len(self._piece):
            try:
                self._piece, self._at = self._read(PIECE), 0
            except (DockError, OSError) as err:
                self.failed = err
                raise
        self._at, start = min(len(self._piece), self._at + size), self._at
        return self._piece[start : self._at]


class _Sink:
    """What pyrage writes to, 64 KiB at a time; passed on by the piece."""

    def __init__(self, write: Write) -> None:
        self._write, self._held, self._size = write, list[bytes](), 0
        self.failed: DockError | OSError | None = None

    def write(self, data: bytes) -> int:
        self._held.append(bytes(data))
        self._size += len(data)
        if self._size >= PIECE:
            try:
                self.empty()
            except (DockError, OSError) as err:
                self.failed = err
                raise
        return len(data)

    def flush(self) -> None:
        """Nothing: whoever made the sink empties it at the end."""

    def empty(self) -> None:
        """Pass on what is held."""
        held, self._held, self._size = b"".join(self._held), [], 0
        if held:
            self._write(held)


def _identity(secret: str) -> Any:
    pyrage = _pyrage()
    try:
        return pyrage.x25519.Identity.from_str(secret.strip())
    except pyrage.IdentityError as err:
        raise ValueError(str(err)) from err


def _pyrage() -> Any:
    try:
        import pyrage  # an extra: only for those who seal or open
    except ImportError as err:
        raise UsageError(
            "sealing needs the package pyrage, which is not installed", "install dockagent with its extra `sealing`"
        ) from err
    return pyrage
