"""Permits and erased footage for people and programs: lines of the log, rows of ``show``."""

from collections.abc import Callable
from typing import Any

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
from dockagent.core.model import State
from dockagent.core.moment import rfc3339
from dockagent.core.permits.permit import Permit


def _permit(permit: Permit) -> str:
    names = ", ".join(one.path for one in permit.files[:3]) + (", …" if len(permit.files) > 3 else "")
    until = moment(permit.until_ms)
    return f"permit {permit.id} to erase {names} from camera {permit.camera}, policy {permit.policy}, until {until}"


def moment(ms: int) -> str:
    """A time of a permit, which may be one that no calendar has."""
    try:
        return rfc3339(ms)
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"


def _path(clip_id: str, state: State) -> str:
    clip = state.clips.get(clip_id)
    return clip.path if clip else clip_id


def _erased(event: Erased, state: State) -> str:
    free = f", {_free(event.free_after - event.free_before)}" if event.free_after >= 0 else ""
    left = f"; still there: {', '.join(event.left)}" if event.left else ""
    noticed = "".join(f"; {one.text}" for one in event.findings)
    names = ", ".join(one.path for one in event.files)
    return f"ERASED from the camera: {names} ({event.method}, {event.authority}){free}{left}{noticed}"


def _free(gained: int) -> str:
    """What the erasing did to the card's room; a journal may have taken more than a small file gave back."""
    return f"{gained} bytes more free" if gained >= 0 else f"{-gained} bytes less free: the card wrote meanwhile"


def _sought(event: PermitsSought, state: State) -> str:
    why = f"; {event.reason}" if event.reason else ""
    return f"asked about {event.asked} clips, {event.found} permits{why}"


def _failed(event: EraseFailed, state: State) -> str:
    end = "it will be looked at" if event.unsure else "will try again" if event.retry else "given up"
    return f"{_path(event.clip_id, state)}: not erased ({event.ground}): {event.reason}; {end}"


TOLD: dict[type[Event], Callable[[Any, State], str]] = {
    PermitSeen: lambda event, state: _permit(event.permit),
    PermitHandedIn: lambda event, state: (
        f"{_permit(event.permit)}, handed in by {event.actor.name or 'somebody unknown'}"
    ),
    PermitRefused: lambda event, state: f"{_path(event.clip_id, state)}: NOT FOLLOWED ({event.ground}): {event.reason}",
    PermitsSought: _sought,
    CameraRecalled: lambda event, state: f"KEEP THE CAMERA: footage on it may be erased now ({event.told})",
    EraseAsked: lambda event, state: (
        f"about to erase {', '.join(one.path for one in event.files)} under permit {event.permit}"
    ),
    Erased: _erased,
    EraseFailed: _failed,
}


def row(state: State, clip_id: str) -> dict[str, Any] | None:
    """What is known of leave to erase a clip from its camera, for a program; None where there is none. ``erased``:
    path to the number of the record that says so; ``refused``: the ground on which it is not followed."""
    known = state.permits.known.get(state.permits.of_clip.get(clip_id, ""))
    gone = state.permits.gone.get(clip_id, {})
    if known is None and not gone:
        return None
    return {
        "permit": known.permit.id if known else "",
        "record": known.record if known else -1,
        "policy": known.permit.policy if known else "",
        "until": moment(known.permit.until_ms) if known else "",
        "refused": known.refused if known else "",
        "erased": dict(gone),
    }


def lines(found: dict[str, Any] | None) -> list[str]:
    """The same for a person; nothing where there is nothing to say."""
    if found is None:
        return []
    said = [f"{path} was erased from the camera, record {record}" for path, record in found["erased"].items()]
    if found["permit"] and not found["erased"]:
        ground = f"; not followed: {found['refused']}" if found["refused"] else ""
        said.append(f"permit {found['permit']}, record {found['record']}, until {found['until']}{ground}")
    return said
