"""Sources for stores: honest ones, and ones that break their word in every way that we could think of."""

import hashlib
import io
import random
from collections.abc import Callable

from dockagent.errors import Gone
from dockagent.stores import Source

PART = 5 << 20  # the smallest part that S3 takes, so that large objects can be small


def some_bytes(size: int, seed: int = 0) -> bytes:
    """``size`` bytes, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def honest(data: bytes) -> Source:
    return stated(data, lambda: io.BytesIO(data))


def stated(data: bytes, opening: Callable[[], io.BytesIO]) -> Source:
    """A source said to be ``data``, whatever ``opening`` gives."""
    return Source(len(data), hashlib.sha256(data).hexdigest(), opening)


def parts_stated(data: bytes, opening: Callable[[], io.BytesIO] | None = None) -> Source:
    """A source whose parts were hashed when ``data`` was first read."""
    parts = tuple(hashlib.sha256(data[at : at + PART]).hexdigest() for at in range(0, len(data), PART))
    return Source(len(data), hashlib.sha256(data).hexdigest(), opening or (lambda: io.BytesIO(data)), parts, PART)


def short(data: bytes) -> Source:
    return stated(data, lambda: io.BytesIO(data[:-1]))


def longer(data: bytes) -> Source:
    return stated(data, lambda: io.BytesIO(data + b"!"))


def altered(data: bytes) -> Source:
    """The last byte is another."""
    return stated(data, lambda: io.BytesIO(data[:-1] + bytes([data[-1] ^ 1])))


def vanishing(data: bytes, after: int) -> Source:
    """The medium goes away for good once ``after`` bytes are passed."""
    return stated(data, lambda: _Failing(data, after, Gone("the spool's disk went away")))


def unreadable(data: bytes, after: int) -> Source:
    """The medium answers with an I/O error once ``after`` bytes are passed."""
    return stated(data, lambda: _Failing(data, after, OSError(5, "Input/output error")))


class _Failing(io.BytesIO):
    def __init__(self, data: bytes, after: int, failure: Exception) -> None:
        super().__init__(data)
        self._after = after
        self._failure = failure

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self._after:
            raise self._failure
        return super().read(size)
