"""Permits for tests, a custodian's key, and a dock whose one clip may be erased."""

from collections.abc import Sequence
from typing import Any

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from dockagent.core.central.custodian_state import CustodianWord
from dockagent.core.events.custodian import CustodianReceived
from dockagent.core.events.permit import EraseAsked, Erased, EraseFailed, PermitSeen
from dockagent.core.model import SessionPhase
from dockagent.core.permits import permit
from dockagent.core.permits.permit import Named, Permit
from dockagent.core.permits.permit_state import Tombstone
from dockagent.core.proof import dsse
from tests.core import story

KEY = ec.derive_private_key(7, ec.SECP256R1())
KEYS = [KEY.public_key()]
RECEIPT = "5a" * 32
C1, C2, C3 = ("c1" * 16, "c2" * 16, "c3" * 16)
PERMIT_ID = "0f" * 16
DAY_MS = 86_400_000


def sign(data: bytes) -> bytes:
    return KEY.sign(data, ec.ECDSA(hashes.SHA256()))


def named(path: str = "DCIM/a.MP4", clip: str = C1, size: int = 100) -> Named:
    return Named(path, clip, f"{clip:0>64}", size, RECEIPT)


def leave(*files: Named, **changed: Any) -> Permit:
    """A permit; for clip c1 of the story's camera unless said otherwise."""
    facts: dict[str, Any] = {
        "id": PERMIT_ID,
        "dock": permit.ANY_DOCK,
        "camera": story.CAMERA.id,
        "policy": "31 days",
        "issued_ms": story.NOW - 1000,
        "from_ms": story.NOW - 1000,
        "until_ms": story.NOW + DAY_MS,
        "files": files or (named(),),
    }
    return Permit(**{**facts, **changed})


def envelope(what: Permit) -> bytes:
    """Its envelope."""
    return permit.seal(what, dsse.key_id(KEYS[0]), sign)


def seen(what: Permit) -> PermitSeen:
    return PermitSeen(what.clip.clip_id, what, envelope(what).decode())


def word(clip: str = C1, **changed: Any) -> CustodianReceived:
    facts: dict[str, Any] = {
        "sha256": RECEIPT,
        "custodian": "desk",
        "key_id": "ab" * 32,
        "key": f"clips/{clip}/master",
        "version": "",
        "mode": "COMPLIANCE",
        "until": "",
        "legal_hold": "off",
        "ledger_size": 9,
        "time": "2026-11-22T08:15:00Z",
    }
    return CustodianReceived(clip, CustodianWord(**{**facts, **changed}))


def ready(*permits: Permit, doubt: str = "") -> story.Story:
    """Clip C1 is delivered, with the custodian's receipt, and its camera is in the bay; these permits are known."""
    told = delivered(story.session_in(SessionPhase.LISTED), "DCIM/a.MP4", C1, doubt)
    return told.tell(word(), *(seen(one) for one in permits))


def delivered(told: story.Story, path: str, clip: str, doubt: str = "") -> story.Story:
    """A file of the listed card came all the way to the store; ``doubt``: why it is quarantined."""
    told.tell(story.acquired("A", path, clip), story.verified(clip, doubt))
    if path.endswith("MP4"):
        told.tell(story.trees(clip), story.previewed(clip))
    told.tell(story.quarantined(clip) if doubt else story.admitted(clip), story.delivered(clip))
    return told if doubt else told.tell(story.disposed(clip))


def with_sidecars(*permits: Permit) -> story.Story:
    """As :func:`ready`, and the clip has a second chapter C2 and a sidecar C3 of both."""
    entries = [story.entry(path) for path in ("DCIM/a.MP4", "DCIM/b.MP4")]
    entries.append(story.entry("DCIM/a.GPS", role="sidecar", belongs_to="DCIM/a.MP4"))
    entries = [msgspec.structs.replace(one, recording="take") for one in entries]
    told = story.session_in(SessionPhase.IDENTIFIED).tell(story.inventory("A", *entries))
    for path, clip in (("DCIM/a.MP4", C1), ("DCIM/b.MP4", C2), ("DCIM/a.GPS", C3)):
        delivered(told, path, clip).tell(word(clip))
    return told.tell(*(seen(one) for one in permits))


def asks(what: Permit, *files: Named, bay: str = "A") -> EraseAsked:
    return EraseAsked(f"s/{bay}", what.clip.clip_id, what.id, files or what.files)


def erased(asked: int, what: Permit, files: Sequence[Named] = (), left: tuple[str, ...] = (), bay: str = "A") -> Erased:
    stones = tuple(
        Tombstone(one.path, one.clip_id, one.sha256, one.bytes, one.receipt_sha256) for one in files or what.files
    )
    return Erased(f"s/{bay}", asked, what.clip.clip_id, what.id, "permit", "unlinked", stones, left, 10, 110)


def failed(
    asked: int, *, retry: bool = True, unsure: bool = False, ground: str = "medium", bay: str = "A"
) -> EraseFailed:
    return EraseFailed(f"s/{bay}", asked, C1, ground, "as it happens", retry, unsure)
