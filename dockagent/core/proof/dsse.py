"""DSSE envelopes (secure-systems-lab/dsse, protocol and envelope v1.0): signed bytes stay the bytes that were signed.

Keys are handed in; nothing here knows where they live.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dockagent.core import strict_json
from dockagent.errors import Refused

IN_TOTO = "application/vnd.in-toto+json"


@dataclass(frozen=True, slots=True)
class Signature:
    """``keyid`` is only a hint which key to try; ``sig`` is the raw signature (DER for ECDSA)."""

    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload as it was signed, its type, and who signed it. Nothing is verified by parsing."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    """Lower-case hex SHA-256 of the key's SubjectPublicKeyInfo (DER)."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def seal(payload_type: str, payload: bytes, keyid: str, sign: Callable[[bytes], bytes]) -> bytes:
    """The envelope's bytes (RFC 8785 JSON on one line). ``sign`` gets the PAE and returns the signature."""
    return seal_by(payload_type, payload, [(keyid, sign)])


def seal_by(payload_type: str, payload: bytes, signers: Sequence[tuple[str, Callable[[bytes], bytes]]]) -> bytes:
    """Like :func:`seal`, signed by each of several (key id, signing function), in this order."""
    signed = pae(payload_type, payload)
    return strict_json.canonical(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [{"keyid": keyid, "sig": base64.b64encode(sign(signed)).decode()} for keyid, sign in signers],
        }
    )


def parse(data: bytes) -> Envelope:
    """Take an envelope apart. Raises Refused with the reason where it is not one."""
    raw = strict_json.parse(data)
    if not isinstance(raw, dict) or not isinstance(raw.get("payloadType"), str):
        raise Refused("not a DSSE envelope: it has no payloadType")
    signatures = raw.get("signatures")
    if not isinstance(signatures, list) or not signatures:
        raise Refused("not a DSSE envelope: it has no signatures")
    return Envelope(raw["payloadType"], _base64(raw.get("payload")), tuple(_signature(one) for one in signatures))


def signed_by(envelope: Envelope, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether any signature is this P-256 key's over this payload and type."""
    signed = pae(envelope.payload_type, envelope.payload)
    return any(_verifies(key, one.sig, signed) for one in envelope.signatures)


def _verifies(key: ec.EllipticCurvePublicKey, sig: bytes, signed: bytes) -> bool:
    try:
        key.verify(sig, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _signature(raw: object) -> Signature:
    if not isinstance(raw, dict) or not isinstance(raw.get("keyid", ""), str):
        raise Refused("not a DSSE envelope: a signature is not an object with keyid and sig")
    return Signature(raw.get("keyid", ""), _base64(raw.get("sig")))


def _base64(text: object) -> bytes:
    if not isinstance(text, str):
        raise Refused("not a DSSE envelope: payload or signature is missing")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as err:  # binascii.Error, and what text outside ASCII raises
        raise Refused("not a DSSE envelope: its payload or a signature is not base64") from err
