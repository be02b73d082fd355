"""A camera's serial console on a pseudo terminal, with faults that can be switched while it runs."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from hil.cameras.pki import Identity
from hil.cameras.plate import Plate
from hil.cameras.terminal import Line
from hil.cameras.wire import Request, answer_line, escape, format_time, parse_request, parse_time, unescape

PROOF = "dockagent-camera-proof/1\n{serial}\n{nonce}\n"


@dataclass(slots=True)
class Faults:
    """What is wrong with the console now. Set its fields at any time; they count from the next request on."""

    silent: bool = False
    noise_before: bytes = b""  # sent before every answer
    noise_after: bytes = b""  # sent after every answer
    byte_delay: float = 0.0  # seconds before each byte of an answer
    wrong_checks: int = 0  # so many answers more have a wrong check
    busy: int = 0  # so many requests more are answered BUSY
    not_set: bool = False  # the camera has no clock until SETCLOCK
    impostor: bool = False  # PROVE is signed with another key than the leaf's
    hang_up_on: str = ""  # the line goes dead instead of answering this verb
    keeps: bool = False  # what is protected stays so


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what was answered, without ids and checks; None when nothing was answered."""

    request: str
    answer: str | None


@dataclass(frozen=True, slots=True)
class Release:
    """What the camera shows about being taken: SAFE or WAIT, and the words."""

    state: str
    words: str


@dataclass(frozen=True, slots=True)
class ClockSet:
    """The camera's clock just before a SETCLOCK, and what it was set to."""

    before: datetime
    to: datetime


class CameraClock:
    """A clock that is `offset` seconds ahead of this machine's (behind, if negative) and can be set."""

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset

    def now(self) -> datetime:
        """What the camera thinks the time is."""
        return datetime.now(UTC) + timedelta(seconds=self.offset)

    def set(self, to: datetime) -> None:
        """Make the camera think that it is `to` now."""
        self.offset = (to - datetime.now(UTC)).total_seconds()


