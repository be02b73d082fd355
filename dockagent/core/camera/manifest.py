"""What a camera signed about its clips, and what that proves about each of them.

Separate questions get separate answers, and none of them is raised as an error: a manifest that proves nothing must
not stop the card from being pulled.

========= =============================================================================================================
intact    are these the bytes that the camera signed?
signature is there a valid signature that covers this file?
signer    was it made by a camera that a maker's root vouches for, and by this camera?
time      can the recording have begun when the camera says?
complete  is all of it there: every signed byte, and its neighbours in the camera's counter?
========= =============================================================================================================

**What a bad signature means for intact.** An invalid signature proves nothing either way, and a valid one by somebody
whom nobody vouches for proves nothing good: anybody can sign altered footage with a key of their own. So ``intact`` is
``pass`` only under a valid signature by a trusted camera, ``fail`` whenever a valid signature, whoever made it, names
another digest, and ``unknown`` otherwise. A clip whose ``intact`` or ``signature`` is ``fail`` goes to quarantine.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from dockagent.core.camera import statement
from dockagent.core.camera.inventory import Finding, limited
from dockagent.core.camera.statement import Claim, Manifest
from dockagent.core.moment import rfc3339
from dockagent.core.proof import certificates, dsse
from dockagent.errors import Refused

MAX_ENVELOPE_BYTES = 32 << 20  # a card of 10,000 clips with two sidecars each signs about 8 MiB
MAX_SIGNATURES = 8
EARLIEST_MS = 1_262_304_000_000  # 2010-01-01: a camera that says less has lost its clock

Answer = Literal["pass", "fail", "unknown"]
SignedAnswer = Literal["pass", "fail", "unknown", "unsigned"]


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A camera's manifest as it was read, with separate answers about its signature and its signer.

    ``manifest`` is None unless the signature is valid. ``serial`` and ``key_id`` are the certificate's, or empty.
    ``at_ms`` and ``uncertainty_ms`` (-1: nobody knows) are the dock's clock when it was read, against which times are
    judged. ``sha256``: hex digest of the envelope's bytes.
    """

    sha256: str
    signature: Literal["pass", "fail"]
    signature_reason: str
    signer: Answer
    signer_reason: str
    serial: str
    key_id: str
    at_ms: int
    uncertainty_ms: int
    manifest: Manifest | None
    findings: tuple[Finding, ...]


