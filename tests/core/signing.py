"""Makes manifests and certificates, right and wrong, for the tests of the manifest. A signer of its own."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from dockagent.core.camera.manifest import Reading, Verdicts, judge, read

AT = 1_795_363_331_000  # 2026-11-22T16:02:11Z
FOREVER = datetime(9999, 12, 31, 23, 59, 59)
CLIPS = tuple(f"DCIM/100BWC/BWC000{count}_20261122T08150{count}Z.MP4" for count in (1, 2, 3))
SIDECAR = CLIPS[0].replace("MP4", "GPS")
Key = ec.EllipticCurvePrivateKey
ROOT_KEY, SUB_KEY, LEAF_KEY, OTHER_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))


def sha(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()


def name(common: str, *serials: str) -> x509.Name:
    parts = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Reference"),
        x509.NameAttribute(NameOID.COMMON_NAME, common),
    ]
    return x509.Name(parts + [x509.NameAttribute(NameOID.SERIAL_NUMBER, one) for one in serials])


LEAF_NAME, SUB_NAME = name("BWC-1", "BWC-0001"), name("Sub CA")


@dataclass(frozen=True)
class Make:
    """A recipe for one certificate, to be varied by tests."""

    subject: x509.Name = LEAF_NAME
    key: Any = LEAF_KEY
    issuer: x509.Name = SUB_NAME
    signer: Key = SUB_KEY
    ca: bool | None = False
    path_length: int | None = None
    usage: str = "digital_signature"
    start: datetime = datetime(2020, 1, 1)
    end: datetime = FOREVER
    critical_unknown: bool = False

    def build(self) -> x509.Certificate:
        builder = x509.CertificateBuilder(self.issuer, self.subject, self.key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(self.start).not_valid_after(self.end)
        for extension in (
            x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.signer.public_key()),
        ):
            builder = builder.add_extension(extension, False)
        if self.ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(self.ca, self.path_length), True)
        if self.usage:
            every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                     "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
            builder = builder.add_extension(x509.KeyUsage(**{one: one in self.usage.split() for one in every}), True)
        if self.critical_unknown:
            odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
            builder = builder.add_extension(odd, True)
        return builder.sign(self.signer, hashes.SHA256())


def authority(**changes: Any) -> Make:
    usual: dict[str, Any] = {"subject": SUB_NAME, "key": SUB_KEY, "issuer": name("Maker Root"), "signer": ROOT_KEY,
                             "ca": True, "path_length": 0, "usage": "key_cert_sign crl_sign"}  # fmt: skip
    return Make(**(usual | changes))


def root(**changes: Any) -> Make:
    return authority(**({"subject": name("Maker Root"), "key": ROOT_KEY, "path_length": None} | changes))


def foreign() -> Make:
    return root(subject=name("Other"), issuer=name("Other"), key=OTHER_KEY, signer=OTHER_KEY)


ROOT, SUB, LEAF = root().build(), authority().build(), Make().build()


def pem(*chain: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in chain)


CHAIN = pem(LEAF, SUB)


def statement(clips: Sequence[str] = CLIPS, others: Sequence[str] = (SIDECAR,), **changes: Any) -> dict[str, Any]:
    """A good statement; ``changes`` go into its predicate."""
    predicate = {
        "camera": {"maker": "Reference", "model": "BWC-1", "serial": "BWC-0001", "firmware": "1.4.2"},
        "sequence": 7,
        "created": "2026-11-22T16:02:11Z",
        "clips": [
            {
                "name": clip,
                "counter": count,
                "bytes": len(clip),
                "start": "2026-11-22T08:15:00Z",
                "zone": "Europe/London",
            }
            for count, clip in enumerate(clips, 1)
        ],
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": one, "digest": {"sha256": sha(one)}} for one in (*clips, *others)],
        "predicateType": "urn:dockagent:camera-manifest:1",
        "predicate": predicate | changes,
    }


def pae(kind: str, payload: bytes) -> bytes:
    return b" ".join((b"DSSEv1", str(len(kind)).encode(), kind.encode(), str(len(payload)).encode(), payload))


def sign(payload: bytes, key: Key = LEAF_KEY, kind: str = "application/vnd.in-toto+json", copies: int = 1) -> bytes:
    sig = key.sign(pae(kind, payload), ec.ECDSA(hashes.SHA256()))
    one = {"keyid": "", "sig": base64.b64encode(sig).decode()}
    return json.dumps(
        {"payloadType": kind, "payload": base64.b64encode(payload).decode(), "signatures": [one] * copies}
    ).encode()


def envelope(said: dict[str, Any] | None = None, **how: Any) -> bytes:
    return sign(json.dumps(statement() if said is None else said).encode(), **how)


def reading(
    data: bytes | None = None, chain: bytes = CHAIN, roots: Sequence[x509.Certificate] = (ROOT,), **how: Any
) -> Reading:
    usual: dict[str, Any] = {"at_ms": AT, "card_serial": "BWC-0001", "uncertainty_ms": 50}
    return read(envelope() if data is None else data, chain, roots, **(usual | how))


def verdict(read_as: Reading | None, path: str = CLIPS[0], size: int | None = None, digest: str = "") -> Verdicts:
    return judge(read_as, path, len(path) if size is None else size, digest or sha(path))


def answers(said: Verdicts) -> tuple[str, str, str, str, str]:
    return said.intact, said.signature, said.signer, said.time, said.complete
