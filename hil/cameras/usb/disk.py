"""The sectors of a card: an image file, and a note of everything that was read and written."""

from __future__ import annotations

import os
from pathlib import Path

SECTOR = 512


class Disk:
    """An image, opened read-only unless ``writable``. ``reads`` and ``writes`` list (first sector, sectors) in the
    order of the commands; a write that was refused is listed too. Raises OSError where the image cannot be opened."""

    def __init__(self, image: Path, *, writable: bool = False) -> None:
        self.image, self.writable = image, writable
        self._file = os.open(image, os.O_CLOEXEC | (os.O_RDWR if writable else os.O_RDONLY))
        self.sectors = os.fstat(self._file).st_size // SECTOR
        self.reads: list[tuple[int, int]] = []
        self.writes: list[tuple[int, int]] = []

    def read(self, first: int, count: int) -> bytes:
        """``count`` sectors; zeros where the image has ended."""
        return os.pread(self._file, count * SECTOR, first * SECTOR).ljust(count * SECTOR, b"\0")

    def write(self, first: int, data: bytes) -> None:
        """Raises OSError, as for an image that is not writable."""
        os.pwrite(self._file, data, first * SECTOR)

    def close(self) -> None:
        """Let the image go. May be repeated."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
