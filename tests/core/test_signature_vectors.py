"""Our verification of signatures before vectors that others made to break it, and before openssl's own verdict."""

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from dockagent.core.proof import dsse, key_statement, note
from dockagent.errors import Refused
from tests.corpus import corpus

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def test_ed25519_as_wycheproof_says() -> None:
    """Each vector's signature under a note. The message of a vector is no note's text, so the text is signed as it is
    by the function below :func:`note.check`; each valid one must pass and each invalid one must not."""
    said = json.loads(corpus("vectors", "wycheproof", "ed25519_test.json").read_text())
    counted = {"valid": 0, "invalid": 0}
    for group in said["testGroups"]:
        key = note.VerifierKey("wycheproof", bytes.fromhex(group["publicKey"]["pk"]))
        for case in group["tests"]:
            signature = bytes.fromhex(case["sig"])
            try:
                text = bytes.fromhex(case["msg"]).decode()
            except UnicodeDecodeError:
                text = bytes.fromhex(case["msg"]).decode("latin-1") if case["result"] == "invalid" else ""
                if not text:
                    continue
            held = note.Note(text, (note.NoteSignature(key.name, key.key_hash, signature),))
            try:
                note.check(held, key)
                passed = True
            except Refused:
                passed = False
            assert passed == (case["result"] == "valid"), case["tcId"]
            counted[case["result"]] += 1
    assert counted["valid"] > 10
    assert counted["invalid"] > 60


def _integer(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, signed=True) if value >= 0 else value.to_bytes(33, signed=True)
    return b"\x02" + bytes([len(raw)]) + raw


def _pair(one: bytes, two: bytes) -> bytes:
    return b"\x30" + bytes([len(one + two)]) + one + two


def spoilt(good: bytes) -> Iterator[tuple[str, bytes]]:
    """Signatures that are not this one: numbers out of range, and DER that is not DER."""
    r, s = decode_dss_signature(good)
    whole = _pair(_integer(r), _integer(s))
    yield "zero r", _pair(_integer(0), _integer(s))
    yield "zero s", _pair(_integer(r), _integer(0))
    yield "zeros", _pair(_integer(0), _integer(0))
    yield "r is the order", _pair(_integer(ORDER), _integer(s))
    yield "s is the order", _pair(_integer(r), _integer(ORDER))
    yield "r beyond the order", _pair(_integer(r + ORDER), _integer(s))
    yield "s beyond the order", _pair(_integer(r), _integer(s + ORDER))
    yield "negative r", _pair(_integer(-r), _integer(s))
    yield "swapped", _pair(_integer(s), _integer(r))
    yield "padded r", _pair(b"\x02" + bytes([_integer(r)[1] + 1]) + b"\x00" + _integer(r)[2:], _integer(s))
    yield "long form of the length", b"\x30\x81" + whole[1:]
    yield "indefinite length", b"\x30\x80" + whole[2:] + b"\x00\x00"
    yield "more behind", whole + b"\x00"
    yield "more inside", b"\x30" + bytes([whole[1] + 2]) + whole[2:] + b"\x05\x00"
    yield "cut", whole[:-1]
    yield "a set", b"\x31" + whole[1:]
    yield "raw numbers", r.to_bytes(32) + s.to_bytes(32)
    yield "nothing", b""


def test_ecdsa_out_of_range_or_not_in_der_is_refused_by_us_and_by_openssl(tmp_path: Path) -> None:
    key = ec.derive_private_key(12345, ec.SECP256R1())
    payload = b'{"a":1}'
    signed = dsse.pae(dsse.IN_TOTO, payload)
    good = key.sign(signed, ec.ECDSA(hashes.SHA256()))
    (tmp_path / "key.pem").write_text(key_statement.public_pem(key.public_key()))
    (tmp_path / "pae").write_bytes(signed)

    def accepted(signature: bytes) -> tuple[bool, bool]:
        sealed = dsse.seal_by(dsse.IN_TOTO, payload, [("", lambda _: signature)])
        (tmp_path / "sig").write_bytes(signature)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-digest", "sha256"]
        command += ["-in", "pae", "-sigfile", "sig"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        return dsse.signed_by(dsse.parse(sealed), key.public_key()), done.returncode == 0

    assert accepted(good) == (True, True)
    for why, signature in spoilt(good):
        assert accepted(signature) == (False, False), why


@pytest.mark.parametrize(
    "curve", [ec.SECP384R1(), ec.SECP521R1(), ec.BrainpoolP256R1(), ec.SECP256K1(), ec.SECP224R1()]
)
def test_other_curves_are_refused(curve: ec.EllipticCurve) -> None:
    pem = key_statement.public_pem(ec.generate_private_key(curve).public_key())
    with pytest.raises(Refused, match="the key is not a P-256 key"):
        key_statement.public_key(pem, "the key")


def test_a_point_off_the_curve_is_refused() -> None:
    pem = key_statement.public_pem(ec.derive_private_key(7, ec.SECP256R1()).public_key())
    der = bytearray(base64.b64decode("".join(pem.splitlines()[1:-1])))
    der[-1] ^= 1
    bad = f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(der).decode()}\n-----END PUBLIC KEY-----\n"
    with pytest.raises(Refused, match="not a public key"):
        key_statement.public_key(bad, "the key")
