"""The clip table, and what each event does to a clip. A clip outlives the session in which it was pulled."""

from typing import Any

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.camera.inventory import Finding
from dockagent.core.central.receipt import BY_CUSTODIAN
from dockagent.core.model import UNDELIVERED, Clip, ClipPhase, State
from dockagent.core.movie.clip_samples import Measure
from dockagent.core.stream.in_stream import InStream
from dockagent.core.uplink import link
from dockagent.core.uplink.trouble import Kind, Trouble
from dockagent.errors import Refused

C = ClipPhase

SENDS = ("send-preview", "send-master")  # steps that offer something to the store

# From which phase each event takes a clip. Where it leads depends on the clip: see the functions below.
CLIP_TABLE: dict[type[ev.Event], ClipPhase] = {
    ev.Verified: C.ACQUIRED,
    ev.Measured: C.VERIFIED,
    ev.Previewed: C.MEASURED,
    ev.Sealed: C.PREVIEWED,
    ev.Admitted: C.PREVIEWED,  # or LOCKED, where it is sealed
    ev.Quarantined: C.PREVIEWED,
    ev.Transferred: C.ADMITTED,
    ev.Delivered: C.SHOWN,
    ev.Disposed: C.DELIVERED,  # or SEALED, for its plaintext
}


def check(state: State, event: Any) -> None:
    """Raises Refused unless this event can happen to its clip now."""
    if isinstance(event, ev.ClipFailed | ev.PathVerified) and event.clip_id not in state.clips:
        raise Refused(f"event {type(event).__name__} is about clip {event.clip_id}, which nobody knows")
    if type(event) not in CLIP_TABLE:
        return
    clip = state.clips.get(event.clip_id)
    if clip is None or not (clip.phase is _starts_in(clip, event) or _unmeasured(clip, event)):
        found = clip.phase if clip else "unknown"
        raise Refused(f"event {type(event).__name__} cannot happen to clip {event.clip_id}, which is {found}")
    if isinstance(event, ev.Measured) and event.sha256 != clip.sha256:
        raise Refused(f"what was measured for clip {clip.id} are other bytes than those read from the camera")
    if isinstance(event, ev.Sealed):
        _check_seal(clip, event)
    if isinstance(event, ev.Delivered):
        _check_receipt(clip, event)
    if isinstance(event, ev.Admitted | ev.Quarantined) and isinstance(event, ev.Quarantined) != bool(clip.quarantine):
        raise Refused(f"clip {clip.id} was judged one way and is admitted the other")


def _starts_in(clip: Clip, event: ev.Event) -> ClipPhase:
    if isinstance(event, ev.Disposed) and event.what == ev.PLAINTEXT:
        return C.SEALED
    if isinstance(event, ev.Admitted | ev.Quarantined) and clip.seal is not None:
        return C.LOCKED
    return CLIP_TABLE[type(event)]


def _check_seal(clip: Clip, event: ev.Sealed) -> None:
    if (event.plaintext.sha256, event.plaintext.bytes) != (clip.sha256, clip.bytes):
        raise Refused(f"what was sealed for clip {clip.id} are other bytes than those read from the camera")
    made = {plan.sealed_name(thing.name) for thing in clip.preview}
    names = {thing.name for thing in event.seal.previews}
    if event.seal.master.name != plan.SEALED_MASTER or not names <= made or not event.seal.recipients:
        raise Refused(f"the seal of clip {clip.id} does not say what it is of, and for whom")


def _check_receipt(clip: Clip, event: ev.Delivered) -> None:
    master, _ = clip.stored
    if (event.receipt.sha256, event.receipt.bytes) != (master.sha256, master.bytes):
        which = "sealed from those" if clip.seal else "those"
        raise Refused(f"the store's receipt for clip {clip.id} names other bytes than {which} read from the camera")


def _unmeasured(clip: Clip, event: ev.Event) -> bool:
    """Whether this is how a ledger goes on that was written before clips were measured."""
    after = (ev.Previewed,) if wants_preview(clip) else (ev.Admitted, ev.Quarantined)
    return clip.phase is C.VERIFIED and isinstance(event, after)


