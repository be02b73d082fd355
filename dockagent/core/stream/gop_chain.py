"""How signed messages cover pictures: hashes of slices, one hash over each group of pictures, groups linked in a chain.

Both formats (see :mod:`signed_sei`) hash the same way. ``H`` is the message's hash algorithm:

* the first slice of a picture that begins a group: ``anchor = H(slice)``;
* every other slice of the group: ``H(anchor ‖ H(slice))``;
* the group, or the part of it that a message speaks of: ``H`` over these hashes, joined;
* the link: the first hash of the part before, so that parts cannot be taken out or exchanged.

A message comes after what it speaks of, perhaps groups later. It is matched by content: what it speaks of is where its
hash fits. Where it fits nowhere, its list of hashes, if it has one, tells which slices are not the signed ones.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from dockagent.core.stream.nal_units import Codec, Kind, Unit
from dockagent.core.stream.signed_sei import Document, format_of
from dockagent.errors import Refused

MOST_SLICES = 2_000_000  # of one video: half a day of 30 pictures a second
_MOST_TRIES = 64  # places at which one message is tried
MOST_COMPARED = 200_000_000  # slices at all of these together: a day of altered pictures at 30 a second has 170 million


@dataclass(slots=True)
class Slices:
    """The hashes of a video's slices, ``width`` bytes each, joined. ``starts``: numbers of those that begin a group.
    ``pictures``: the picture of each. ``seen``: how many there were before each message, in order. ``vouched``: the
    slice number at which a message without a signature was hashed itself, by the message's number."""

    width: int
    digests: bytearray = field(default_factory=bytearray)
    starts: list[int] = field(default_factory=list)
    pictures: list[int] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    vouched: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pictures)

    def hash(self, at: int) -> bytes:
        """That of one slice."""
        return bytes(self.digests[at * self.width : (at + 1) * self.width])

    def group(self, at: int) -> int:
        """In which group a slice is, counted from 1; 0 before the first one begins."""
        return bisect_right(self.starts, at)

    def next_start(self, at: int) -> int:
        """Where the next group after slice ``at`` begins, or the end."""
        found = bisect_right(self.starts, at)
        return self.starts[found] if found < len(self.starts) else len(self)


def hash_slices(
    units: Iterator[Unit], codec: Codec, documents: Sequence[Document | None], name: str, *, left_out: bool
) -> Slices:
    """Hash a video with the algorithm ``name``. ``documents``: its messages of one format, in order, None for those
    that cannot be read. ``left_out``: hash also the kinds that the published signers leave out. Raises Refused for more
    slices than MOST_SLICES."""
    make: Callable[[bytes], bytes] = lambda data: hashlib.new(name, data).digest()  # noqa: E731
    found = Slices(hashlib.new(name).digest_size)
    anchor, number = bytes(found.width), 0
    wanted = {one.format for one in documents if one is not None}
    for unit in units:
        if unit.kind is Kind.SEI:
            if format_of(unit.data, codec) not in wanted:
                continue
            found.seen.append(len(found))
            document = documents[number] if number < len(documents) else None
            if document is not None and document.signature is None:
                found.vouched[number] = len(found)
                found.digests += make(document.whole)
                found.pictures.append(unit.picture)
            number += 1
            continue
        if unit.kind is Kind.OTHER or (unit.kind is Kind.LEFT_OUT and not left_out):
            continue
        digest = make(unit.data.rstrip(b"\0"))  # writers of files pad units with zeros; the signers stop before them
        if unit.kind is Kind.START:
            found.starts.append(len(found))
            anchor = digest
        else:
            digest = make(anchor + digest)
        found.digests += digest
        found.pictures.append(unit.picture)
        if len(found) > MOST_SLICES:
            raise Refused(f"it has more than {MOST_SLICES} slices")
    return found


@dataclass(frozen=True, slots=True)
class Part:
    """What one message speaks of. ``document``: its number. ``first``, ``end``: the slices. ``same``: every one is the
    signed one, none missing. Otherwise how many were ``altered``, ``missing``, ``added``, or are in another order
    (``moved``); ``listed``: whether the message tells that apart. ``fits``: numbers of slices that are as signed."""

    document: int
    first: int
    end: int
    same: bool = True
    altered: int = 0
    missing: int = 0
    added: int = 0
    moved: int = 0
    listed: bool = True
    fits: frozenset[int] = frozenset()


@dataclass(slots=True)
class Matched:
    """``parts`` in the order of their messages. ``before``: numbers of messages that speak of what came before the
    file's first slice. ``again``: messages that only repeat an earlier one."""

    parts: list[Part] = field(default_factory=list)
    before: list[int] = field(default_factory=list)
    again: list[int] = field(default_factory=list)


