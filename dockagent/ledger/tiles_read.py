"""Reading a published ledger back: every entry, each proved to belong under the checkpoint before it is handed out.

It is read from the root downwards: the unfinished tiles of the right edge must lead to the checkpoint's root, each
whole tile to its hash in the tile above, each entry to its hash in level 0. So an altered folder is refused at the
first object that does not fit, and what was handed out before is proved. Whether the checkpoint itself is to be
believed is its caller's question.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from dockagent.core.proof import merkle, note
from dockagent.errors import Missing, Refused
from dockagent.ledger.entries import MAX_ENTRY
from dockagent.ledger.tiles import (
    HASH,
    LONGEST,
    WIDTH,
    Edge,
    above,
    bundle_path,
    large_path,
    tile_path,
    widths,
)

Get = Callable[[str, int], bytes | None]
"""``get(path, most)``: the bytes of an object below the prefix, or None where there is none. It may give up after
``most + 1`` bytes: longer than ``most`` is refused."""

_MOST_BUNDLE = WIDTH * (2 + LONGEST)


def in_folder(root: Path) -> Get:
    """Objects as files below ``root``, which is the folder that holds ``checkpoint``."""

    def get(path: str, most: int) -> bytes | None:
        where = root / path
        try:
            if not where.is_file():  # also no pipe, on which opening would wait for ever
                return None
            with where.open("rb") as file:
                return file.read(most + 1)
        except OSError as err:
            raise Missing(f"{where} cannot be read: {err.strerror or err}") from err

    return get


def entries(get: Get, head: note.Checkpoint) -> Iterator[bytes]:
    """The entries under ``head``, oldest first, one bundle in memory at a time.

    Raises Refused where an object is not what the checkpoint says, Missing where one is not there. A partial object may
    have been removed once the whole one was there; then the whole one's start is taken.
    """
    root = edge(get, head)
    for index, hashes in enumerate(_leaves(get, root)):
        yield from _bundle(get, index, hashes)


def edge(get: Get, head: note.Checkpoint) -> Edge:
    """The right edge of the published tree, proved to lead to ``head``; also what a next publication starts from.
    Raises as :func:`entries`."""
    found = Edge(
        head.size,
        tuple(
            _tile(get, level, head.size >> 8 * (level + 1), width) if width else b""
            for level, width in enumerate(widths(head.size))
        ),
    )
    if found.root() != head.root:
        raise Refused(f"the published tiles do not lead to the checkpoint's root over {head.size} records")
    return found


def whole_tile(get: Get, level: int, index: int, expected: bytes) -> bytes:
    """A whole tile, proved to hash to ``expected``, its place in the tile above. Raises as :func:`entries`."""
    hashes = _tile(get, level, index, WIDTH)
    if above(hashes) != expected:
        raise Refused(f"{tile_path(level, index)} was altered: it does not lead to the tile above it")
    return hashes


def bundle(get: Get, index: int, hashes: bytes) -> Iterator[bytes]:
    """The entries of one bundle, whose leaf hashes are ``hashes``. Raises as :func:`entries`."""
    yield from _bundle(get, index, hashes)


def _leaves(get: Get, root: Edge) -> Iterator[bytes]:
    """The tiles of level 0 in order, the last one maybe unfinished."""
    for level in reversed(range(1, len(root.tiles))):
        first = (root.size >> 8 * (level + 1)) * WIDTH
        for at, expected in enumerate(_cut(root.tiles[level])):
            yield from _below(get, level - 1, first + at, expected)
    if root.tiles and root.tiles[0]:
        yield root.tiles[0]


def _below(get: Get, level: int, index: int, expected: bytes) -> Iterator[bytes]:
    """The tiles of level 0 under one whole tile, which must hash to ``expected``."""
    hashes = whole_tile(get, level, index, expected)
    if level == 0:
        yield hashes
        return
    for at, one in enumerate(_cut(hashes)):
        yield from _below(get, level - 1, index * WIDTH + at, one)


def _tile(get: Get, level: int, index: int, width: int) -> bytes:
    path, most = tile_path(level, index, width), WIDTH * HASH
    held = get(path, most)
    if held is None and width < WIDTH:
        whole = get(tile_path(level, index), most)
        held = whole[: width * HASH] if whole is not None and len(whole) == most else None
    if held is None:
        raise Missing(f"{path} of the published ledger is not there", "bring the whole folder")
    if len(held) != width * HASH:
        raise Refused(f"{path} was altered: it is not {width} hashes long")
    return held


def _bundle(get: Get, index: int, hashes: bytes) -> Iterator[bytes]:
    """The entries of one bundle, each compared with its hash."""
    width = len(hashes) // HASH
    path, data = _find_bundle(get, index, width)
    at = 0
    for number, expected in enumerate(_cut(hashes), index * WIDTH):
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        at += 2 + length
        if at > len(data):
            raise Refused(f"{path} was altered: it ends before entry {number}")
        if not length:
            entry = _large(get, number)
        if merkle.leaf_hash(entry) != expected:
            raise Refused(f"{path} was altered: entry {number} is not the one in the tree")
        yield entry
    if at != len(data) and path in {bundle_path(index, width), bundle_path(index, width, large=True)}:
        raise Refused(f"{path} was altered: it goes on after its last entry")


def _find_bundle(get: Get, index: int, width: int) -> tuple[str, bytes]:
    """A bundle of at least ``width`` entries."""
    for wide in dict.fromkeys((width, WIDTH)):
        for large in (False, True):
            path = bundle_path(index, wide, large=large)
            data = get(path, _MOST_BUNDLE)
            if data is not None and len(data) > _MOST_BUNDLE:
                raise Refused(f"{path} was altered: it is longer than any bundle")
            if data is not None:
                return path, data
    raise Missing(f"{bundle_path(index, width)} of the published ledger is not there", "bring the whole folder")


def _large(get: Get, number: int) -> bytes:
    path = large_path(number)
    data = get(path, MAX_ENTRY)
    if data is None:
        raise Missing(f"{path} of the published ledger is not there", "bring the whole folder")
    if not LONGEST < len(data) <= MAX_ENTRY:
        raise Refused(f"{path} was altered: an entry of {len(data)} bytes does not belong there")
    return data


def _cut(hashes: bytes) -> Iterator[bytes]:
    return (hashes[at : at + HASH] for at in range(0, len(hashes), HASH))
