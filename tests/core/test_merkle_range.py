"""Range proofs: every range of every small tree is proved, and nothing else is."""

import hashlib
from random import Random

import pytest

from dockagent.core.proof import merkle
from dockagent.core.proof.merkle_range import Peak, RangeProof, differing, peaks, prove, verify
from dockagent.errors import Refused


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(b"leaf %d" % number) for number in range(count)]


def brute(hashes: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return hashlib.sha256(b"\x01" + brute(hashes[:split]) + brute(hashes[split:])).digest()


@pytest.mark.parametrize("size", [*range(1, 34), 63, 64, 65])
def test_every_range_is_proved_by_few_hashes(size: int) -> None:
    tree = leaves(size)
    root = brute(tree)
    for first in range(size):
        for end in range(first + 1, size + 1):
            proof = prove(tree, first, end)
            verify(root, size, first, end, proof)
            assert list(differing(tree[first:end], size, first, proof)) == []
            assert len(proof.siblings) <= 2 * size.bit_length()
            assert len(proof.peaks) <= 2 * size.bit_length()


def test_a_range_of_one_leaf_is_an_audit_path() -> None:
    tree = leaves(21)
    for index in range(21):
        proof = prove(tree, index, index + 1)
        assert sorted(proof.siblings) == sorted(merkle.inclusion_proof(tree, index))
        assert proof.peaks == (tree[index],)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 13, 20])
def test_no_other_range_size_or_root_is_proved(size: int) -> None:
    tree, root = leaves(size), merkle.root(leaves(size))
    ranges = [(first, end) for first in range(size) for end in range(first + 1, size + 1)]
    for first, end in ranges:
        proof = prove(tree, first, end)
        for other in ranges:
            if other != (first, end):
                with pytest.raises(Refused, match="range refuted"):
                    verify(root, size, *other, proof)
        with pytest.raises(Refused, match="range refuted"):
            verify(merkle.root(leaves(size + 1)), size, first, end, proof)


def test_each_hash_of_a_proof_counts() -> None:
    tree, first, end = leaves(50), 11, 38
    proof, root = prove(tree, first, end), merkle.root(tree)
    for name in ("siblings", "peaks"):
        hashes: tuple[bytes, ...] = getattr(proof, name)
        for at, one in enumerate(hashes):
            for other in (
                (*hashes[:at], bytes([one[0] ^ 1]) + one[1:], *hashes[at + 1 :]),
                (*hashes[:at], *hashes[at + 1 :]),
                (*hashes[:at], one, *hashes[at:]),
                (*hashes[:at], one[:-1], *hashes[at + 1 :]),
            ):
                given = {"siblings": proof.siblings, "peaks": proof.peaks, name: other}
                with pytest.raises(Refused, match="range refuted"):
                    verify(root, 50, first, end, RangeProof(**given))


def test_it_says_which_leaves_differ() -> None:
    tree, first, end = leaves(1000), 300, 700
    proof = prove(tree, first, end)
    random = Random(7)
    for _ in range(20):
        at = random.randrange(first, end)
        altered = [*tree[first:at], merkle.leaf_hash(b"another"), *tree[at + 1 : end]]
        (found,) = differing(altered, 1000, first, proof)
        assert found in peaks(1000, first, end)
        assert found.first <= at < found.end


def test_the_peaks_are_the_range() -> None:
    found = peaks(13, 3, 11)
    assert found == (Peak(3, 4), Peak(4, 8), Peak(8, 10), Peak(10, 11))


@pytest.mark.parametrize(("first", "end"), [(0, 0), (3, 2), (-1, 2), (0, 6), (5, 6)])
def test_a_range_that_is_not_there_is_refused(first: int, end: int) -> None:
    with pytest.raises(Refused, match="there are no leaves"):
        prove(leaves(5), first, end)
    with pytest.raises(Refused, match="there are no leaves"):
        verify(bytes(32), 5, first, end, RangeProof((), ()))
