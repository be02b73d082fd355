"""A camera maker's certificates: a root, an intermediate, and one leaf for each camera (after IEEE 802.1AR).

Validity dates always come from the caller, so that a test decides what is expired. All keys are P-256, all signatures
ECDSA with SHA-256. A maker with a seed makes the same keys, certificates and signatures in every run (RFC 6979). The
functions at the end make leaves that a dock must refuse.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""802.1AR's 99991231235959Z: a device identity that does not end."""


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when a certificate holds, both included."""

    not_before: datetime
    not_after: datetime = FOREVER


@dataclass(frozen=True, slots=True)
class Identity:
    """A camera's key and its certificates: leaf first, intermediates after it, no root. ``steady``: it signs the same
    bytes in the same way each time."""

    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]
    steady: bool = False

    @property
    def leaf(self) -> x509.Certificate:
        """The camera's own certificate."""
        return self.chain[0]

    @property
    def keyid(self) -> str:
        """Lower-case hex SHA-256 of the leaf's SubjectPublicKeyInfo (DER)."""
        spki = self.leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(spki).hexdigest()

    def sign(self, data: bytes) -> bytes:
        """ECDSA P-256 with SHA-256 over data, DER."""
        return self.key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=self.steady))

    def chain_pem(self) -> bytes:
        """The text of chain.pem."""
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in self.chain)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority: its certificate and the key it signs with."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Maker:
    """A camera maker: the root that docks are given, and the intermediate that issues for cameras. ``seed``: what all
    its keys follow from, where they are not left to chance."""

    name: str
    root: Authority
    intermediate: Authority
    seed: int | None = None

    def root_pem(self) -> bytes:
        """The text of root.pem, the file that a dock is given."""
        return self.root.certificate.public_bytes(Encoding.PEM)

    def identity(
        self, model: str, serial: str, validity: Validity, *, from_root: bool = False, as_authority: bool = False
    ) -> Identity:
        """A new key and leaf for one camera, issued by the intermediate, or by the root itself if from_root. With a
        seed, the same camera has the same key each time.

        as_authority makes a leaf that is CA:TRUE, which the reference camera's page forbids.
        """
        issuer = self.root if from_root else self.intermediate
        key = _key(self.seed, f"{model} {serial}")
        usage = _usage(sign=True, certify=as_authority)
        constraints = x509.BasicConstraints(ca=as_authority, path_length=None)
        issued = _issue(_name(self.name, model, serial), key.public_key(), issuer, validity, constraints, usage)
        above = () if from_root else (self.intermediate.certificate,)
        steady = self.seed is not None
        return Identity(key, (_signed(issued, issuer.key, steady=steady), *above), steady)


def make_maker(name: str, validity: Validity, seed: int | None = None) -> Maker:
    """A maker with a new root and a new intermediate below it, both good for the same time. ``seed``: make the same
    ones in every run."""
    steady = seed is not None
    usage = _usage(sign=False, certify=True)
    root_key, key = _key(seed, "root"), _key(seed, "issuer")
    root_name, subject = _name(name, f"{name} Camera Root"), _name(name, f"{name} Camera Issuer 1")
    two, one = (x509.BasicConstraints(ca=True, path_length=below) for below in (1, 0))
    root = _issue(root_name, root_key.public_key(), None, validity, two, usage)
    above = Authority(_signed(root, root_key, steady=steady), root_key)
    below = _issue(subject, key.public_key(), above, validity, one, usage)
    return Maker(name, above, Authority(_signed(below, root_key, steady=steady), key), seed)


def expired_identity(maker: Maker, model: str, serial: str, ended: datetime) -> Identity:
    """A camera whose leaf ended at the given moment, after ten years."""
    return maker.identity(model, serial, Validity(ended - timedelta(days=3650), ended))


def foreign_identity(like: Maker, model: str, serial: str, validity: Validity) -> Identity:
    """A camera whose certificates have the very names of this maker's, but come from a root of somebody else."""
    return make_maker(like.name, validity).identity(model, serial, validity)


def authority_identity(maker: Maker, model: str, serial: str, validity: Validity) -> Identity:
    """A camera whose leaf is CA:TRUE, so it could vouch for other cameras. `openssl verify` alone lets it pass."""
    return maker.identity(model, serial, validity, as_authority=True)


def _key(seed: int | None, whose: str) -> ec.EllipticCurvePrivateKey:
    """A new key; with a seed, the one that seed and owner always give."""
    if seed is None:
        return ec.generate_private_key(ec.SECP256R1())
    # 1 to 2^255, all of which are P-256 private keys
    number = int.from_bytes(hashlib.sha256(f"{seed} {whose}".encode()).digest()) >> 1
    return ec.derive_private_key(number + 1, ec.SECP256R1())


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, *, steady: bool) -> x509.Certificate:
    """The certificate. ``steady``: the same one each time, its serial number from what it says."""
    if not steady:
        return builder.serial_number(x509.random_serial_number()).sign(key, hashes.SHA256())
    first = builder.serial_number(1).sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    number = int.from_bytes(hashlib.sha256(first.tbs_certificate_bytes).digest()[:19])  # RFC 5280, 4.1.2.2: 20 bytes
    return builder.serial_number(number).sign(key, hashes.SHA256(), ecdsa_deterministic=True)


def _issue(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer: Authority | None,
    validity: Validity,
    constraints: x509.BasicConstraints,
    usage: x509.KeyUsage,
) -> x509.CertificateBuilder:
    """All of a certificate but its number and signature. Without an issuer it is its own."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
        .add_extension(constraints, critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    if issuer is None:
        return builder.issuer_name(subject)
    known_as = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known_as)
    return builder.issuer_name(issuer.certificate.subject).add_extension(authority_key, critical=False)


def _name(organization: str, common: str, serial: str | None = None) -> x509.Name:
    parts = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
        x509.NameAttribute(NameOID.COMMON_NAME, common),
    ]
    if serial is not None:
        parts.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial))
    return x509.Name(parts)


def _usage(*, sign: bool, certify: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certify,
        crl_sign=certify and not sign,
        encipher_only=False,
        decipher_only=False,
    )
