"""Cosignatures: the document's own example, ours, and what is refused."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dockagent.core.proof import cosignature, note
from dockagent.errors import Refused

LOG, ONE, TWO = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3))
LOG_KEY = note.VerifierKey("log.example", LOG.public_key().public_bytes_raw())
KEY = cosignature.witness_key("one.example/w", ONE.public_key().public_bytes_raw())
OTHER = cosignature.witness_key("two.example/w", TWO.public_key().public_bytes_raw())
TEXT = note.Checkpoint("log.example", 3, bytes(32)).text()
SEALED = note.seal(TEXT, LOG_KEY, LOG.sign)
AT = 1_795_000_000


def cosigned(seconds: int = AT) -> note.Note:
    return note.parse((SEALED + cosignature.cosign(TEXT, seconds, KEY, ONE.sign)).encode())


def test_the_message_is_that_of_the_document() -> None:
    assert cosignature.message(TEXT, 1679315147) == b"cosignature/v1\ntime 1679315147\n" + TEXT.encode()


def test_a_witness_key_is_not_a_logs_key() -> None:
    assert cosignature.parse_vkey(KEY.text()) == KEY
    assert KEY.key_hash != note.VerifierKey(KEY.name, KEY.public).key_hash
    with pytest.raises(Refused, match="type 0x04"):
        cosignature.parse_vkey(LOG_KEY.text())
    with pytest.raises(Refused, match="type 0x01"):
        note.parse_vkey(KEY.text())


def test_a_cosigned_checkpoint_bears_both_words() -> None:
    signed = cosigned()
    note.check(signed, LOG_KEY)
    assert cosignature.check(signed, KEY) == cosignature.Cosignature(KEY, AT)
    assert cosignature.good(signed, [OTHER, KEY]) == ((cosignature.Cosignature(KEY, AT),), ())


def test_signatures_by_unknown_keys_change_nothing() -> None:
    signed = note.parse(
        (SEALED + "— strange.example AAAAAAAA\n" + cosignature.cosign(TEXT, AT, KEY, ONE.sign)).encode()
    )
    assert cosignature.check(signed, KEY).seconds == AT
    with pytest.raises(Refused, match="not cosigned by 'two"):
        cosignature.check(signed, OTHER)


def test_the_newest_of_several_counts_and_one_key_counts_once() -> None:
    both = SEALED + cosignature.cosign(TEXT, AT, KEY, ONE.sign) + cosignature.cosign(TEXT, AT + 9, KEY, ONE.sign)
    assert cosignature.check(note.parse(both.encode()), KEY).seconds == AT + 9
    renamed = cosignature.witness_key("another.example", KEY.public)
    lines = both + cosignature.cosign(TEXT, AT, renamed, ONE.sign)
    assert len(cosignature.good(note.parse(lines.encode()), [KEY, renamed])[0]) == 1


def _line(seconds: bytes, signature: bytes) -> note.Note:
    line = note.signature_line(note.NoteSignature(KEY.name, KEY.key_hash, seconds + signature))
    return note.parse((SEALED + line).encode())


@pytest.mark.parametrize(
    "bad",
    [
        _line(AT.to_bytes(8), ONE.sign(TEXT.encode())),  # signed as a log would
        _line(AT.to_bytes(8), ONE.sign(cosignature.message(TEXT, AT + 1))),  # another time
        _line(AT.to_bytes(8), TWO.sign(cosignature.message(TEXT, AT))),  # another key under this name
        _line(AT.to_bytes(8), ONE.sign(cosignature.message(TEXT, AT))[:-1]),
        _line((1 << 63).to_bytes(8), ONE.sign(cosignature.message(TEXT, 1 << 63))),
        _line((1 << 62).to_bytes(8), ONE.sign(cosignature.message(TEXT, 1 << 62))),
    ],
)
def test_a_bad_line_in_a_known_name_is_refused(bad: note.Note) -> None:
    with pytest.raises(Refused, match=r"cosignature by 'one\.example/w'"):
        cosignature.check(bad, KEY)
    good, wrong = cosignature.good(bad, [KEY])
    assert (good, len(wrong)) == ((), 1)


def test_a_cosignature_does_not_fit_another_checkpoint() -> None:
    moved = note.Note(note.Checkpoint("log.example", 4, bytes(32)).text(), cosigned().signatures)
    with pytest.raises(Refused, match="not valid"):
        cosignature.check(moved, KEY)
