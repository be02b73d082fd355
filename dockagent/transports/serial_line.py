"""A serial line to a piece of dock hardware that speaks in short binary frames: 8 data bits, no parity, one stop bit.

Answers carry no number, so before each question everything late is thrown away, and after silence it is asked again.
"""

import errno
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import serial

from dockagent.clock import Clock
from dockagent.errors import DockError, Gone, Missing, Retryable, UsageError

SLICE_S = 0.05  # one wait for a byte
KEPT = 512  # bytes of noise that are kept, so that a frame behind it is found
_DRAIN_MOST = 4096  # bytes of late answers that are thrown away


class SerialLine:
    """The line at ``path``, opened for us alone. ``modem``: whether DTR and RTS are on. Raises Gone when there is no
    such line, Retryable when another program holds it, UsageError when it is none, Missing when we may not open it."""

    def __init__(self, path: str, baud: int, clock: Clock, *, modem: bool = True) -> None:
        self._path, self._clock = path, clock
        self._port = serial.Serial(baudrate=baud, timeout=SLICE_S, write_timeout=1, exclusive=True)
        self._port.dtr = self._port.rts = modem
        self._port.port = path
        try:
            self._port.open()
        except (OSError, termios.error) as err:  # SerialException is an OSError
            raise open_error(path, err, "look at its cable") from err

    def ask(
        self, request: bytes, answer: Callable[[bytes], bytes | None], limit_s: float, attempts: int
    ) -> bytes | None:
        """Send ``request`` at most ``attempts`` times; what ``answer`` finds in all that came since, or None when it
        finds nothing within ``limit_s``. Raises Gone when the line is gone."""
        for _ in range(attempts):
            with self._careful():
                self._drain()
                self._port.write(request)
            found = self._listen(answer, limit_s)
            if found is not None:
                return found
        return None

    def close(self) -> None:
        """Let the line go. May be repeated."""
        self._port.close()

    def _listen(self, answer: Callable[[bytes], bytes | None], limit_s: float) -> bytes | None:
        came, started = b"", self._clock.monotonic()
        while self._clock.monotonic() - started < limit_s:
            with self._careful():
                came = (came + self._port.read(max(1, min(self._port.in_waiting, KEPT))))[-KEPT:]
            found = answer(came)
            if found is not None:
                return found
        return None

    def _drain(self) -> None:
        dropped = 0
        while dropped < _DRAIN_MOST and (late := self._port.read(max(1, self._port.in_waiting))):
            dropped += len(late)

    @contextmanager
    def _careful(self) -> Iterator[None]:
        try:
            yield
        except serial.SerialTimeoutException as err:
            raise Retryable(f"{self._path} takes nothing", "look at its cable") from err
        except (OSError, termios.error) as err:
            raise Gone(f"the line {self._path} is gone: {err}", "look at its cable") from err


def open_error(path: str, err: OSError | termios.error, gone: str) -> DockError:
    """Why a serial line could not be opened, by what to do about it; ``gone``: what to do when it is not there."""
    code = err.errno if isinstance(err, OSError) else err.args[0]
    if code in (errno.EAGAIN, errno.EBUSY):
        return Retryable(f"{path} is in use by another program", "stop it (a modem manager?), then try again")
    if code in (errno.EACCES, errno.EPERM):
        return Missing(f"we may not open {path}", "put the dock's user into the group that owns it (dialout)")
    if code in (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO):
        return Gone(f"{path} is not there: {err}", gone)
    return UsageError(f"{path} is not a serial line: {err}", "name a tty")
