"""Reading what is to be stored: every byte of a source is counted and hashed once, in order, before anyone is told
that it is stored."""

import hashlib
from collections.abc import Iterator

from dockagent.durable import Reader
from dockagent.errors import Permanent, Retryable
from dockagent.stores import Source

BUFFER = 1 << 20  # bytes; larger buffers fall out of the processor's cache


class Tally:
    """Holds a source to its word. Feed it each byte, in order, as often as it happens to be read."""

    def __init__(self, source: Source, key: str) -> None:
        self._source = source
        self.key = key
        self._hash = hashlib.sha256()
        self.seen = 0

    def saw(self, offset: int, data: bytes) -> None:
        """``data`` was read at ``offset``. What was seen before is passed over. Raises Permanent for too many bytes."""
        new = memoryview(data)[max(0, self.seen - offset) :]
        self._hash.update(new)
        self.seen += len(new)
        if self.seen > self._source.size:
            raise self.lie(f"it is longer than the {self._source.size} bytes stated")

    def finish(self, reader: Reader) -> None:
        """Raises Permanent unless all that was seen is exactly what was stated, and nothing comes after it."""
        reader.seek(self.seen)
        self.saw(self.seen, read_some(reader, 1, self.key))
        if self.seen != self._source.size:
            raise self.lie(f"it ended after {self.seen} of {self._source.size} bytes")
        if self._hash.hexdigest() != self._source.sha256:
            raise self.lie(f"its bytes hash to {self._hash.hexdigest()}, not {self._source.sha256}")

    def lie(self, why: str) -> Permanent:
        """The error for a source that is not what it was said to be."""
        return Permanent(f"refusing to store {self.key}: {why}", "the spool's copy changed; pull the clip again")


def read_some(reader: Reader, size: int, key: str) -> bytes:
    """1..size bytes of a source, or b"" at its end. Raises Retryable where its medium fails."""
    try:
        return reader.read(size)
    except OSError as err:
        raise cannot_read(key, err) from err


def open_source(source: Source, key: str) -> Reader:
    """A reader at the source's start. Raises Retryable where it cannot be opened."""
    try:
        return source.open()
    except OSError as err:
        raise cannot_read(key, err) from err


def whole(reader: Reader, tally: Tally) -> Iterator[bytes]:
    """Every byte of a source in pieces of at most :data:`BUFFER`; ends only where the source kept its word."""
    while data := read_some(reader, BUFFER, tally.key):
        tally.saw(tally.seen, data)
        yield data
    tally.finish(reader)


def cannot_read(key: str, err: OSError) -> Retryable:
    """The error for a source whose medium fails."""
    return Retryable(f"cannot read what is to be stored as {key}: {err.strerror or err}", "check the spool's disk")
