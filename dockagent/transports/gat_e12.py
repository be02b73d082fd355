"""An Android camera of the "E12" family over TCP: the calls of GA/T 947 as length-prefixed text.

A message is its length (4 bytes, little-endian) and so many bytes, ``E12CMDS004`` for instance; text is GBK. The camera
says ``E12DATR880`` ("working") before its result, and may say ``E12DATR881`` ("finished") behind it. The stations ask
the camera for its administrator's password and compare it themselves: no request carries one.
"""

import hmac
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from dockagent.clock import Clock
from dockagent.core.paths import to_text
from dockagent.errors import Gone, Permanent, Retryable
from dockagent.transports import ClockReading
from dockagent.transports.tcp_line import TcpLine

LONGEST = 2048  # bytes of a message: the camera's own buffer
INFO_FIELDS = (7, 6, 32, 12, 32)
SET_TIME, GET_INFO, BATTERY, SET_DISK = b"E12CMDS003", b"E12CMDS004", b"E12CMDS007", b"E12CMDS008"
GET_MODEL, GET_PASSWORD, GET_TIME = b"E12CMDS009", b"E12CMDS010", b"E12CMDN030"
WORKING, FINISHED = b"E12DATR880", b"E12DATR881"
_DONE = {SET_TIME: b"E12DATR001", SET_DISK: b"E12DATR011"}
_REFUSED = re.compile(rb"E12DATR\d\d0")
_TIME = "%Y-%m-%d %H:%M:%S"
_HALF_S = 500  # ms: a time in whole seconds is known to half a second
_WORKING_MOST = 100


@dataclass(frozen=True, slots=True)
class Info:
    """What GetInfo tells: the camera's number, and who wears it. Characters that cannot be shown are ``%XX``."""

    serial: str
    wearer_number: str
    wearer: str
    unit_number: str
    unit: str


