"""Reading an object back from storage, every byte, in constant memory."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from dockagent.core.model import CHUNK
from dockagent.core.proof import merkle
from dockagent.errors import Refused
from dockagent.stores.archive import Archive, Facts, Reading


@dataclass(frozen=True, slots=True)
class Read:
    """What storage gave: ``size`` bytes with this ``sha256`` (hex); ``chunk_root``: RFC 6962 root (hex) over pieces of
    1 MiB, or empty where nobody asked for it; ``facts``: what the store stated with them."""

    size: int
    sha256: str
    chunk_root: str
    facts: Facts


def reread(archive: Archive, key: str, beat: Callable[[], None], *, chunks: bool) -> Read:
    """Read the object under ``key`` to its end; ``beat`` is called for each MiB. Raises Missing where it is not there,
    Retryable where the store does not answer to the end, Refused where it gives another number of bytes than it
    states."""
    whole, edge, size = hashlib.sha256(), merkle.Frontier(), 0
    with archive.open(key) as source:
        for piece in _pieces(source):
            beat()
            whole.update(piece)
            size += len(piece)
            if chunks:
                edge = edge.append(merkle.leaf_hash(piece))
        facts = source.facts
    if size != facts.size:
        raise Refused(f"{key}: the store states {facts.size} bytes and gave {size}")
    return Read(size, whole.hexdigest(), edge.root().hex() if chunks else "", facts)


def small(archive: Archive, key: str, most: int, *, first: bool = False) -> bytes:
    """A small object's bytes. Raises as :func:`reread`, and Refused for more than ``most`` bytes."""
    return stored(archive, key, most, first=first)[0]


def stored(archive: Archive, key: str, most: int, *, first: bool = False) -> tuple[bytes, Facts]:
    """The same, with what the store states about it."""
    with archive.open(key, first=first) as source:
        if source.facts.size > most:
            raise Refused(f"{key} has {source.facts.size} bytes, more than the {most} that such an object may have")
        return b"".join(_pieces(source)), source.facts


def _pieces(source: Reading) -> "_Pieces":
    return _Pieces(source)


class _Pieces:
    """Pieces of exactly :data:`CHUNK` bytes, the last one shorter."""

    def __init__(self, source: Reading) -> None:
        self._source = source

    def __iter__(self) -> "_Pieces":
        return self

    def __next__(self) -> bytes:
        first = self._source.read(CHUNK)
        if len(first) in (0, CHUNK):
            if not first:
                raise StopIteration
            return first
        pending = bytearray(first)
        while len(pending) < CHUNK and (more := self._source.read(CHUNK - len(pending))):
            pending += more
        return bytes(pending)
