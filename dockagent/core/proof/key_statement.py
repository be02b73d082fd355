"""What a dock's identity signs about the keys that do the daily work: a DSSE envelope over canonical JSON.

The identity (P-256, in a file, a systemd credential or a TPM) signs little: certificate requests, and this statement.
It names the P-256 key that signs records and the Ed25519 key that signs checkpoints, and from which place in the
ledger on they do so. Who believes the identity, through its certificate or by hand, believes these keys through it.

When keys are changed, the statement about the new ones is signed by both identities, the one before and the new one
(they may be the same), and stands in the ledger in a record that the last record key signed.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from dockagent.core import strict_json
from dockagent.core.proof import dsse, note
from dockagent.errors import Refused

PAYLOAD_TYPE = "application/vnd.dockagent.keys+json"
"""DSSE payload type. One of its own, so that no record and no clip record can be taken for a statement about keys."""

SCHEMA = "urn:dockagent:keys:1"
MAX_STATEMENT = 16 << 10  # bytes
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEMBERS = frozenset(
    (
        *("schema", "dock", "origin", "generation", "since", "previous", "root"),
        *("identity_key_pem", "record_key_pem", "log_vkey"),
    )
)

Signer = tuple[str, Callable[[bytes], bytes]]
"""A key id, and what signs with that key (ECDSA with SHA-256, DER)."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of a dock for one stretch of its ledger.

    ``generation``: 1 for the first set, one more for each change. ``since``: index of the first record that
    ``record_key`` signs; ``log_key`` signs checkpoints over more than ``since`` records (over 0 too when it is the
    first). ``previous``: key id of the record key before, and ``root``: RFC 6962 root (hex) over the ``since - 1``
    records before the one that hands over; both are empty in the first set. The root is the identity's word on the
    history that it takes over: whoever holds a later set knows a fork of the time before it, made with the old keys.
    """

    dock: str
    origin: str
    generation: int
    since: int
    previous: str
    root: str
    identity_key: ec.EllipticCurvePublicKey
    record_key: ec.EllipticCurvePublicKey
    log_key: note.VerifierKey

    def payload(self) -> bytes:
        """The signed bytes (RFC 8785)."""
        return strict_json.canonical(
            {
                "schema": SCHEMA,
                "dock": self.dock,
                "origin": self.origin,
                "generation": self.generation,
                "since": self.since,
                "previous": self.previous,
                "root": self.root,
                "identity_key_pem": public_pem(self.identity_key),
                "record_key_pem": public_pem(self.record_key),
                "log_vkey": self.log_key.text(),
            }
        )


def seal(keys: KeySet, signers: Sequence[Signer]) -> bytes:
    """The statement's envelope: signed by the set's own identity and, for a change, by the one before."""
    return dsse.seal_by(PAYLOAD_TYPE, keys.payload(), signers)


def parse(envelope: bytes) -> KeySet:
    """The key set in a statement, whose own identity did sign it. Raises Refused with the reason.

    This proves only that the statement is whole. Whether the identity is to be believed is the caller's question.
    """
    if len(envelope) > MAX_STATEMENT:
        raise Refused(f"a statement about keys has at most {MAX_STATEMENT} bytes, this one {len(envelope)}")
    opened = dsse.parse(envelope)
    if opened.payload_type != PAYLOAD_TYPE:
        raise Refused(f"the envelope holds {opened.payload_type[:80]!r}, not a statement about keys")
    raw = strict_json.parse(opened.payload)
    if not isinstance(raw, dict) or set(raw) != _MEMBERS or raw["schema"] != SCHEMA:
        raise Refused(f"not a statement about keys ({SCHEMA}) with exactly its members")
    keys = KeySet(
        dock=_text(raw, "dock"),
        origin=_text(raw, "origin"),
        generation=_whole(raw, "generation", 1),
        since=_whole(raw, "since", 0),
        previous=_digest(raw, "previous"),
        root=_digest(raw, "root"),
        identity_key=public_key(_text(raw, "identity_key_pem"), "identity_key_pem"),
        record_key=public_key(_text(raw, "record_key_pem"), "record_key_pem"),
        log_key=note.parse_vkey(_text(raw, "log_vkey")),
    )
    if keys.log_key.name != keys.origin:
        raise Refused(f"the statement is about {keys.origin!r}, but its log key is for {keys.log_key.name!r}")
    if {keys.generation == 1, keys.since == 0, keys.previous == "", keys.root == ""} == {True, False}:
        raise Refused("the statement's generation, since, previous and root contradict each other")
    if not dsse.signed_by(opened, keys.identity_key):
        raise Refused("the statement about keys is not signed by the identity that it names")
    return keys


def signed_by(envelope: bytes, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether ``key`` is among those that signed the statement."""
    return dsse.signed_by(dsse.parse(envelope), key)


def check_succession(envelope: bytes, before: KeySet, at: int) -> KeySet:
    """The key set that takes over from ``before`` by a record with the index ``at``. Raises Refused with the reason.

    1. The statement is whole. 2. It is about the same dock and ledger. 3. It follows ``before`` and no other set.
    4. Its keys begin just behind this record. 5. The identity before signed it too.
    """
    new = parse(envelope)
    if (new.dock, new.origin) != (before.dock, before.origin):
        raise Refused(f"the change of keys is about dock {new.dock!r} ({new.origin!r}), not about this one")
    if new.generation != before.generation + 1 or new.previous != dsse.key_id(before.record_key):
        raise Refused(f"the change of keys does not follow set {before.generation} of dock {before.dock}")
    if new.since != at + 1:
        raise Refused(f"the change of keys stands in record {at}, but says that it holds from record {new.since} on")
    if not signed_by(envelope, before.identity_key):
        raise Refused(f"the change of keys is not signed by the identity of dock {before.dock} before it")
    return new


def public_pem(key: ec.EllipticCurvePublicKey) -> str:
    """SubjectPublicKeyInfo, PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_key(pem: str, what: str) -> ec.EllipticCurvePublicKey:
    """A P-256 public key in PEM; ``what`` names it in the error. Raises Refused for any other."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as err:
        raise Refused(f"{what} is not a public key in PEM") from err
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Refused(f"{what} is not a P-256 key")
    return key


def _text(raw: dict[str, Any], name: str) -> str:
    value = raw[name]
    if not isinstance(value, str) or not value:
        raise Refused(f"the statement's {name} must be text")
    return value


def _whole(raw: dict[str, Any], name: str, least: int) -> int:
    value = raw[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Refused(f"the statement's {name} must be a whole number from {least} on")
    return value


def _digest(raw: dict[str, Any], name: str) -> str:
    value = raw[name]
    if not isinstance(value, str) or (value and not _SHA256.fullmatch(value)):
        raise Refused(f"the statement's {name} must be a SHA-256 in hex, or empty")
    return value
