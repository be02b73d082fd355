"""Events in one line for a person: the log, the terminal. A program reads the ledger instead."""

from collections.abc import Callable
from typing import Any

import msgspec

from dockagent.core import events as ev
from dockagent.core.central import hold_words, promise
from dockagent.core.events.custodian import (
    CustodianAsked,
    CustodianHeld,
    CustodianReceived,
    CustodianRefuted,
    HoldsAsked,
)
from dockagent.core.model import State
from dockagent.core.moment import rfc3339
from dockagent.core.movie.clip_samples import Measure
from dockagent.core.permits import permit_words
from dockagent.core.plain import plain
from dockagent.core.review import review
from dockagent.core.stream.in_stream import InStream, StreamSignature
from dockagent.core.uplink.link import RULES
from dockagent.core.uplink.trouble import Kind


def tell(event: ev.Event, state: State) -> str:
    """``<event type> <bay or clip>: what happened``; ``state`` is the one before the event."""
    kind = type(event).__struct_config__.tag
    session = state.session(getattr(event, "session", ""))
    where = getattr(event, "bay", "") or (session.bay if session else "") or getattr(event, "clip_id", "")[:8]
    told = f"{kind} {where}".strip() + f": {_TOLD[type(event)](event, state)}"
    return plain(told)


def size(count: int) -> str:
    """A number of bytes for a person, in binary units."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def samples(found: Measure) -> str:
    """The sample trees of a clip for a person."""
    if found.why:
        return found.why
    trees = ", ".join(f"{one.samples} {one.handler}" for one in found.trees) or "none"
    without = sum(not one.root for one in found.tracks)
    return f"sample trees: {trees}" + (f"; {without} tracks without" if without else "")


def in_stream(found: InStream | None) -> str:
    """The signatures in a clip's own stream for a person; empty where there are none and none were refused."""
    if found is None or not (found.signatures or found.doubt):
        return ""
    return "; ".join([*(one_in_stream(one) for one in found.signatures), *([found.why] if found.why else [])])


def one_in_stream(one: StreamSignature) -> str:
    """One format's signatures in a line: what was covered, and each verdict for itself."""
    says = one.verdicts
    covered = f"{one.covered} of {one.pictures} pictures as signed, " if one.pictures else ""
    return (
        f"{one.name}: {covered}intact {says.intact}, signature {says.signature}, signer {says.signer}, "
        f"time {says.time}, complete {says.complete}"
    )


def _measured(event: ev.Measured, state: State) -> str:
    signed = in_stream(event.in_stream)
    return f"{_path(event, state)}: {samples(event.measure)}" + (f"; {signed}" if signed else "")


def _sent_early(event: ev.SentEarly, state: State) -> str:
    if event.how == "dropped":
        return "parts that were sent before it was all read are thrown away: it went another way"
    words = f"{event.parts} parts ({size(event.bytes)}) sent while it is read"
    return f"{words}; stopped: {event.reason}" if event.reason else words


def _store_checked(event: ev.StoreChecked, state: State) -> str:
    broken = [one.promise for one in event.kept if one.answer == promise.BROKEN]
    return f"{event.store} is {event.standing}, by {person(event)}; breaks: {', '.join(broken) or 'nothing'}"


def _path(event: Any, state: State) -> str:
    clip = state.clips.get(event.clip_id)
    return clip.path if clip else event.clip_id


def _offset(ms: int) -> str:
    return f"{abs(ms) / 1000:.3f} s {'ahead' if ms > 0 else 'behind'}" if ms else "exact"


def _inventory(event: ev.InventoryTaken, state: State) -> str:
    total = sum(entry.bytes for entry in event.entries)
    signed = "unsigned" if event.manifest is None else f"manifest signature {event.manifest.signature}"
    return (
        f"{len(event.entries)} files, {size(total)}, {len(event.held)} known already, {len(event.skipped)} left out, "
        f"{len(event.findings)} findings, {signed}"
    )


def _verified(event: ev.Verified | ev.PathVerified, state: State) -> str:
    says = event.verdicts
    words = (
        f"intact {says.intact}, signature {says.signature}, signer {says.signer}, "
        f"time {says.time}, complete {says.complete}"
    )
    path = event.path if isinstance(event, ev.PathVerified) else _path(event, state)
    return f"{path}: {words}"


