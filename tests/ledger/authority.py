"""An agency's CA for tests: it signs requests as a careless or malicious one could too."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from dockagent.ledger.keys import Keys

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
YEAR = timedelta(days=365)


def usage(*, sign: bool, certify: bool) -> x509.KeyUsage:
    """Key usage with digitalSignature and keyCertSign as told, and nothing else."""
    return x509.KeyUsage(sign, False, False, False, False, certify, False, False, False)


def named(common: str, serial: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if serial:
        attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial))
    return x509.Name(attributes)


def pem(*chain: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in chain)


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA with its key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def root(cls, name: str = "Agency CA", begins: datetime = NOW - YEAR, lasts: timedelta = 20 * YEAR) -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        own = _certificate(named(name), named(name), key.public_key(), begins, begins + lasts, ca=True)
        return cls(key, own.sign(key, hashes.SHA256()))

    def below(self, name: str) -> "Authority":
        """A CA under this one."""
        key = ec.generate_private_key(ec.SECP256R1())
        begins = self.certificate.not_valid_before_utc
        own = _certificate(named(name), self.certificate.subject, key.public_key(), begins, NOW + 10 * YEAR, ca=True)
        return Authority(key, own.sign(self.key, hashes.SHA256()))

    def issue(
        self,
        public: ec.EllipticCurvePublicKey,
        serial: str,
        begins: datetime = NOW - timedelta(days=1),
        ends: datetime = NOW + YEAR,
        *,
        ca: bool = False,
        sign: bool = True,
    ) -> x509.Certificate:
        """A certificate for a dock's identity."""
        own = _certificate(
            named(serial or "a dock", serial), self.certificate.subject, public, begins, ends, ca=ca, sign=sign
        )
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return own.add_extension(issuer, critical=False).sign(self.key, hashes.SHA256())

    def for_dock(self, keys: Keys) -> tuple[x509.Certificate, ...]:
        """The chain for a dock as it should be."""
        return self.issue(keys.identity.public, keys.dock.id), self.certificate


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    begins: datetime,
    ends: datetime,
    *,
    ca: bool,
    sign: bool = True,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(usage(sign=sign and not ca, certify=ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
