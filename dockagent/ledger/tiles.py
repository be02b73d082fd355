"""A ledger as it is published: a tiled transparency log (c2sp.org/tlog-tiles), pure over bytes.

Under ``ledgers/<dock>/`` (:func:`prefix`) lie::

    checkpoint                     the signed note; the one object that is ever replaced
    tile/<L>/<N>[.p/<W>]           hashes of level L, 32 bytes each, 256 to a whole tile
    tile/entries/<N>[.p/<W>]       entries 256 N and on, each behind its length (uint16, big-endian)
    large/entries/<N>[.p/<W>]      the same, in place of the one above, where an entry is longer than 65,535 bytes:
                                   such an entry has the length 0 there, as no entry is empty
    large/<N>                      the bytes of the long entry number N, nothing else

``<N>`` is written in groups of three digits, all but the last with an ``x`` before: ``x001/x234/067``.

The last two are ours. The specification has no form for entries that long, and wants other forms under other
addresses. Level 0 speaks for every entry, so any client of the specification checks the whole tree; what it misses are
entries, at addresses that do not exist, and never an entry that does not fit its hash. Whoever has a long one checks it
with ``(printf '\\0'; cat FILE) | sha256sum`` against the tile.

Entries tell who was where, and a hash of a guessable entry tells it to whoever guesses. So this folder is published to
the force's own store, for those who may read the footage; to others go checkpoints, which tell a number and one hash.

Everything but ``checkpoint`` is written once: its bytes follow from its name and the ledger, so that repeating a
publication writes the same again. Reading it back is in ``ledger/tiles_read.py``.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from dockagent.core.proof import merkle, note
from dockagent.errors import Refused

WIDTH = 256
"""Hashes in a whole tile, entries in a whole bundle."""
HASH = 32  # bytes
LONGEST = (1 << 16) - 1
"""The longest entry in bytes that a bundle takes."""
CHECKPOINT = "checkpoint"
_MOST_LEVELS = 8  # 2^64 leaves

Read = Callable[[int, int], Iterable[bytes]]
"""``read(start, end)``: the ledger's entries (envelopes without their newlines) from ``start`` up to ``end``."""


