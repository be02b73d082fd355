"""An Android camera of the "ZZX" family: GA/T 947 calls by number, a JSON object a line over TCP.

It looks for the first ``{`` of a line, answers every value as text, ends lines with CR LF, and says nothing to what is
no request. It takes the time in milliseconds and tells it in seconds.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hil.cameras.console import CameraClock
from hil.cameras.dialects.loopback import Server

INIT, MODEL, INFO, SET_TIME, SET_DISK, BATTERY, GET_TIME, DISK = 1, 2, 3, 5, 6, 8, 16, 18
_OPEN = {INIT, MODEL}  # answered without a password


@dataclass(slots=True)
class Faults:
    """What is wrong with the camera now. Set its fields at any time."""

    silent: bool = False
    recording: bool = False  # then it does not become a disk
    drop_on: int = 0  # it hangs up instead of answering this request
    id_ahead: int = 0  # its answers are to another request
    instead: bytes | None = None  # sent instead of every answer, as it is
    endless: bool = False  # it sends one line without an end
    split: bool = False  # an answer comes in two parts


class ZzxCamera(Server):
    """One camera. ``requests`` is what it was asked: number and body. ``mode`` becomes ``disk`` by SetMSDC."""

    def __init__(self, serial: str, password: str, *, clock: CameraClock | None = None) -> None:
        super().__init__()
        self.serial, self.password = serial, password
        self.clock = clock or CameraClock()
        self.model, self.battery = "ZZXP5", "88"
        self.faults = Faults()
        self.mode = "work"
        self.requests: tuple[tuple[int, dict[str, str]], ...] = ()

    def serve(self, client: socket.socket) -> None:
        for line in client.makefile("rb"):
            request = _parse(line)
            if request is None:
                continue
            self.requests += (request,)
            number, body = request
            if number == self.faults.drop_on:
                return
            if not self.faults.silent:
                self._reply(client, number, self._answer(number, body))
            if self.mode == "disk":
                return

    def _answer(self, number: int, body: dict[str, str]) -> dict[str, str]:
        if number in _OPEN:
            return {"IDCode": self.model}
        right = body.get("password") == self.password
        said = {"password": str(right).lower()}
        return said | self._told(number, body) if right else said

    def _told(self, number: int, body: dict[str, str]) -> dict[str, str]:
        if number == INFO:
            who = {"policeNo": "012345", "policeName": "王小明", "groupNo": "000000", "groupName": "东城分局"}
            return {"serial": self.serial, **who}
        if number == BATTERY:
            return {"battery": self.battery}
        if number == GET_TIME:
            return {"Time": str(int(self.clock.now().timestamp())), "Result": "true"}
        if number == DISK:
            return {"free": "1024", "total": "30000", "Result": "true"}
        if number == SET_TIME:
            return self._set_clock(body.get("Time", ""))
        if number == SET_DISK:
            self.mode = "work" if self.faults.recording else "disk"
            return {"Result": str(not self.faults.recording).lower()}
        return {}

    def _set_clock(self, text: str) -> dict[str, str]:
        if not text.isdigit():
            return {"Result": "false"}
        self.clock.set(datetime.fromtimestamp(int(text) / 1000, UTC))
        return {"Result": "true"}

    def _reply(self, client: socket.socket, number: int, body: dict[str, str]) -> None:
        while self.faults.endless:
            client.sendall(b"{" * 4096)
        header = {"version": "1.0", "id": number + self.faults.id_ahead, "device": "ZZX2080"}
        answer = json.dumps({"header": header, "body": body}, ensure_ascii=False).encode() + b"\r\n"
        data = answer if self.faults.instead is None else self.faults.instead
        middle = len(data) // 2 if self.faults.split else len(data)
        client.sendall(data[:middle])
        client.sendall(data[middle:])


def _parse(line: bytes) -> tuple[int, dict[str, str]] | None:
    """Number and body of a request, or None."""
    try:
        request: Any = json.loads(line[max(line.find(b"{"), 0) :])
        return int(request["header"]["id"]), {key: str(value) for key, value in request.get("body", {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
