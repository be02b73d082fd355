"""The session table, and :func:`advance`, which is the only thing that changes a :class:`State`.

``advance`` refuses before it changes anything, so an event that was refused has left no trace. Recording comes
between: the dock records an event, then believes it; if the record cannot be made the dock stops and replays. The
other table, of clips, is in ``clip_table.py``.
"""

from collections.abc import Callable
from typing import Any

from dockagent.core import attribution, clip_table, history, hold_table, plan
from dockagent.core import events as ev
from dockagent.core.camera.inventory import Finding
from dockagent.core.central import custodian_table, hold_words, store_table
from dockagent.core.clip_table import try_again
from dockagent.core.disclosure import disclosure_table
from dockagent.core.events.custodian import (
    CustodianAsked,
    CustodianHeld,
    CustodianReceived,
    CustodianRefuted,
    HoldsAsked,
)
from dockagent.core.model import RELISTS, UNDELIVERED, Clip, ClipPhase, Item, Session, SessionPhase, State
from dockagent.core.permits import permit_table
from dockagent.core.review import review
from dockagent.core.uplink import early
from dockagent.core.uplink.trouble import Trouble
from dockagent.errors import Refused

S, C = SessionPhase, ClipPhase

# In which phases a session may see an event, and where it leads. Failures are possible at any time.
SESSION_TABLE: dict[type[ev.Event], frozenset[SessionPhase]] = {
    ev.CameraIdentified: frozenset({S.ATTACHED}),  # -> identified
    ev.ModeAsked: frozenset({S.ATTACHED}),  # and the camera leaves, or is asked once more
    ev.ClockMeasured: frozenset({S.IDENTIFIED}),
    ev.ClockUnset: frozenset({S.IDENTIFIED}),
    ev.ClockSet: frozenset({S.IDENTIFIED}),
    ev.InventoryTaken: frozenset({S.IDENTIFIED}),  # -> listed
    ev.Acquired: frozenset({S.LISTED}),
    ev.AcquireFailed: frozenset({S.LISTED}),  # -> identified, to list again, when the card changed under us
    ev.CameraChanged: frozenset({S.LISTED, S.RELEASED}),  # -> identified
    ev.Released: frozenset({S.LISTED}),  # -> released
    ev.CameraDetached: frozenset(S),  # -> over
    **permit_table.PHASES,
}


ITEM_TRIES = 5
CLOCK_TRIES = 3
SPOOL_LONGEST_MS = 1_800_000  # also looked at whenever a clip's room is free again
COMES_BACK_MS = 15_000  # a camera that changes its mode needs some seconds


def advance(state: State, event: ev.Event, at_ms: int) -> None:
    """Take one event into ``state``; ``at_ms`` is the time of its record. Raises Refused for an impossible one."""
    _check_session_table(state, event)
    clip_table.check(state, event)
    hold_table.check(state, event)
    disclosure_table.check(state, event)
    if isinstance(event, ev.Assigned):
        attribution.check(state, event, at_ms)
    review.check(state, event)
    store_table.check(state, event)
    custodian_table.check(state, event)
    hold_words.check(state, event)
    permit_table.check(state, event, at_ms)
    _EFFECTS[type(event)](state, event, at_ms)
    custodian_table.follow(state, event, at_ms)
    hold_words.follow(state, event)
    permit_table.follow(state, event)
    history.count(state, event)


def _check_session_table(state: State, event: Any) -> None:
    phases = SESSION_TABLE.get(type(event))
    if phases is None:
        return
    session = state.session(event.session)
    if session is None or session.phase not in phases:
        found = session.phase if session else "over"
        raise Refused(f"event {type(event).__name__} cannot happen in session {event.session}, which is {found}")
    if isinstance(event, ev.Acquired | ev.AcquireFailed):
        _check_item(state, session, event)
    if isinstance(event, ev.InventoryTaken) and not state.clips.keys() >= set(event.held.values()):
        raise Refused(f"the inventory of session {session.id} holds clips that nobody knows")


