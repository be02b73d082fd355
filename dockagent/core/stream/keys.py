"""The keys that sign video in its stream: whether a message's signature is theirs, and whether anybody vouches for
them.

ECDSA on the NIST curves, and RSA with PKCS #1 v1.5, over the message's hash: what the published signers make. A key
that comes only in the stream says who signed as little as a pen says whose hand held it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from dockagent.core.proof import certificates
from dockagent.core.stream.signed_sei import Document
from dockagent.errors import Refused

Key = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
MOST_KEY_BYTES = 8 << 10
_LEAST_RSA, _MOST_RSA = 2048, 4096  # bits: fewer is no proof, more is only slow
_ALGORITHMS: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha3_256": hashes.SHA3_256(),
    "sha3_384": hashes.SHA3_384(),
    "sha3_512": hashes.SHA3_512(),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Signer:
    """A key as a message gives it. ``id``: SHA-256 (hex) of its SubjectPublicKeyInfo. ``chain``: its certificates,
    leaf first, or none."""

    id: str
    key: Key
    chain: tuple[x509.Certificate, ...] = ()


def signer_of(document: Document) -> Signer | None:
    """The key that a message carries: alone, or in the first of its certificates. None where it carries none. Raises
    Refused for one that cannot be read."""
    chain = certificates.parse_chain(document.chain_pem.rstrip(b"\0")) if document.chain_pem else ()
    if document.key_pem:
        key = _loaded(document.key_pem)
        # A maker's attestation comes with certificates of its own key, not of the one that signs the video.
        return Signer(_id(key), key, () if document.attested else _of(key, chain))
    if not chain or document.attested:
        return None
    key = _leaf_key(chain[0])
    return Signer(_id(key), key, chain)


def _of(key: Key, chain: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
    """``chain`` if it is the key's. Raises Refused for one of another key."""
    if chain and _id(_leaf_key(chain[0])) != _id(key):
        raise Refused("the stream gives a key, and a certificate of another one")
    return chain


def _leaf_key(leaf: x509.Certificate) -> Key:
    try:
        return _known(leaf.public_key())
    except (ValueError, UnsupportedAlgorithm) as err:
        raise Refused("the key in the stream's certificate cannot be read") from err


def _loaded(pem: bytes) -> Key:
    if len(pem) > MOST_KEY_BYTES:
        raise Refused(f"the key in the stream has {len(pem)} bytes")
    try:
        return _known(load_pem_public_key(pem.rstrip(b"\0")))
    except (ValueError, UnsupportedAlgorithm) as err:
        raise Refused("the key in the stream cannot be read") from err


def _known(key: object) -> Key:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key
    if isinstance(key, rsa.RSAPublicKey) and _LEAST_RSA <= key.key_size <= _MOST_RSA:
        return key
    raise Refused(
        f"not verified by this version: the stream's key is neither ECDSA nor RSA of {_LEAST_RSA} bits or more"
    )


def _id(key: Key) -> str:
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def signed(document: Document, signer: Signer, name: str) -> bool:
    """Whether the message's signature is this key's, by the hash algorithm ``name``."""
    algorithm = utils.Prehashed(_ALGORITHMS[name])
    digest = hashlib.new(name, document.body).digest()
    try:
        if isinstance(signer.key, rsa.RSAPublicKey):
            signer.key.verify(document.signature or b"", digest, padding.PKCS1v15(), algorithm)
        else:
            signer.key.verify(document.signature or b"", digest, ec.ECDSA(algorithm))
    except (InvalidSignature, ValueError):
        return False
    return True


def vouched(signer: Signer, roots: Sequence[x509.Certificate], at_ms: int) -> str:
    """Who vouches for the signer at ``at_ms`` (milliseconds since 1970), in words. Raises Refused where nobody does.

    1. by the policy for devices (:mod:`certificates`); or, as the published signers' certificates have no serial
       number and may be of X.509 version 1,
    2. a root that the agency gave signed the key's certificate itself, and it is no CA's (RFC 5280 section 6).
    """
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    leaf = signer.chain[0]
    try:
        certificates.trust(signer.chain, roots, at_ms)
    except Refused as err:
        root = next((one for one in roots if certificates.issued(one, leaf)), None)
        if root is None or certificates.is_ca(leaf):
            raise
        for one in (leaf, root):
            if not one.not_valid_before_utc <= moment <= one.not_valid_after_utc:
                raise Refused(f"the certificate of {certificates.shown(one.subject)} is not valid now") from err
    return f"{certificates.shown(leaf.subject)}, vouched for by a root that this dock trusts"


@dataclass(slots=True)
class Keys:
    """The keys of a video's messages of one format, and what they are worth.

    ``signers``: the different keys. ``good``: numbers of messages whose own signature is valid; ``bad``: invalid;
    ``keyless``: no key for them is in the file. ``trouble``: why a key could not be read, or empty. ``attested``: a
    maker's own statement about the key is there."""

    signers: list[Signer] = field(default_factory=list)
    good: set[int] = field(default_factory=set)
    bad: list[int] = field(default_factory=list)
    keyless: list[int] = field(default_factory=list)
    trouble: str = ""
    attested: bool = False

    @classmethod
    def of(cls, documents: Sequence[Document | None], name: str) -> "Keys":
        found, known = cls(), dict[tuple[bytes, bytes], Signer | None]()
        carried = [found._signer(one, known) if one is not None else None for one in documents]
        current = next((one for one in carried if one is not None), None)  # a key that recurs serves those before it
        for number, document in enumerate(documents):
            current = carried[number] or current
            if document is None or document.signature is None:
                continue
            if current is None:
                found.keyless.append(number)
            elif signed(document, current, name):
                found.good.add(number)
            else:
                found.bad.append(number)
        return found

    def _signer(self, document: Document, known: dict[tuple[bytes, bytes], Signer | None]) -> Signer | None:
        self.attested = self.attested or document.attested
        texts = (document.key_pem, document.chain_pem)
        if texts not in known:
            try:
                known[texts] = signer_of(document)
            except Refused as err:
                self.trouble, known[texts] = self.trouble or err.what, None
            one = known[texts]
            if one is not None and all(one.id != other.id for other in self.signers):
                self.signers.append(one)
        return known[texts]
