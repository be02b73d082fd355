"""What to do next, read from the state alone: so start-up is "replay, then ask for orders", with no recovery code.

Every order may be carried out twice. An order names what it is about, never how far it came.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from dockagent.core import history
from dockagent.core import order as base
from dockagent.core.central import custodian_table, hold_words
from dockagent.core.model import RELISTS, ClipPhase, Session, SessionPhase, State
from dockagent.core.permits import erase_orders, permit_table
from dockagent.core.uplink import early
from dockagent.core.uplink import turns as uplink

Order = base.Order  # here too, so that one name leads to all of them
BayOrder = base.BayOrder


class Identify(BayOrder):
    """Find out which camera it is and how it speaks."""


class ReadClock(BayOrder):
    """Measure the camera's clock, before anybody sets it."""


class SetClock(BayOrder):
    """Set the camera's clock; its offset is in the ledger already."""


class TakeInventory(BayOrder):
    """List the card and read its manifest."""


@dataclass(frozen=True, slots=True)
class Pull(BayOrder):
    """Bring one file's bytes to rest in the spool."""

    item: str


@dataclass(frozen=True, slots=True)
class Release(BayOrder):
    """Say whether the camera may be taken."""

    safe: bool
    words: str
    recheck: bool  # list the card once more first: it may still be written to


@dataclass(frozen=True, slots=True)
class ClipOrder(Order):
    """An order about a clip that the dock holds."""

    clip: str


class Verify(ClipOrder):
    """Judge a clip by its camera's manifest."""


@dataclass(frozen=True, slots=True)
class VerifyPath(ClipOrder):
    """Judge a known clip under another of its paths, by the manifest with the digest ``manifest``."""

    path: str
    manifest: str


class Measure(ClipOrder):
    """Make the trees over a clip's samples."""


class MakePreview(ClipOrder):
    """Make the working copies that people look at."""


class Seal(ClipOrder):
    """Make the copies that only the agency's recipients can open."""


class Strip(ClipOrder):
    """Remove the plaintext of a clip whose sealed copy is recorded."""


class Admit(ClipOrder):
    """Sign the clip record and fix the clip's place."""


class SendPreview(ClipOrder):
    """Put the previews into the store."""


class SendMaster(ClipOrder):
    """Put manifest, record and master into the store."""


@dataclass(frozen=True, slots=True)
class EarlyOrder(Order):
    """An order about parts of a file that is not a clip yet: which clip it will be by its camera's signature, and under
    which key."""

    session: str
    item: str
    expected: str
    key: str


@dataclass(frozen=True, slots=True)
class SendEarly(EarlyOrder):
    """Send parts of the file that is being pulled in ``bay``."""

    bay: str


class DropEarly(EarlyOrder):
    """Throw away what was sent of a file that went another way."""


class Dispose(ClipOrder):
    """Free the spool of a clip that the store has proved to hold."""


class AskCustodian(Order):
    """Ask for the custodian's receipts of what was delivered. Its lane is its own."""


class AskHolds(Order):
    """Ask the custodian what became of holds in the store, in his lane."""


class Notarize(Order):
    """Have outsiders vouch for the ledger as it is now. Its lane is its own: nobody waits for a witness."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``pulls``: cameras read at the same time; ``previews``, ``uplinks``: workers of those lanes. ``notary_every_ms``
    and ``notary_records``: how long ago, or how many records ago, the ledger was last vouched for when it is to be
    again; 0 ms: nobody is asked. ``seals``: clips that are sealed at the same time; 0: they go as they are. ``early``:
    bytes of the parts in which files go to the store while they are read, 0 where none do. ``terms``: in which order
    footage is sent, and when. ``custodian_every_ms``: how often the custodian's receipts are asked for, 0: never;
    ``custodian_first``: a delivered clip stays in the spool until its receipt is there. ``erases``: whether permits are
    followed; ``permits_every_ms``: how often they are asked for, 0: never."""

    pulls: int = 4
    previews: int = 1
    uplinks: int = 1
    desks: int = 1
    seals: int = 0
    notary_every_ms: int = 0
    notary_records: int = 1000
    early: int = 0
    terms: uplink.Terms = field(default_factory=uplink.Terms)
    custodian_every_ms: int = 0
    custodian_first: bool = False
    erases: bool = False
    permits_every_ms: int = 0


# For each phase of a clip: the kind of order that moves it on, and the lane for it, best first within a lane.
_CLIP_WORK: tuple[tuple[ClipPhase, type[ClipOrder], str], ...] = (
    (ClipPhase.DELIVERED, Dispose, "desk"),
    (ClipPhase.SEALED, Strip, "desk"),
    (ClipPhase.ACQUIRED, Verify, "desk"),
    (ClipPhase.LOCKED, Admit, "desk"),
    (ClipPhase.PREVIEWED, Admit, "desk"),  # or Seal, where this dock seals
    (ClipPhase.MEASURED, MakePreview, "preview"),
    (ClipPhase.VERIFIED, Measure, "preview"),
)