def to_phase(state: State, clip: Clip, phase: ClipPhase) -> None:
    """Put a clip into another phase, at the end of that phase's queue and without trouble."""
    state.queues[clip.phase].pop(clip.id, None)
    state.queues[phase][clip.id] = None
    clip.phase = phase
    clip.trouble = Trouble()
    if phase not in UNDELIVERED:
        for session in state.sessions.values():
            session.undelivered.discard(clip.id)


def verified(state: State, event: ev.Verified, at_ms: int) -> None:
    """The verdicts are in; footage goes on to be measured and previewed, other files past that."""
    clip = state.clips[event.clip_id]
    clip.verdicts, clip.quarantine = event.verdicts, event.verdicts.quarantine_reason
    to_phase(state, clip, C.VERIFIED if clip.bytes > 0 and clip.role in ("footage", "proxy") else C.PREVIEWED)


def measured(state: State, event: ev.Measured, at_ms: int) -> None:
    """Its sample trees are made, or it has none; signatures in its stream that refute it put it apart."""
    clip = state.clips[event.clip_id]
    if event.in_stream is not None:
        _signed_in_stream(clip, event.in_stream, told=event.measure.doubt)
    _measured(state, clip, event.measure)


def _signed_in_stream(clip: Clip, found: InStream, *, told: bool) -> None:
    """``told``: a finding about its samples says already that the file cannot be read."""
    clip.in_stream = found
    if found.doubt and not told:
        clip.findings.append(Finding("in-stream", found.why, "warning"))
    if reason := found.quarantine_reason:
        clip.findings.append(Finding("in-stream", reason, "warning"))
        clip.quarantine = clip.quarantine or reason


def _measured(state: State, clip: Clip, found: Measure) -> None:
    clip.measure = found
    if found.doubt:
        clip.findings.append(Finding("samples", found.why, "warning"))
    to_phase(state, clip, C.MEASURED if wants_preview(clip) else C.PREVIEWED)


def wants_preview(clip: Clip) -> bool:
    """Footage has previews made; so has a camera's own proxy whose clip is not there. Other files are what they are."""
    return clip.bytes > 0 and (clip.role == "footage" or (clip.role == "proxy" and not clip.belongs_to))


def previewed(state: State, event: ev.Previewed, at_ms: int) -> None:
    """Its working copies are made, or could not be."""
    clip = state.clips[event.clip_id]
    clip.preview = event.things
    clip.findings.extend(event.findings)
    to_phase(state, clip, C.PREVIEWED)


def sealed(state: State, event: ev.Sealed, at_ms: int) -> None:
    """Its sealed copies are proved; its plaintext goes next. A preview that could not be sealed is left out."""
    clip = state.clips[event.clip_id]
    clip.seal = event.seal
    names = {thing.name for thing in event.seal.previews}
    clip.preview = tuple(thing for thing in clip.preview if plan.sealed_name(thing.name) in names)
    clip.findings.extend(event.findings)
    to_phase(state, clip, C.SEALED)


def admitted(state: State, event: ev.Admitted | ev.Quarantined, at_ms: int) -> None:
    """Its record is signed; what has previews sends them first."""
    clip = state.clips[event.clip_id]
    clip.prefix, clip.record_sha256 = event.prefix, event.record_sha256
    to_phase(state, clip, C.ADMITTED if clip.preview else C.SHOWN)


def transferred(state: State, event: ev.Transferred, at_ms: int) -> None:
    """Its previews are in the store."""
    clip = state.clips[event.clip_id]
    clip.findings.extend(event.findings)
    link.answered(state, at_ms)
    to_phase(state, clip, C.SHOWN)


def delivered(state: State, event: ev.Delivered, at_ms: int) -> None:
    """The store proved that it holds it, or its custodian did, who says nothing about the way there. What is in
    quarantine stays in the dock all the same."""
    clip = state.clips[event.clip_id]
    clip.receipt = event.receipt
    clip.findings.extend(event.findings)
    if event.receipt.proof != BY_CUSTODIAN:
        link.answered(state, at_ms)
    to_phase(state, clip, C.DONE if clip.quarantine else C.DELIVERED)


