"""The cryptography and the JSON that evidence rests on, against vectors that other people published."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dockagent.core import strict_json
from dockagent.errors import Refused
from tests.corpus import corpus


def wycheproof(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(group, test) of one file; the file's own count must be what is run."""
    file = json.loads(corpus("vectors", "wycheproof", name).read_text())
    assert sum(len(group["tests"]) for group in file["testGroups"]) == file["numberOfTests"] > 100
    for group in file["testGroups"]:
        for test in group["tests"]:
            yield group, test


def test_ed25519_takes_and_refuses_what_wycheproof_says() -> None:
    for group, test in wycheproof("ed25519_test.json"):
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(group["publicKey"]["pk"]))
        try:
            key.verify(bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]))
            good = True
        except InvalidSignature:
            good = False
        assert good == (test["result"] == "valid"), test["tcId"]


def test_aes_gcm_takes_and_refuses_what_wycheproof_says() -> None:
    for group, test in wycheproof("aes_gcm_test.json"):
        if group["tagSize"] != 128 or not 64 <= group["ivSize"] <= 1024:
            assert group["ivSize"] < 64 or group["ivSize"] > 1024, "a tag size that nobody looked at"
            continue  # the library refuses such nonces before any key is used
        key, nonce, aad, msg, sealed, tag = (bytes.fromhex(test[k]) for k in ("key", "iv", "aad", "msg", "ct", "tag"))
        try:
            assert AESGCM(key).decrypt(nonce, sealed + tag, aad) == msg
            good = True
        except InvalidTag:
            good = False
        assert good == (test["result"] == "valid"), test["tcId"]


def test_hmac_sha256_takes_and_refuses_what_wycheproof_says() -> None:
    for group, test in wycheproof("hmac_sha256_test.json"):
        full = hmac.digest(bytes.fromhex(test["key"]), bytes.fromhex(test["msg"]), "sha256")
        good = hmac.compare_digest(full[: group["tagSize"] // 8], bytes.fromhex(test["tag"]))
        assert good == (test["result"] == "valid"), test["tcId"]


@pytest.mark.parametrize(("name", "algorithm"), [("SHA256ShortMsg.rsp", "sha256"), ("SHA512ShortMsg.rsp", "sha512")])
def test_digests_of_nist(name: str, algorithm: str) -> None:
    text = corpus("vectors", "nist", name).read_text()
    found = re.findall(r"^Len = (\d+)\s+^Msg = ([0-9a-f]+)\s+^MD = ([0-9a-f]+)", text, re.MULTILINE)
    assert len(found) == text.count("MD = ") >= 65
    for bits, message, digest in found:
        data = bytes.fromhex(message)[: int(bits) // 8]
        assert hashlib.new(algorithm, data).hexdigest() == digest


def jcs_inputs() -> list[Path]:
    return sorted(corpus("vectors", "jcs").glob("*.input.json"))


def test_jcs_pairs() -> None:
    ours = refused = 0
    for source in jcs_inputs():
        expected = source.with_name(source.name.replace(".input.", ".output.")).read_bytes()
        lax = json.loads(source.read_bytes())
        assert rfc8785.dumps(lax) == expected, source.name
        if holds_float(lax):
            refused += 1
            with pytest.raises(Refused, match="whole number"):
                strict_json.canonical(lax)
            with pytest.raises(Refused, match="whole number"):
                strict_json.parse(source.read_bytes())
        else:
            ours += 1
            assert strict_json.canonical(strict_json.parse(source.read_bytes())) == expected, source.name
    assert ours >= 2
    assert ours + refused == len(jcs_inputs())


def holds_float(value: Any) -> bool:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, float) or any(map(holds_float, members))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"a":1,"a":2}', "twice"),
        (b'{"a":{"b":1,"\\u0062":2}}', "twice"),
        (b"[1.0]", "whole number"),
        (b"[1e3]", "whole number"),
        (b"[-0.0]", "whole number"),
        (b"[NaN]", "whole number"),
        (b"[Infinity]", "whole number"),
        (b"[9007199254740992]", "past"),
        (b"[-9007199254740992]", "past"),
        (b"[9007199254740993]", "past"),
        (b"[" * 65 + b"]" * 65, "deeper"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "deeper"),
        (b"[" * 200_000, "not valid JSON|deeper"),
        (b'["\\ud800"]', "surrogate"),
        (b'{"\\udc00":1}', "surrogate"),
        (b'["\xff"]', "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b"{} {}", "not valid JSON"),
        (b"", "not valid JSON"),
        (b"[1,]", "not valid JSON"),
        (b"[" + b"9" * 5000 + b"]", "not valid JSON|past"),
    ],
)
def test_json_that_two_readers_may_read_in_two_ways_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why):
        strict_json.parse(text)


@pytest.mark.parametrize(
    "text", [b"[9007199254740991,-9007199254740991,0]", b'["\\ud83d\\ude00"]', b"[" * 63 + b"]" * 63]
)
def test_json_at_the_limits_is_read(text: bytes) -> None:
    value = strict_json.parse(text)
    assert strict_json.parse(strict_json.canonical(value)) == value