NOTARY, CUSTODIAN = "notary:0", "custodian:0"
PATIENCE_MS = 120_000  # who waits for one card is not kept longer by a store that says when to come again


def orders(state: State, now_ms: int, busy: Collection[Order], limits: Limits) -> list[Order]:
    """New orders that may start now, given those under way. At most one for each free lane."""
    lanes = {order.lane for order in busy}
    found: list[Order] = []
    for session in _in_turn(state):
        lane = f"bay:{session.bay}"
        if lane in lanes:
            continue
        order = _bay_order(state, session, lane, now_ms, [*busy, *found], limits)
        if order is not None:
            found.append(order)
    found.extend(_clip_orders(state, now_ms, busy, limits))
    asks = limits.notary_every_ms > 0 and NOTARY not in lanes
    if asks and history.due(state.history, now_ms, limits.notary_every_ms, limits.notary_records):
        found.append(Notarize(NOTARY))
    if CUSTODIAN not in lanes and custodian_table.due(state, now_ms, limits.custodian_every_ms):
        found.append(AskCustodian(CUSTODIAN))
    elif CUSTODIAN not in lanes and hold_words.due(state, now_ms, limits.custodian_every_ms):
        found.append(AskHolds(CUSTODIAN))
    seek = () if erase_orders.PERMITS in lanes else permit_table.to_seek(state, now_ms, limits.permits_every_ms)
    if seek:
        found.append(erase_orders.SeekPermits(erase_orders.PERMITS, seek))
    return found


def _in_turn(state: State) -> list[Session]:
    """Sessions, the one with the fewest bytes pulled so far first: a full card does not starve a small one."""
    return sorted(state.sessions.values(), key=lambda one: (one.pulled_bytes, one.attached_ms, one.bay))


def _bay_order(
    state: State, session: Session, lane: str, now_ms: int, busy: Collection[Order], limits: Limits
) -> Order | None:
    if not session.trouble.due(now_ms) or session.phase is SessionPhase.REFUSED:
        return None
    if session.phase is SessionPhase.RELEASED:
        return erase_orders.next_order(state, session, lane, now_ms) if limits.erases else None
    if session.phase is SessionPhase.ATTACHED:
        return Identify(lane, session.id, session.bay)
    if session.phase is SessionPhase.IDENTIFIED:
        if not session.clock_read:
            return ReadClock(lane, session.id, session.bay)
        kind = TakeInventory if session.clock_set else SetClock
        return kind(lane, session.id, session.bay)
    if session.to_pull:
        return _pull(state, session, lane, now_ms, busy, limits)
    if limits.erases and (erase := erase_orders.next_order(state, session, lane, now_ms)) is not None:
        return erase
    if session.undelivered or session.id in permit_table.first_to_seek(state, limits.permits_every_ms):
        return None
    return _release(session, lane)


def _pull(
    state: State, session: Session, lane: str, now_ms: int, busy: Collection[Order], limits: Limits
) -> Order | None:
    pulls = [order for order in busy if isinstance(order, Pull)]
    most = 1 if state.spool.attempts else limits.pulls  # a full spool is tried by one camera, not by each
    if len(pulls) >= most or not state.spool.due(now_ms):
        return None
    taken = {order.item for order in pulls}
    for item_id in session.to_pull:
        if item_id not in taken and session.items[item_id].trouble.due(now_ms):
            return Pull(lane, session.id, session.bay, item_id)
    return None


def _release(session: Session, lane: str) -> Order:
    failed = session.failed
    if failed:
        words = f"{len(failed)} of {len(session.items)} files could not be read; keep the camera"
        return Release(lane, session.id, session.bay, False, words, False)
    if session.unlisted:
        words = "there is more on the card than could be listed; keep the camera"
        return Release(lane, session.id, session.bay, False, words, False)
    words = f"all {len(session.items)} files delivered"
    return Release(lane, session.id, session.bay, True, words, session.relists < RELISTS)


