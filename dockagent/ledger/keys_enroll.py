"""Having an agency's CA vouch for the dock's identity: the request, and the chain that comes back.

The chain is judged by the policy for devices in :mod:`dockagent.core.proof.certificates`, and by what makes it
this dock's.
"""

import itertools
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from dockagent.core.events import Event, KeysCertified
from dockagent.core.proof import certificates
from dockagent.durable import Disk
from dockagent.errors import Refused, UsageError
from dockagent.ledger.keys import CERTIFICATE, PUBLIC, Keys
from dockagent.ledger.keys_identity import Identity
from dockagent.ledger.trust import DockIdentity

_UB_UNIT = 64  # longest organizationalUnitName (RFC 5280 appendix A.1)
_SIGNS_ONLY = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def csr_pem(keys: Keys, site: str) -> str:
    """A certificate request (PKCS #10, PEM) for the agency's CA. Subject after IEEE 802.1AR: serialNumber = dock id."""
    if len(site) > _UB_UNIT:
        raise UsageError(f"cannot ask for a certificate: the site's name is longer than {_UB_UNIT}", "shorten it")
    subject = [(NameOID.COMMON_NAME, keys.dock.id), (NameOID.SERIAL_NUMBER, keys.dock.id)]
    if site:
        subject.insert(0, (NameOID.ORGANIZATIONAL_UNIT_NAME, site))
    name = x509.Name([x509.NameAttribute(oid, text) for oid, text in subject])
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_SIGNS_ONLY, critical=True)
        .sign(_Elsewhere(keys.identity), hashes.SHA256())
    )
    return request.public_bytes(Encoding.PEM).decode()


def check_chain(
    dock: DockIdentity, chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], at_ms: int
) -> None:
    """Judge the certificates issued for ``dock``, leaf first, at the time ``at_ms`` (ms since 1970). Raises Refused.

    1. The leaf is for this dock's identity key. 2. Its serialNumber is this dock's id. 3. Each certificate was issued
    by the next one: this order is what others will be shown. 4. The policy for devices holds up to ``roots``; without
    roots, up to the last certificate of the chain, which then is only known to fit.
    """
    if not chain:
        raise Refused("the file holds no certificate")
    if certificates.signing_key(chain[0], "dock") != dock.key_set.identity_key:
        raise Refused(
            "the first certificate is not for this dock's identity key",
            "the dock's own certificate comes first, then those that issued it; was it issued for an older request?",
        )
    if (serial := certificates.device_serial(chain[0], "dock")) != dock.id:
        raise Refused(f"the certificate is for serialNumber {serial[:80]!r}, but this is dock {dock.id}")
    for lower, upper in itertools.pairwise(chain):
        if not certificates.issued(upper, lower):
            raise Refused(
                f"the chain is out of order: {certificates.shown(lower.subject)} was not issued by the next one,"
                f" {certificates.shown(upper.subject)}",
                "put the dock's certificate first, then its issuer, then that one's, up to the root",
            )
    if not roots and len(chain) == 1:
        raise Refused(
            "the certificate came alone, so nobody can tell who issued it", "append its issuers, or give --ca FILE"
        )
    certificates.trust(chain, roots or chain[-1:], at_ms, "dock")


def keep(disk: Disk, keys: Keys, chain: tuple[x509.Certificate, ...]) -> Keys:
    """Keep the checked chain beside the keys, durably, and say so in ``trust.json``, which counts."""
    pem = "".join(certificates.pem_of(one) for one in chain)
    enrolled = keys.enrolled(chain, pem)
    disk.write(CERTIFICATE, pem.encode(), 0o644)
    disk.write(PUBLIC, enrolled.trust.encode(), 0o644)
    return enrolled


def news(dock: DockIdentity, noted: str) -> tuple[Event, ...]:
    """The event that tells the ledger of the dock's statement and certificates, where it does not know them yet.
    ``noted``: :attr:`dockagent.core.model.State.keys_noted`."""
    if not dock.statement and not dock.chain_pem:
        return ()
    event = KeysCertified(dock.key_set.generation, dock.statement.decode(), dock.chain_pem)
    return () if event.digest == noted else (event,)


class _Elsewhere(ec.EllipticCurvePrivateKey):
    """An identity in the form in which the X.509 builder asks for signatures. What it cannot give, it refuses."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._identity.public.curve

    @property
    def key_size(self) -> int:
        return self._identity.public.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._identity.public

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        return self._identity.sign(bytes(data))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        raise Refused("a dock's identity signs, and does nothing else")

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        raise Refused("a dock's identity does not show its private key")

    def private_bytes(self, encoding: Any, format: Any, encryption_algorithm: Any) -> bytes:
        raise Refused("a dock's identity does not show its private key")

    def __copy__(self) -> "_Elsewhere":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Elsewhere":
        return self