def _check_item(state: State, session: Session, event: ev.Acquired | ev.AcquireFailed) -> None:
    if event.item not in session.to_pull:
        raise Refused(f"session {session.id} has no file {event.path} that is still to be pulled")
    clip = state.clips.get(event.clip_id) if isinstance(event, ev.Acquired) else None
    if clip is not None and isinstance(event, ev.Acquired) and (clip.sha256, clip.bytes) != (event.sha256, event.bytes):
        raise Refused(f"clip {clip.id} is known with other bytes")


def _dock_started(state: State, event: ev.DockStarted, at_ms: int) -> None:
    state.running = True
    state.sessions.clear()
    state.uplink.trouble = Trouble()
    state.spool = Trouble()
    history.started(state)
    for queue in state.queues.values():
        for clip_id in queue:
            state.clips[clip_id].trouble = Trouble()


def _dock_stopped(state: State, event: ev.DockStopped, at_ms: int) -> None:
    state.running = False


def _keys_certified(state: State, event: ev.KeysCertified, at_ms: int) -> None:
    state.keys_noted = event.digest


def _keys_changed(state: State, event: ev.KeysRotated | ev.KeysTaken, at_ms: int) -> None:
    state.keys_noted = ""  # and the new ones are told in full at the next start


def _attached(state: State, event: ev.CameraAttached, at_ms: int) -> None:
    if event.bay in state.sessions:
        raise Refused(f"bay {event.bay} holds a camera already")
    state.sessions[event.bay] = Session(event.session, event.bay, event.port, event.kind, event.address, at_ms)


def _identified(state: State, event: ev.CameraIdentified, at_ms: int) -> None:
    session = _session(state, event.session)
    session.phase = S.IDENTIFIED
    session.camera = event.camera
    session.profile, session.profile_sha256 = event.profile, event.profile_sha256
    session.officer = attribution.wearer(state, session.bay, event, at_ms)
    session.has_console = event.has_console
    session.clock_read = not event.has_console
    session.clock_set = not (event.has_console and event.sets_clock)
    session.battery = event.battery
    session.identity_findings = list(event.findings)
    session.findings = list(event.findings)
    session.trouble = Trouble()


def _mode_asked(state: State, event: ev.ModeAsked, at_ms: int) -> None:
    session = _session(state, event.session)
    session.camera, session.profile = event.camera, event.profile
    attribution.told(state, session.bay, event, at_ms)
    try_again(session.trouble, event.words, at_ms, session.id, first_ms=COMES_BACK_MS, longest_ms=4 * COMES_BACK_MS)


def _clock_measured(state: State, event: ev.ClockMeasured, at_ms: int) -> None:
    session = _session(state, event.session)
    session.clock_read, session.offset_ms = True, event.offset_ms
    session.trouble = Trouble()


def _clock_unset(state: State, event: ev.ClockUnset, at_ms: int) -> None:
    session = _session(state, event.session)
    session.clock_read = True
    session.identity_findings.append(Finding("clock", event.reason, "warning"))
    session.trouble = Trouble()


def _clock_set(state: State, event: ev.ClockSet, at_ms: int) -> None:
    session = _session(state, event.session)
    session.clock_set = True
    session.trouble = Trouble()


def _inventory(state: State, event: ev.InventoryTaken, at_ms: int) -> None:
    session = _session(state, event.session)
    camera = _camera_id(session)
    session.phase = S.LISTED
    for clip_id in event.missing:
        if clip_id in state.clips:
            clip_table.forget(state, state.clips[clip_id])
    session.items = {}
    session.to_pull = {}
    for entry in event.entries:
        item_id = plan.item_id(camera, entry.path, entry.bytes)
        item = Item(entry, event.held.get(item_id, ""))
        session.items[item_id] = item
        if not item.clip_id:
            session.to_pull[item_id] = None
        elif state.clips[item.clip_id].phase in UNDELIVERED:
            session.undelivered.add(item.clip_id)
    session.skipped = event.skipped
    session.findings = [*session.identity_findings, *event.findings]
    session.manifest_sha256 = event.manifest_sha256
    _forget_readings(state)
    if event.manifest is not None:
        state.readings[event.manifest_sha256] = event.manifest
    trusted = event.manifest is not None and event.manifest.signer == "pass"  # a stranger's number must not count
    if trusted and event.manifest is not None and event.manifest.manifest is not None:
        seen = state.manifests.get(camera, -1)
        state.manifests[camera] = max(seen, event.manifest.manifest.sequence)
    session.trouble = Trouble()


