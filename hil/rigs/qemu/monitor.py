"""QEMU's machine protocol (QMP): one JSON object a line over a unix socket (qemu.org, "QMP Protocol Specification")."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PATIENCE = 30.0


class Refusal(RuntimeError):
    """QEMU did not do what it was asked; the text is its own. A RuntimeError, as of every rig that cannot go on."""


class Monitor:
    """One connection. Commands may come from any thread, one at a time. Raises OSError when QEMU is not there."""

    def __init__(self, path: Path) -> None:
        self._socket = connect(path, PATIENCE)
        self._file = self._socket.makefile("rw", encoding="utf-8")
        self._lock = threading.Lock()
        self._answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._file.readline()  # its greeting
        self._reader = threading.Thread(target=self._read, name="qmp", daemon=True)
        self._reader.start()
        self.run("qmp_capabilities")

    def run(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Carry out a command; what it returns. Raises Refusal, or TimeoutError when there is no answer."""
        with self._lock:
            self._file.write(json.dumps({"execute": command, "arguments": dict(arguments or {})}) + "\n")
            self._file.flush()
            try:
                answer = self._answers.get(timeout=PATIENCE)
            except queue.Empty:
                raise TimeoutError(f"QEMU did not answer {command} within {PATIENCE:g} s") from None
        if "error" in answer:
            raise Refusal(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def wait_for(self, event: str, seconds: float, **data: Any) -> dict[str, Any]:
        """The next event of this name whose data holds these values. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                found = self.events.get(timeout=left)
            except queue.Empty:
                break
            if found["event"] == event and data.items() <= found.get("data", {}).items():
                return found
        raise TimeoutError(f"no {event} from QEMU within {seconds:g} s")

    def close(self) -> None:
        """Let go. May be repeated."""
        self._socket.close()

    def _read(self) -> None:
        try:
            for line in self._file:
                message = json.loads(line)
                (self.events if "event" in message else self._answers).put(message)
        except (OSError, ValueError):
            return  # closed under us; who waits runs into its limit


def connect(path: Path, seconds: float) -> socket.socket:
    """A connection to a unix socket that is about to be there. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while True:
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError) as err:
            line.close()
            if time.monotonic() > end:
                raise TimeoutError(f"nothing listens on {path}") from err
            time.sleep(0.02)
            continue
        return line