def _clip_orders(state: State, now_ms: int, busy: Collection[Order], limits: Limits) -> Iterator[Order]:
    workers = {"desk": limits.desks, "preview": limits.previews, "seal": limits.seals, "uplink": limits.uplinks}
    at_work = {order.clip for order in busy if isinstance(order, ClipOrder)}
    taken = {order.lane for order in busy}
    free = {
        kind: [f"{kind}:{n}" for n in range(count) if f"{kind}:{n}" not in taken] for kind, count in workers.items()
    }
    for (clip_id, path), digest in state.to_judge.items():
        if free["desk"] and clip_id not in at_work:
            yield VerifyPath(free["desk"].pop(0), clip_id, path, digest)
            at_work.add(clip_id)
    for phase, usual, usual_lane in _CLIP_WORK:
        sealing = phase is ClipPhase.PREVIEWED and limits.seals > 0
        kind, lane = (Seal, "seal") if sealing else (usual, usual_lane)
        kept = at_work | _unvouched(state) if kind is Dispose and limits.custodian_first else at_work
        for clip_id in _due(state, phase, now_ms, kept, len(free[lane])):
            yield kind(free[lane].pop(0), clip_id)
    idle = len(free["uplink"])
    sends = sum(isinstance(order, SendPreview | SendMaster) for order in busy)
    for clip_id in uplink.choose(state, now_ms, limits.terms, at_work, sends, len(free["uplink"])):
        send = SendPreview if state.clips[clip_id].phase is ClipPhase.ADMITTED else SendMaster
        yield send(free["uplink"].pop(0), clip_id)
    alone = not sends and not any(isinstance(one, EarlyOrder) for one in busy) and len(free["uplink"]) == idle
    if limits.early and early.line_is_free(state, now_ms, limits.terms, alone=alone):
        yield from _early_orders(state, busy, limits, free["uplink"][: 1 if state.uplink.trouble.attempts else None])


def _early_orders(state: State, busy: Collection[Order], limits: Limits, free: list[str]) -> Iterator[Order]:
    """What is left of the line goes to files that are still being read."""
    at_work = {one.item for one in busy if isinstance(one, EarlyOrder)}
    for item, gone in early.to_drop(state):
        if free and item not in at_work:
            yield DropEarly(free.pop(0), gone.session, item, gone.expected, gone.key)
    for pull in (one for one in busy if isinstance(one, Pull)):
        found = early.may_send(state, pull.bay, pull.session, pull.item, limits.early)
        if free and found is not None and pull.item not in at_work:
            yield SendEarly(free.pop(0), pull.session, pull.item, found.expected, found.key, pull.bay)


def _unvouched(state: State) -> set[str]:
    """Delivered clips of which the custodian has not said yet that it read them back."""
    return {clip_id for clip_id in state.queues[ClipPhase.DELIVERED] if not custodian_table.vouched(state, clip_id)}


def _due(state: State, phase: ClipPhase, now_ms: int, at_work: set[str], most: int) -> list[str]:
    found: list[str] = []
    for clip_id in state.queues[phase]:
        if len(found) >= most:
            break
        clip = state.clips[clip_id]
        if clip_id not in at_work and clip.trouble.due(now_ms) and not clip.kept:
            found.append(clip_id)
    return found


def anything_waits(state: State) -> bool:
    """Whether something is to be tried again when a waiting time is over. If nothing is, only an event brings new
    orders."""
    troubles = [state.spool, state.uplink.trouble]
    for session in state.sessions.values():
        if session.phase in (SessionPhase.REFUSED, SessionPhase.RELEASED):
            continue
        troubles.append(session.trouble)
        troubles.extend(session.items[item].trouble for item in session.to_pull)
    for phase in ClipPhase:
        if phase is not ClipPhase.DONE:
            troubles.extend(state.clips[clip_id].trouble for clip_id in state.queues[phase])
    return any(one.attempts and not one.final for one in troubles) or permit_table.waits(state)


def card_is_done(state: State, bay: str, tries: int, *, custodian_first: bool = False) -> bool:
    """Whether nothing more can be done for the camera in ``bay`` now: all is delivered, or what is left has been tried
    ``tries`` times or for the last time. ``ingest`` ends there."""
    session = state.sessions.get(bay)
    if session is None:
        return False
    if session.phase in (SessionPhase.ATTACHED, SessionPhase.IDENTIFIED):
        return session.trouble.attempts >= tries
    if session.phase is SessionPhase.LISTED and not session.to_pull and not session.undelivered:
        return False  # only its release is left
    held_up = max(state.spool.attempts, session.trouble.attempts) >= tries
    if session.phase is SessionPhase.LISTED and session.to_pull and not held_up:
        return False
    if state.to_judge:
        return False
    return _stuck(state, tries, custodian_first=custodian_first)


def _stuck(state: State, tries: int, *, custodian_first: bool) -> bool:
    away = state.uplink.trouble.attempts >= tries or state.uplink.trouble.wait_ms > PATIENCE_MS
    left = (
        state.clips[clip_id] for phase in ClipPhase if phase is not ClipPhase.DONE for clip_id in state.queues[phase]
    )
    return all(
        clip.kept
        or (custodian_first and clip.phase is ClipPhase.DELIVERED)
        or clip.trouble.final
        or clip.trouble.attempts >= tries
        or clip.trouble.wait_ms > PATIENCE_MS
        or (away and clip.phase in (ClipPhase.ADMITTED, ClipPhase.SHOWN))
        for clip in left
    )