def _forget_readings(state: State) -> None:
    """Keep the manifests of cameras that are here, and of clips that nobody has judged yet."""
    needed = {session.manifest_sha256 for session in state.sessions.values()}
    needed |= {state.clips[clip_id].manifest_sha256 for clip_id in state.queues[C.ACQUIRED]}
    needed |= set(state.to_judge.values())
    state.readings = {digest: reading for digest, reading in state.readings.items() if digest in needed}


def _session_failed(state: State, event: ev.SessionFailed, at_ms: int) -> None:
    session = state.session(event.session)
    if session is None:
        return
    final = not event.retry or session.trouble.attempts + 1 >= CLOCK_TRIES
    if event.step in ("read-clock", "set-clock") and final:
        session.clock_read = session.clock_set = True  # footage does not wait for a clock
        session.identity_findings.append(Finding("clock", event.reason, "warning"))
        session.trouble = Trouble()
        return
    try_again(session.trouble, event.reason, at_ms, session.id, longest_ms=30_000)
    if not event.retry:
        session.phase = S.REFUSED


def _acquired(state: State, event: ev.Acquired, at_ms: int) -> None:
    session = _session(state, event.session)
    item = session.items[event.item]
    item.clip_id, item.trouble = event.clip_id, Trouble()
    session.to_pull.pop(event.item, None)
    early.acquired(state, event.item, event.clip_id)
    session.pulled_bytes += event.bytes
    session.trouble = Trouble()
    state.spool = Trouble()
    ids = state.known.setdefault(_camera_id(session), {}).setdefault(event.item, {})
    ids[event.clip_id] = item.entry.mtime_ms
    clip = state.clips.get(event.clip_id)
    if clip is None:
        clip = _new_clip(session, item, event, at_ms)
        clip.about = attribution.attribute(state, session, event.path, event.sha256)
        clip.holds = state.held.pop(clip.id, ())
        state.clips[clip.id] = clip
        state.queues[clip.phase][clip.id] = None
    elif event.path != clip.path:
        _another_path(state, session, clip, item)
    if clip.phase in UNDELIVERED:
        session.undelivered.add(clip.id)


def _another_path(state: State, session: Session, clip: Clip, item: Item) -> None:
    """The same bytes under another name: one clip, but what the camera signed was names, so each is judged."""
    path = item.entry.path
    if path not in clip.aliases:
        clip.aliases.append(path)
    state.to_judge[clip.id, path] = session.manifest_sha256
    if item.entry.role == "footage" and clip.phase is C.ACQUIRED:
        clip.role = "footage"


def _new_clip(session: Session, item: Item, event: ev.Acquired, at_ms: int) -> Clip:
    return Clip(
        id=event.clip_id,
        camera=_camera_id(session),
        session=session.id,
        path=event.path,
        role=item.entry.role,
        recording=item.entry.recording,
        belongs_to=item.entry.belongs_to,
        mtime_ms=item.entry.mtime_ms,
        bytes=event.bytes,
        sha256=event.sha256,
        fingerprint=event.fingerprint,
        chunk_root=event.chunk_root,
        acquired_ms=at_ms,
        parts=event.parts,
        profile=session.profile,
        manifest_sha256=session.manifest_sha256,
    )


