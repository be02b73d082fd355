"""The parts of a large file as the store will take them, hashed while the file is read: so that nobody hashes it again
to send it, and so that its first parts can go out while the rest is still being read.
"""

import hashlib
from dataclasses import dataclass

import msgspec


class Parts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """SHA-256 (hex) of a file's consecutive parts of ``bytes`` bytes, the last one shorter. None for a file that is one
    part only: its own digest says it all."""

    bytes: int = 0
    sha256: tuple[str, ...] = ()


NO_PARTS = Parts()


@dataclass(slots=True)
class Early:
    """What went to the store of a file before it was all read: for which clip, by its camera's word, and under which
    key. ``over``: the session in which no more is sent this way; ``astray``: the file turned out to be another clip."""

    session: str
    expected: str
    key: str
    over: str = ""
    astray: bool = False


class PartDigests:
    """Hashes the chunks of one file into parts of ``size`` bytes, a whole number of chunks. Chunks come in order.

    One thread calls :meth:`first`, before it hands the chunk on to the one that calls :meth:`saw`.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.ended: list[str] = []
        self._seen = 0
        self._first = ""
        self._hash = hashlib.sha256()

    def first(self, read: int, whole: "hashlib._Hash") -> None:
        """``whole`` has hashed the first ``read`` bytes: after the first part, that is the part's digest."""
        if read == self.size:
            self._first = whole.hexdigest()

    def saw(self, chunk: bytes) -> bool:
        """The next chunk. True where a part ended with it."""
        self._seen += len(chunk)
        if self._seen > self.size:
            self._hash.update(chunk)
        if self._seen % self.size:
            return False
        self._end()
        return True

    def finish(self) -> Parts:
        """No more chunks come. The digests of all parts."""
        if self._seen <= self.size:
            return NO_PARTS
        if self._seen % self.size:
            self._end()
        return Parts(self.size, tuple(self.ended))

    def _end(self) -> None:
        self.ended.append(self._hash.hexdigest() if self.ended else self._first)
        self._hash = hashlib.sha256()
