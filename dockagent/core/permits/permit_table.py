"""The permit table: what may be recorded about permits and erasing, and what follows for each camera."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from dockagent.core import plan
from dockagent.core.clip_table import try_again
from dockagent.core.events import CameraDetached, DockStarted
from dockagent.core.events.event import Event
from dockagent.core.events.permit import (
    CameraRecalled,
    EraseAsked,
    Erased,
    EraseFailed,
    PermitHandedIn,
    PermitRefused,
    PermitSeen,
    PermitsSought,
)
from dockagent.core.model import ClipPhase, Session, SessionPhase, State
from dockagent.core.permits import erasing
from dockagent.core.permits import permit as permits
from dockagent.core.permits.erasing import Ground
from dockagent.core.permits.permit import Named, Permit
from dockagent.core.permits.permit_state import KnownPermit, OpenAsk
from dockagent.core.proof import dsse
from dockagent.core.uplink.trouble import Trouble
from dockagent.errors import Refused

BATCH = 256  # clips that permits are sought for at a time
_LONGEST_WAIT_MS = 3_600_000
_UNUSED = 64  # refused envelopes that are remembered


@dataclass(frozen=True, slots=True)
class Wanted:
    """A clip on a card in the dock whose permit is asked for: the store's ``folder`` that its master lies in, and the
    ``camera`` that it was read from."""

    clip_id: str
    folder: str
    camera: str


@dataclass(frozen=True, slots=True)
class Next:
    """What to do about permits in a bay: ``ask`` whether to follow the permit ``id``, ``erase`` what record ``asked``
    says, ``look`` what became of that, or ``recall`` the camera first. ``clips``: whom it is about."""

    act: Literal["ask", "erase", "look", "recall"]
    id: str = ""
    asked: int = -1
    clips: tuple[str, ...] = ()


def check(state: State, event: Event, at_ms: int) -> None:
    """Raises Refused for what cannot be: a permit that its envelope does not hold, an erasing that the judgement
    forbids at this moment, an end that nobody asked for."""
    if isinstance(event, PermitSeen | PermitHandedIn):
        _check_document(state, event)
    if isinstance(event, EraseAsked):
        _check_ask(state, event, at_ms)
    if isinstance(event, Erased | EraseFailed):
        _check_end(state, event)


def _check_document(state: State, event: PermitSeen | PermitHandedIn) -> None:
    documents = (event.envelope,) if isinstance(event, PermitSeen) else event.documents
    if len(documents) != 1 or len(documents[0]) > permits.LARGEST:
        raise Refused("a permit is one envelope", "hand in one permit.json at a time")
    if permits.parse(dsse.parse(documents[0].encode()).payload) != event.permit:
        raise Refused(f"the envelope does not hold permit {event.permit.id}")
    if event.permit.clip.clip_id != event.clip_id:
        raise Refused(f"permit {event.permit.id} is about clip {event.permit.clip.clip_id}, not {event.clip_id}")
    known = state.permits.known.get(event.permit.id)
    if known is not None and known.permit.files != event.permit.files:
        raise Refused(f"permit {event.permit.id} was seen with other files before")


def _check_ask(state: State, event: EraseAsked, at_ms: int) -> None:
    known, session = state.permits.known.get(event.permit), state.session(event.session)
    if known is None or session is None or known.permit.clip.clip_id != event.clip_id:
        raise Refused(f"there is no permit {event.permit} for clip {event.clip_id}")
    if state.permits.asks and any(one.camera == known.permit.camera for one in state.permits.asks.values()):
        raise Refused(f"what was asked about camera {known.permit.camera} before has no end yet")
    refusal = erasing.judge(state, known, session, at_ms)
    if refusal is not None:
        raise Refused(f"permit {event.permit} is not followed: {refusal.words}")
    if not event.files or event.files != erasing.targets(state, session, known):
        raise Refused(f"permit {event.permit} does not let these files go")


def _check_end(state: State, event: Erased | EraseFailed) -> None:
    ask = state.permits.asks.get(event.asked)
    if ask is None:
        raise Refused(f"record {event.asked} did not ask for anything to be erased that has no end yet")
    if isinstance(event, EraseFailed):
        return
    named = {one.path: one for one in ask.files}
    told = [*(one.path for one in event.files), *event.left]
    if event.permit != ask.permit or sorted(told) != sorted(named):
        raise Refused(f"what was erased is not what record {event.asked} asked for")
    for one in event.files:
        asked = named[one.path]
        found = (one.sha256, one.bytes) in ((asked.sha256, asked.bytes), ("", 0))
        if not found or (one.clip_id, one.receipt_sha256) != (asked.clip_id, asked.receipt_sha256):
            raise Refused(f"the tombstone of {one.path} names other bytes than the permit")


def follow(state: State, event: Event) -> None:
    """What other events mean here: once the dock stopped, or the camera left, only the card knows what was done."""
    if isinstance(event, DockStarted | CameraDetached):
        for number, ask in state.permits.asks.items():
            if isinstance(event, DockStarted) or ask.session == event.session:
                state.permits.asks[number] = replace(ask, sure=False)


# ---- effects --------------------------------------------------------------------------------------------------------


def seen(state: State, event: PermitSeen | PermitHandedIn, at_ms: int) -> None:
    """A permit is known, and waits for its camera. The same one seen again changes nothing but its envelope."""
    mine, permit = state.permits, event.permit
    envelope = event.envelope if isinstance(event, PermitSeen) else event.documents[0]
    digest = hashlib.sha256(envelope.encode()).hexdigest()
    old = mine.known.get(permit.id)
    mine.known[permit.id] = KnownPermit(permit, state.history.records, digest, old.spent if old else set())
    if _may_serve(state, permit):
        mine.of_clip[permit.clip.clip_id] = permit.id
    if mine.known[permit.id].left:
        mine.pending.setdefault(permit.camera, {})[permit.id] = None


def _may_serve(state: State, permit: Permit) -> bool:
    """Whether no other permit need be asked for. One that a person brought for another dock, or under the name of
    another camera than the clip came from, is not the one that the custodian signs for this clip."""
    clip = state.clips.get(permit.clip.clip_id)
    of_dock = not state.dock or permit.dock in (permits.ANY_DOCK, state.dock)
    return of_dock and (clip is None or clip.camera == permit.camera)


def refused(state: State, event: PermitRefused, at_ms: int) -> None:
    """The ground is on record; only another one is recorded again."""
    known = state.permits.known.get(event.permit)
    if known is not None:
        known.refused = event.ground
        if event.ground == Ground.STALE:
            _done(state, known)
            if state.permits.of_clip.get(event.clip_id) == event.permit:
                del state.permits.of_clip[event.clip_id]  # a newer one is asked for
    state.permits.refused[event.sha256] = event.ground
    while len(state.permits.refused) > _UNUSED:
        del state.permits.refused[next(iter(state.permits.refused))]


def sought(state: State, event: PermitsSought, at_ms: int) -> None:
    """These sessions need not be asked about for a while."""
    here = {session.id for session in state.sessions.values()}
    mine = state.permits
    mine.sought = {one: when for one, when in mine.sought.items() if one in here}
    mine.sought.update({one: at_ms for one in event.sessions if one in here})
    mine.cursor += event.asked


def recalled(state: State, event: CameraRecalled, at_ms: int) -> None:
    """It is listed again, and may not be taken."""
    session = state.session(event.session)
    if session is not None:
        session.phase, session.safe, session.relists = SessionPhase.IDENTIFIED, False, 0


def asked(state: State, event: EraseAsked, at_ms: int) -> None:
    """From here on only the card can tell what became of it."""
    known = state.permits.known[event.permit]
    known.refused = ""
    ask = OpenAsk(event.session, known.permit.camera, event.permit, event.files)
    state.permits.asks[state.history.records] = ask


def erased(state: State, event: Erased, at_ms: int) -> None:
    """The files are gone from the card and from its inventory; what is left of the permit may still be followed."""
    mine = state.permits
    del mine.asks[event.asked]
    known = mine.known[event.permit]
    for one in event.files:
        known.spent.add(one.path)
        mine.gone.setdefault(one.clip_id, {})[one.path] = state.history.records
    known.trouble = Trouble()
    _forget_items(state, event)
    if not known.left:
        _done(state, known)


def failed(state: State, event: EraseFailed, at_ms: int) -> None:
    """Nothing was erased, or the card has to be asked. It is tried again later, or when the camera comes again."""
    mine = state.permits
    ask = mine.asks[event.asked]
    if event.unsure:
        mine.asks[event.asked] = replace(ask, sure=False)
    else:
        del mine.asks[event.asked]
    known = mine.known[ask.permit]
    if known.session != event.session:
        known.trouble, known.session = Trouble(), event.session
    try_again(known.trouble, event.reason, at_ms, ask.permit, longest_ms=_LONGEST_WAIT_MS)
    if not event.retry:
        known.trouble.final, known.trouble.retry_ms = True, 0
    known.refused = event.ground
    if event.ground == Ground.CHANGED:
        _done(state, known)


def _forget_items(state: State, event: Erased) -> None:
    session = state.session(event.session)
    if session is None or session.camera is None:
        return
    camera = session.camera.id
    for one in event.files:
        named = next(file for file in state.permits.known[event.permit].permit.files if file.path == one.path)
        session.items.pop(plan.item_id(camera, one.path, named.bytes), None)


def _done(state: State, known: KnownPermit) -> None:
    waiting = state.permits.pending.get(known.permit.camera, {})
    waiting.pop(known.permit.id, None)
    if not waiting:
        state.permits.pending.pop(known.permit.camera, None)


PHASES: dict[type[Event], frozenset[SessionPhase]] = {
    CameraRecalled: frozenset({SessionPhase.RELEASED}),  # -> identified
    EraseAsked: frozenset({SessionPhase.LISTED}),
    Erased: frozenset({SessionPhase.LISTED}),
    EraseFailed: frozenset({SessionPhase.LISTED}),
}
"""In which phases a session may see an event; part of the session table."""

EFFECTS: dict[type[Event], Callable[[State, Any, int], None]] = {
    PermitSeen: seen,
    PermitHandedIn: seen,
    PermitRefused: refused,
    PermitsSought: sought,
    CameraRecalled: recalled,
    EraseAsked: asked,
    Erased: erased,
    EraseFailed: failed,
}


# ---- what follows ---------------------------------------------------------------------------------------------------


def next_act(state: State, session: Session, now_ms: int) -> Next | None:
    """What permits call for in a bay whose card is listed and read, or whose camera was let go: first an end for what
    was asked before, then the next permit, if there is one for what is on the card."""
    if session.camera is None or session.phase not in (SessionPhase.LISTED, SessionPhase.RELEASED):
        return None
    free = session.phase is SessionPhase.RELEASED
    for number, ask in state.permits.asks.items():
        if ask.camera == session.camera.id:
            if not state.permits.known[ask.permit].due(session.id, now_ms):
                return None
            act: Literal["erase", "look"] = "erase" if ask.sure and ask.session == session.id else "look"
            return Next("recall" if free else act, ask.permit, number, tuple(one.clip_id for one in ask.files))
    for permit_id in state.permits.pending.get(session.camera.id, {}):
        found = _follow(state, session, permit_id, now_ms, free=free)
        if found is not None:
            return found
    return None


def _follow(state: State, session: Session, permit_id: str, now_ms: int, *, free: bool) -> Next | None:
    known = state.permits.known[permit_id]
    if not known.due(session.id, now_ms):
        return None
    refusal = erasing.judge(state, known, session, now_ms)
    if refusal is not None:
        return Next("ask", permit_id) if refusal.ground != known.refused else None
    if not erasing.targets(state, session, known):
        return None
    return Next("recall" if free else "ask", permit_id)


def waits(state: State) -> bool:
    """Whether an erasing that failed is to be tried again after a while, on a card that is here."""
    for session in state.sessions.values():
        camera = session.camera.id if session.camera else ""
        known = [state.permits.known[one] for one in state.permits.pending.get(camera, {})]
        if any(one.session == session.id and one.trouble.attempts and not one.trouble.final for one in known):
            return True
    return False


def to_seek(state: State, now_ms: int, every_ms: int) -> tuple[str, ...]:
    """The sessions for whose cards permits are to be asked for now."""
    if every_ms <= 0:
        return ()
    due = [one for one in state.sessions.values() if _due(state, one, now_ms, every_ms)]
    return tuple(one.id for one in due if _unpermitted(state, one))


def first_to_seek(state: State, every_ms: int) -> frozenset[str]:
    """The sessions whose cards are let go only when permits were asked for once."""
    if every_ms <= 0:
        return frozenset()
    new = (one for one in state.sessions.values() if one.id not in state.permits.sought)
    return frozenset(one.id for one in new if one.phase is SessionPhase.LISTED and _unpermitted(state, one))


def _due(state: State, session: Session, now_ms: int, every_ms: int) -> bool:
    if session.phase not in (SessionPhase.LISTED, SessionPhase.RELEASED):
        return False
    last = state.permits.sought.get(session.id)
    return last is None or not 0 <= now_ms - last < every_ms


def wanted(state: State, sessions: tuple[str, ...]) -> tuple[Wanted, ...]:
    """The clips to ask about now, others each time where there are many."""
    found: dict[str, None] = {}
    for session in state.sessions.values():
        if session.id in sessions:
            found.update(dict.fromkeys(_unpermitted(state, session)))
    clips = list(found)
    start = state.permits.cursor % len(clips) if clips else 0
    return tuple(_wanted(state, one) for one in [*clips[start:], *clips[:start]][:BATCH])


def _unpermitted(state: State, session: Session) -> list[str]:
    """Clips on the card that were delivered with the custodian's receipt, and for which no permit is known."""
    return [item.clip_id for item in session.items.values() if item.clip_id and _may_have_one(state, item.clip_id)]


def _may_have_one(state: State, clip_id: str) -> bool:
    clip = state.clips[clip_id]
    kept = bool(clip.quarantine or clip.holds) or clip_id in state.permits.of_clip
    delivered = clip.phase in (ClipPhase.DELIVERED, ClipPhase.DONE) and clip.receipt is not None
    return delivered and not kept and clip_id in state.custodian.words


def _wanted(state: State, clip_id: str) -> Wanted:
    return Wanted(clip_id, _folder(state, clip_id), state.clips[clip_id].camera)


def folders(state: State, files: Iterable[Named]) -> dict[str, str]:
    """For each clip of these files, the store's folder that its master lies in."""
    return {one.clip_id: _folder(state, one.clip_id) for one in files}


def _folder(state: State, clip_id: str) -> str:
    receipt = state.clips[clip_id].receipt
    return receipt.key.rpartition("/")[0] if receipt else ""
