"""A source as what Swift wants: whole, or as segments of one size, each under its MD5.

Swift compares a body with the MD5 in ``ETag`` and answers 422 when they differ (Object Storage API, "Create or replace
object"). MD5 finds damage, not forgery: what proves an object is reading it again.
"""

import hashlib
from collections.abc import Callable, Iterator

from dockagent.durable import Reader
from dockagent.stores import Source
from dockagent.stores.intake import BUFFER, Tally, read_some
from dockagent.stores.swift_client import Body


class Part:
    """``size`` bytes of a source from ``start`` on, seen by ``tally``; ``heard(n)`` is told n more bytes that go out.

    ``stated`` is the SHA-256 (hex) that these bytes are said to have, or empty. ``md5`` (hex) is known once ``hash``
    has read them. Parts over one reader are used one after the other.
    """

    def __init__(
        self, reader: Reader, start: int, size: int, tally: Tally, heard: Callable[[int], None], stated: str = ""
    ) -> None:
        self.start, self.size, self.md5 = start, size, ""
        self._reader, self._tally, self._heard, self._stated = reader, tally, heard, stated
        self._told = 0

    def hash(self) -> None:
        """Read the bytes once. Raises Permanent unless they are as stated, Retryable where they cannot be read."""
        md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256() if self._stated else None
        for piece in self._pieces():
            md5.update(piece)
            if sha256 is not None:
                sha256.update(piece)
        if sha256 is not None and sha256.hexdigest() != self._stated:
            end = self.start + self.size
            raise self._tally.lie(f"bytes {self.start} to {end} hash to {sha256.hexdigest()}, not {self._stated}")
        self.md5 = md5.hexdigest()

    @property
    def body(self) -> Body:
        """The bytes to be sent; who is told hears of each byte once, however often it is sent."""
        return Body(self.size, self._going_out)

    def arrived(self) -> None:
        """The store has them all: whatever was not told yet is told now."""
        self._tell(self.size)

    def _going_out(self) -> Iterator[bytes]:
        at = 0
        for piece in self._pieces():
            yield piece
            at += len(piece)
            self._tell(at)

    def _pieces(self) -> Iterator[bytes]:
        at, end = self.start, self.start + self.size
        self._reader.seek(at)
        while at < end:
            data = read_some(self._reader, min(BUFFER, end - at), self._tally.key)
            if not data:
                raise self._tally.lie(f"it ended after {at} bytes")
            self._tally.saw(at, data)
            at += len(data)
            yield data

    def _tell(self, upto: int) -> None:
        if upto > self._told:
            self._heard(upto - self._told)
            self._told = upto


def parts_of(
    reader: Reader, source: Source, part_size: int, tally: Tally, heard: Callable[[int], None], known_size: int
) -> list[Part]:
    """All parts of a source, in order. Stated digests are used where they are for parts of ``known_size``."""
    starts = range(0, source.size, part_size)
    known = source.part_sha256 if part_size == known_size and len(source.part_sha256) == len(starts) else ()
    return [
        Part(reader, start, min(part_size, source.size - start), tally, heard, known[at] if known else "")
        for at, start in enumerate(starts)
    ]
