"""RFC 6962 Merkle trees over SHA-256: roots, a compact frontier to append to, and proofs (RFC 6962 section 2.1).

Leaves are handed in as leaf hashes (32 bytes each), so that a tree over gigabytes costs 32 bytes a leaf, and a
:class:`Frontier` costs 32 bytes for every doubling. Checks raise Refused and return nothing: there is no answer to
forget to look at.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dockagent.errors import Refused

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a tree without leaves (RFC 6962 section 2.1)."""


def leaf_hash(data: bytes | bytearray | memoryview) -> bytes:
    """Hash of one leaf's bytes. The prefix keeps a leaf from being passed off as a node."""
    digest = hashlib.sha256(b"\x00")
    digest.update(data)
    return digest.digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of the node above two 32-byte hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree of ``size`` leaves: all that is needed to go on appending and to tell the root.

    ``hashes``: the roots (32 bytes each) of the perfect subtrees that the leaves fall into, largest first: one for
    every bit that is set in ``size``.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> "Frontier":
        """The frontier after one more leaf hash."""
        node, kept, size = leaf, len(self.hashes), self.size
        while size & 1:
            kept -= 1
            node = node_hash(self.hashes[kept], node)
            size >>= 1
        return Frontier(self.size + 1, (*self.hashes[:kept], node))

    def root(self) -> bytes:
        """The Merkle tree hash of the leaves so far."""
        if not self.hashes:
            return EMPTY_ROOT
        node = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            node = node_hash(left, node)
        return node


def root(leaves: Iterable[bytes]) -> bytes:
    """The Merkle tree hash of leaf hashes in order."""
    edge = Frontier()
    for leaf in leaves:
        edge = edge.append(leaf)
    return edge.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """PATH(index, leaves), from the leaf upwards (RFC 6962 section 2.1.1). Raises Refused for a leaf that is not."""
    if not 0 <= index < len(leaves):
        raise Refused(f"no inclusion proof: leaf {index} is not in a tree of {len(leaves)}")
    path: list[bytes] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(root(leaves[middle:high]))
            high = middle
        else:
            path.append(root(leaves[low:middle]))
            low = middle
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root_hash: bytes) -> None:
    """Check that ``leaf`` (a leaf hash) is number ``index`` of the tree of ``size`` leaves under ``root_hash``.

    RFC 9162 section 2.1.3.2. Raises Refused where the proof does not show that.
    """
    if not 0 <= index < size:
        raise Refused(f"inclusion refuted: leaf {index} cannot be in a tree of {size}")
    _check_hashes("inclusion", proof)
    node, position, last = leaf, index, size - 1
    for sibling in proof:
        if last == 0:
            raise Refused("inclusion refuted: the proof is longer than the tree is high")
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            position, last = _climb_past_zeros(position, last)
        else:
            node = node_hash(node, sibling)
        position >>= 1
        last >>= 1
    if last != 0 or node != root_hash:
        raise Refused(f"inclusion refuted: the proof does not lead from leaf {index} to the root of {size} leaves")


def consistency_proof(leaves: Sequence[bytes], first: int) -> tuple[bytes, ...]:
    """PROOF(first, leaves): that the tree of the first ``first`` leaves is the start of this one
    (RFC 6962 section 2.1.2). Raises Refused unless 0 < first <= the number of leaves."""
    if not 0 < first <= len(leaves):
        raise Refused(f"no consistency proof: from {first} to {len(leaves)} leaves")
    path: list[bytes] = []
    low, high = 0, len(leaves)
    while first < high:
        middle = low + _split(high - low)
        if first <= middle:
            path.append(root(leaves[middle:high]))
            high = middle
        else:
            path.append(root(leaves[low:middle]))
            low = middle
    if low > 0:  # the old tree is not this very subtree, so its right edge must be told
        path.append(root(leaves[low:high]))
    return tuple(reversed(path))


def verify_consistency(first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of ``second`` leaves starts with the tree of ``first`` leaves.

    RFC 9162 section 2.1.4.2. Raises Refused where the proof does not show that; the empty tree has no proof.
    """
    if not 0 < first <= second:
        raise Refused(f"consistency refuted: no proof leads from {first} to {second} leaves")
    _check_hashes("consistency", proof)
    if first == second:
        if proof or first_root != second_root:
            raise Refused(f"consistency refuted: two different trees of {first} leaves")
        return
    path = list(proof)
    if first & (first - 1) == 0:  # a perfect old tree is a node of the new one, so the proof leaves it out
        path.insert(0, first_root)
    if not path or not _leads_to(first, first_root, second, second_root, path):
        raise Refused(f"consistency refuted: the tree of {second} leaves does not start with the tree of {first}")


def _leads_to(first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]) -> bool:
    position, last = first - 1, second - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            position, last = _climb_past_zeros(position, last)
        else:
            new = node_hash(new, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and old == first_root and new == second_root


def _climb_past_zeros(position: int, last: int) -> tuple[int, int]:
    """Skip the levels on which a node at the right edge has no sibling."""
    while position and not position & 1:
        position >>= 1
        last >>= 1
    return position, last


def _split(size: int) -> int:
    """The largest power of two below ``size`` (size > 1)."""
    return 1 << (size - 1).bit_length() - 1


def _check_hashes(what: str, proof: Sequence[bytes]) -> None:
    if any(len(one) != hashlib.sha256().digest_size for one in proof):
        raise Refused(f"{what} refuted: the proof holds something that is not a SHA-256 hash")
