"""One pseudo terminal whose other end a dock opens as a serial port."""

from __future__ import annotations

import os
import select
import threading
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hil.cameras.wire import Lines

PATIENCE = 1.0
"""Seconds to wait for a dock to read before what it does not read is lost."""


class Line:
    """A pseudo terminal and the thread that owns its file descriptors; gives each line that comes to `serve`."""

    def __init__(self, serve: Callable[[bytes, Line], None]) -> None:
        self._serve = serve
        self._master, self._slave = os.openpty()
        # The slave stays open here: without it the master reads EIO while no dock has the line open.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = Path(os.ttyname(self._slave))
        self._wake, self._waker = os.pipe()
        self._over = threading.Event()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"console {self.path}", daemon=True)
        self._thread.start()

    def alive(self) -> bool:
        """Whether it is answered."""
        return self._thread.is_alive() and not self._over.is_set()

    def hang_up(self) -> None:
        """Close the line and wait until it is closed. Its own thread closes it when it comes back from `serve`."""
        self._over.set()
        with self._closing:
            # Once closed, the number of the descriptor may belong to somebody else.
            if not self._closed:
                os.write(self._waker, b"!")
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def send(self, data: bytes, byte_delay: float = 0.0) -> None:
        """Send what a dock takes, byte by byte if there is a delay. The rest is lost, as on any serial line."""
        step = 1 if byte_delay else len(data)
        while data and not self._over.wait(byte_delay):
            _, writable, _ = select.select([self._wake], [self._master], [], PATIENCE)
            if not writable:
                return
            with suppress(BlockingIOError):
                data = data[os.write(self._master, data[:step]) :]

    def _run(self) -> None:
        lines = Lines()
        try:
            while not self._over.is_set():
                readable, _, _ = select.select([self._master, self._wake], [], [])
                if self._master in readable:
                    self._take(lines.feed(os.read(self._master, 4096)))
        finally:
            self._close()

    def _take(self, lines: list[bytes]) -> None:
        for line in lines:
            if not self._over.is_set():
                self._serve(line, self)

    def _close(self) -> None:
        with self._closing:
            self._closed = True
            for descriptor in (self._master, self._slave, self._wake, self._waker):
                os.close(descriptor)