def _acquired(event: ev.Acquired, state: State) -> str:
    resumed = f", resumed at {size(event.resumed_at)}" if event.resumed_at else ""
    same = " (the dock has these bytes already)" if event.clip_id in state.clips else ""
    return f"{event.path}, {size(event.bytes)}, sha256 {event.sha256[:16]}…{resumed}{same}"


def _moment(ms: int) -> str:
    """A time that a person gave, which may be one that no calendar has."""
    try:
        return rfc3339(ms)
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"


def _assigned(event: ev.Assigned, state: State) -> str:
    until = f" until {_moment(event.until_ms)}" if event.until_ms else ""
    return f"camera {event.camera} is {event.officer or 'nobody'}'s{until}, says {person(event)}{grounds(event)}"


def _asked(event: ev.SampleAsked, state: State) -> str:
    asked = event.question
    wanted = ", ".join(f"{name} {value}" for name, value in review.words(asked.filter).items()) or "all footage"
    return f"{asked.sample} of {asked.candidates} clips ({wanted}), by {person(event)}{grounds(event)}"


def _drawn(event: ev.SampleDrawn, state: State) -> str:
    shown = ", ".join(one[:8] for one in event.clips[:3]) + (", …" if len(event.clips) > 3 else "")
    return f"{len(event.clips)} clips for request {event.request} by {person(event)}, seed {event.seed[:16]}…: {shown}"


def _again(event: Any) -> str:
    return "; will try again" if event.retry else "; given up"


def _clip_failed(event: ev.ClipFailed, state: State) -> str:
    if event.kind == Kind.HOURS:
        return f"{_path(event, state)}: {event.step}: {event.reason}"
    rule = RULES.get(event.kind)
    kind = f"{rule.words}: " if rule else ""
    return f"{_path(event, state)}: {event.step}: {kind}{event.reason}{_again(event)}"


def _acquire_failed(event: ev.AcquireFailed, state: State) -> str:
    stopped = "PULLS WAIT: " if event.kind == "spool-full" else ""
    return f"{event.path}: {stopped}{event.reason}{_again(event)}"


def _checkpointed(event: ev.Checkpointed, state: State) -> str:
    stamped = f", stamped by {event.stamp.url}" if event.stamp else ""
    noticed = "".join(f"; {one.text}" for one in event.findings)
    return f"{event.size} records cosigned by {len(event.cosigners)} of {event.asked} witnesses{stamped}{noticed}"


def person(act: ev.PersonsAct) -> str:
    """Who did it, for a person."""
    name = act.actor.name or "somebody unknown"
    return f"{name} (logged in as {act.actor.login})" if act.actor.login else name


def grounds(act: ev.PersonsAct) -> str:
    """On what grounds, for a person; empty where none were asked for."""
    says = msgspec.to_builtins(act.grounds)
    return "".join(f", {name} {text}" for name, text in says.items() if text)


def _accessed(event: ev.Accessed, state: State) -> str:
    about = f" of {_path(event, state)}" if event.clip_id else ""
    why = f": {event.reason}" if event.reason else ""
    return f"{event.act}{about} by {person(event)}{grounds(event)}, {event.outcome}{why}"


def _clips(event: ev.DisclosureAsked | ev.Disclosed | ev.DisclosureFailed) -> str:
    shown = ", ".join(one[:8] for one in event.clips[:3])
    return f"{event.kind} of {shown}" + (f" and {len(event.clips) - 3} more clips" if len(event.clips) > 3 else "")


