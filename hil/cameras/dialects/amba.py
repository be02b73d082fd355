"""A camera with the Ambarella vendor dialogue ("Amba Simple Class"), and what else stands behind its USB id.

Written from what the open client AmbaBodyCam sends and understands. Where it does not show an answer to its end (Sdt,
Stm, ATH) the camera says ``@Sdt;OK;#``; a refusal holds the word ERROR, which is what that client looks for.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from hil.cameras.usb import Endpoint, Function, Interface

VENDOR, PRODUCT = 0x4255, 0x0001
REPLY = 64
"""Bytes in the longest transfer that a camera sends."""

FRAME = re.compile(rb"@([A-Z][A-Za-z]{2});(\d+);([^;#]*);#")
PROBE = b"@Ver;8;00000000;#"
OUT, IN = 0, 1

PASSWORD = b"12345678"
"""What the emulated cameras want to hear."""


@dataclass(slots=True)
class Faults:
    """What is wrong with the camera now. Set its fields at any time."""

    silent: bool = False
    split: int = 0  # so many bytes at a time; 0: a whole answer
    wrong_length: bool = False  # its own answers state a wrong length
    refuse_password: bool = False
    quiet_after_ath: bool = False  # it switches, and does not say so
    stays: bool = False  # it says that it switches, and does not
    late: bytes = b""  # sent before every answer
    stall_on: str = ""  # the endpoint halts instead of answering this command
    leave_on: str = ""  # the cable is pulled instead of answering this command


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came: its command, the length that it states, its payload."""

    command: str
    length: int
    payload: bytes


def parse(data: bytes) -> Request | None:
    """The request in a transfer, or None. The stated length is not looked at, as cameras do not look at it."""
    match = FRAME.fullmatch(data.rstrip(b"\0\r\n "))
    return match and Request(match[1].decode(), int(match[2]), match[3])


class AmbaCamera(Function):
    """The function of a camera in its working mode. ``switch`` is called after each ATH that it obeys, from the thread
    that serves the device; ``mode`` then says what the camera is: ``work`` or ``disk``. A second ATH brings it back.

    ``requests`` is what it was asked, in order; ``set_to`` the local times that it was set to.
    """

    interfaces = (Interface((0xFF, 0, 0), (Endpoint("bulk-out"), Endpoint("bulk-in"))),)

    def __init__(self, device_id: str, switch: Callable[[], None] = lambda: None, password: bytes = PASSWORD) -> None:
        super().__init__()
        self.device_id, self.password = device_id, password
        self.faults = Faults()
        self.mode = "work"
        self.requests: tuple[Request, ...] = ()
        self.skipped: tuple[bytes, ...] = ()
        self.set_to: tuple[datetime, ...] = ()
        self._date = ""
        self._switch = switch

    def received(self, endpoint: int, data: bytes) -> None:
        request = parse(data)
        if request is None:
            self.skipped += (data,)
            return
        self.requests += (request,)
        if self._out_of_order(request.command):
            return
        answer, switches = self._answer(request)
        if not (switches and self.faults.quiet_after_ath):
            self._send(answer)
        if switches and not self.faults.stays:
            self.mode = "disk" if self.mode == "work" else "work"
            self._switch()

    def _out_of_order(self, command: str) -> bool:
        """Whether a fault takes the place of the answer."""
        if self.host is not None and self.faults.leave_on == command:
            self.host.leave()
        elif self.host is not None and self.faults.stall_on == command:
            self.host.stall(IN)
        else:
            return self.faults.silent
        return True

    def _answer(self, request: Request) -> tuple[bytes, bool]:
        """The answer, and whether the camera changes its mode after it."""
        command, payload = request.command, request.payload
        if command == "Ver":
            return b"@Ver;OK;#", False
        if command in ("Gdv", "ATH") and (self.faults.refuse_password or payload != self.password):
            return self._field(command, b"ERROR"), False
        if command == "ATH":
            return b"@ATH;OK;#", True
        if self.mode == "disk":
            return self._field(command, b"ERROR"), False
        if command == "Gdv":
            return self._field(command, self.device_id.encode()), False
        if command in ("Sdt", "Stm"):
            return self._set_clock(command, payload), False
        return self._field(command, b"ERROR"), False

    def _set_clock(self, command: str, payload: bytes) -> bytes:
        """The date comes first, the time, with hundredths that are always 00, second."""
        text = payload.decode("ascii", "replace")
        try:
            if command == "Sdt":
                datetime.strptime(text, "%Y%m%d")
                self._date = text
            else:
                self.set_to += (datetime.strptime(self._date + text, "%Y%m%d%H%M%S00"),)
        except ValueError:
            return self._field(command, b"ERROR")
        return b"@%b;OK;#" % command.encode()

    def _field(self, command: str, field: bytes) -> bytes:
        length = len(field) + (3 if self.faults.wrong_length else 0)
        return b"@%b;%d;%b#" % (command.encode(), length, field)

    def _send(self, answer: bytes) -> None:
        step = self.faults.split or REPLY
        if self.host is None:
            return
        for data in (self.faults.late, *(answer[at : at + step] for at in range(0, len(answer), step))):
            if data:
                self.host.send(IN, data)


class Stranger(Function):
    """Something else with a camera's USB id: what it answers to anything, or None to say nothing.

    ``harmed``: what it was told besides the harmless question. An action camera takes such bytes for its own protocol,
    a boot loader for code.
    """

    interfaces = AmbaCamera.interfaces

    def __init__(self, says: bytes | None) -> None:
        super().__init__()
        self._says = says
        self._news = threading.Condition()
        self.told: tuple[bytes, ...] = ()

    @property
    def harmed(self) -> tuple[bytes, ...]:
        """Every transfer that was not the probe."""
        return tuple(one for one in self.told if one != PROBE)

    def received(self, endpoint: int, data: bytes) -> None:
        with self._news:
            self.told += (data,)
            self._news.notify_all()
        if self._says is not None and self.host is not None:
            self.host.send(IN, self._says)


def one_rs() -> Stranger:
    """An Insta360 ONE RS in its mode for apps: packets that begin with their length, and no word of this dialogue."""
    return Stranger(bytes.fromhex("0c000000 01000000 00000000"))


def boot_loader() -> Stranger:
    """An Ambarella boot loader in memory: a status word, little-endian, for whatever it was sent."""
    return Stranger(bytes.fromhex("55aa0000 ffffffff"))


def echo() -> Stranger:
    """A device whose answer is the question itself: a test jig, a loop-back plug."""
    return Stranger(PROBE)
