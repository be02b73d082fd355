"""One part of a source as the seekable file that boto3 wants: it hashes it, sends it, and perhaps sends it again."""

import base64
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, cast

from botocore.exceptions import BotoCoreError

from dockagent.durable import Reader
from dockagent.errors import DockError
from dockagent.stores import PART_SIZE, Source
from dockagent.stores.intake import BUFFER, Tally, read_some


@dataclass(frozen=True, slots=True)
class Digests:
    """Of one part, in hex. ``md5`` only recognises a part that a server without SHA-256 already has."""

    sha256: str
    md5: str


class Window:
    """``size`` bytes of a source from ``start`` on, seen by ``tally``; ``heard(n)`` is told n more bytes that go out.

    ``stated`` is the SHA-256 (hex) that these bytes are said to have, or empty where nobody has said. Windows over
    one reader are used one after the other. ``failure`` keeps what went wrong in reading, because boto3
    wraps it into an error of its own.
    """

    def __init__(
        self,
        reader: Reader,
        start: int,
        size: int,
        tally: Tally,
        heard: Callable[[int], None],
        *,
        stated: str = "",
    ) -> None:
        self.start = start
        self.size = size
        self.failure: DockError | None = None
        self._reader = reader
        self._tally = tally
        self._heard = heard
        self._stated = stated
        self._sending = False
        self._at = 0
        self._told = 0
        self._digests: Digests | None = None

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
        """This, as boto3's types call it: of a file it only uses read, seek and tell."""
        return cast("IO[bytes]", self)

    @contextmanager
    def own_failures(self) -> Iterator[None]:
        """While boto3 sends this: where reading failed, say so instead of what boto3 made of it."""
        try:
            yield
        except BotoCoreError as err:
            if self.failure is None:
                raise
            raise self.failure from err

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of this part: as stated, else read now."""
        return self._stated or self.digests().sha256

    def digests(self) -> Digests:
        """Hashes of this part, read now if they were not before. Raises Permanent unless they are as stated."""
        if self._digests is None:
            sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
            self.seek(0)
            while data := self.read(BUFFER):
                sha256.update(data)
                md5.update(data)
            self.seek(0)
            self._hold_to_word(sha256.hexdigest())
            self._digests = Digests(sha256.hexdigest(), md5.hexdigest())
        return self._digests

    def going_out(self, signed: str) -> None:
        """From now on, what is read is sent. Raises Permanent unless the hash that was signed is this part's."""
        self._hold_to_word(signed)
        self._sending = True

    def arrived(self) -> None:
        """The store has the part: whatever was not told yet is told now."""
        self._tell(self.size)

    def _hold_to_word(self, sha256: str) -> None:
        stated = self._stated or (self._digests.sha256 if self._digests else sha256)
        if sha256 != stated:
            raise self._tally.lie(f"bytes {self.start} to {self.start + self.size} hash to {sha256}, not {stated}")

    def _read(self, want: int) -> bytes:
        at = self.start + self._at
        self._reader.seek(at)
        data = read_some(self._reader, want, self._tally.key)
        if not data:
            raise self._tally.lie(f"it ended after {at} bytes")
        self._tally.saw(at, data)
        return data

    def _tell(self, upto: int) -> None:
        if upto > self._told:
            self._heard(upto - self._told)
            self._told = upto


def windows(reader: Reader, source: Source, part_size: int, tally: Tally, heard: Callable[[int], None]) -> list[Window]:
    """All parts of a source, in order. Their stated digests are used where they are for parts of this size."""
    starts = range(0, source.size, part_size)
    known = source.part_sha256 if part_size == PART_SIZE and len(source.part_sha256) == len(starts) else ()
    return [
        Window(reader, start, min(part_size, source.size - start), tally, heard, stated=known[at] if known else "")
        for at, start in enumerate(starts)
    ]


def base64_digest(sha256: str) -> str:
    """A hex digest the way S3 headers carry it."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def hex_digest(checksum: str) -> str:
    """A digest from an S3 header in hex."""
    return base64.b64decode(checksum).hex()


def composite(part_sha256: list[str]) -> str:
    """S3's SHA-256 of an object made of parts: of the parts' digests, with their number (Amazon S3 User Guide,
    "Checking object integrity", composite checksums)."""
    joined = b"".join(bytes.fromhex(one) for one in part_sha256)
    return f"{base64_digest(hashlib.sha256(joined).hexdigest())}-{len(part_sha256)}"
