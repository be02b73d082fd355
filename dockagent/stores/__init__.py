"""Where footage goes. One contract for every store; ``tests/contracts/test_store.py`` holds all of them to it.

A store is a flat set of objects named by keys (``clips/…/master``). An object is written once and whole, or not at
all: a reader never sees half of one. One kind of object is replaced, also whole: the newest checkpoint of a ledger.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dockagent.durable import Reader
from dockagent.errors import Permanent, Retryable

PART_SIZE = 64 << 20  # bytes of one part of a large object; fixed, so that anyone recomputes the composite digest

MOST_REPLACED = 1 << 20  # bytes; a note is no longer


class Conflict(Permanent):
    """The key holds other bytes already. Somebody else wrote there: an alarm, never an overwrite."""


class Unseen(Retryable):
    """The ``key`` is taken, and this credential may not look at what lies there. It may be ours. The way to the store
    is in order: only this object waits, for a custodian's receipt or for the right to look."""

    def __init__(self, key: str, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.key = key


class Unasked(str):
    """A line of :meth:`Store.check` that names no fault: this credential may not ask, and it says what can tell."""


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes to be stored: ``size`` bytes whose SHA-256 is ``sha256`` (hex).

    ``open`` gives a new reader positioned at the start each time; ``part_sha256`` are the digests (hex) of the
    consecutive parts of ``part_size`` bytes, computed when the bytes were first read, or empty where nobody did. Who
    states both vouches that they are of the same bytes: a store may let its server compare the parts, and not hash.
    ``hold``: somebody ordered to keep it, so a store that has legal holds sets one.
    """

    size: int
    sha256: str
    open: Callable[[], Reader]
    part_sha256: tuple[str, ...] = ()
    part_size: int = PART_SIZE
    hold: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store says about an object that it holds.

    ``proof`` says in a word how the store showed that it holds these bytes. From ``put`` it is ``re-read`` (every
    byte was read back, from the medium or over the network, and hashed) or ``checksum`` (the store accepted every
    byte under a signed SHA-256, or states that SHA-256 itself). From ``stat`` it may also be ``metadata`` (``sha256``
    is what the writer noted beside the object; nobody checked it) or ``size`` (nothing else is known; ``sha256`` is
    empty): these two prove nothing. ``version`` and ``etag`` are the store's own marks, or empty. ``hold``: where a
    legal hold was asked for, ``kept`` (seen on the object), ``lost`` (it is not on it), ``refused`` (this credential
    may not set one) or ``unseen`` (the store took it without a word, and this credential may not look). ``checksum``:
    the SHA-256 that the store states, in its own form; ``part_size``: bytes of the parts it went in, 0 for one piece.
    """

    key: str
    size: int
    sha256: str
    proof: str
    version: str = ""
    etag: str = ""
    hold: str = ""
    checksum: str = ""
    part_size: int = 0


class Store(Protocol):
    """One place for footage.

    ``put`` is safe to repeat. It returns once the store has proved that it holds exactly the source's bytes, also
    when they were there before (same bytes, same key: success). Raises :class:`Conflict` when the key holds other
    bytes, :class:`dockagent.errors.Retryable` when another try may succeed (away, busy, full, refused credentials
    that someone may mend), :class:`dockagent.errors.Permanent` when this object will never be taken.
    A source whose bytes differ from its stated digest is never stored: Permanent.
    """

    url: str

    def put(self, key: str, source: Source, progress: Callable[[int], None] | None = None) -> Stored:
        """Store ``source`` under ``key``; ``progress(n)`` is told each n more bytes that went out or were
        there already; after a success they add up to the size, and what was sent twice is told once."""
        ...

    def replace(self, key: str, data: bytes) -> Stored:
        """Have ``key`` hold ``data`` (at most :data:`MOST_REPLACED` bytes), whatever it held. Only for
        ``ledgers/<dock>/checkpoint``: every other key is refused (Permanent), so that no mistake can overwrite what is
        written once. A reader finds the old object or the new one, whole. Errors and proof as for ``put``."""
        ...

    def stat(self, key: str) -> Stored | None:
        """What the store holds under ``key``, without reading it all, or None. Retryable when it cannot be asked."""
        ...

    def check(self) -> Sequence[str]:
        """What is wrong with this store, each as one line with what to do about it; empty when it can be used. Where
        this credential may not ask, a line is :class:`Unasked`, and the store may be in order."""
        ...
