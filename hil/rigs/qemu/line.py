"""The host's side of ``guest_agent.py``: shell commands into the guest, what they print and how they end out of it."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hil.rigs.qemu.monitor import connect

GRACE = 15.0
"""Seconds more than a command's own limit until its answer is overdue."""


class Line:
    """One connection to the agent. Commands may come from several threads at once. Raises TimeoutError when nobody is
    at the other end of ``path``."""

    def __init__(self, path: Path) -> None:
        self._socket = connect(path, 30)
        self._file = self._socket.makefile("rw", encoding="utf-8")
        self._lock = threading.Lock()
        self._heard: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._last = 0
        threading.Thread(target=self._read, name="guest agent", daemon=True).start()

    def ping(self, seconds: float) -> None:
        """Wait until the agent answers: a request that came before it was there may have been lost."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.run("true", 1, lambda text: None, grace=1.0)
            except TimeoutError:
                if time.monotonic() > end:
                    raise
                continue
            return

    def run(self, command: str, seconds: float, hear: Callable[[str], None], grace: float = GRACE) -> int:
        """Run a shell command; its status, negative for the signal that ended it. Raises TimeoutError."""
        heard: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        with self._lock:
            self._last += 1
            number = self._last
            self._heard[number] = heard
            self._file.write(json.dumps({"id": number, "run": command, "seconds": seconds}) + "\n")
            self._file.flush()
        end = time.monotonic() + seconds + grace
        try:
            while True:
                answer = heard.get(timeout=max(0.0, end - time.monotonic()))
                if "status" in answer:
                    return int(answer["status"])
                hear(answer["out"])
        except queue.Empty:
            raise TimeoutError(f"the guest was still at work after {seconds:g} s: {command}") from None
        finally:
            self._heard.pop(number, None)

    def close(self) -> None:
        """Let go. May be repeated."""
        self._socket.close()

    def _read(self) -> None:
        try:
            for text in self._file:
                answer = json.loads(text)
                heard = self._heard.get(answer["id"])
                if heard is not None:  # else nobody waits for it any more
                    heard.put(answer)
        except (OSError, ValueError):
            return  # closed under us; who waits runs into its limit