class Verdicts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known about one file. ``reasons`` has a line for a person under each verdict's name.
    ``quarantine_reason`` is empty unless the file must be kept apart."""

    intact: Answer
    signature: SignedAnswer
    signer: SignedAnswer
    time: Answer
    complete: Answer
    reasons: dict[str, str]
    quarantine_reason: str


def read(
    envelope: bytes,
    chain_pem: bytes,
    roots: Sequence[x509.Certificate],
    at_ms: int,
    card_serial: str,
    *,
    previous_sequence: int | None = None,
    uncertainty_ms: int = -1,
) -> Reading:
    """Read a manifest and its certificates as they lie on the card. Never raises for anything in them.

    1. the certificates are parsed, and the leaf's key taken;
    2. the envelope is parsed, and its signature over payload and type checked with that key;
    3. the payload, now known to be signed, is parsed;
    4. the certificates are checked against ``roots`` at ``at_ms``;
    5. the serial numbers in certificate, manifest and ``camera.json`` (``card_serial``, or empty) are compared.
    """
    chain: tuple[x509.Certificate, ...] = ()
    key_id, manifest = "", None
    try:
        chain = certificates.parse_chain(chain_pem)
        key = certificates.signing_key(chain[0])
        key_id = dsse.key_id(key)
        manifest = statement.parse(_signed_payload(envelope, key))
        why = "signed by the key in the camera's certificate"
    except Refused as err:
        why = err.what
    signer, why_signer = _signer(chain, roots, at_ms, manifest, card_serial)
    return Reading(
        sha256=hashlib.sha256(envelope).hexdigest(),
        signature="pass" if manifest is not None else "fail",
        signature_reason=why,
        signer=signer,
        signer_reason=why_signer,
        serial=_serial(chain),
        key_id=key_id,
        at_ms=at_ms,
        uncertainty_ms=uncertainty_ms,
        manifest=manifest,
        findings=statement.findings(manifest, previous_sequence) if manifest is not None else (),
    )


def judge(reading: Reading | None, path: str, size: int, sha256: str) -> Verdicts:
    """What ``reading`` proves about the file at ``path`` (text form), of which the dock read ``size`` bytes with the
    digest ``sha256`` (hex). None: the camera signed nothing."""
    if reading is None:
        return _unsigned("the camera signed nothing: integrity begins at the dock")
    if reading.manifest is None:
        return _badly_signed(reading)
    signed = reading.manifest.digest(path)
    if not signed:
        return _unsigned("the camera's manifest does not name this file")
    claim = reading.manifest.clips.get(path)
    intact, why_intact = _intact(reading, signed, sha256)
    time, why_time = _time(reading, claim)
    complete, why_complete = _complete(reading, claim, size, signed == sha256)
    return Verdicts(
        intact=intact,
        signature="pass",
        signer=reading.signer,
        time=time,
        complete=complete,
        reasons={
            "intact": why_intact,
            "signature": reading.signature_reason,
            "signer": reading.signer_reason,
            "time": why_time,
            "complete": why_complete,
        },
        quarantine_reason=why_intact if intact == "fail" else "",
    )


def compare(reading: Reading | None, listed: Collection[str]) -> tuple[Finding, ...]:
    """What manifest and card do not agree on. ``listed``: the paths of all clips and sidecars on the card."""
    if reading is None or reading.manifest is None:
        return ()
    manifest = reading.manifest
    on_card = frozenset(listed)
    gone = [path for path in (*manifest.clips, *manifest.others) if path not in on_card]
    new = [path for path in listed if not manifest.digest(path)]
    return limited(
        [
            *_each("signed-but-missing", "the camera signed {}, but it is not on the card", gone),
            *_each("present-but-unsigned", "{} is on the card, but not in the camera's manifest", new),
        ]
    )


def _each(code: str, text: str, found: Iterable[str]) -> list[Finding]:
    return [Finding(code, text.format(path), "warning", path) for path in found]


def _signed_payload(envelope: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    """Step 2. The payload, once its signature is known to be good. Raises Refused."""
    if len(envelope) > MAX_ENVELOPE_BYTES:
        raise Refused(f"the manifest has {len(envelope)} bytes; at most {MAX_ENVELOPE_BYTES} are read")
    try:
        parsed = dsse.parse(envelope)
    except ValueError as err:
        raise Refused("not a DSSE envelope: payload or signature has characters that base64 does not know") from err
    if parsed.payload_type != dsse.IN_TOTO:
        raise Refused(f"the manifest's payload type is not {dsse.IN_TOTO}")
    if len(parsed.signatures) > MAX_SIGNATURES:
        raise Refused(f"the manifest has {len(parsed.signatures)} signatures; at most {MAX_SIGNATURES} are checked")
    if not dsse.signed_by(parsed, key):
        raise Refused("the manifest's signature was not made by the camera certificate's key over these bytes")
    return parsed.payload


def _serial(chain: Sequence[x509.Certificate]) -> str:
    try:
        return certificates.device_serial(chain[0]) if chain else ""
    except Refused:
        return ""  # the signer's verdict says so


def _signer(
    chain: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    at_ms: int,
    manifest: Manifest | None,
    card_serial: str,
) -> tuple[Answer, str]:
    """Steps 4 and 5."""
    if not chain:
        return "unknown", "there is no certificate to know the signer by"
    if not roots:
        return "unknown", "this dock was given no maker's root to know cameras by"
    try:
        certificates.trust(chain, roots, at_ms)
        serial = certificates.device_serial(chain[0])
    except Refused as err:
        return "fail", err.what
    named = {"the manifest": manifest.serial if manifest is not None else "", "camera.json": card_serial}
    for where, said in named.items():
        if said and said != serial:
            return "fail", f"the certificate is camera {serial}'s, but {where} says {said}"
    return "pass", f"camera {serial}, vouched for by a root that this dock trusts"


def _unsigned(why: str) -> Verdicts:
    verdicts = ("intact", "signature", "signer", "time", "complete")
    return Verdicts("unknown", "unsigned", "unsigned", "unknown", "unknown", dict.fromkeys(verdicts, why), "")


def _badly_signed(reading: Reading) -> Verdicts:
    nothing = "the camera's manifest has no valid signature, so it proves nothing"
    reasons = dict.fromkeys(("intact", "signer", "time", "complete"), nothing)
    why = f"signature: {reading.signature_reason}"
    reasons["signature"] = reading.signature_reason
    return Verdicts("unknown", "fail", "unknown", "unknown", "unknown", reasons, why)


def _intact(reading: Reading, signed: str, sha256: str) -> tuple[Answer, str]:
    if signed != sha256:
        return "fail", f"the camera signed the digest {signed}, but the dock read {sha256}"
    if reading.signer != "pass":
        return "unknown", "the signed digest is that of the bytes read, but nobody vouches for who signed it"
    return "pass", "the bytes read are the bytes that the camera signed"


def _time(reading: Reading, claim: Claim | None) -> tuple[Answer, str]:
    """Plausible: not before 2010, not after the manifest was signed, not in the future of the dock's clock."""
    if claim is None or reading.manifest is None:
        return "unknown", "the manifest states no time for this file"
    start = rfc3339(claim.start_ms)
    if claim.start_ms < EARLIEST_MS:
        return "fail", f"the camera says that it began at {start}: its clock was not set"
    if claim.start_ms > reading.manifest.created_ms:
        return "fail", f"the camera says that it began at {start}, after it signed the manifest"
    if claim.start_ms > reading.at_ms + max(reading.uncertainty_ms, 0):
        why = f"the camera says that it began at {start}, but the dock's clock says {rfc3339(reading.at_ms)}"
        unsure = reading.uncertainty_ms < 0
        return ("unknown", f"{why}, and nobody knows how right the dock is") if unsure else ("fail", why)
    if reading.signer != "pass":
        return "unknown", f"{start} is possible, but nobody vouches for who says so"
    return "pass", f"{start} is possible by the dock's clock"


def _complete(reading: Reading, claim: Claim | None, size: int, same: bool) -> tuple[Answer, str]:
    """All of the file, and no hole beside it in the camera's counter."""
    if claim is None:
        why = "the whole file was signed" if same else "the manifest states no length for this file"
        return ("pass" if same and reading.signer == "pass" else "unknown"), why
    if size != claim.bytes:
        return "fail", f"the camera signed {claim.bytes} bytes, but the dock read {size}"
    for first, last in reading.manifest.gaps if reading.manifest is not None else ():
        if claim.counter in (first - 1, last + 1):
            return (
                "fail",
                f"the clips that the camera counted {first} to {last}, next to this one, are not accounted for",
            )
    if not same or reading.signer != "pass":
        return "unknown", "the length is as signed, but that alone proves nothing"
    return "pass", "every signed byte is there, and so are its neighbours in the camera's counter"
