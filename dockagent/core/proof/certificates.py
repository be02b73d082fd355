"""A camera's or dock's certificates, checked by a policy for devices (IEEE 802.1AR), not by the one for web servers.

A device certificate names a unit by its serial number, has no DNS name and no extended key usage, and may be good until
the end of 9999. The rules of a web browser refuse it, so ours are these, in this order:

1. the leaf's key is ECDSA P-256;
2. the leaf is not a CA, and its key usage has digitalSignature and not keyCertSign;
3. its subject has exactly one serialNumber;
4. it is valid at the given time;
5. a path of at most :data:`MAX_CERTIFICATES` leads to one of the given roots (RFC 5280, section 6: signatures, names,
   validity, path length), and everyone on it but the leaf is a CA that may sign certificates.

Step 5 is done by ``cryptography.x509.verification`` with extension policies of our own; what it decides is final, and
:func:`_explain` only finds words for it. Extended key usage is not looked at: 802.1AR gives a DevID none.
Revocation is not asked for: a dock may be offline, and an 802.1AR device has no responder.
"""

import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from dockagent.core import paths
from dockagent.errors import Refused

MAX_CHAIN_BYTES = 64 << 10
MAX_CERTIFICATES = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNREADABLE = (x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
# A stranger's certificate with a country of six letters is judged like any other; nobody at a terminal needs to hear.
warnings.filterwarnings("ignore", "Attribute's length must be", UserWarning)


def parse_chain(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a ``chain.pem``, leaf first. Raises Refused where it is not one, or is far too big."""
    if len(pem) > MAX_CHAIN_BYTES or pem.count(b"-----BEGIN ") > MAX_CERTIFICATES:
        raise Refused(f"chain.pem has more than {MAX_CERTIFICATES} certificates or {MAX_CHAIN_BYTES} bytes")
    try:
        chain = tuple(x509.load_pem_x509_certificates(pem))
        for one in chain:  # the library parses these only when asked for
            _ = one.subject, one.issuer, one.extensions
    except (ValueError, TypeError, UnsupportedAlgorithm, *_UNREADABLE) as err:  # what the library makes of damage
        raise Refused("it holds no readable certificates in PEM: some are damaged, or there are none") from err
    return chain


def pem_of(certificate: x509.Certificate) -> str:
    """The certificate in PEM."""
    return certificate.public_bytes(Encoding.PEM).decode()


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether its basic constraints make it that of a CA."""
    return any(isinstance(one.value, x509.BasicConstraints) and one.value.ca for one in certificate.extensions)


def signing_key(leaf: x509.Certificate, whose: str = "camera") -> ec.EllipticCurvePublicKey:
    """Step 1. The key with which a device signs. Raises Refused for any but ECDSA P-256."""
    try:
        key = leaf.public_key()
    except (ValueError, UnsupportedAlgorithm) as err:
        raise Refused(f"the {whose} certificate's key cannot be read: {_one_line(err)}") from err
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Refused(f"the {whose} certificate's key is not ECDSA P-256")
    return key


def device_serial(leaf: x509.Certificate, whose: str = "camera") -> str:
    """Step 3. The serialNumber in the leaf's subject. Raises Refused where there is none or more than one."""
    named = leaf.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    if len(named) != 1 or not isinstance(named[0].value, str):
        raise Refused(f"the {whose} certificate does not have exactly one serialNumber in its subject")
    return named[0].value


def trust(
    chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], at_ms: int, whose: str = "camera"
) -> None:
    """Steps 1 to 5 at the time ``at_ms`` (milliseconds since 1970). Raises Refused with the reason; ``whose`` says in
    it whose certificate this is."""
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    leaf = chain[0]
    signing_key(leaf, whose)
    _check_usage(leaf, whose)
    device_serial(leaf, whose)
    _check_validity(leaf, moment, f"the {whose} certificate")
    _check_path(chain, roots, moment)


def _check_usage(leaf: x509.Certificate, whose: str) -> None:
    """Step 2."""
    if is_ca(leaf):
        raise Refused(f"the {whose} certificate is that of a CA")
    usage = next((one.value for one in leaf.extensions if isinstance(one.value, x509.KeyUsage)), None)
    if usage is None or not usage.digital_signature or usage.key_cert_sign:
        raise Refused(f"the {whose} certificate's key usage is not that of a signing device (digitalSignature)")


def _check_validity(certificate: x509.Certificate, moment: datetime, who: str) -> None:
    """Step 4."""
    if moment < certificate.not_valid_before_utc:
        raise Refused(f"{who} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S}Z")
    if moment > certificate.not_valid_after_utc:
        raise Refused(f"{who} expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S}Z")


def _check_path(chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], moment: datetime) -> None:
    """Step 5."""
    anyone = ExtensionPolicy.permit_all()
    device = anyone.require_present(x509.KeyUsage, Criticality.AGNOSTIC, None)
    issuer = anyone.require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None).require_present(
        x509.KeyUsage, Criticality.AGNOSTIC, _may_certify
    )
    builder = PolicyBuilder().store(Store(list(roots))).time(moment.replace(tzinfo=None))
    builder = builder.max_chain_depth(MAX_CERTIFICATES).extension_policies(ca_policy=issuer, ee_policy=device)
    try:
        builder.build_client_verifier().verify(chain[0], list(chain[1:]))
    except VerificationError as err:
        raise Refused(_explain(chain, roots, moment, err)) from err


def _may_certify(policy: Policy, certificate: x509.Certificate, extension: x509.KeyUsage) -> None:
    if not extension.key_cert_sign:
        raise ValueError("a CA on the path may not sign certificates (no keyCertSign)")


def _explain(
    chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], moment: datetime, err: VerificationError
) -> str:
    """Words for why no path was found: the first link, from the leaf upwards, that is not as it should be."""
    pool = [*chain[1:], *roots]
    current = chain[0]
    for _ in range(len(pool)):
        issuer_name = shown(current.issuer)
        named = [one for one in pool if one.subject == current.issuer]
        if not named or (current in named and current not in roots):
            return f"foreign root: {issuer_name} is none of the {len(roots)} trusted roots"
        issuers = [one for one in named if issued(one, current)]
        if not issuers:
            return f"{shown(current.subject)} was not signed by the {issuer_name} that it names"
        current = issuers[0]
        try:
            _check_validity(current, moment, f"the certificate of {issuer_name}")
        except Refused as late:
            return late.what
        if current in roots:
            break
    words = str(err).partition(" (encountered")[0].rpartition("candidates exhausted: ")[2]
    return f"the path to a trusted root breaks a rule of RFC 5280: {_one_line(words)}"


def issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether ``issuer`` signed ``certificate``, by name and by key. No more than that."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def shown(name: x509.Name) -> str:
    """A name out of a certificate, short and safe to show."""
    return _one_line(name.rfc4514_string())[:120]


def _one_line(said: object) -> str:
    """What the library says of a certificate, which may repeat what is in it: short and safe to show."""
    return paths.to_text(str(said).encode("utf-8", "surrogateescape"))[:200]
