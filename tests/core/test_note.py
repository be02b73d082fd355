"""Signed notes and checkpoints: the strict form, and the example of Go's own documentation."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dockagent.core.proof import merkle, note
from dockagent.errors import Refused

SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = note.VerifierKey("dockagent.local/dock-7", SIGNER.public_key().public_bytes_raw())
HEAD = note.Checkpoint("dockagent.local/dock-7", 13, merkle.leaf_hash(b"any"))
SIGNED = note.seal(HEAD.text(), KEY, SIGNER.sign)

# The published test key and note of golang.org/x/mod/sumdb/note (documentation of that package).
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_published_example_is_accepted() -> None:
    key = note.parse_vkey(PETER)
    assert key.text() == PETER
    note.check(note.parse(PETERS_NOTE.encode()), key)


def test_the_published_example_with_one_letter_changed_is_not() -> None:
    with pytest.raises(Refused, match="not valid"):
        note.check(note.parse(PETERS_NOTE.replace("answer", "Answer").encode()), note.parse_vkey(PETER))


def test_a_checkpoint_is_read_back_as_it_was_signed() -> None:
    parsed = note.parse(SIGNED.encode())
    note.check(parsed, note.parse_vkey(KEY.text()))
    assert note.parse_checkpoint(parsed) == HEAD


def test_foreign_signatures_are_left_alone() -> None:
    witness = Ed25519PrivateKey.from_private_bytes(bytes(32))
    key = note.VerifierKey("witness.example", witness.public_key().public_bytes_raw())
    line = note.seal(HEAD.text(), key, witness.sign).rpartition("\n\n")[2]
    other_type = "— elsewhere.example YWJjZGU=\n"
    parsed = note.parse((SIGNED + line + other_type).encode())
    assert [one.name for one in parsed.signatures] == [KEY.name, "witness.example", "elsewhere.example"]
    note.check(parsed, KEY)
    note.check(parsed, key)


def test_a_second_signature_in_our_name_must_be_good_too() -> None:
    line = note.seal("other\n", KEY, SIGNER.sign).rpartition("\n\n")[2]
    with pytest.raises(Refused, match="not valid"):
        note.check(note.parse((SIGNED + line).encode()), KEY)


def test_a_note_by_another_key_of_the_same_name_is_not_ours() -> None:
    other = note.VerifierKey(KEY.name, bytes(32))
    with pytest.raises(Refused, match="not signed by"):
        note.check(note.parse(SIGNED.encode()), other)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\n",
        SIGNED.encode()[:-1],
        SIGNED.encode() + b"\n",
        SIGNED.encode() + b"no signature line\n",
        SIGNED.replace("\n\n", "\n").encode(),
        SIGNED.replace("— ", "- ").encode(),
        SIGNED.replace("— dockagent", "— \tdockagent").encode(),
        SIGNED.replace("13", "1\x003").encode(),
        SIGNED.encode().replace(b"13", b"\xff\xfe"),
        SIGNED.replace("=\n", "\n").encode(),
        (SIGNED + "— short AAAA\n").encode(),
        (SIGNED + "— na+me AAAAAAAAAAA=\n").encode(),
        (SIGNED + "—  AAAAAAAAAAA=\n").encode(),
        (SIGNED + "— w AAAAAAAAAAA=\n" * 100).encode(),
        b"x" * (1 << 20) + SIGNED.encode(),
    ],
)
def test_what_is_not_a_note_is_refused(damaged: bytes) -> None:
    with pytest.raises(Refused, match="not a signed note"):
        note.parse(damaged)


@pytest.mark.parametrize(
    "text",
    [
        "origin\n13\n",
        "origin\n013\nAAAA\n",
        "origin\n-1\nAAAA\n",
        "origin\n+1\nAAAA\n",
        "origin\n1\u0663\nAAAA\n",
        "\n13\n" + HEAD.text().split("\n")[2] + "\n",
        "origin\n13\nAAAA\n",
        "origin\n13\n" + HEAD.text().split("\n")[2].rstrip("=") + "\n",
        HEAD.text() + "extension\n",
    ],
)
def test_what_is_not_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="not a checkpoint"):
        note.parse_checkpoint(note.Note(text, ()))


def test_base64_has_one_spelling() -> None:
    root = HEAD.text().split("\n")[2]
    lax = root[:-2] + chr(ord(root[-2]) + 1) + "="  # the same 32 bytes to a decoder that skips padding bits
    with pytest.raises(Refused, match="one plain form"):
        note.parse_checkpoint(note.Note(f"origin\n13\n{lax}\n", ()))


@pytest.mark.parametrize(
    ("vkey", "why"),
    [
        ("", "not a verifier key"),
        ("name", "not a verifier key"),
        (PETER.replace("c74f20a3", "c74f20a4"), "states the key hash"),
        (PETER.replace("Peter", "Pe ter"), "not a verifier key"),
        (PETER.replace("Peter", "Paul"), "states the key hash"),
        (PETER.replace("+ARpc", "+BBpc"), "not an Ed25519 key"),
        (PETER[:-4], "not an Ed25519 key"),
        (PETER.replace("c74f20a3", "C74F20A3"), "not a verifier key"),
        (PETER + "!", "bad base64"),
    ],
)
def test_what_is_not_a_verifier_key_is_refused(vkey: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        note.parse_vkey(vkey)


@pytest.mark.parametrize("text", ["no newline", "bell\x07\n"])
def test_no_bad_text_is_signed(text: str) -> None:
    with pytest.raises(Refused, match="cannot sign"):
        note.seal(text, KEY, SIGNER.sign)
