"""Events in one line for a person: the log, the terminal. A program reads the ledger instead."""

from collections.abc import Callable
from typing import Any

from dockagent.core import events as ev
from dockagent.core.clip_samples import Measure
from dockagent.core.model import State


def tell(event: ev.Event, state: State) -> str:
    """``<event type> <bay or clip>: what happened``; ``state`` is the one before the event."""
    kind = type(event).__struct_config__.tag
    session = state.session(getattr(event, "session", ""))
    where = getattr(event, "bay", "") or (session.bay if session else "") or getattr(event, "clip_id", "")[:8]
    told = f"{kind} {where}".strip() + f": {_TOLD[type(event)](event, state)}"
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in told)


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


def _again(event: Any) -> str:
    return "; will try again" if event.retry else "; given up"


def _checkpointed(event: ev.Checkpointed, state: State) -> str:
    stamped = f", stamped by {event.stamp.url}" if event.stamp else ""
    noticed = "".join(f"; {one.text}" for one in event.findings)
    return f"{event.size} records cosigned by {len(event.cosigners)} of {event.asked} witnesses{stamped}{noticed}"


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
    ev.AcquireFailed: lambda event, state: f"{event.path}: {event.reason}{_again(event)}",
    ev.Verified: _verified,
    ev.PathVerified: _verified,
    ev.Measured: lambda event, state: f"{_path(event, state)}: {samples(event.measure)}",
    ev.Previewed: lambda event, state: (
        f"{_path(event, state)}: {', '.join(thing.name for thing in event.things) or 'nothing'}, "
        f"{len(event.findings)} findings"
    ),
    ev.Admitted: lambda event, state: f"{_path(event, state)} goes to {event.prefix}",
    ev.Quarantined: lambda event, state: f"{_path(event, state)} is QUARANTINED: {event.reason}",
    ev.Transferred: lambda event, state: f"{_path(event, state)}: {len(event.receipts)} preview objects delivered",
    ev.Delivered: lambda event, state: f"{_path(event, state)} delivered, proof: {event.receipt.proof}",
    ev.ClipFailed: lambda event, state: f"{_path(event, state)}: {event.step}: {event.reason}{_again(event)}",
    ev.Disposed: lambda event, state: f"{_path(event, state)}: the dock's copy is removed",
    ev.Released: lambda event, state: (
        f"{'SAFE TO TAKE' if event.safe else 'KEEP THE CAMERA'}: {event.words} ({event.told})"
    ),
    ev.CameraChanged: lambda event, state: "files came or went on the card; it is listed again",
    ev.CameraDetached: lambda event, state: (
        "taken" if event.clean else f"taken before it was released, {event.left} files not pulled"
    ),
    ev.Checkpointed: _checkpointed,
    ev.CheckpointFailed: lambda event, state: f"{event.step}: {event.reason}{_again(event)}",
}
