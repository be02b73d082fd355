"""QEMU's monitor as a program in the guest reaches it: over a port that the view joins with a line of QEMU's own."""

from __future__ import annotations

import json
import os
import select
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from typing import Any

from hil.rigs.qemu.monitor import PATIENCE, Refusal

MONITOR = "/dev/virtio-ports/hil.monitor"


class Wire:
    """One command at a time. Raises OSError outside of such a guest, and while another program has the port open."""

    def __init__(self) -> None:
        self._port = os.open(MONITOR, os.O_RDWR | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._waiting = b""
        # Answers to what another program asked before us may still be on the line: they carry its numbers.
        self._ids = (f"{os.getpid()}-{number}" for number in count())
        with suppress(Refusal):  # it was done before, by who had the line before us
            self.run("qmp_capabilities")
        self.run("query-status")

    def run(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Carry out a command; what it returns. Raises Refusal with QEMU's own words, or TimeoutError."""
        with self._lock:
            ident = next(self._ids)
            message = {"execute": command, "arguments": dict(arguments or {}), "id": ident}
            os.write(self._port, json.dumps(message).encode() + b"\n")
            end = time.monotonic() + PATIENCE
            while (answer := _message(self._line(end))).get("id") != ident:
                continue  # a greeting, an event, or an answer to somebody else
        if "error" in answer:
            raise Refusal(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def close(self) -> None:
        """Let go."""
        os.close(self._port)

    def _line(self, end: float) -> bytes:
        while b"\n" not in self._waiting:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"QEMU did not answer within {PATIENCE:g} s; has the guest's view been entered?")
            if select.select([self._port], [], [], left)[0]:
                self._waiting += self._read()
        line, _, self._waiting = self._waiting.partition(b"\n")
        return line

    def _read(self) -> bytes:
        try:
            data = os.read(self._port, 65536)
        except OSError:
            data = b""
        if not data:  # nobody at the other end yet, which the port calls readable
            time.sleep(0.05)
        return data


def _message(line: bytes) -> dict[str, Any]:
    """A line of QEMU's; nothing for the end of one whose beginning another program read."""
    try:
        message: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return message
