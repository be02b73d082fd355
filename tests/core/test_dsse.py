"""DSSE envelopes: made and read by ours, checked by openssl, spoiled in every byte."""

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.core.proof import dsse
from dockagent.errors import Refused

KEY, OTHER = (ec.derive_private_key(secret, ec.SECP256R1()) for secret in (12345, 67890))
KIND, PAYLOAD = dsse.IN_TOTO, b'{"_type":"https://in-toto.io/Statement/v1"}'
SEALED = dsse.seal(KIND, PAYLOAD, dsse.key_id(KEY.public_key()), lambda data: KEY.sign(data, ec.ECDSA(hashes.SHA256())))


def test_the_signed_bytes_are_those_of_the_specification() -> None:
    """The example of protocol.md."""
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert dsse.pae("", b"") == b"DSSEv1 0  0 "
    assert dsse.pae("é", b"\x00\xff") == b"DSSEv1 2 \xc3\xa9 2 \x00\xff"


def openssl(*words: str | Path) -> str:
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_openssl_verifies_what_we_seal(tmp_path: Path) -> None:
    envelope = json.loads(SEALED)
    (tmp_path / "key.pem").write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    (tmp_path / "pae").write_bytes(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload))
    words = ("dgst", "-sha256", "-verify", tmp_path / "key.pem", "-signature", tmp_path / "sig", tmp_path / "pae")
    assert "Verified OK" in openssl(*words)
    assert openssl("pkey", "-pubin", "-in", tmp_path / "key.pem", "-outform", "DER", "-out", tmp_path / "der") == ""
    digest = openssl("dgst", "-sha256", "-r", tmp_path / "der").split()[0]
    assert envelope["signatures"][0]["keyid"] == digest


@given(st.binary(max_size=200), st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
@settings(max_examples=40, deadline=None)
def test_what_was_sealed_comes_back_byte_for_byte(payload: bytes, kind: str) -> None:
    sealed = dsse.seal(kind, payload, "id", lambda data: KEY.sign(data, ec.ECDSA(hashes.SHA256())))
    envelope = dsse.parse(sealed)
    assert (envelope.payload_type, envelope.payload) == (kind, payload)
    assert dsse.signed_by(envelope, KEY.public_key())
    assert not dsse.signed_by(envelope, OTHER.public_key())
    assert b"\n" not in sealed


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(SEALED) - 1), st.integers(0, 7))
def test_no_bit_can_be_flipped_unnoticed(at: int, bit: int) -> None:
    """Refused, not verified, or (for the key's hint and the padding bits of base64) the very same content."""
    spoiled = SEALED[:at] + bytes([SEALED[at] ^ 1 << bit]) + SEALED[at + 1 :]
    try:
        envelope = dsse.parse(spoiled)
    except Refused:
        return
    if dsse.signed_by(envelope, KEY.public_key()):
        assert (envelope.payload_type, envelope.payload) == (KIND, PAYLOAD)


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.binary(max_size=80), st.binary(min_size=64, max_size=64)))
def test_garbage_is_no_signature_and_no_error(sig: bytes) -> None:
    envelope = dsse.Envelope(KIND, PAYLOAD, (dsse.Signature("", sig),))
    assert not dsse.signed_by(envelope, KEY.public_key())


def test_one_good_signature_among_bad_ones_is_enough() -> None:
    (good,) = dsse.parse(SEALED).signatures
    envelope = dsse.Envelope(KIND, PAYLOAD, (dsse.Signature("", b""), dsse.Signature("wrong hint", good.sig)))
    assert dsse.signed_by(envelope, KEY.public_key())


def _with(change: Callable[[dict[str, Any]], object]) -> bytes:
    envelope = json.loads(SEALED)
    change(envelope)
    return json.dumps(envelope).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"not json",
        b"\xff",
        _with(lambda one: one.pop("payload")),
        _with(lambda one: one.pop("payloadType")),
        _with(lambda one: one.pop("signatures")),
        _with(lambda one: one.update(payload=5)),
        _with(lambda one: one.update(payload="not base64!")),
        _with(lambda one: one.update(payload="ab\ncd")),
        _with(lambda one: one.update(payload="é")),
        _with(lambda one: one.update(payload="YWI")),
        _with(lambda one: one.update(payloadType=None)),
        _with(lambda one: one.update(signatures=[])),
        _with(lambda one: one.update(signatures={})),
        _with(lambda one: one.update(signatures=["sig"])),
        _with(lambda one: one["signatures"][0].pop("sig")),
        _with(lambda one: one["signatures"][0].update(sig=1)),
        _with(lambda one: one["signatures"][0].update(keyid=1)),
        _with(lambda one: one.update(more=1.5)),
        SEALED[:-1] + b',"payload":""}',
    ],
)
def test_what_is_no_envelope_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(Refused) as caught:
        dsse.parse(data)
    assert "\n" not in str(caught.value)


def test_what_the_specification_leaves_open_is_ignored() -> None:
    data = _with(lambda one: (one.update(more="x"), one["signatures"][0].pop("keyid")))
    envelope = dsse.parse(data)
    assert envelope.signatures[0].keyid == ""
    assert dsse.signed_by(envelope, KEY.public_key())