class E12:
    """The camera at ``address``. ``zone``: its clock's. ``password``: the station's; where one is given, a camera that
    has another is refused. The time limits are those of the camera's own software: 3 s to send, 5 s to read.

    Raises UsageError for what is no address.
    """

    def __init__(self, address: str, clock: Clock, zone: tzinfo, password: bytes = b"") -> None:
        self._line = TcpLine(address, clock)
        self._clock, self._zone, self._password = clock, zone, password
        self._let_in = not password

    def identity(self) -> Mapping[str, str]:
        """``model`` is the code of maker and product (five characters), ``officer`` the number of who wears it.
        Firmware is not told."""
        info = self.info()
        model = self._ask(GET_MODEL)
        if not re.fullmatch(rb"[!-~]{1,16}", model):
            raise self._line.nonsense("no code of its maker and product")
        return {"serial": info.serial, "model": model.decode(), "firmware": "", "officer": info.wearer_number}

    def info(self) -> Info:
        """Raises Permanent for an answer that is not of 89 bytes, or has no readable number."""
        raw = self._ask(GET_INFO)
        if len(raw) != sum(INFO_FIELDS):
            raise self._line.nonsense(f"{len(raw)} bytes about itself instead of {sum(INFO_FIELDS)}")
        info = parse_info(raw)
        if not re.fullmatch(r"[!-$&-~]+", info.serial):
            raise self._line.nonsense("no readable number of itself")
        return info

    def battery(self) -> tuple[int, bool]:
        """The second value is always False: it does not tell whether it is charging."""
        said = self._ask(BATTERY)
        if not re.fullmatch(rb"\d{1,3}", said) or int(said) > 100:
            raise self._line.nonsense("a battery that is not 0 to 100 percent")
        return int(said), False

    def clock(self) -> ClockReading:
        """It tells whole seconds of its zone's time; the reading's bounds are wider by half a second on each side."""
        asked, started = self._clock.now().utc_ms, self._clock.monotonic()
        said = self._ask(GET_TIME)
        answered = asked + round((self._clock.monotonic() - started) * 1000)
        try:
            local = datetime.strptime(said.decode("ascii"), _TIME)
        except ValueError as err:
            raise self._line.nonsense("a time that is none") from err
        camera_ms = min(self._moments(local), key=lambda moment: abs(moment - asked)) + _HALF_S
        return ClockReading(camera_ms, asked - _HALF_S, answered + _HALF_S, "")

    def set_clock(self, utc_ms: int) -> None:
        """Set its clock to the nearest second of ``utc_ms``, in its zone."""
        started = self._clock.monotonic()
        self._send(SET_TIME)
        self._expect_working()
        took_ms = round((self._clock.monotonic() - started) * 1000)
        now = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=utc_ms + _HALF_S + took_ms)
        self._line.send(message(now.astimezone(self._zone).strftime(_TIME).encode()))
        self._done(SET_TIME, self._result())

    def prove(self, nonce: bytes) -> bytes:
        raise Permanent("this camera has no key to prove itself with", "its identity rests on what it says")

    def release(self, safe: bool, words: str) -> None:
        raise Permanent("this camera cannot show words", "read them on the dock")

    def to_storage(self) -> None:
        """Ask it to become a disk; that it hangs up, with or without an answer, is ordinary."""
        self._ask(GET_MODEL)  # on a line that died unseen, hanging up would look like the answer
        self._send(SET_DISK)
        try:
            said = self._result()
        except Gone:
            return
        self._done(SET_DISK, said)
        self._line.close()

    def close(self) -> None:
        """Hang up. May be repeated."""
        self._line.close()

    def _moments(self, local: datetime) -> tuple[int, int]:
        """What a local time may mean: two moments in the hour that comes twice when summer time ends."""
        first, second = (local.replace(tzinfo=self._zone, fold=fold).timestamp() for fold in (0, 1))
        return round(first * 1000), round(second * 1000)

    def _ask(self, command: bytes) -> bytes:
        """Ask what changes nothing; once more where the line was an old one that had died."""
        old = self._line.is_open
        try:
            self._send(command)
            said = self._result()
        except Gone:
            if not old:
                raise
            self._send(command)
            said = self._result()
        if _REFUSED.fullmatch(said):
            raise _refuses(command, said)
        return said

    def _send(self, command: bytes) -> None:
        if not self._let_in:
            self._compare_password()
        self._line.send(message(command))

    def _compare_password(self) -> None:
        self._line.send(message(GET_PASSWORD))
        if not hmac.compare_digest(self._result(), self._password):
            self._line.close()
            raise Permanent("the camera has another password than this station", "correct the file that holds it")
        self._let_in = True

    def _expect_working(self) -> None:
        said = self._message()
        if said != WORKING:
            raise self._line.nonsense("something else than that it is working")

    def _result(self) -> bytes:
        for _ in range(_WORKING_MOST):
            said = self._message()
            if said not in (WORKING, FINISHED):
                return said
        self._line.close()
        raise Retryable("the camera says that it is working, and never comes to an end", "it is asked again later")

    def _message(self) -> bytes:
        (length,) = struct.unpack("<I", self._line.take(4))
        if not 0 < length <= LONGEST:
            raise self._line.nonsense(f"a message of {length} bytes; it has 1 to {LONGEST}")
        return self._line.take(length)

    def _done(self, command: bytes, said: bytes) -> None:
        if _REFUSED.fullmatch(said):
            raise _refuses(command, said)
        if said != _DONE[command]:
            raise self._line.nonsense("neither yes nor no")


def message(text: bytes) -> bytes:
    """Text as it travels."""
    return struct.pack("<I", len(text)) + text


def parse_info(raw: bytes) -> Info:
    """The five fields of 89 bytes, each GBK and filled up with NUL. What is not GBK is shown as ``%XX``."""
    fields, at = [], 0
    for size in INFO_FIELDS:
        fields.append(_shown(raw[at : at + size].partition(b"\0")[0]))
        at += size
    return Info(*fields)


def _shown(raw: bytes) -> str:
    try:
        return to_text(raw.decode("gbk").encode()).strip()
    except UnicodeDecodeError:
        return to_text(raw).strip()


def _refuses(command: bytes, said: bytes) -> Permanent:
    return Permanent(f"the camera refuses {command.decode()}: {said.decode()}", "stop what it is doing, and try again")