def _acquire_failed(state: State, event: ev.AcquireFailed, at_ms: int) -> None:
    session = _session(state, event.session)
    item = session.items[event.item]
    if event.kind == "spool-full":
        try_again(state.spool, event.reason, at_ms, "spool", first_ms=5000, longest_ms=SPOOL_LONGEST_MS)
        return
    if event.kind == "gone":  # ask the next file only when it may be back
        try_again(session.trouble, event.reason, at_ms, session.id, longest_ms=5000)
    try_again(item.trouble, event.reason, at_ms, event.item, longest_ms=30_000)
    if event.kind == "changed" and session.relists < RELISTS:
        session.relists += 1
        session.phase = S.IDENTIFIED
        return
    session.to_pull.pop(event.item, None)
    if event.retry and item.trouble.attempts < ITEM_TRIES:
        session.to_pull[event.item] = None
    else:
        item.trouble.final = True


def _released(state: State, event: ev.Released, at_ms: int) -> None:
    session = _session(state, event.session)
    session.phase, session.safe = S.RELEASED, event.safe
    session.words, session.told = event.words, event.told


def _changed(state: State, event: ev.CameraChanged, at_ms: int) -> None:
    session = _session(state, event.session)
    session.phase, session.safe = S.IDENTIFIED, False
    session.relists = session.relists + 1 if event.again else 0


def _detached(state: State, event: ev.CameraDetached, at_ms: int) -> None:
    del state.sessions[_session(state, event.session).bay]


def _session(state: State, session_id: str) -> Session:
    session = state.session(session_id)
    if session is None:
        raise Refused(f"session {session_id} is over")
    return session


def _camera_id(session: Session) -> str:
    if session.camera is None:
        raise Refused(f"session {session.id} has no identified camera")
    return session.camera.id


_EFFECTS: dict[type[ev.Event], Callable[[State, Any, int], None]] = {
    ev.DockStarted: _dock_started,
    ev.DockStopped: _dock_stopped,
    ev.KeysCertified: _keys_certified,
    ev.KeysRotated: _keys_changed,
    ev.KeysTaken: _keys_changed,
    ev.CameraAttached: _attached,
    ev.CameraIdentified: _identified,
    ev.ModeAsked: _mode_asked,
    ev.ClockMeasured: _clock_measured,
    ev.ClockUnset: _clock_unset,
    ev.ClockSet: _clock_set,
    ev.InventoryTaken: _inventory,
    ev.SessionFailed: _session_failed,
    ev.Acquired: _acquired,
    ev.AcquireFailed: _acquire_failed,
    ev.Verified: clip_table.verified,
    ev.PathVerified: clip_table.path_verified,
    ev.Measured: clip_table.measured,
    ev.Previewed: clip_table.previewed,
    ev.Sealed: clip_table.sealed,
    ev.Admitted: clip_table.admitted,
    ev.Quarantined: clip_table.admitted,
    ev.ClipFields: lambda state, event, at_ms: None,  # for those who will be shown an excerpt
    ev.Transferred: clip_table.transferred,
    ev.Delivered: clip_table.delivered,
    ev.ClipFailed: clip_table.clip_failed,
    ev.Disposed: clip_table.disposed,
    ev.Released: _released,
    ev.CameraChanged: _changed,
    ev.CameraDetached: _detached,
    ev.Checkpointed: history.checkpointed,
    ev.CheckpointFailed: history.checkpoint_failed,
    ev.Accessed: hold_table.accessed,
    ev.Assigned: attribution.assigned,
    ev.SampleAsked: review.asked,
    ev.SampleDrawn: review.drawn,
    ev.HoldSet: hold_table.hold_set,
    ev.HoldCleared: hold_table.hold_cleared,
    ev.DisclosureAsked: disclosure_table.asked,
    ev.Disclosed: disclosure_table.disclosed,
    ev.DisclosureFailed: disclosure_table.failed,
    ev.StoreChecked: store_table.checked,
    CustodianReceived: custodian_table.received,
    CustodianRefuted: custodian_table.refuted,
    CustodianAsked: custodian_table.asked,
    CustodianHeld: hold_words.held,
    HoldsAsked: hold_words.asked,
    ev.SentEarly: early.sent,
    **permit_table.EFFECTS,
}