def match(slices: Slices, documents: Sequence[Document | None], name: str, *, most: int = MOST_COMPARED) -> Matched:
    """Find what each message speaks of. Raises Refused where more than ``most`` slices would have to be compared."""
    found, known, at = Matched(), set[bytes](), 0
    work = _Work(most)
    index = _Index(slices)
    for number, document in enumerate(documents):
        if document is None or document.once or document.counter < 0:
            continue
        if (own := hashlib.sha256(document.body).digest()) in known:
            found.again.append(number)
            continue
        known.add(own)
        limit = min(slices.seen[number], len(slices)) if number < len(slices.seen) else len(slices)
        part = _exact(slices, document, number, range(at, limit), name, work)
        if part is None and not found.parts and _is_before(document, index):
            found.before.append(number)
            continue
        part = part or _compare(slices, document, number, at, limit, index)
        found.parts.append(part)
        at = max(at, part.end)
    return found


class _Index:
    """Where a hash is first. Made only when something does not fit."""

    def __init__(self, slices: Slices) -> None:
        self._slices = slices

    @cached_property
    def _places(self) -> dict[bytes, int]:
        return {self._slices.hash(one): one for one in range(len(self._slices) - 1, -1, -1)}

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._places

    def get(self, digest: bytes, otherwise: int) -> int:
        return self._places.get(digest, otherwise)


def _count(document: Document, width: int) -> int:
    return len(document.hashes) // width or document.count


class _Work:
    """Counts what is compared, so that messages which fit nowhere do not keep anybody for hours."""

    def __init__(self, most: int) -> None:
        self._left = most

    def more(self, slices: int) -> None:
        self._left -= slices
        if self._left < 0:
            raise Refused("too many of its messages that sign fit nowhere: to look for them all would take hours")


def _exact(slices: Slices, document: Document, number: int, where: range, name: str, work: _Work) -> Part | None:
    """Where in ``where`` the message's list of hashes, or its hash over the group, fits: at its beginning, or where a
    next group starts."""
    count, width = _count(document, slices.width), slices.width
    after = bisect_right(slices.starts, where.start)
    for first in (where.start, *slices.starts[after : after + _MOST_TRIES]):
        end = first + count
        if end > where.stop:
            return None
        work.more(count)
        there = slices.digests[first * width : end * width]
        fits = (
            hashlib.new(name, there).digest() == document.gop_hash if not document.hashes else there == document.hashes
        )
        if fits:
            return Part(number, first, end)
    return None


def _is_before(document: Document, index: _Index) -> bool:
    """Whether nothing in the file is what a first message speaks of: the file was cut out of a longer recording, and a
    message may come groups later. Where the group is here after all, but altered from its first slice on, the link of
    the next message tells."""
    return not any(one in index for one in _listed(document, len(document.gop_hash)))


def _listed(document: Document, width: int) -> list[bytes]:
    return [document.hashes[at : at + width] for at in range(0, len(document.hashes) - width + 1, width)]


def _compare(slices: Slices, document: Document, number: int, at: int, limit: int, index: "_Index") -> Part:
    """Slice by slice against the message's list; without one, nothing in the group can be told."""
    if not document.hashes:
        bound = slices.next_start(at) if not document.partial else at + document.count
        end = max(at, min(bound, limit))
        return Part(number, at, end, same=False, altered=end - at, listed=False)
    listed = _listed(document, slices.width)
    first = index.get(listed[0], at)
    moved = not at <= first < limit
    if moved:
        first = at if listed[0] not in index else first
        limit = len(slices)
    place = {one: where for where, one in enumerate(listed)}
    end = _end(slices, place, first, len(listed), limit, partial=document.partial)
    return _tally(slices, number, first, end, place, moved=moved)


def _end(slices: Slices, place: dict[bytes, int], first: int, count: int, limit: int, *, partial: bool) -> int:
    """Behind which slice a part ends that is not wholly as it was signed. A whole group ends where the next begins."""
    bound = min(slices.next_start(first), limit)
    if not partial:
        return bound
    last, seen = first - 1, -1
    for one in range(first, min(bound, first + 2 * count)):
        where = place.get(slices.hash(one), -1)
        if where > seen:
            last, seen = one, where
    return min(bound, last + count - seen)


def _tally(slices: Slices, number: int, first: int, end: int, place: dict[bytes, int], *, moved: bool) -> Part:
    fits, seen, out_of_order = set[int](), -1, 0
    for one in range(first, end):
        where = place.get(slices.hash(one), -1)
        if where > seen:
            fits.add(one)
            seen = where
        elif where >= 0:
            out_of_order += 1
    strange = end - first - len(fits) - out_of_order
    absent = len(place) - len(fits) - out_of_order
    altered = min(strange, max(absent, 0))
    return Part(
        number,
        first,
        end,
        same=False,
        altered=altered,
        missing=max(absent - altered, 0),
        added=strange - altered,
        moved=out_of_order + (len(fits) if moved else 0),
        fits=frozenset(fits),
    )
