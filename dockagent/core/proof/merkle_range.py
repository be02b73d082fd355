"""Range proofs: that some leaf hashes are the leaves from ``first`` up to ``end`` of an RFC 6962 tree, one by one.

RFC 6962 section 2.1 splits a tree of n leaves at the largest power of two below n, and each half again. A subtree that
holds none of the range is stated by its root (a *sibling*); one that is cut by the range's border is split on. What is
left inside are whole subtrees (*peaks*), which anyone makes again from the leaves. So a proof is at most twice as many
hashes as the tree is high, however long the range; with one leaf it is RFC 6962's audit path, in another order.

Siblings and peaks are each listed from left to right. The peaks prove nothing more; they say *where* leaves differ.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dockagent.core.proof import merkle
from dockagent.errors import Refused

HASH = 32  # bytes


@dataclass(frozen=True, slots=True)
class RangeProof:
    """``siblings`` and ``peaks``: 32-byte hashes, from left to right."""

    siblings: tuple[bytes, ...]
    peaks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Peak:
    """A whole subtree of the range: the leaves from ``first`` up to ``end``."""

    first: int
    end: int


def peaks(size: int, first: int, end: int) -> tuple[Peak, ...]:
    """The whole subtrees that the range falls into. Raises Refused for a range that is empty or not in the tree."""
    _check_range(size, first, end)
    return tuple(Peak(low, high) for low, high, inside in _parts(size, first, end) if inside)


def prove(leaves: Sequence[bytes], first: int, end: int) -> RangeProof:
    """The proof for the leaf hashes from ``first`` up to ``end`` of all ``leaves``. Raises Refused as :func:`peaks`."""
    _check_range(len(leaves), first, end)
    parts = [(merkle.root(leaves[low:high]), inside) for low, high, inside in _parts(len(leaves), first, end)]
    return RangeProof(tuple(one for one, inside in parts if not inside), tuple(one for one, inside in parts if inside))


def verify(root: bytes, size: int, first: int, end: int, proof: RangeProof) -> None:
    """Check that the peaks are those of this range in the tree of ``size`` leaves under ``root``. Raises Refused."""
    _check_range(size, first, end)
    hashes = [*proof.siblings, *proof.peaks]
    if any(len(one) != HASH for one in hashes):
        raise Refused("range refuted: the proof holds something that is not a SHA-256 hash")
    siblings, tops = iter(proof.siblings), iter(proof.peaks)
    made = _fold(0, size, first, end, lambda inside: next(tops if inside else siblings, None))
    if made is None or next(siblings, None) is not None or next(tops, None) is not None:
        raise Refused(f"range refuted: the proof has not the hashes that leaves {first} to {end - 1} of {size} need")
    if made != root:
        raise Refused(f"range refuted: the proof does not lead from leaves {first} to {end - 1} to the root of {size}")


def differing(leaves: Sequence[bytes], size: int, first: int, proof: RangeProof) -> Iterator[Peak]:
    """The peaks of a proof that the leaf hashes ``leaves``, taken for those from ``first`` on, do not give. None of
    them for a proof that :func:`verify` accepted means that they are those leaves."""
    places = peaks(size, first, first + len(leaves))
    for place, peak in zip(places, proof.peaks, strict=True):
        if merkle.root(leaves[place.first - first : place.end - first]) != peak:
            yield place


def _parts(size: int, first: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """The subtrees from left to right: (first leaf, end, whether it is inside the range)."""
    waiting = [(0, size)]
    while waiting:
        low, high = waiting.pop()
        inside = first <= low and high <= end
        if inside or high <= first or end <= low:
            yield low, high, inside
        else:
            middle = low + _split(high - low)
            waiting += [(middle, high), (low, middle)]


def _fold(low: int, high: int, first: int, end: int, take: Callable[[bool], bytes | None]) -> bytes | None:
    """The hash over the leaves from ``low`` up to ``high``, whose parts ``take`` gives; None where it has no more. As
    deep as the tree is high: 63 at most."""
    inside = first <= low and high <= end
    if inside or high <= first or end <= low:
        return take(inside)
    middle = low + _split(high - low)
    left = _fold(low, middle, first, end, take)
    right = _fold(middle, high, first, end, take)
    return None if left is None or right is None else merkle.node_hash(left, right)


def _split(size: int) -> int:
    """The largest power of two below ``size`` (size > 1)."""
    return 1 << (size - 1).bit_length() - 1


def _check_range(size: int, first: int, end: int) -> None:
    if not 0 <= first < end <= size < 1 << 63:
        raise Refused(f"range refuted: there are no leaves {first} to {end - 1} in a tree of {size}")
