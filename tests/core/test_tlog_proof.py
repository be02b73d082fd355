"""``tlog-proof@v1``: what is written is read again, and what is none is refused."""

import pytest

from dockagent.core.proof import merkle, tlog_proof
from dockagent.errors import Refused

LEAVES = [merkle.leaf_hash(b"%d" % number) for number in range(13)]
ROOT = merkle.root(LEAVES)


def checkpoint(root: bytes = ROOT, size: int = 13) -> bytes:
    import base64

    signature = base64.b64encode(bytes(68)).decode()
    return f"a.example/log\n{size}\n{base64.b64encode(root).decode()}\n\n— a.example/log {signature}\n".encode()


@pytest.mark.parametrize("index", range(13))
def test_each_entry_is_proved_by_itself_alone(index: int) -> None:
    proof = tlog_proof.parse(tlog_proof.of(LEAVES, index, checkpoint()).encode())
    assert proof.check(LEAVES[index]).size == 13
    for other in range(13):
        if other != index:
            with pytest.raises(Refused):
                proof.check(LEAVES[other])


@pytest.mark.parametrize("size", range(1, 40))
def test_many_proofs_at_once_are_the_same_as_one_by_one(size: int) -> None:
    leaves = [merkle.leaf_hash(b"%d" % number) for number in range(size)]
    head = checkpoint(merkle.root(leaves), size)
    prover = tlog_proof.Prover(leaves, head)
    assert [prover.proof(one) for one in range(size)] == [tlog_proof.of(leaves, one, head) for one in range(size)]
    for none in (-1, size):
        with pytest.raises(Refused):
            prover.proof(none)


def test_a_tree_of_one_has_an_empty_path() -> None:
    proof = tlog_proof.of(LEAVES[:1], 0, checkpoint(LEAVES[0], 1)).encode()
    assert proof.startswith(b"c2sp.org/tlog-proof@v1\nindex 0\n\na.example/log\n")
    assert tlog_proof.parse(proof).check(LEAVES[0]).size == 1


GOOD = tlog_proof.of(LEAVES, 5, checkpoint()).encode()


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        GOOD.replace(b"proof@v1", b"proof@v2"),
        GOOD.replace(b"index 5", b"index 05"),
        GOOD.replace(b"index 5", b"index -5"),
        GOOD.replace(b"\nindex 5", b"\nextra AAAA\nindex 5"),
        GOOD.replace(b"\n\na.example", b"\na.example", 1).replace(b"\n\n", b"\n"),
        GOOD.replace(b"=\n", b"==\n", 1),
        GOOD.replace(b"\nindex 5\n", b"\nindex 5\n" + b"AAAA\n"),
        GOOD.replace(b"\nindex 5\n", b"\nindex 5\n" + GOOD.split(b"\n")[2] * 1 + b"\xff\n"),
        GOOD + bytes(1 << 20),
    ],
)
def test_what_is_no_proof_is_refused(bad: bytes) -> None:
    with pytest.raises(Refused):
        tlog_proof.parse(bad)


def test_a_path_that_is_too_long_is_refused() -> None:
    lines = GOOD.split(b"\n\n", 1)
    with pytest.raises(Refused, match="more than 64"):
        tlog_proof.parse(lines[0] + (b"\n" + GOOD.split(b"\n")[2]) * 64 + b"\n\n" + lines[1])
