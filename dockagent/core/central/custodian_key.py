"""A custodian's public key as one line, for configurations and trust files.

``NAME+HASH+BASE64``: its name, the first 8 hex digits of the SHA-256 of the key, and the key itself (DER,
SubjectPublicKeyInfo, P-256). The hash is the beginning of the ``keyid`` of the custodian's envelopes, so that a person
can compare the two.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from dockagent.core.proof import dsse
from dockagent.errors import Refused

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class CustodianKey:
    """Whom to believe as a custodian. ``name``: up to 64 letters, digits, ``._-``; ``public``: on P-256."""

    name: str
    public: ec.EllipticCurvePublicKey

    @property
    def key_id(self) -> str:
        """The ``keyid`` of its envelopes (hex SHA-256 of the key)."""
        return dsse.key_id(self.public)

    def text(self) -> str:
        """The line."""
        der = self.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"{self.name}+{self.key_id[:8]}+{base64.b64encode(der).decode()}"


def good_name(name: str) -> bool:
    """Whether a custodian may be called so."""
    return _NAME.fullmatch(name) is not None


def parse(line: str) -> CustodianKey:
    """Read a line. Raises Refused for a bad name, another kind of key, or a hash that is not this key's."""
    name, _, rest = line.strip().partition("+")
    stated, _, encoded = rest.partition("+")
    if not good_name(name):
        raise Refused(f"not a custodian's key: {line[:120]!r}; it reads name+8 hex digits+base64")
    try:
        public = load_der_public_key(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm) as err:
        raise Refused(f"the key of custodian {name!r} is not a public key in base64") from err
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise Refused(f"the key of custodian {name!r} is not a P-256 key")
    key = CustodianKey(name, public)
    if key.key_id[:8] != stated:
        raise Refused(f"the line of custodian {name!r} states the hash {stated[:16]!r}, but it is {key.key_id[:8]}")
    return key


def signed_payload(data: bytes, keys: Sequence[CustodianKey], what: str) -> tuple[bytes, CustodianKey]:
    """The in-toto payload of an envelope that one of ``keys`` signed, and whose it was. ``what`` names it in errors.
    Raises Refused where it is no such envelope, and where nobody of them signed it."""
    envelope = dsse.parse(data)
    if envelope.payload_type != dsse.IN_TOTO:
        raise Refused(f"{what} holds {envelope.payload_type[:80]!r}, not an in-toto statement")
    for key in keys:
        if dsse.signed_by(envelope, key.public):
            return envelope.payload, key
    known = ", ".join(f"{key.name} ({key.key_id[:8]})" for key in keys) or "nobody is named"
    raise Refused(f"{what} is not signed by a custodian who is trusted: {known}")
