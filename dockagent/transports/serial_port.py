"""The reference camera's console over a serial line: :class:`dockagent.transports.Control` (docs/reference-camera.md,
section 2). The line is never trusted: noise, half lines, wrong checks and answers to an older question are skipped,
and every wait ends. Modem lines are neither read nor set: many adapters, and every pty, have none.
"""

import base64
import errno
import secrets
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from math import ceil

import serial

from dockagent.clock import Clock
from dockagent.core.moment import parse_rfc3339, rfc3339
from dockagent.errors import DockError, Gone, Missing, Permanent, Retryable, UsageError
from dockagent.transports import ClockNotSet, ClockReading
from dockagent.transports import console_codec as codec

READINGS = 5  # of the camera's clock; the one with the smallest round trip is kept
SLICE_S = 0.05  # one wait for a byte; a question's own time limit is counted in these
BUSY_PAUSE_S = 0.2
LONGEST_WORDS = 300  # bytes of a release's words, so that the line stays short enough when all are escaped

_HINTS = {
    "NOTSET": "set its clock (dockagent does so at docking, unless the profile forbids it)",
    "BADVERB": "check the camera's profile: its firmware does not know this request",
    "BADARG": "check the camera's profile: its firmware takes other arguments",
}


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer, and between which moments (milliseconds since 1970) it was asked for and whole."""

    answer: codec.Answer
    asked_ms: int
    answered_ms: int


class ReferenceConsole:
    """A camera's console at ``path`` (``/dev/ttyACM0``, a link to a pty), opened for us alone.

    A question is asked at most ``attempts`` times, each with ``timeout_ms`` for the answer; a camera that is BUSY is
    asked again after a pause. Raises Gone when there is no such line, Retryable when another program holds it,
    UsageError when it is no serial line, Missing when we may not open it.
    """

    def __init__(self, path: str, clock: Clock, baud: int = 115200, timeout_ms: int = 1000, attempts: int = 3) -> None:
        self._path, self._clock = path, clock
        self._timeout_s, self._attempts = timeout_ms / 1000, attempts
        self._rest = b""
        # Answers to another process's questions, or to ours of before, carry another id.
        self._idents = (f"{secrets.token_hex(2)}{number % 10000:04}" for number in count())
        try:
            self._port = serial.Serial(
                path, baud, timeout=SLICE_S, write_timeout=self._timeout_s, exclusive=True, xonxoff=False
            )
        except (OSError, termios.error) as err:  # SerialException is an OSError
            raise _open_error(path, err) from err

    def identity(self) -> Mapping[str, str]:
        values = self._values("ID")
        return {key: _value(values, key, "ID") for key in ("serial", "model", "firmware")}

    def battery(self) -> tuple[int, bool]:
        values = self._values("BATTERY")
        percent, charging = _value(values, "percent", "BATTERY"), _value(values, "charging", "BATTERY")
        if not (percent.isascii() and percent.isdigit() and int(percent) <= 100) or charging not in ("0", "1"):
            raise _nonsense("BATTERY", f"percent={percent} charging={charging}")
        return int(percent), charging == "1"

    def clock(self) -> ClockReading:
        """The best of :data:`READINGS` readings: the one with the smallest round trip bounds the offset tightest."""
        readings = [_reading(self._ask("CLOCK")) for _ in range(READINGS)]
        return min(readings, key=lambda reading: reading.answered_ms - reading.asked_ms)

    def set_clock(self, utc_ms: int) -> None:
        """Set the camera's clock to ``utc_ms`` as of this call; a later attempt states a later time."""
        started = self._clock.monotonic()

        def now() -> bytes:
            return rfc3339(utc_ms + round((self._clock.monotonic() - started) * 1000)).encode()

        self._ask("SETCLOCK", now)

    def prove(self, nonce: bytes) -> bytes:
        if len(nonce) != 32:
            raise ValueError(f"a nonce has 32 bytes, not {len(nonce)}")
        answer = self._ask("PROVE", nonce.hex().encode).answer
        try:
            return base64.b64decode(_value(answer.values, "sig", "PROVE"), validate=True)
        except ValueError as err:  # binascii.Error, and what text outside ASCII raises
            raise _nonsense("PROVE", f"a signature that is not base64 ({err})") from err

    def release(self, safe: bool, words: str) -> None:
        shown = words.encode()[:LONGEST_WORDS].decode(errors="ignore").encode() or b"-"
        self._ask("RELEASE", lambda: b"SAFE" if safe else b"WAIT", lambda: shown)

    def request(self, verb: str, arguments: Sequence[bytes]) -> Mapping[str, str]:
        """A request that a profile knows (:class:`dockagent.transports.Requests`); no values is an answer too."""
        return self._ask(verb, *(partial(bytes, one) for one in arguments)).answer.values

    def close(self) -> None:
        """Let the line go. May be repeated; a line that is gone is closed as well."""
        self._port.close()

    def _values(self, verb: str) -> Mapping[str, str]:
        return self._ask(verb).answer.values

    def _ask(self, verb: str, *arguments: Callable[[], bytes]) -> _Reply:
        """Ask until answered, at most ``attempts`` times. Arguments are asked for anew each time."""
        busy = False
        for attempt in range(self._attempts):
            if attempt and busy:
                self._clock.sleep(BUSY_PAUSE_S)
            reply = self._exchange(verb, [argument() for argument in arguments], again=attempt > 0)
            busy = reply is not None and reply.answer.code == "BUSY"
            if reply is not None and not busy:
                return _accepted(verb, reply)
        if busy:
            raise Retryable(f"the camera at {self._path} is busy ({verb})", "it is asked again later")
        raise Retryable(f"the camera at {self._path} does not answer {verb}", "seat it again, or clean its contacts")

    def _exchange(self, verb: str, arguments: Sequence[bytes], *, again: bool) -> _Reply | None:
        """Ask once. The answer with our id, or None when there was none within the time limit."""
        ident = next(self._idents)
        # A line break first ends whatever half line of the last attempt the camera may still be holding.
        line = (b"\r\n" if again else b"") + codec.request(ident, verb, arguments)
        asked_ms, started = self._clock.now().utc_ms, self._clock.monotonic()
        with self._line(verb):
            self._port.write(line)
            while self._clock.monotonic() - started < self._timeout_s:
                for answer in self._read():
                    if answer.ident == ident:
                        # Counted on the monotonic clock, so that a step of ours cannot shorten the round trip.
                        took_ms = ceil((self._clock.monotonic() - started) * 1000)
                        return _Reply(answer, asked_ms, asked_ms + took_ms)
        return None

    def _read(self) -> Iterator[codec.Answer]:
        """What came in within one slice. Reads what is there rather than a count, so that no answer waits."""
        data = self._port.read(max(1, min(self._port.in_waiting, codec.LONGEST_LINE)))
        lines, self._rest = codec.split(self._rest + data)
        return filter(None, map(codec.parse, lines))

    @contextmanager
    def _line(self, verb: str) -> Iterator[None]:
        """pyserial says "unplugged" in many ways: SerialException from read and write, OSError 5 or 6 from
        in_waiting, termios.error from settings."""
        try:
            yield
        except serial.SerialTimeoutException as err:
            raise Retryable(f"the camera at {self._path} takes no request ({verb})", "seat it again") from err
        except (OSError, termios.error) as err:
            raise Gone(f"the line {self._path} is gone: {err}", "put the camera back") from err


