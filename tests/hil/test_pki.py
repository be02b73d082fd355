"""The maker's certificates, judged by openssl."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from hil.cameras.keyring import identity_in, maker_in
from hil.cameras.pki import Validity, authority_identity, expired_identity, foreign_identity, make_maker
from hil.cameras.plate import Plate
from tests.hil.bench import CREATED, PLATE, VALID, chain_verdict, identity, maker, openssl, signature_holds


@pytest.mark.parametrize("from_root", [False, True])
def test_a_leaf_passes_the_strict_check_even_in_a_thousand_years(tmp_path: Path, from_root: bool) -> None:
    who = maker().identity(PLATE.model, PLATE.serial, VALID, from_root=from_root)
    assert len(who.chain) == (1 if from_root else 2)
    for year in (2026, 3026):
        assert chain_verdict(who, tmp_path, datetime(year, 1, 1, tzinfo=UTC)).endswith("leaf.pem: OK\n")


def test_a_leaf_says_what_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "chain.pem").write_bytes(identity().chain_pem())
    text = openssl("x509", "-in", tmp_path / "chain.pem", "-noout", "-text", "-nameopt", "RFC2253,-esc_2253")
    assert "Subject: serialNumber=BWC-0001,CN=BWC-1,O=Reference" in text
    assert "Not After : Dec 31 23:59:59 9999 GMT" in text
    assert "ASN1 OID: prime256v1" in text
    assert "X509v3 Key Usage: critical\n                Digital Signature\n" in text
    assert "CA:FALSE" in text
    assert "ecdsa-with-SHA256" in text


def test_keyid_is_the_digest_of_the_public_key(tmp_path: Path) -> None:
    (tmp_path / "chain.pem").write_bytes(identity().chain_pem())
    (tmp_path / "key.pem").write_text(openssl("x509", "-in", tmp_path / "chain.pem", "-noout", "-pubkey"))
    openssl("pkey", "-pubin", "-in", tmp_path / "key.pem", "-outform", "DER", "-out", tmp_path / "key.der")
    assert identity().keyid in openssl("dgst", "-sha256", tmp_path / "key.der")


def test_an_expired_leaf_was_good_once(tmp_path: Path) -> None:
    who = expired_identity(make_maker("Reference", VALID), "BWC-1", "BWC-0002", datetime(2025, 6, 1, tzinfo=UTC))
    assert "unable to get local issuer" in chain_verdict(who, tmp_path)
    who = expired_identity(maker(), "BWC-1", "BWC-0002", datetime(2025, 6, 1, tzinfo=UTC))
    assert "certificate has expired" in chain_verdict(who, tmp_path)
    assert chain_verdict(who, tmp_path, datetime(2025, 5, 31, tzinfo=UTC)).endswith("OK\n")


def test_a_foreign_chain_has_the_same_names_and_fails(tmp_path: Path) -> None:
    who = foreign_identity(maker(), PLATE.model, PLATE.serial, VALID)
    assert who.leaf.subject == identity().leaf.subject
    assert who.leaf.issuer == identity().leaf.issuer
    assert "OK" not in chain_verdict(who, tmp_path)


def test_an_authority_leaf_can_vouch_for_others(tmp_path: Path) -> None:
    who = authority_identity(maker(), PLATE.model, PLATE.serial, VALID)
    assert who.leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert chain_verdict(who, tmp_path).endswith("OK\n")


def test_the_keyring_makes_once_and_gives_the_same_again(tmp_path: Path) -> None:
    first = maker_in(tmp_path / "keys", "Reference", VALID)
    again = maker_in(tmp_path / "keys", "Another", Validity(CREATED))
    assert again.root_pem() == first.root_pem() == (tmp_path / "keys" / "root.pem").read_bytes()
    assert again.name == "Reference"
    who = identity_in(tmp_path / "keys", again, PLATE, VALID)
    assert identity_in(tmp_path / "keys", first, PLATE, VALID).chain == who.chain
    assert chain_verdict(who, tmp_path, root=first.root_pem()).endswith("OK\n")
    assert signature_holds(who, identity_in(tmp_path / "keys", first, PLATE, VALID).sign(b"x"), b"x", tmp_path)
    assert (tmp_path / "keys" / "root.key").stat().st_mode & 0o777 == 0o600
    other = identity_in(tmp_path / "keys", first, Plate("BWC-0002"), VALID)
    assert other.leaf.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)[0].value == "BWC-0002"


def test_a_serial_that_leaves_the_keyring_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be a folder's name"):
        identity_in(tmp_path, maker(), Plate("../x"), VALID)
