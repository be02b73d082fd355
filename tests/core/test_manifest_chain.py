"""Who signed a manifest: certificate chains, cross-checked with openssl, and damaged input."""

import base64
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.core.proof import certificates
from dockagent.errors import Refused
from tests.core.signing import (
    AT,
    CHAIN,
    LEAF,
    OTHER_KEY,
    ROOT,
    ROOT_KEY,
    SUB,
    SUB_KEY,
    Make,
    authority,
    envelope,
    foreign,
    name,
    pem,
    reading,
    root,
    statement,
)

# ---- certificates ---------------------------------------------------------------------------------------------------

LATE = datetime(2026, 1, 1)
TABLE: list[tuple[str, list[Make], list[Make], bool, bool, str]] = [
    # what, chain leaf first, roots, whether we trust it, whether openssl -x509_strict does, our reason
    ("good", [Make(), authority()], [root()], True, True, ""),
    ("straight from the root", [Make(issuer=name("Maker Root"), signer=ROOT_KEY)], [root()], True, True, ""),
    ("no basic constraints", [Make(ca=None), authority()], [root()], True, True, ""),
    ("one of two roots", [Make(), authority()],
     [foreign(), root()], True, True, ""),
    ("root sent along", [Make(), authority(), root()], [root()], True, True, ""),
    ("foreign root", [Make(), authority()], [foreign()], False, False, "foreign root: CN=Maker"),
    ("root of the same name", [Make(), authority()], [root(key=OTHER_KEY, signer=OTHER_KEY)], False, False,
     "CN=Sub CA,O=Reference was not signed by the CN=Maker Root,O=Reference that it names"),
    ("intermediate left out", [Make()], [root()], False, False, "foreign root: CN=Sub CA"),
    ("expired", [Make(end=LATE), authority()], [root()], False, False, "the camera certificate expired on 2026-01-01"),
    ("not yet valid", [Make(start=datetime(2030, 1, 1)), authority()], [root()], False, False, "not valid before 2030"),
    ("expired intermediate", [Make(), authority(end=LATE)], [root()], False, False,
     "the certificate of CN=Sub CA,O=Reference expired on 2026-01-01"),
    ("expired root", [Make(), authority()], [root(end=LATE)], False, False, "CN=Maker Root,O=Reference expired"),
    ("intermediate is no CA", [Make(), authority(ca=False, path_length=None, usage="digital_signature")], [root()],
     False, False, "basicConstraints.cA must be asserted"),
    ("intermediate may not certify", [Make(), authority(usage="crl_sign")], [root()], False, False, "no keyCertSign"),
    ("signed by another", [Make(signer=OTHER_KEY), authority()], [root()], False, False, "was not signed by"),
    ("path too long", [Make(issuer=name("Sub Sub"), signer=OTHER_KEY),
     authority(subject=name("Sub Sub"), key=OTHER_KEY, issuer=name("Sub CA"), signer=SUB_KEY), authority()],
     [root()], False, False, "path length constraint violated"),
    ("unknown critical extension", [Make(critical_unknown=True), authority()], [root()], False, False, "critical ext"),
    # Where we ask for more than openssl's general purpose:
    ("leaf is a CA", [Make(ca=True, usage="digital_signature key_cert_sign"), authority(path_length=1)], [root()],
     False, True, "is that of a CA"),
    ("leaf may not sign", [Make(usage="key_agreement"), authority()], [root()], False, True, "key usage is not that"),
    ("leaf without key usage", [Make(usage=""), authority()], [root()], False, True, "key usage is not that"),
    ("leaf without serial", [Make(subject=name("BWC-1")), authority()], [root()], False, True, "exactly one"),
    ("leaf with two serials", [Make(subject=name("B", "1", "2")), authority()], [root()], False, True, "exactly one"),
    ("leaf with a P-384 key", [Make(key=ec.generate_private_key(ec.SECP384R1())), authority()], [root()], False, True,
     "not ECDSA P-256"),
    ("leaf with an Ed25519 key", [Make(key=ed25519.Ed25519PrivateKey.generate()), authority()], [root()], False, True,
     "not ECDSA P-256"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("chain", "roots", "ours", "openssl", "why"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_the_chain_is_judged_as_written_and_as_openssl_does(
    tmp_path: Path, chain: list[Make], roots: list[Make], ours: bool, openssl: bool, why: str
) -> None:
    built, anchors = [one.build() for one in chain], [one.build() for one in roots]
    (tmp_path / "leaf.pem").write_bytes(pem(built[0]))
    (tmp_path / "more.pem").write_bytes(pem(*built[1:], *anchors))
    (tmp_path / "roots.pem").write_bytes(pem(*anchors))
    command = ["openssl", "verify", "-x509_strict", "-attime", str(AT // 1000), "-CAfile", "roots.pem"]
    extra = ["-untrusted", "more.pem", "leaf.pem"]
    there = subprocess.run([*command, *extra], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (there.returncode == 0) is openssl, there.stderr
    if ours:
        certificates.trust(built, anchors, AT)
        return
    with pytest.raises(Refused) as caught:
        certificates.trust(built, anchors, AT)
    assert why in caught.value.what


def test_the_signers_reason_is_in_the_reading() -> None:
    expired = reading(chain=pem(Make(end=LATE).build(), SUB))
    assert (expired.signature, expired.signer) == ("pass", "fail")
    assert "expired on 2026-01-01" in expired.signer_reason
    assert reading(chain=pem(Make(end=LATE).build(), SUB), at_ms=1_750_000_000_000).signer == "pass"


@pytest.mark.parametrize(("card", "said", "where"), [
    ("BWC-0002", "BWC-0001", "camera.json says BWC-0002"), ("BWC-0001", "BWC-0009", "the manifest says BWC-0009"),
    ("", "BWC-0009", "the manifest says BWC-0009"),
])  # fmt: skip
def test_a_serial_that_differs_is_another_cameras_manifest(card: str, said: str, where: str) -> None:
    other = reading(envelope(statement(camera={"serial": said})), card_serial=card)
    assert (other.signature, other.signer) == ("pass", "fail")
    assert where in other.signer_reason


def test_a_card_that_does_not_say_its_serial_is_known_by_its_certificate() -> None:
    assert reading(card_serial="").signer == "pass"


@pytest.mark.parametrize(("chain", "why"), [
    (b"", "no readable certificates"), (b"\0" * 100, "no readable certificates"),
    (CHAIN[:300], "no readable certificates"),
    (pem(LEAF) * 5000, "more than 8 certificates"), (b"x" * (50 << 20), "more than 8 certificates"),
    (pem(*[SUB] * 9), "more than 8 certificates"),
    (pem(Make(key=ed25519.Ed25519PrivateKey.generate()).build(), SUB), "not ECDSA P-256"),
])  # fmt: skip
def test_an_odd_chain_is_a_fail_with_a_reason_and_no_error(chain: bytes, why: str) -> None:
    started = time.process_time()
    refused = reading(chain=chain)
    assert time.process_time() - started < 1
    assert refused.signature == "fail"
    assert refused.signer != "pass"
    assert why in refused.signature_reason


DER = LEAF.public_bytes(Encoding.DER)


# The library warns of serial numbers and parameters that it will refuse one day; today they must not be trusted either.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(DER) - 1), st.binary(min_size=1, max_size=4), st.sampled_from(["leaf", "sub", "root"]))
def test_no_damaged_certificate_is_trusted_or_raises(at: int, noise: bytes, which: str) -> None:
    der = {"leaf": DER, "sub": SUB.public_bytes(Encoding.DER), "root": ROOT.public_bytes(Encoding.DER)}[which]
    at %= len(der) - len(noise)
    bad = der[:at] + noise + der[at + len(noise) :]
    wrapped = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(bad) + b"-----END CERTIFICATE-----\n"
    chain = {"leaf": wrapped + pem(SUB), "sub": pem(LEAF) + wrapped, "root": pem(LEAF, SUB) + wrapped}[which]
    said = reading(chain=chain)
    if which == "leaf" and bad != der:
        assert said.signer != "pass"
    assert said.signer_reason.isprintable()


GOOD = envelope()


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=3))
def test_no_damaged_envelope_raises_or_proves_other_bytes(at: int, noise: bytes) -> None:
    said = reading(GOOD[:at] + noise + GOOD[at + len(noise) :])
    assert said.manifest in (None, reading(GOOD).manifest)
