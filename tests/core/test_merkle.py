"""The tree against transparency-dev's proof cases, the RFC's own definition, and whatever hypothesis finds."""

import base64
import hashlib
import json
import tarfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockagent.core.proof import merkle
from dockagent.errors import Refused
from tests.corpus import corpus

LEAVES = [merkle.leaf_hash(b"%d" % number) for number in range(70)]


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + by_definition(leaves[:split]) + by_definition(leaves[split:])).digest()


def cases(kind: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    with tarfile.open(corpus("vectors", "merkle-dev.tar.gz")) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            if file and f"/{kind}/" in f"/{member.name}" and member.name.endswith(".json"):
                found.append((member.name, json.loads(file.read())))
    return found


def hashes(raw: list[str] | None) -> list[bytes]:
    return [base64.b64decode(one) for one in raw or []]


def refuses(check: Any, *args: Any) -> bool:
    try:
        check(*args)
    except Refused:
        return True
    return False


def test_inclusion_cases_of_transparency_dev() -> None:
    found = cases("inclusion")
    assert len(found) == 49
    for name, case in found:
        leaf, root = hashes([case["leafHash"], case["root"]])
        args = (leaf, case["leafIdx"], case["treeSize"], hashes(case["proof"]), root)
        assert refuses(merkle.verify_inclusion, *args) == case["wantErr"], name


def test_consistency_cases_of_transparency_dev() -> None:
    found = cases("consistency")
    assert len(found) == 43
    for name, case in found:
        first, second = hashes([case["root1"], case["root2"]])
        args = (case["size1"], first, case["size2"], second, hashes(case["proof"]))
        assert refuses(merkle.verify_consistency, *args) == case["wantErr"], name


def test_roots_are_those_of_the_definition() -> None:
    edge = merkle.Frontier()
    for size in range(len(LEAVES)):
        assert edge.size == size
        assert len(edge.hashes) == size.bit_count()
        assert edge.root() == by_definition(LEAVES[:size]) == merkle.root(LEAVES[:size])
        edge = edge.append(LEAVES[size])


def test_a_leaf_is_not_a_node() -> None:
    left, right = LEAVES[:2]
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)


@given(st.data())
def test_every_leaf_is_proved_and_no_other(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(LEAVES)))
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1))
    root, proof = merkle.root(LEAVES[:size]), merkle.inclusion_proof(LEAVES[:size], index)
    merkle.verify_inclusion(LEAVES[index], index, size, proof, root)
    if other != index:
        assert refuses(merkle.verify_inclusion, LEAVES[other], index, size, proof, root)
        assert refuses(merkle.verify_inclusion, LEAVES[index], other, size, proof, root)


@given(st.data())
def test_growth_is_proved_and_a_fork_is_not(data: st.DataObject) -> None:
    second = data.draw(st.integers(1, len(LEAVES)))
    first = data.draw(st.integers(1, second))
    changed = data.draw(st.integers(0, first - 1))
    old, new = merkle.root(LEAVES[:first]), merkle.root(LEAVES[:second])
    proof = merkle.consistency_proof(LEAVES[:second], first)
    merkle.verify_consistency(first, old, second, new, proof)
    fork = [*LEAVES[:changed], merkle.leaf_hash(b"rewritten"), *LEAVES[changed + 1 : second]]
    forked = merkle.consistency_proof(fork, first)
    assert refuses(merkle.verify_consistency, first, old, second, merkle.root(fork), forked)
    assert refuses(merkle.verify_consistency, first, old, second, merkle.root(fork), proof)


@given(st.data())
def test_no_altered_proof_passes(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, len(LEAVES)))
    index = data.draw(st.integers(0, size - 1))
    proof = list(merkle.inclusion_proof(LEAVES[:size], index))
    place = data.draw(st.integers(0, len(proof) - 1))
    flipped = bytearray(proof[place])
    flipped[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
    args = (LEAVES[index], index, size)
    root = merkle.root(LEAVES[:size])
    assert refuses(merkle.verify_inclusion, *args, [*proof[:place], bytes(flipped), *proof[place + 1 :]], root)
    assert refuses(merkle.verify_inclusion, *args, proof[:place] + proof[place + 1 :], root)
    assert refuses(merkle.verify_inclusion, *args, [*proof, proof[place]], root)


@pytest.mark.parametrize("index", [-1, 5])
def test_no_proof_for_what_is_not_there(index: int) -> None:
    with pytest.raises(Refused, match="not in a tree of 5"):
        merkle.inclusion_proof(LEAVES[:5], index)


@pytest.mark.parametrize("first", [0, 6])
def test_no_consistency_proof_from_nothing_or_the_future(first: int) -> None:
    with pytest.raises(Refused, match="no consistency proof"):
        merkle.consistency_proof(LEAVES[:5], first)
