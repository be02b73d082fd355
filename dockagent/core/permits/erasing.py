"""The dock's own judgement on a permit: every ground on which footage is not erased, each with words of its own.

A permit is leave, never an order. The custodian looked at the store; the dock looks at what it knows itself: the bytes
that it read, their receipts, holds, verdicts, and the card that is in the bay now. Any doubt is a no.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from dockagent.core import plan
from dockagent.core.central import store_receipt
from dockagent.core.model import Clip, ClipPhase, Session, State
from dockagent.core.moment import rfc3339
from dockagent.core.permits.permit import ANY_DOCK, Named, Permit
from dockagent.core.permits.permit_state import KnownPermit

_DELIVERED = (ClipPhase.DELIVERED, ClipPhase.DONE)
_KNOWN_BY = ("proof", "console", "card")


class Ground(StrEnum):
    """Why a permit is not followed. ``docs/erase.md`` explains each."""

    POLICY = "policy"
    UNREADABLE = "unreadable"
    UNKNOWN_KEY = "unknown-key"
    WRONG_DOCK = "wrong-dock"
    WRONG_CAMERA = "wrong-camera"
    UNIDENTIFIED = "unidentified-camera"
    NOT_YET = "not-yet-valid"
    STALE = "stale"
    REPLAY = "replay"
    FOREIGN = "foreign-clip"
    OTHER_BYTES = "other-bytes"
    OTHER_PATH = "other-path"
    QUARANTINE = "quarantine"
    UNJUDGED = "unjudged"
    HOLD = "hold"
    WITHHELD = "withheld"
    NO_RECEIPT = "no-receipt"
    OTHER_RECEIPT = "other-receipt"
    DOUBTED_RECEIPT = "doubted-receipt"
    CARD = "card-in-doubt"
    CHANGED = "changed"
    MEDIUM = "medium"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A ground, and one line for a person."""

    ground: Ground
    words: str


def judge(state: State, known: KnownPermit, session: Session, now_ms: int) -> Refusal | None:
    """Why a permit is not to be followed for the camera of this session now; None where nothing speaks against it.

    1. It is for this dock, this camera and this time. 2. It was not used before. 3. Every file that it names is one
    that this dock read from this camera, byte for byte, under that name. 4. Neither is in doubt or on hold. 5. The
    store proved to hold it, and the custodian's receipt is the one that the permit rests on. 6. The card in the bay is
    whole.
    """
    return next((one for one in _refusals(state, known, session, now_ms)), None)


def beforehand(state: State, known: KnownPermit, now_ms: int) -> Refusal | None:
    """Why a permit would not be followed whatever camera comes, as things are; None where only its camera is needed."""
    found = (*_of_dock(state, known.permit), *_in_time(known.permit, now_ms), *_of_files(state, known))
    return next(iter(found), None)


def targets(state: State, session: Session, known: KnownPermit) -> tuple[Named, ...]:
    """What a permit lets go of the card in this session: those of its files that are on it and are not erased yet. A
    file that goes with footage stays until the last of that footage goes."""
    here = tuple(one for one in known.left if _on_card(session, known.permit.camera, one))
    going = {one.path for one in here}
    return tuple(one for one in here if not _is_needed(state, session, one, going))


def _on_card(session: Session, camera: str, one: Named) -> bool:
    item = session.items.get(plan.item_id(camera, one.path, one.bytes))
    return item is not None and item.clip_id == one.clip_id


def _is_needed(state: State, session: Session, one: Named, going: set[str]) -> bool:
    clip = state.clips.get(one.clip_id)
    if clip is None or clip.role == "footage" or not clip.recording:
        return False
    return any(
        item.entry.role == "footage" and item.entry.recording == clip.recording and item.entry.path not in going
        for item in session.items.values()
    )


def _refusals(state: State, known: KnownPermit, session: Session, now_ms: int) -> Iterator[Refusal]:
    permit = known.permit
    yield from _of_dock(state, permit)
    yield from _of_camera(permit, session)
    yield from _in_time(permit, now_ms)
    yield from _of_files(state, known)
    if session.unlisted or session.failed:
        yield Refusal(Ground.CARD, "not all of this card could be listed and read: it is not written to")


