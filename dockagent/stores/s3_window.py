"""One part of a source as the seekable file that botocore wants: it goes out under the hash that was computed when its
bytes were first read, and is not hashed again.

The server compares that hash with what arrives. So bytes that changed at rest since are refused by the store; only then
are they read and hashed here, to say whose fault it was. Where nobody has stated the parts' hashes, everything is
read once before anything is sent (:func:`digests_of`), and a source whose bytes differ from its word sends nothing.
"""

import base64
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, cast

from botocore.exceptions import BotoCoreError

from dockagent.durable import Reader
from dockagent.errors import DockError
from dockagent.stores import Source
from dockagent.stores.intake import BUFFER, Tally, read_some, whole
from dockagent.stores.paced import not_sent


@dataclass(frozen=True, slots=True)
class Digests:
    """Of one part, in hex. ``md5`` only recognises a part that a server without SHA-256 already has."""

    sha256: str
    md5: str


class Window:
    """``size`` bytes of a source from ``start`` on; ``heard(n)`` is told n more bytes that go out.

    ``stated`` is the SHA-256 (hex) that these bytes are said to have. Windows over one reader are used one after the
    other. ``failure`` keeps what went wrong in reading, because botocore wraps it into an error of its own.
    """

    def __init__(
        self,
        reader: Reader,
        start: int,
        size: int,
        tally: Tally,
        heard: Callable[[int], None],
        *,
        stated: str,
    ) -> None:
        self.start = start
        self.size = size
        self.sha256 = stated
        self.failure: DockError | None = None
        self._reader = reader
        self._tally = tally
        self._heard = heard
        self._sending = False
        self._at = 0
        self._told = 0

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes (all that are left when negative), b"" at the end."""
        left = self.size - self._at
        want = left if size < 0 else min(size, left)
        if want == 0:
            return b""
        try:
            data = self._read(want)
        except DockError as err:
            self.failure = err
            raise
        self.failure = None
        self._at += len(data)
        if self._sending:
            self._tell(self._at)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """As io.IOBase.seek says; the window's start is 0. What is read next is not being sent, until it is said."""
        self._sending = False
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    @property
    def body(self) -> IO[bytes]:
        """This, as botocore's types call it: of a file it only uses read, seek and tell."""
        return cast("IO[bytes]", self)

    @contextmanager
    def own_failures(self) -> Iterator[None]:
        """While botocore sends this: where reading failed, say so instead of what botocore made of it."""
        try:
            yield
        except BotoCoreError as err:
            if self.failure is None:
                raise
            raise self.failure from err

    def hold_to_word(self) -> None:
        """Raises Permanent unless the bytes are what was stated: for when a store says that they are not."""
        self.digests()

    def digests(self) -> Digests:
        """Hashes of this part, read now. Raises Permanent unless they are as stated."""
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self.seek(0)
        with not_sent(self._reader):
            while data := self.read(BUFFER):
                sha256.update(data)
                md5.update(data)
        self.seek(0)
        if sha256.hexdigest() != self.sha256:
            where = f"bytes {self.start} to {self.start + self.size}"
            raise self._tally.lie(f"{where} hash to {sha256.hexdigest()}, not {self.sha256}")
        return Digests(sha256.hexdigest(), md5.hexdigest())

    def going_out(self) -> None:
        """From now on, what is read is sent."""
        self._sending = True

    def arrived(self) -> None:
        """The store has the part: whatever was not told yet is told now."""
        self._tell(self.size)

    def _read(self, want: int) -> bytes:
        at = self.start + self._at
        self._reader.seek(at)
        data = read_some(self._reader, want, self._tally.key)
        if not data:
            raise self._tally.lie(f"it ended after {at} bytes")
        return data

    def _tell(self, upto: int) -> None:
        if upto > self._told:
            self._heard(upto - self._told)
            self._told = upto


def digests_of(reader: Reader, source: Source, part_size: int, key: str) -> tuple[str, ...]:
    """SHA-256 (hex) of each part of ``part_size`` bytes: as the source states them, else read now. Raises Permanent
    where the source's length is not the stated one, and where it had to be read and is not what it was said to be."""
    if source.part_size == part_size and len(source.part_sha256) == -(-source.size // part_size):
        hold_to_length(reader, source, key)
        return source.part_sha256
    if source.size <= part_size:
        hold_to_length(reader, source, key)
        return (source.sha256,)
    tally, parts = Tally(source, key), [hashlib.sha256()]
    with not_sent(reader):
        for piece in whole(reader, tally):
            left = memoryview(piece)
            while left:
                if len(parts) * part_size == tally.seen - len(left):
                    parts.append(hashlib.sha256())
                room = len(parts) * part_size - (tally.seen - len(left))
                parts[-1].update(left[:room])
                left = left[room:]
    return tuple(one.hexdigest() for one in parts)


def hold_to_length(reader: Reader, source: Source, key: str) -> None:
    """Raises Permanent unless the source ends where it was said to end. Leaves the reader anywhere."""
    tally = Tally(source, key)
    reader.seek(max(0, source.size - 1))
    if len(read_some(reader, 1, key)) < min(1, source.size):
        raise tally.lie(f"it is shorter than the {source.size} bytes stated")
    reader.seek(source.size)
    if read_some(reader, 1, key):
        raise tally.lie(f"it is longer than the {source.size} bytes stated")


def base64_digest(sha256: str) -> str:
    """A hex digest the way S3 headers carry it."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def hex_digest(checksum: str) -> str:
    """A digest from an S3 header in hex."""
    return base64.b64decode(checksum).hex()


def composite(part_sha256: Sequence[str]) -> str:
    """S3's SHA-256 of an object made of parts: of the parts' digests, with their number (Amazon S3 User Guide,
    "Checking object integrity", composite checksums)."""
    joined = b"".join(bytes.fromhex(one) for one in part_sha256)
    return f"{base64_digest(hashlib.sha256(joined).hexdigest())}-{len(part_sha256)}"
