"""A dock's published ledger (C2SP tiles) read at any place: entries, inclusion proofs, consistency proofs.

Everything that is read is proved on the way, from the checkpoint's root downwards: an unfinished tile is part of the
right edge, a whole one hashes to its place in the tile above it, an entry to its place in level 0. What was read is
kept for as long as this object lives, which is one round.
"""

from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

import msgspec

from dockagent.core import mistake, strict_json
from dockagent.core.proof import dsse, merkle, note
from dockagent.core.proof.tlog_proof import TlogProof
from dockagent.errors import Refused
from dockagent.ledger import tiles, tiles_read
from dockagent.ledger.tiles import HASH, WIDTH
from dockagent.ledger.tiles_read import Get

_ADMITS = ("admit", "quarantine")
_LEVEL = 8  # a tile holds so many levels of the tree
_KEPT = 4  # bundles: of each dock, until the round ends

_Form = TypeVar("_Form")
ClipId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]


class Kept(msgspec.Struct, frozen=True):
    """What a store proved to a dock: the ``key`` of the master, and the legal ``hold`` on it, or empty."""

    key: str
    hold: str = ""


class Delivered(msgspec.Struct, frozen=True):
    """What a record ``receipt`` says, as far as it matters here."""

    clip_id: ClipId
    receipt: Kept


class _Admitted(msgspec.Struct, frozen=True):
    record_sha256: str


class Published:
    """The ledger under the checkpoint ``signed`` (a note; who signed it is another question). Raises Refused and
    Missing, as :mod:`dockagent.ledger.tiles_read` does, where the tiles do not lead to it, here and later."""

    def __init__(self, get: Get, signed: bytes, published_ms: int = 0) -> None:
        """``published_ms``: when the checkpoint was stored (ms since 1970 UTC)."""
        self.published_ms = published_ms
        self.signed, self.note = signed, note.parse(signed)
        self.head = note.parse_checkpoint(self.note)
        self._get, self._edge = get, tiles_read.edge(get, self.head)
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._bundles: dict[int, list[bytes]] = {}

    def entries(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """The entries from number ``start`` up to ``end``, each with its number."""
        for bundle in range(start // WIDTH, -(-end // WIDTH)):
            for number, entry in enumerate(self._bundle(bundle), bundle * WIDTH):
                if start <= number < end:
                    yield number, entry

    def admits(self, record_sha256: str, start: int) -> tuple[int, bytes] | None:
        """Number and bytes of the entry, from ``start`` on, that admits a clip with the clip record of this digest."""
        wanted = record_sha256.encode()
        for number, entry in self.entries(start, self.head.size):
            payload = dsse.parse(entry).payload
            if wanted in payload:
                said = strict_json.parse(payload)
                if said_by(said, _ADMITS) and formed(said, _Admitted, number).record_sha256 == record_sha256:
                    return number, entry
        return None

    def proof(self, index: int) -> TlogProof:
        """That entry ``index`` is under the checkpoint (RFC 6962 section 2.1.1)."""
        path, low, high = list[bytes](), 0, self.head.size
        if not 0 <= index < high:
            raise Refused(f"entry {index} is not under the checkpoint over {high}")
        while high - low > 1:
            middle = low + _split(high - low)
            path.append(self._root(middle, high) if index < middle else self._root(low, middle))
            low, high = (low, middle) if index < middle else (middle, high)
        return TlogProof(index, tuple(reversed(path)), self.signed)

    def consistency(self, old: int) -> tuple[bytes, ...]:
        """That the tree goes on from its first ``old`` leaves (RFC 6962 section 2.1.2)."""
        if not 0 < old <= self.head.size:
            return ()
        return tuple(self._consistency(old, 0, self.head.size, whole=True))

    def _consistency(self, old: int, low: int, high: int, *, whole: bool) -> list[bytes]:
        if old == high - low:
            return [] if whole else [self._root(low, high)]
        middle = _split(high - low)
        if old <= middle:
            return [*self._consistency(old, low, low + middle, whole=whole), self._root(low + middle, high)]
        return [*self._consistency(old - middle, low + middle, high, whole=False), self._root(low, low + middle)]

    def _root(self, low: int, high: int) -> bytes:
        """The hash over the leaves from ``low`` up to ``high``, a range that a tree of RFC 6962 has a node for."""
        width = high - low
        if width & (width - 1):
            middle = low + _split(width)
            return merkle.node_hash(self._root(low, middle), self._root(middle, high))
        level, bits = divmod(width.bit_length() - 1, _LEVEL)
        first = low >> _LEVEL * level
        hashes = self._tile(level, first // WIDTH)
        at = first % WIDTH * HASH
        return tiles.above(hashes[at : at + (HASH << bits)])

    def _tile(self, level: int, index: int) -> bytes:
        if index == self.head.size >> _LEVEL * (level + 1):
            return self._edge.tiles[level]
        if (level, index) not in self._tiles:
            place = index % WIDTH * HASH
            expected = self._tile(level + 1, index // WIDTH)[place : place + HASH]
            self._tiles[level, index] = tiles_read.whole_tile(self._get, level, index, expected)
        return self._tiles[level, index]

    def _bundle(self, index: int) -> list[bytes]:
        if index not in self._bundles:
            if len(self._bundles) >= _KEPT:
                del self._bundles[next(iter(self._bundles))]
            self._bundles[index] = list(tiles_read.bundle(self._get, index, self._tile(0, index)))
        return self._bundles[index]


def said_by(record: Any, kinds: tuple[str, ...]) -> bool:
    """Whether the JSON of an entry is a record of one of these kinds."""
    return isinstance(record, dict) and record.get("type") in kinds


def formed(record: Any, form: type[_Form], number: int) -> _Form:
    """What record ``number`` says, once it was found to be of a kind. Raises Refused where it has not that kind's form:
    a dock that is trusted signs what it likes."""
    try:
        return msgspec.convert(record.get("what"), form)
    except msgspec.ValidationError as err:
        raise Refused(f"record {number} is malformed: {mistake.in_form(err)}") from err


def delivered(payload: bytes, number: int) -> Delivered | None:
    """What the payload of an entry says that a dock delivered; None where it says something else. Raises Refused."""
    record = strict_json.parse(payload)
    return formed(record, Delivered, number) if said_by(record, ("receipt",)) else None


def _split(size: int) -> int:
    """The largest power of two below ``size`` (RFC 6962 section 2.1)."""
    return 1 << (size - 1).bit_length() - 1