_TOLD: dict[type[ev.Event], Callable[[Any, State], str]] = {
    ev.DockStarted: lambda event, state: f"dockagent {event.version} after {event.after}",
    ev.DockStopped: lambda event, state: event.reason,
    ev.KeysCertified: lambda event, state: (
        f"set {event.generation}, {'with' if event.chain_pem else 'without'} a certificate of its identity"
    ),
    ev.KeysRotated: lambda event, state: "the next record is signed by new keys",
    ev.KeysTaken: lambda event, state: f"set {event.generation} of this dock's keys is in force",
    ev.CameraAttached: lambda event, state: f"a {event.kind} appeared at {event.address}",
    ev.CameraIdentified: lambda event, state: (
        f"camera {event.camera.id} ({event.camera.model or 'unknown model'}), profile {event.profile}, "
        f"known by {event.camera.known_by}"
    ),
    ev.ModeAsked: lambda event, state: f"camera {event.camera.id}, profile {event.profile}: {event.words}",
    ev.ClockMeasured: lambda event, state: (
        f"the camera's clock is {_offset(event.offset_ms)}, ±{event.uncertainty_ms} ms"
    ),
    ev.ClockUnset: lambda event, state: event.reason,
    ev.ClockSet: lambda event, state: (
        f"set, now {_offset(event.offset_after_ms)}" if event.done else "within tolerance, left alone"
    ),
    ev.InventoryTaken: _inventory,
    ev.SessionFailed: lambda event, state: f"{event.step}: {event.reason}{_again(event)}",
    ev.Acquired: _acquired,
    ev.AcquireFailed: _acquire_failed,
    ev.Verified: _verified,
    ev.PathVerified: _verified,
    ev.Measured: _measured,
    ev.Previewed: lambda event, state: (
        f"{_path(event, state)}: {', '.join(thing.name for thing in event.things) or 'nothing'}, "
        f"{len(event.findings)} findings"
    ),
    ev.Sealed: lambda event, state: (
        f"{_path(event, state)}: sealed with {len(event.seal.previews)} previews to "
        f"{len(event.seal.recipients)} recipients"
    ),
    ev.Admitted: lambda event, state: f"{_path(event, state)} goes to {event.prefix}",
    ev.Quarantined: lambda event, state: f"{_path(event, state)} is QUARANTINED: {event.reason}",
    ev.ClipFields: lambda event, state: f"{event.count} fields of a clip's record, root {event.root[:16]}…",
    ev.Transferred: lambda event, state: f"{_path(event, state)}: {len(event.receipts)} preview objects delivered",
    ev.Delivered: lambda event, state: f"{_path(event, state)} delivered, proof: {event.receipt.proof}",
    ev.ClipFailed: _clip_failed,
    ev.Disposed: lambda event, state: (
        f"{_path(event, state)}: "
        + ("only the sealed copy is left" if event.what == ev.PLAINTEXT else "the dock's copy is removed")
    ),
    ev.Released: lambda event, state: (
        f"{'SAFE TO TAKE' if event.safe else 'KEEP THE CAMERA'}: {event.words} ({event.told})"
    ),
    ev.CameraChanged: lambda event, state: "files came or went on the card; it is listed again",
    ev.CameraDetached: lambda event, state: (
        "taken" if event.clean else f"taken before it was released, {event.left} files not pulled"
    ),
    ev.Checkpointed: _checkpointed,
    ev.CheckpointFailed: lambda event, state: f"{event.step}: {event.reason}{_again(event)}",
    ev.Accessed: _accessed,
    ev.Assigned: _assigned,
    ev.SampleAsked: _asked,
    ev.SampleDrawn: _drawn,
    ev.DisclosureAsked: lambda event, state: f"{_clips(event)} by {person(event)}{grounds(event)}",
    ev.Disclosed: lambda event, state: (
        f"{_clips(event)} by {person(event)}{grounds(event)}, sha256 {event.package_sha256[:16]}…"
    ),
    ev.DisclosureFailed: lambda event, state: f"{_clips(event)} by {person(event)}: {event.reason}",
    ev.HoldSet: lambda event, state: f"{_path(event, state)}: ON HOLD by {person(event)}{grounds(event)}",
    ev.HoldCleared: lambda event, state: (
        f"{_path(event, state)}: hold {event.hold} is over, by {person(event)}{grounds(event)}"
    ),
    ev.StoreChecked: _store_checked,
    CustodianReceived: lambda event, state: (
        f"{_path(event, state)}: {event.word.custodian} read it back from storage at {event.word.time}"
    ),
    CustodianRefuted: lambda event, state: f"ALARM: {_path(event, state)}: {event.reason}",
    CustodianAsked: lambda event, state: (
        f"{event.found} receipts for {event.asked} clips" + (f"; {event.reason}" if event.reason else "")
    ),
    CustodianHeld: lambda event, state: (
        f"{_path(event, state)}: hold {event.hold} in the store: {hold_words.said(event.word)}"
    ),
    HoldsAsked: lambda event, state: (
        f"asked about {event.asked} holds, {event.found} have reached the store"
        + (f"; {event.reason}" if event.reason else "")
    ),
    ev.SentEarly: _sent_early,
    **permit_words.TOLD,
}