def _of_files(state: State, known: KnownPermit) -> Iterator[Refusal]:
    if not known.left:
        yield Refusal(Ground.REPLAY, f"permit {known.permit.id} was used already: a permit is good for one time")
    for one in known.permit.files:
        yield from _of_file(state, known.permit, one)


def _of_dock(state: State, permit: Permit) -> Iterator[Refusal]:
    if state.dock and permit.dock not in (ANY_DOCK, state.dock):
        yield Refusal(Ground.WRONG_DOCK, f"the permit is for dock {permit.dock}; this is {state.dock}")


def _of_camera(permit: Permit, session: Session) -> Iterator[Refusal]:
    camera = session.camera
    if camera is None or camera.known_by not in _KNOWN_BY:
        yield Refusal(Ground.UNIDENTIFIED, "nobody knows which camera this is; a permit is for one camera")
    elif camera.id != permit.camera:
        yield Refusal(Ground.WRONG_CAMERA, f"the permit is for camera {permit.camera}; this is {camera.id}")


def _in_time(permit: Permit, now_ms: int) -> Iterator[Refusal]:
    if now_ms < permit.from_ms:
        yield Refusal(Ground.NOT_YET, f"the permit is valid from {rfc3339(permit.from_ms)} on")
    if now_ms >= permit.until_ms:
        yield Refusal(Ground.STALE, f"the permit was valid until {rfc3339(permit.until_ms)}")


def _of_file(state: State, permit: Permit, one: Named) -> Iterator[Refusal]:
    clip = state.clips.get(one.clip_id)
    if clip is None:
        yield Refusal(Ground.FOREIGN, f"this dock never read clip {one.clip_id} from a camera")
        return
    if clip.camera != permit.camera:
        yield Refusal(Ground.WRONG_CAMERA, f"{one.path} was read from camera {clip.camera}, not {permit.camera}")
    if (clip.sha256, clip.bytes) != (one.sha256, one.bytes):
        yield Refusal(Ground.OTHER_BYTES, f"{one.path}: the permit names other bytes than those read from the camera")
    if one.path not in (clip.path, *clip.aliases):
        yield Refusal(Ground.OTHER_PATH, f"clip {clip.id} was never read from {one.path}")
    yield from _in_doubt(state, clip, one)
    yield from _receipts(state, clip, one)


def _in_doubt(state: State, clip: Clip, one: Named) -> Iterator[Refusal]:
    other = clip.other_verdicts.get(one.path)
    doubt = clip.quarantine or (other.quarantine_reason if other else "")
    if doubt:
        yield Refusal(Ground.QUARANTINE, f"{one.path} is in quarantine: {doubt}")
    if any((clip.id, path) in state.to_judge for path in (clip.path, *clip.aliases)):
        yield Refusal(Ground.UNJUDGED, f"{one.path} has a name that was not judged yet")
    if clip.holds:
        numbers = ", ".join(str(hold.record) for hold in clip.holds)
        yield Refusal(Ground.HOLD, f"{one.path} is on hold (holds: {numbers})")


def _receipts(state: State, clip: Clip, one: Named) -> Iterator[Refusal]:
    word = state.custodian.words.get(clip.id)
    if clip.phase not in _DELIVERED or clip.receipt is None or word is None:
        yield Refusal(Ground.NO_RECEIPT, f"{one.path} is not delivered with a custodian's receipt that this dock has")
        return
    master = clip.stored[0]
    if (clip.receipt.sha256, clip.receipt.bytes) != (master.sha256, master.bytes):
        yield Refusal(Ground.OTHER_RECEIPT, f"{one.path}: the store's receipt is for other bytes")
    if word.sha256 != one.receipt_sha256 or word.key != clip.receipt.key or clip.id in state.custodian.alarms:
        yield Refusal(Ground.OTHER_RECEIPT, f"{one.path}: the permit rests on another receipt than this dock has seen")
    if clip.receipt.version and word.version and clip.receipt.version != word.version:
        yield Refusal(Ground.OTHER_RECEIPT, f"{one.path}: the custodian saw another version than this dock stored")
    if word.findings:
        yield Refusal(Ground.DOUBTED_RECEIPT, f"{one.path}: its receipt has findings: {word.findings[0]}")
    if word.legal_hold == store_receipt.ON:
        yield Refusal(Ground.HOLD, f"{one.path} is on legal hold in the store")
