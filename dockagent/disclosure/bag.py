"""Writing a bag (RFC 8493, BagIt 1.0): every byte is read once, and hashed twice while it is written.

Nothing here gives the bag its name: it is made under another one, and whoever makes it publishes the whole folder.
"""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, Self

from dockagent.core.disclosure import bagit
from dockagent.durable import RealDisk
from dockagent.ledger.entries import Readable

PAYLOAD = "data/"
_PIECE = 4 << 20  # bytes; long enough that two threads are worth it


@dataclass(frozen=True, slots=True)
class Written:
    """One file of the bag: its bytes and digests (hex)."""

    size: int
    sha256: str
    sha512: str


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@dataclass(slots=True)
class BagWriter:
    """A bag in the making in ``disk``, an empty folder. Use as a context manager; it ends the hashing threads."""

    disk: RealDisk
    files: dict[str, Written] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, "hash"))

    def add(self, name: str, data: bytes) -> Written:
        """A file of these bytes, durable when this returns. ``name``: below ``data/`` for payload, else a tag file."""
        return self._write(name, iter([data]))

    def copy(self, name: str, source: Readable) -> Written:
        """A copy of what ``source`` gives. Raises OSError where it cannot be read, DiskFull where there is no room."""
        return self._write(name, iter(lambda: source.read(_PIECE), b""))

    @property
    def payload(self) -> tuple[int, int]:
        """Bytes and files of the payload so far (RFC 8493 section 2.2.2, ``Payload-Oxum``)."""
        sizes = [one.size for name, one in self.files.items() if name.startswith(PAYLOAD)]
        return sum(sizes), len(sizes)

    def close(self, info: Iterable[tuple[str, str]]) -> str:
        """Write manifests, declaration, ``bag-info.txt`` with these fields and ``Payload-Oxum``, and tag manifests;
        the SHA-256 (hex) of ``tagmanifest-sha256.txt``, which speaks for all."""
        for algorithm in bagit.ALGORITHMS:
            self.add(f"manifest-{algorithm}.txt", bagit.manifest(self._digests(algorithm, payload=True)))
        self.add("bagit.txt", bagit.DECLARATION)
        size, count = self.payload
        self.add("bag-info.txt", bagit.info([*info, ("Payload-Oxum", f"{size}.{count}")]))
        tags = {one: bagit.manifest(self._digests(one, payload=False)) for one in bagit.ALGORITHMS}
        return {one: self.add(f"tagmanifest-{one}.txt", text) for one, text in tags.items()}["sha256"].sha256

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def _digests(self, algorithm: str, *, payload: bool) -> dict[str, str]:
        return {
            name: getattr(one, algorithm) for name, one in self.files.items() if name.startswith(PAYLOAD) is payload
        }

    def _write(self, name: str, pieces: Iterator[bytes]) -> Written:
        if name in self.files:
            raise ValueError(f"the bag has {name} already")
        hashes: list[_Hash] = [hashlib.sha256(), hashlib.sha512()]
        size = 0
        with self.disk.append(bagit.safe(name, "the bag"), scratch=True, forget=True) as sink:
            for piece in pieces:
                hashing = [self._pool.submit(one.update, piece) for one in hashes]
                sink.write(piece)
                size += len(piece)
                for one in hashing:
                    one.result()
            sink.sync()
        written = Written(size, *(one.hexdigest() for one in hashes))
        self.files[name] = written
        return written
