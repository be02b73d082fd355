"""An Android camera of the "ZZX" family over TCP: one JSON object a line, the calls of GA/T 947 by number.

``{"header": {"version": "1.0", "id": 3, "device": "ZZX2080"}, "body": {"password": …}}`` goes out; the answer has the
same ``id``, and all its values are text, ``"true"`` and numbers too. Each request carries the administrator's password
in clear; the answer says in ``password`` whether it was right. Times are odd: the camera takes milliseconds and tells
seconds.
"""

import json
import re
from collections.abc import Mapping

from dockagent.clock import Clock
from dockagent.core import strict_json
from dockagent.core.paths import to_text
from dockagent.errors import Gone, Permanent, Refused, Retryable, UsageError
from dockagent.transports import ClockReading
from dockagent.transports.tcp_line import TcpLine

LONGEST = 1 << 16  # bytes of a line
LONGEST_VALUE = 64  # characters of a name, number or code
DEVICE = "ZZX2080"
GET_MODEL, GET_INFO, SET_TIME, SET_DISK, BATTERY, GET_TIME = 2, 3, 5, 6, 8, 16
_HALF_S = 500  # ms: a time in whole seconds is known to half a second


class ZZX:
    """The camera at ``address``; ``password``: its administrator's, never shown.

    Raises UsageError for what is no address, and for a password that is not UTF-8.
    """

    def __init__(self, address: str, clock: Clock, password: bytes) -> None:
        self._line, self._clock = TcpLine(address, clock), clock
        try:
            self._password = password.decode()
        except UnicodeDecodeError:
            raise UsageError("the camera's password is not UTF-8", "correct the file that holds it") from None

    def identity(self) -> Mapping[str, str]:
        """``model`` is the code of maker and product, ``officer`` the number of who wears it, where it tells one.
        Firmware is not told."""
        told = self._ask(GET_INFO)
        serial, officer = self._text(told, "serial"), told.get("policeNo", "")[:LONGEST_VALUE]
        model = self._text(self._ask(GET_MODEL, login=False), "IDCode")
        return {"serial": serial, "model": model, "firmware": "", "officer": officer}

    def battery(self) -> tuple[int, bool]:
        """The second value is always False: it does not tell whether it is charging."""
        said = self._text(self._ask(BATTERY), "battery")
        if not re.fullmatch(r"[0-9]{1,3}", said) or int(said) > 100:
            raise self._line.nonsense("a battery that is not 0 to 100 percent")
        return int(said), False

    def clock(self) -> ClockReading:
        """It tells whole seconds; the reading's bounds are wider by half a second on each side."""
        asked, started = self._clock.now().utc_ms, self._clock.monotonic()
        said = self._text(self._ask(GET_TIME), "Time")
        answered = asked + round((self._clock.monotonic() - started) * 1000)
        if not re.fullmatch(r"[0-9]{1,11}", said):
            raise self._line.nonsense("a time that is none")
        return ClockReading(int(said) * 1000 + _HALF_S, asked - _HALF_S, answered + _HALF_S, "")

    def set_clock(self, utc_ms: int) -> None:
        self._done(SET_TIME, self._ask(SET_TIME, Time=str(utc_ms)))

    def prove(self, nonce: bytes) -> bytes:
        raise Permanent("this camera has no key to prove itself with", "its identity rests on what it says")

    def release(self, safe: bool, words: str) -> None:
        raise Permanent("this camera cannot show words", "read them on the dock")

    def to_storage(self) -> None:
        """Ask it to become a disk; that it hangs up, with or without an answer, is ordinary. A camera that records
        says no, and is asked again later."""
        self._ask(GET_MODEL, login=False)  # on a line that died unseen, hanging up would look like the answer
        self._send(SET_DISK, {})
        try:
            body = self._body(SET_DISK, login=True)
        except Gone:
            return
        if body.get("Result") == "false":
            raise Retryable("the camera is recording, so it does not become a disk", "it is asked again later")
        self._done(SET_DISK, body)
        self._line.close()

    def close(self) -> None:
        """Hang up. May be repeated."""
        self._line.close()

    def _ask(self, number: int, *, login: bool = True, **values: str) -> Mapping[str, str]:
        """Ask what may be asked twice; once more where the line was an old one that had died."""
        old = self._line.is_open
        try:
            self._send(number, values)
            return self._body(number, login)
        except Gone:
            if not old:
                raise
        self._send(number, values)
        return self._body(number, login)

    def _send(self, number: int, values: Mapping[str, str]) -> None:
        header = {"version": "1.0", "id": number, "device": DEVICE}
        request = {"header": header, "body": {"password": self._password, **values}}
        self._line.send(json.dumps(request, ensure_ascii=False).encode() + b"\n")

    def _body(self, number: int, login: bool) -> Mapping[str, str]:
        """The answer to request ``number``: its values, all as text."""
        try:
            answer = strict_json.parse(self._line.take_line(LONGEST).strip())
            header, body = answer["header"], answer["body"]
            said = str(header["id"])
            values = {str(key): _plain(value) for key, value in body.items()}
        except (Refused, LookupError, TypeError, AttributeError) as err:
            raise self._line.nonsense("something that is no JSON object with header and body") from err
        if said != str(number):
            raise self._line.nonsense(f"an answer to request {to_text(said.encode())[:20]} when {number} was asked")
        if login and values.get("password") != "true":
            self._line.close()
            raise Permanent("the camera refuses the password", "correct the file that holds it")
        return values

    def _text(self, body: Mapping[str, str], key: str) -> str:
        value = body.get(key, "")
        if not 0 < len(value) <= LONGEST_VALUE:
            raise self._line.nonsense(f"no readable {key}")
        return value

    def _done(self, number: int, body: Mapping[str, str]) -> None:
        if body.get("Result") != "true":
            raise Permanent(f"the camera refuses request {number}", "look at its screen; check its firmware")


def _plain(value: object) -> str:
    """A JSON value as text that can be shown."""
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return to_text(text.encode()).strip()