def clip_failed(state: State, event: ev.ClipFailed, at_ms: int) -> None:
    """A step failed: it goes to the end of its queue, or on without a preview, or back to where it can be mended."""
    clip = state.clips[event.clip_id]
    if event.step in SENDS and clip.receipt is not None and clip.receipt.proof == BY_CUSTODIAN:
        _sent_in_vain(state, event, at_ms)
        return
    if event.step == "measure" and clip.phase is C.VERIFIED:
        _measured(state, clip, Measure(why=f"byte tree only: {event.reason}", doubt=True))
        return
    if event.step == "preview" and clip.phase in (C.VERIFIED, C.MEASURED):
        clip.findings.append(Finding("preview", event.reason, "warning"))
        to_phase(state, clip, C.PREVIEWED)
        return
    if event.lost and clip.phase is C.SEALED:
        clip.seal = None  # its plaintext is still here: it is sealed again
        to_phase(state, clip, C.PREVIEWED)
        return
    if event.lost:
        forget(state, clip)
        return
    if event.record:
        to_phase(state, clip, C.LOCKED if clip.seal else C.PREVIEWED)
        return
    _wait(state, clip, event, at_ms)
    state.queues[clip.phase].pop(clip.id, None)
    state.queues[clip.phase][clip.id] = None


def _sent_in_vain(state: State, event: ev.ClipFailed, at_ms: int) -> None:
    """Meanwhile the custodian found the clip in the store: what failed says something about the link alone."""
    if event.link:
        link.failed(state, event.clip_id, Trouble(event.reason, kind=event.kind or Kind.LINK), at_ms, event.after_ms)


def _wait(state: State, clip: Clip, event: ev.ClipFailed, at_ms: int) -> None:
    """When it is tried again, by the rule for this kind of failure. What the store refused for good is offered to it
    again a day later: somebody may have mended the store by then."""
    if event.kind == Kind.HOURS:
        clip.trouble = Trouble(event.reason, kind=event.kind)
        return
    rule = link.rule(event.kind, whole=event.link)
    try_again(clip.trouble, event.reason, at_ms, clip.id, rule.first_ms, rule.longest_ms)
    clip.trouble.kind = event.kind or (Kind.LINK if event.link else "")
    clip.trouble.final = not event.retry
    if clip.trouble.final:
        clip.trouble.wait_ms = link.REFUSED_AGAIN_MS if event.step in SENDS else 0
        clip.trouble.retry_ms = at_ms + clip.trouble.wait_ms if clip.trouble.wait_ms else 0
    if event.link:
        link.failed(state, clip.id, clip.trouble, at_ms, event.after_ms)


def forget(state: State, clip: Clip) -> None:
    """The dock's copy is lost or altered, and the store has none: as if it had never been pulled. The camera, which is
    never erased, gives it again, now or when it is docked again."""
    del state.clips[clip.id]
    if clip.holds:
        state.held[clip.id] = clip.holds
    state.queues[clip.phase].pop(clip.id, None)
    for known in state.known.get(clip.camera, {}).values():
        if clip.id in known:
            del known[clip.id]
    for key in [key for key in state.to_judge if key[0] == clip.id]:
        del state.to_judge[key]
    for session in state.sessions.values():
        session.undelivered.discard(clip.id)
        for item_id, item in session.items.items():
            if item.clip_id == clip.id:
                item.clip_id = ""
                session.to_pull[item_id] = None


def disposed(state: State, event: ev.Disposed, at_ms: int) -> None:
    """The dock's own copy is gone, or nothing but the sealed one is left."""
    to_phase(state, state.clips[event.clip_id], C.LOCKED if event.what == ev.PLAINTEXT else C.DONE)
    state.spool = Trouble()


def path_verified(state: State, event: ev.PathVerified, at_ms: int) -> None:
    """The verdicts under another of its paths are in."""
    state.to_judge.pop((event.clip_id, event.path), None)
    state.clips[event.clip_id].other_verdicts[event.path] = event.verdicts


def try_again(
    trouble: Trouble, reason: str, at_ms: int, key: str, first_ms: int = 1000, longest_ms: int = 300_000
) -> None:
    """Note a failure, and when to try again: exponentially later each time."""
    trouble.reason = reason
    trouble.attempts += 1
    trouble.wait_ms = plan.backoff_ms(trouble.attempts, key, first_ms, longest_ms)
    trouble.retry_ms = at_ms + trouble.wait_ms