def _accepted(verb: str, reply: _Reply) -> _Reply:
    answer = reply.answer
    if not answer.code:
        return reply
    what = f"the camera refuses {verb}: {answer.code} {answer.words}".rstrip()
    if (verb, answer.code) == ("CLOCK", "NOTSET"):
        raise ClockNotSet(what, _HINTS[answer.code])
    raise Permanent(what, _HINTS.get(answer.code, "look this up in the camera's manual"))


def _reading(reply: _Reply) -> ClockReading:
    text = _value(reply.answer.values, "time", "CLOCK")
    try:
        camera_ms = parse_rfc3339(text)
    except (ValueError, OverflowError) as err:
        raise _nonsense("CLOCK", f"time={text}") from err
    return ClockReading(camera_ms, reply.asked_ms, reply.answered_ms, reply.answer.values.get("zone", ""))


def _value(values: Mapping[str, str], key: str, verb: str) -> str:
    if key not in values:
        raise _nonsense(verb, f"nothing for {key}")
    return values[key]


def _nonsense(verb: str, said: str) -> Permanent:
    return Permanent(f"the camera answers {verb} with {said}", "check the camera's profile and firmware")


def _open_error(path: str, err: OSError | termios.error) -> DockError:
    code = err.errno if isinstance(err, OSError) else err.args[0]
    if code in (errno.EAGAIN, errno.EBUSY):
        return Retryable(f"{path} is in use by another program", "stop it (a modem manager?), then try again")
    if code in (errno.EACCES, errno.EPERM):
        return Missing(f"we may not open {path}", "put the dock's user into the group that owns it (dialout)")
    if code in (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO):
        return Gone(f"{path} is not there: {err}", "put the camera back")
    return UsageError(f"{path} is not a serial line: {err}", "name a tty")
