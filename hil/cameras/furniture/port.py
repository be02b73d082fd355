"""Dock-side hardware on a serial line: a pseudo terminal that gives raw bytes instead of lines."""

from __future__ import annotations

import os
import select
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from hil.cameras.terminal import Line


class Port(Line):
    """As :class:`hil.cameras.terminal.Line`, but ``serve`` gets each byte string as it comes."""

    def __init__(self, serve: Callable[[bytes, Line], None]) -> None:
        super().__init__(serve)

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                readable, _, _ = select.select([self._master, self._wake], [], [])
                if self._master in readable:
                    self._serve(os.read(self._master, 4096), self)
        finally:
            self._close()


class OnALine(ABC):
    """A thing with one serial line, which answers while the line is open."""

    def __init__(self) -> None:
        self._line: Port | None = None
        self._came = b""

    def open(self) -> Path:
        """Begin to answer; the path of the terminal. Raises RuntimeError if it is open."""
        if self._line is not None and self._line.alive():
            raise RuntimeError(f"the line of this {type(self).__name__} is open already")
        self._came, self._line = b"", Port(self._serve)
        return self._line.path

    def hang_up(self) -> None:
        """Pull the cable. May be repeated."""
        if self._line is not None:
            self._line.hang_up()

    @abstractmethod
    def _serve(self, data: bytes, line: Line) -> None:
        """Take what came and answer it."""
