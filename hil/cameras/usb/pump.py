"""Bytes from and to a terminal, carried by a thread."""

from __future__ import annotations

import os
import select
import threading
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_PIECE = 4096


class Pump:
    """``deliver`` gets what comes out of the terminal, from the thread; :meth:`put` is what goes in. ``gadget``: the
    terminal is the inner side of a USB gadget: without echo and line editing, and opened anew when the cable was
    pulled, which hangs it up. Of another that hangs up nothing comes any more. Raises OSError where it cannot be
    opened."""

    def __init__(self, path: Path, deliver: Callable[[bytes], None], *, gadget: bool = False) -> None:
        self._path, self._deliver, self._gadget = path, deliver, gadget
        self._terminal = self._open()
        self._wake, self._waker = os.pipe()
        self._lock = threading.Lock()
        self._waiting = bytearray()
        self._over = False
        self._thread = threading.Thread(target=self._run, name=f"pump {path}", daemon=True)
        self._thread.start()

    def _open(self) -> int:
        terminal = os.open(self._path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        if self._gadget:
            tty.setraw(terminal)
        return terminal

    def put(self, data: bytes) -> None:
        """Bytes for the terminal; they wait as long as it takes none."""
        with self._lock:
            if not self._over:
                self._waiting += data
                os.write(self._waker, b"!")

    def close(self) -> None:
        """Let the terminal go. May be repeated."""
        with self._lock:
            if self._over:
                return
            self._over = True
            os.write(self._waker, b"!")
        self._thread.join()
        for descriptor in (self._terminal, self._wake, self._waker):
            os.close(descriptor)

    def _run(self) -> None:
        while not self._over:
            try:
                self._carry()
            except (OSError, EOFError):  # the other side hung up
                if not self._gadget:
                    return
                os.close(self._terminal)
                self._terminal = self._open()

    def _carry(self) -> None:
        out = [self._terminal] if self._waiting else []
        readable, writable, _ = select.select([self._terminal, self._wake], out, [])
        if self._wake in readable:
            os.read(self._wake, _PIECE)
        if writable:
            self._write()
        if self._terminal in readable:
            self._read()

    def _read(self) -> None:
        data = b""
        with suppress(BlockingIOError):
            data = os.read(self._terminal, _PIECE)
            if not data:
                raise EOFError
        if data:
            self._deliver(data)

    def _write(self) -> None:
        with self._lock, suppress(BlockingIOError):
            del self._waiting[: os.write(self._terminal, self._waiting)]
