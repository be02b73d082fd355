"""A camera maker's certificates: a root, an intermediate, and one leaf for each camera (after IEEE 802.1AR).

Validity dates always come from the caller, so that a test decides what is expired. All keys are P-256, all signatures
ECDSA with SHA-256. The functions at the end make leaves that a dock must refuse.
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
    """A camera's key and its certificates: leaf first, intermediates after it, no root."""

    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]

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
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))

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
    """A camera maker: the root that docks are given, and the intermediate that issues for cameras."""

    name: str
    root: Authority
    intermediate: Authority

    def root_pem(self) -> bytes:
        """The text of root.pem, the file that a dock is given."""
        return self.root.certificate.public_bytes(Encoding.PEM)

    def identity(
        self, model: str, serial: str, validity: Validity, *, from_root: bool = False, as_authority: bool = False
    ) -> Identity:
        """A new key and leaf for one camera, issued by the intermediate, or by the root itself if from_root.

        as_authority makes a leaf that is CA:TRUE, which the reference camera's page forbids.
        """
        issuer = self.root if from_root else self.intermediate
        key = ec.generate_private_key(ec.SECP256R1())
        usage = _usage(sign=True, certify=as_authority)
        constraints = x509.BasicConstraints(ca=as_authority, path_length=None)
        subject = _name(self.name, model, serial)
        leaf = _issue(subject, key.public_key(), issuer, validity, constraints=constraints, usage=usage)
        above = () if from_root else (self.intermediate.certificate,)
        return Identity(key, (leaf, *above))


def make_maker(name: str, validity: Validity) -> Maker:
    """A maker with a new root and a new intermediate below it, both good for the same time."""
    root_key = ec.generate_private_key(ec.SECP256R1())
    usage = _usage(sign=False, certify=True)
    root_name = _name(name, f"{name} Camera Root")
    two = x509.BasicConstraints(ca=True, path_length=1)
    root = _issue(root_name, root_key.public_key(), root_key, validity, constraints=two, usage=usage)
    above = Authority(root, root_key)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name, f"{name} Camera Issuer 1")
    one = x509.BasicConstraints(ca=True, path_length=0)
    below = _issue(subject, key.public_key(), above, validity, constraints=one, usage=usage)
    return Maker(name, above, Authority(below, key))


def expired_identity(maker: Maker, model: str, serial: str, ended: datetime) -> Identity:
    """A camera whose leaf ended at the given moment, after ten years."""
    return maker.identity(model, serial, Validity(ended - timedelta(days=3650), ended))


def foreign_identity(like: Maker, model: str, serial: str, validity: Validity) -> Identity:
    """A camera whose certificates have the very names of this maker's, but come from a root of somebody else."""
    return make_maker(like.name, validity).identity(model, serial, validity)


def authority_identity(maker: Maker, model: str, serial: str, validity: Validity) -> Identity:
    """A camera whose leaf is CA:TRUE, so it could vouch for other cameras. `openssl verify` alone lets it pass."""
    return maker.identity(model, serial, validity, as_authority=True)


def _issue(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer: Authority | ec.EllipticCurvePrivateKey,
    validity: Validity,
    *,
    constraints: x509.BasicConstraints,
    usage: x509.KeyUsage,
) -> x509.Certificate:
    """One certificate. An issuer that is a bare key makes it self-signed."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
        .add_extension(constraints, critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    if not isinstance(issuer, Authority):
        return builder.issuer_name(subject).sign(issuer, hashes.SHA256())
    known_as = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known_as)
    builder = builder.issuer_name(issuer.certificate.subject).add_extension(authority_key, critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


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