@dataclass(frozen=True, slots=True)
class Object:
    """One thing to write: its path below the prefix, and its bytes. ``final``: it never changes again, so that other
    bytes under its name are an alarm; only the checkpoint is not."""

    path: str
    data: bytes
    final: bool = True


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a tree of ``size`` leaves: what is needed to go on with its tiles, at most 8 KiB a level.

    ``tiles``: for each level from 0 upwards the hashes of the tile that is not yet whole (0 to 255 hashes).
    """

    size: int = 0
    tiles: tuple[bytes, ...] = ()

    def past(self, leaves: Iterable[bytes]) -> "Edge":
        """The edge after more leaf hashes."""
        growing = _Growing(self)
        for leaf in leaves:
            growing.add(leaf)
        return growing.edge()

    def floor(self) -> "Edge":
        """The edge at the last whole bundle: where a publication starts."""
        return Edge(self.size - self.size % WIDTH, (b"", *self.tiles[1:]) if self.tiles else ())

    def root(self) -> bytes:
        """The Merkle root (32 bytes) over all leaves."""
        return merkle.Frontier(self.size, tuple(_subtrees(self))).root()

    def encode(self) -> bytes:
        """For a cache: deleting it costs one reading of the ledger. :func:`decode` reads it."""
        return b"dockagent edge v1 %d\n" % self.size + b"".join(self.tiles)


def decode(data: bytes) -> Edge:
    """An edge as :meth:`Edge.encode` wrote it. Raises Refused where it is not one. Whether it is this ledger's edge is
    found out by :func:`prepare`, before anything is written."""
    words, _, hashes = data.partition(b"\n")
    number = words.removeprefix(b"dockagent edge v1 ")
    if not number.isdigit() or len(number) > 19:
        raise Refused("not the edge of a ledger's tiles")
    size, tiles = int(number), []
    for width in widths(size):
        tiles.append(hashes[: width * HASH])
        hashes = hashes[width * HASH :]
    edge = Edge(size, tuple(tiles))
    if hashes or len(b"".join(tiles)) != sum(widths(size)) * HASH or edge.encode() != data:
        raise Refused("not the edge of a ledger's tiles: its length is not that of its size")
    return edge


@dataclass(frozen=True, slots=True)
class Publication:
    """What to write so that the published ledger ends at ``edge.size``. Keep ``edge`` for the next one."""

    edge: Edge
    _start: Edge
    _read: Read
    _signed: bytes

    def objects(self) -> Iterator[Object]:
        """The objects in the order in which they must be written, each before the next: whoever reads a checkpoint
        finds all that it speaks of. At most one bundle and one long entry are in memory."""
        growing, bundle = _Growing(self._start), _Bundle(self._start.size)
        for entry in self._read(self._start.size, self.edge.size) if self.edge.size > self._start.size else ():
            yield from bundle.add(entry)
            whole = growing.add(merkle.leaf_hash(entry))
            if whole:
                yield bundle.object()
                yield from whole
                bundle = _Bundle(growing.size)
        if bundle.entries:
            yield bundle.object()
        if growing.edge() != self.edge:
            raise Refused("the ledger gave other entries when it was read again")
        for level, hashes in enumerate(self.edge.tiles):
            if hashes:
                yield Object(tile_path(level, self.edge.size >> 8 * (level + 1), len(hashes) // HASH), hashes)
        yield Object(CHECKPOINT, self._signed, final=False)


def prepare(published: Edge, read: Read, signed: bytes) -> Publication:
    """Publish a ledger up to its checkpoint ``signed`` (a note; whose it is, its caller knows).

    ``published``: the edge of an earlier publication, or of any older size; ``Edge()`` publishes everything anew. The
    entries behind its last whole bundle are read twice, here and for writing: nothing is written, and no name taken
    for good, before they are known to lead to the checkpoint's root. Raises Refused where they do not.
    """
    head = note.parse_checkpoint(note.parse(signed))
    start = published.floor()
    if published.size > head.size:
        raise Refused(f"{published.size} records are published already; this checkpoint is over {head.size}")
    entries = read(start.size, head.size) if head.size > start.size else ()
    edge = start.past(merkle.leaf_hash(entry) for entry in entries)
    if edge.size != head.size or edge.root() != head.root:
        raise Refused(f"the ledger's entries up to {edge.size} do not lead to its checkpoint over {head.size}")
    return Publication(edge, start, read, signed)


def prefix(dock: str) -> str:
    """Where in a store the ledger of a dock lies, with a slash at the end."""
    return f"ledgers/{dock}/"


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """Where the tile of this level, index and width (1 to 256 hashes) lies."""
    return f"tile/{level}/{_number(index)}{_partial(width)}"


def bundle_path(index: int, width: int = WIDTH, *, large: bool = False) -> str:
    """Where a bundle of ``width`` entries lies; ``large``: one with holes for entries that are too long."""
    return f"{'large' if large else 'tile'}/entries/{_number(index)}{_partial(width)}"


def large_path(index: int) -> str:
    """Where the entry number ``index`` lies if it is longer than :data:`LONGEST`."""
    return f"large/{_number(index)}"


def widths(size: int) -> tuple[int, ...]:
    """For each level of a tree of ``size`` leaves, how many hashes its unfinished tile has (0 to 255)."""
    found = []
    while size:
        found.append(size % WIDTH)
        size //= WIDTH
    return tuple(found)


def above(hashes: bytes) -> bytes:
    """The root of a whole tile's hashes: its one hash in the level above."""
    return merkle.root(hashes[at : at + HASH] for at in range(0, len(hashes), HASH))


class _Growing:
    """An edge while leaves come."""

    def __init__(self, edge: Edge) -> None:
        self.size = edge.size
        self._tiles = [bytearray(hashes) for hashes in edge.tiles]

    def add(self, leaf: bytes) -> list[Object]:
        """Take one leaf hash; the tiles that it made whole, the lowest first."""
        whole: list[Object] = []
        self.size += 1
        carried = leaf
        for level in range(_MOST_LEVELS):
            if level == len(self._tiles):
                self._tiles.append(bytearray())
            tile = self._tiles[level]
            tile += carried
            if len(tile) < WIDTH * HASH:
                break
            done = Object(tile_path(level, (self.size >> 8 * (level + 1)) - 1), bytes(tile))
            carried = above(done.data)
            whole.append(done)
            tile.clear()
        return whole

    def edge(self) -> Edge:
        return Edge(self.size, tuple(map(bytes, self._tiles)))


class _Bundle:
    """Entries on their way into one object."""

    def __init__(self, start: int) -> None:
        self.entries = 0
        self._start, self._large = start, False
        self._data = bytearray()

    def add(self, entry: bytes) -> Iterator[Object]:
        """Take an entry; an object of its own, to be written first, where it is too long."""
        if not entry:
            raise Refused("a ledger's entry is never empty")
        number, self.entries = self._start + self.entries, self.entries + 1
        if len(entry) > LONGEST:
            self._large = True
            self._data += bytes(2)
            yield Object(large_path(number), entry)
        else:
            self._data += len(entry).to_bytes(2, "big") + entry

    def object(self) -> Object:
        return Object(bundle_path(self._start // WIDTH, self.entries, large=self._large), bytes(self._data))


def _subtrees(edge: Edge) -> Iterator[bytes]:
    """The roots of the perfect subtrees that the leaves fall into, largest first."""
    for hashes in reversed(edge.tiles):
        at, width = 0, len(hashes) // HASH
        for bit in reversed(range(8)):
            if width >> bit & 1:
                yield above(hashes[at : at + (HASH << bit)])
                at += HASH << bit


def _number(index: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups))


def _partial(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"