class Refusal(Exception):
    """An ERR answer: its code and words."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"ERR {code} {words}")


class Console:
    """Answers a dock until it is hung up; open() again gives a new line and keeps everything else, the clock too.

    A camera without an identity cannot PROVE. The observer is called from the console's thread after each exchange.
    """

    def __init__(
        self,
        plate: Plate,
        identity: Identity | None = None,
        *,
        clock: CameraClock | None = None,
        zone: str = "Europe/London",
        observer: Callable[[Exchange], None] | None = None,
    ) -> None:
        self.plate, self.zone, self.clock = plate, zone, clock or CameraClock()
        self.battery, self.charging = 80, True
        self.faults = Faults()
        self.releases: tuple[Release, ...] = ()
        self.clock_sets: tuple[ClockSet, ...] = ()
        self.transcript: tuple[Exchange, ...] = ()
        self.skipped: tuple[bytes, ...] = ()  # lines that were no request
        self.protected: frozenset[str] = frozenset()  # paths of clips that its wearer or an event protected
        self._identity = identity
        self._wrong_key = ec.generate_private_key(ec.SECP256R1())
        self._observer = observer
        self._news = threading.Condition()
        self._line: Line | None = None

    @property
    def release(self) -> Release | None:
        """What the camera shows now about being taken."""
        return self.releases[-1] if self.releases else None

    def open(self) -> Path:
        """A new line, answered from now on; the path of its terminal. Raises RuntimeError if one is open."""
        if self._line is not None and self._line.alive():
            raise RuntimeError("the console is open already")
        self._line = Line(self._serve)
        return self._line.path

    def hang_up(self) -> None:
        """Close the line, whoever is reading from it. No error if it is closed already."""
        if self._line is not None:
            self._line.hang_up()

    def wait_until(self, true: Callable[[Console], bool], timeout: float) -> None:
        """Wait for something to be true of the transcript, releases or clock_sets. Raises TimeoutError."""
        with self._news:
            if not self._news.wait_for(lambda: true(self), timeout):
                raise TimeoutError(f"not seen within {timeout} s; the last exchanges: {self.transcript[-5:]}")

    def _serve(self, raw: bytes, line: Line) -> None:
        """Answer one line, or skip it."""
        request = parse_request(raw)
        if request is None:
            with self._news:
                self.skipped += (raw,)
            return
        # A copy: a fault that is switched while this request is answered is one of the next request.
        faults = replace(self.faults)
        if faults.hang_up_on == request.verb:
            self._note(Exchange(str(request), None))
            line.hang_up()
            return
        if faults.silent:
            self._note(Exchange(str(request), None))
            return
        line.send(faults.noise_before)
        words = self._answer(request)
        spoil = _count_down(self.faults, "wrong_checks")
        # Noted before it is sent: who has the answer finds it in the transcript.
        self._note(Exchange(str(request), words))
        line.send(answer_line(request.id, words, spoil_check=spoil), faults.byte_delay)
        line.send(faults.noise_after)

    def _answer(self, request: Request) -> str:
        try:
            if _count_down(self.faults, "busy"):
                raise Refusal("BUSY", "ask again later")
            if request.verb not in VERBS:
                raise Refusal("BADVERB", "no such verb")
            count, answer = VERBS[request.verb]
            if len(request.arguments) != count:
                raise Refusal("BADARG", f"{count} expected")
            pairs = answer(self, request.arguments)
        except Refusal as refusal:
            return str(refusal)
        return " ".join(("OK", *(f"{key}={escape(value)}" for key, value in pairs.items())))

    def _note(self, exchange: Exchange) -> None:
        with self._news:
            self.transcript += (exchange,)
            self._news.notify_all()
        if self._observer is not None:
            self._observer(exchange)

    def _id(self, _: tuple[str, ...]) -> dict[str, str]:
        return {"serial": self.plate.serial, "model": self.plate.model, "firmware": self.plate.firmware}

    def _battery(self, _: tuple[str, ...]) -> dict[str, str]:
        return {"percent": str(self.battery), "charging": str(int(self.charging))}

    def _clock(self, _: tuple[str, ...]) -> dict[str, str]:
        if self.faults.not_set:
            raise Refusal("NOTSET", "no clock")
        return {"time": format_time(self.clock.now()), "zone": self.zone}

    def _set_clock(self, arguments: tuple[str, ...]) -> dict[str, str]:
        try:
            to = parse_time(unescape(arguments[0]))
        except ValueError as error:
            raise Refusal("BADARG", "not a time") from error
        self.clock_sets += (ClockSet(self.clock.now(), to),)
        self.clock.set(to)
        self.faults.not_set = False
        return {}

    def _prove(self, arguments: tuple[str, ...]) -> dict[str, str]:
        nonce = arguments[0]
        if not re.fullmatch(r"[0-9A-Fa-f]{64}", nonce):
            raise Refusal("BADARG", "64 hex digits expected")
        if self._identity is None:
            raise Refusal("NOTSET", "no key")
        said = PROOF.format(serial=self.plate.serial, nonce=nonce).encode()
        key = self._wrong_key if self.faults.impostor else self._identity.key
        return {"sig": base64.b64encode(key.sign(said, ec.ECDSA(hashes.SHA256()))).decode()}

    def _unprotect(self, arguments: tuple[str, ...]) -> dict[str, str]:
        try:
            path, digest = map(unescape, arguments)
        except ValueError as error:
            raise Refusal("BADARG", "not a value") from error
        if not re.fullmatch(r"[0-9A-Fa-f]{64}", digest):
            raise Refusal("BADARG", "64 hex digits expected")
        if not self.faults.keeps:
            self.protected -= {path}
        return {"state": "protected" if path in self.protected else "open"}

    def _release(self, arguments: tuple[str, ...]) -> dict[str, str]:
        try:
            state, words = arguments[0], unescape(arguments[1])
        except ValueError as error:
            raise Refusal("BADARG", "not a value") from error
        if state not in ("SAFE", "WAIT"):
            raise Refusal("BADARG", "SAFE or WAIT expected")
        self.releases += (Release(state, words),)
        return {}


VERBS: dict[str, tuple[int, Callable[[Console, tuple[str, ...]], dict[str, str]]]] = {
    "ID": (0, Console._id),
    "BATTERY": (0, Console._battery),
    "CLOCK": (0, Console._clock),
    "SETCLOCK": (1, Console._set_clock),
    "PROVE": (1, Console._prove),
    "RELEASE": (2, Console._release),
    "UNPROTECT": (2, Console._unprotect),
}
"""How many arguments each verb takes, and what answers it."""


def _count_down(faults: Faults, name: str) -> bool:
    """Whether this fault is due once more; counts it."""
    left: int = getattr(faults, name)
    setattr(faults, name, max(left - 1, 0))
    return left > 0
