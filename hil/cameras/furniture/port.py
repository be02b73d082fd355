"""A pseudo terminal that gives raw bytes instead of lines."""

from __future__ import annotations

import os
import select
from collections.abc import Callable

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
