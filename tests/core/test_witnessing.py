"""The witness protocol, pure: every answer that c2sp.org/tlog-witness demands."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dockagent.core.proof import merkle, note, witnessing
from dockagent.core.proof.witnessing import Head, Refusal, Request, Submitted
from dockagent.errors import Refused

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
KEY = note.VerifierKey("log.example/a", PRIVATE.public_key().public_bytes_raw())
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes([8]) * 32)
LOGS = {KEY.name: (KEY,)}
LEAVES = [merkle.leaf_hash(b"%d" % number) for number in range(40)]
FORK = [*LEAVES[:3], merkle.leaf_hash(b"another"), *LEAVES[4:]]


def root(size: int, leaves: list[bytes] = LEAVES) -> bytes:
    return merkle.root(leaves[:size])


def checkpoint(
    size: int, leaves: list[bytes] = LEAVES, origin: str = KEY.name, by: Ed25519PrivateKey = PRIVATE
) -> bytes:
    key = note.VerifierKey(origin, by.public_key().public_bytes_raw())
    return note.seal(note.Checkpoint(origin, size, root(size, leaves)).text(), key, by.sign).encode()


def request(old: int, size: int, leaves: list[bytes] = LEAVES) -> Request:
    proof = merkle.consistency_proof(leaves[:size], old) if 0 < old < size else ()
    return Request(old, proof, checkpoint(size, leaves))


def answer(data: bytes, known: int = 0, leaves: list[bytes] = LEAVES) -> Refusal | None:
    asked = witnessing.submitted(data, LOGS)
    if isinstance(asked, Refusal):
        return asked
    return witnessing.judge(asked, Head(known, root(known, leaves)))


def status(data: bytes, known: int = 0, leaves: list[bytes] = LEAVES) -> int:
    found = answer(data, known, leaves)
    return found.status if found else 200


def test_a_request_is_read_as_it_was_written() -> None:
    asked = request(5, 33)
    assert witnessing.parse(asked.encode()) == asked
    assert asked.encode().startswith(b"old 5\n")
    assert witnessing.parse(request(0, 8).encode()).proof == ()


def test_a_log_that_is_taken_away_while_it_asks_is_unknown() -> None:
    """A custodian forgets the logs that its trust files name no more, perhaps while its witness looks one up."""

    class Forgetting(dict[str, tuple[note.VerifierKey, ...]]):
        def __contains__(self, origin: object) -> bool:
            return True

    asked = witnessing.submitted(request(0, 8).encode(), Forgetting())
    assert isinstance(asked, Refusal)
    assert asked.status == 404


@pytest.mark.parametrize("size", range(1, 40))
def test_every_step_forward_is_cosigned(size: int) -> None:
    for old in range(size + 1):
        assert status(request(old, size).encode(), old) == 200


def test_a_stale_or_future_size_is_answered_with_the_known_one() -> None:
    for old in (0, 4, 6):
        found = answer(request(old, 9).encode(), 5)
        assert found is not None
        assert (found.status, found.known) == (409, 5)


@pytest.mark.parametrize("size", [5, 9, 40])
def test_a_fork_is_never_cosigned(size: int) -> None:
    asked = request(5, size, FORK)
    assert status(asked.encode(), 5) == (409 if size == 5 else 422)
    assert status(asked.encode(), 5, FORK) == 200  # the control: to a witness that has seen only the fork it is good


def test_nothing_goes_backwards() -> None:
    assert status(request(9, 5).encode(), 9) == 400
    assert status(request(5, 5).encode(), 9) == 409


@pytest.mark.parametrize("change", ["drop", "swap", "flip", "more"])
def test_a_wrong_proof_is_422(change: str) -> None:
    proof = list(request(5, 33).proof)
    if change == "drop":
        proof.pop()
    elif change == "swap":
        proof[0], proof[1] = proof[1], proof[0]
    elif change == "flip":
        proof[0] = bytes([proof[0][0] ^ 1]) + proof[0][1:]
    else:
        proof.append(bytes(32))
    assert status(Request(5, tuple(proof), checkpoint(33)).encode(), 5) == 422


def test_a_proof_where_none_belongs_is_422() -> None:
    assert status(Request(0, (bytes(32),), checkpoint(3)).encode(), 0) == 422
    assert status(Request(3, (bytes(32),), checkpoint(3)).encode(), 3) == 422


def test_unknown_logs_and_keys() -> None:
    assert status(Request(0, (), checkpoint(3, origin="log.example/b")).encode()) == 404
    assert status(Request(0, (), checkpoint(3, by=STRANGER)).encode()) == 403


def test_more_signatures_and_extension_lines_are_taken_as_they_are() -> None:
    whole = checkpoint(3) + "— w.example/1 AAAAAAAAAAAA\n".encode()
    assert status(Request(0, (), whole).encode()) == 200
    text = note.Checkpoint(KEY.name, 3, root(3)).text() + "an extension\n"
    assert status(Request(0, (), note.seal(text, KEY, PRIVATE.sign).encode()).encode()) == 200


GOOD = request(5, 9).encode()


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"old 5\n",
        GOOD.replace(b"old 5", b"old 05"),
        GOOD.replace(b"old 5", b"old -5"),
        GOOD.replace(b"old 5", b"Old 5"),
        GOOD.replace(b"old 5\n", b"old 5 \n"),
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"\n\n", b"\n", 1),
        b"old 5\n" + base64.b64encode(bytes(31)) + b"\n\n" + checkpoint(9),
        b"old 5\n" + base64.b64encode(bytes(32)) * 2 + b"\n\n" + checkpoint(9),
        Request(5, (bytes(32),) * 64, checkpoint(9)).encode(),
        Request(5, (), b"x" * witnessing.MOST_REQUEST).encode(),
        b"old 5\n\n" + checkpoint(9).replace(b"\n9\n", b"\n09\n"),
        b"old 5\n\n" + checkpoint(9)[:-1],
        b"old 5\n\xff\n\n" + checkpoint(9),
    ],
)
def test_what_is_no_request_is_400(bad: bytes) -> None:
    assert status(bad, 5) == 400


def test_the_size_in_a_409() -> None:
    assert witnessing.parse_size(b"20852014\n") == 20852014
    for bad in (b"", b"5", b"05\n", b"-5\n", b"5\n5\n", b"5\n\n", "٥\n".encode()):
        with pytest.raises(Refused, match="without the size"):
            witnessing.parse_size(bad)


def test_an_empty_log_has_one_root_only() -> None:
    empty = note.seal(note.Checkpoint(KEY.name, 0, bytes(32)).text(), KEY, PRIVATE.sign).encode()
    assert status(Request(0, (), empty).encode()) == 409
    assert isinstance(witnessing.submitted(Request(0, (), checkpoint(0)).encode(), LOGS), Submitted)
    assert status(Request(0, (), checkpoint(0)).encode()) == 200
