"""A C2PA manifest beside each film (c2pa.org, a sidecar: the film itself is never written), for viewers that show such.

It is a display credential and never the proof of the bytes: C2PA leaves out ``free``, ``uuid`` and ``ftyp`` boxes. So a
file whose samples are not plainly in its media data gets none. It is signed with a credential that the agency keeps
for this alone (``[disclosure]``): the dock's own keys each sign one thing, and a certificate that nobody knows would
show people an "untrusted" that says nothing about the footage.

The key stays here, and the library, which parses the film, works in a child without rights
(:mod:`dockagent.media.c2pa_sign`).
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dockagent.clock import Clock
from dockagent.core import plan
from dockagent.core.moment import rfc3339
from dockagent.core.proof import certificates
from dockagent.disclosure.bag import BagWriter
from dockagent.disclosure.clips import Packed
from dockagent.errors import Permanent, Refused, UsageError
from dockagent.media import c2pa_sign

FOLDER, ASSERTION = "data/c2pa", "org.dockagent.custody"
_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".lrv": "video/mp4", ".mov": "video/quicktime"}
NO_CREDENTIAL = "There are no C2PA manifests: this dock has no credential for them ([disclosure] c2pa_chain_file)."
_ABSENT = "There are no C2PA manifests: c2pa-python is not installed where this was made."


@dataclass(frozen=True, slots=True)
class Credential:
    """Who signs C2PA manifests: certificates (PEM, leaf first) and the leaf's P-256 key."""

    chain_pem: str
    key: ec.EllipticCurvePrivateKey


def credential(chain: str, key: str) -> Credential | None:
    """The credential in these files; None where neither is named. Raises UsageError for one that cannot be used."""
    if not chain and not key:
        return None
    try:
        chain_pem, loaded = Path(chain).read_bytes(), load_pem_private_key(Path(key).read_bytes(), None)
        leaf = certificates.parse_chain(chain_pem)[0]
    except (OSError, ValueError, TypeError, IndexError, Refused) as err:
        raise UsageError(
            f"the C2PA credential cannot be used: {err}", "check c2pa_chain_file and c2pa_key_file"
        ) from err
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or not isinstance(loaded.curve, ec.SECP256R1):
        raise UsageError("the C2PA key is not on P-256", "make one: docs/disclosure.md has the commands")
    if leaf.public_key() != loaded.public_key():
        raise UsageError("the C2PA key is not that of the first certificate", "check c2pa_chain_file and c2pa_key_file")
    return Credential(chain_pem.decode("ascii", "replace"), loaded)


def sidecar(packed: Packed, by: Credential | None, bag: BagWriter, clock: Clock) -> str:
    """Put a clip's C2PA manifest into the bag, or say why it has none."""
    if by is None:
        return NO_CREDENTIAL
    if importlib.util.find_spec("c2pa") is None:
        return _ABSENT
    name, kind = packed.clip.path, _TYPES.get(Path(packed.master).suffix)
    measure = packed.clip.measure
    if packed.master == plan.SEALED_MASTER or kind is None:
        return f"{name} has no C2PA manifest: it is no MP4 or QuickTime file, or it is sealed"
    if measure is None or measure.why or not measure.trees:
        return f"{name} has no C2PA manifest: nobody could show that its samples are where C2PA looks"
    manifest, why = _signed(packed, kind, by, bag, clock)
    if manifest:
        bag.add(f"{FOLDER}/{packed.clip.id}.c2pa", manifest)
    return why


def _signed(packed: Packed, kind: str, by: Credential, bag: BagWriter, clock: Clock) -> tuple[bytes, str]:
    def sign(data: bytes) -> bytes:
        pair = utils.decode_dss_signature(by.key.sign(data, ec.ECDSA(SHA256())))
        return b"".join(one.to_bytes(32) for one in pair)  # IEEE P1363, as COSE has it (RFC 9053 section 2.1)

    try:
        film = bag.disk.path(f"{packed.folder}/{packed.master}")
        return c2pa_sign.manifest(film, kind, _claim(packed), by.chain_pem, sign, clock), ""
    except Permanent as err:
        return b"", f"{packed.clip.path} has no C2PA manifest: {' '.join(err.what.split())[:300]}"


def _claim(packed: Packed) -> dict[str, Any]:
    clip = packed.clip
    custody = {
        "clip": clip.id,
        "camera": clip.camera,
        "sha256": clip.sha256,
        "clip_record_sha256": clip.record_sha256,
        "acquired": rfc3339(clip.acquired_ms),
        "session": clip.session,
    }
    return {
        "claim_generator_info": [{"name": "dockagent"}],
        "title": clip.path.rpartition("/")[2],
        "assertions": [{"label": ASSERTION, "data": custody}],
    }
