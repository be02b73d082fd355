"""An Android camera of the "E12" family: GA/T 947 calls as length-prefixed text over TCP.

Lengths are 4 bytes, the lowest first; text is GBK. What takes work is answered E12DATR880 first and its result second.
A request that is not E12's makes the camera hang up.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from datetime import datetime, tzinfo

from hil.cameras.console import CameraClock
from hil.cameras.dialects.loopback import Server, take

SIZES = {"serial": 7, "wearer_number": 6, "wearer": 32, "unit_number": 12, "unit": 32}
WORKING, FINISHED = b"E12DATR880", b"E12DATR881"
TIME = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who the camera is and who wears it, as GetInfo tells."""

    serial: str = "E120001"
    wearer_number: str = "012345"
    wearer: str = "王小明"
    unit_number: str = "110101000000"
    unit: str = "东城分局"

    def packed(self) -> bytes:
        """89 bytes: each text in GBK, cut or filled up with NUL."""
        texts = ((getattr(self, name).encode("gbk"), size) for name, size in SIZES.items())
        return b"".join(text[:size].ljust(size, b"\0") for text, size in texts)


@dataclass(slots=True)
class Faults:
    """What is wrong with the camera now. Set its fields at any time."""

    silent: bool = False
    working: int = 1  # so often it says that it is working; -1: for ever
    finished: bool = False  # it says that it has finished, behind the result
    drop_on: bytes = b""  # it hangs up instead of answering this command
    refuse: bytes = b""  # it says no to this command
    instead: bytes | None = None  # sent instead of every result, as it is
    length: int | None = None  # stated as the length of every result
    byte_by_byte: bool = False


class E12Camera(Server):
    """One camera; ``zone`` is its clock's. ``commands`` is what it was asked; ``mode`` becomes ``disk`` by SetMSDC."""

    def __init__(
        self, owner: Owner, zone: tzinfo, *, clock: CameraClock | None = None, password: bytes = b"000000"
    ) -> None:
        super().__init__()
        self.owner, self.zone, self.password = owner, zone, password
        self.clock = clock or CameraClock()
        self.model, self.battery = b"ABCDE", b"73"
        self.faults = Faults()
        self.mode = "work"
        self.commands: tuple[bytes, ...] = ()

    def serve(self, client: socket.socket) -> None:
        while True:
            command = _receive(client)
            self.commands += (command,)
            if command[:3] != b"E12" or command == self.faults.drop_on:
                return
            if self.faults.silent:
                continue
            self._work(client)
            self._reply(client, self._result(command, client))
            if self.faults.finished:
                client.sendall(_framed(FINISHED))
            if self.mode == "disk":
                return

    def _work(self, client: socket.socket) -> None:
        left = self.faults.working
        while left:
            client.sendall(_framed(WORKING))
            left -= 1

    def _result(self, command: bytes, client: socket.socket) -> bytes:
        refused = command == self.faults.refuse
        if command == b"E12CMDS003":
            return _yes_or_no(b"00", not refused and self._set_clock(_receive(client)))
        if command == b"E12CMDS008":
            self.mode = self.mode if refused else "disk"
            return _yes_or_no(b"01", not refused)
        told = {
            b"E12CMDS004": (self.owner.packed(), b"E12DATR120"),
            b"E12CMDS007": (self.battery, b"E12DATR140"),
            b"E12CMDS009": (self.model, b"E12DATR150"),
            b"E12CMDS010": (self.password, b"E12DATR030"),
            b"E12CMDN030": (self.clock.now().astimezone(self.zone).strftime(TIME).encode(), b"E12DATR050"),
        }
        result, refusal = told.get(command, (b"NULL", b"NULL"))
        return refusal if refused else result

    def _set_clock(self, text: bytes) -> bool:
        try:
            local = datetime.strptime(text.decode("ascii", "replace"), TIME)
        except ValueError:
            return False
        self.clock.set(local.replace(tzinfo=self.zone))
        return True

    def _reply(self, client: socket.socket, result: bytes) -> None:
        faults = self.faults
        data = _framed(result, faults.length) if faults.instead is None else faults.instead
        for at in range(0, len(data), 1 if faults.byte_by_byte else len(data)):
            client.sendall(data[at : at + 1] if faults.byte_by_byte else data)


def _receive(client: socket.socket) -> bytes:
    (length,) = struct.unpack("<I", take(client, 4))
    if length > 2048:
        raise EOFError
    return take(client, length)


def _framed(text: bytes, length: int | None = None) -> bytes:
    return struct.pack("<I", len(text) if length is None else length) + text


def _yes_or_no(code: bytes, yes: bool) -> bytes:
    return b"E12DATR%b%d" % (code, yes)
