"""Permits that wait to be used: for which camera each is, where that camera is, and what will come of it; and why for
some clips none will ever come.

A permit for a camera that is not here waits for it, which may take weeks. So it is said when a person hands one in,
and by ``status`` until it is used or its time is over.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from dockagent.core.central import store_receipt
from dockagent.core.central.hold_words import knows_none
from dockagent.core.model import Clip, Session, State
from dockagent.core.permits import erasing
from dockagent.core.permits.permit_state import KnownPermit
from dockagent.core.permits.permit_words import moment
from dockagent.core.plain import plain

_NAMED = 3  # cameras that are here instead


def waiting(state: State, now_ms: int) -> list[dict[str, Any]]:
    """A row for each permit that is neither used up nor over, as :func:`row` has it, by camera."""
    pending = (state.permits.known[one] for each in state.permits.pending.values() for one in each)
    return [row(state, known, now_ms) for known in pending if now_ms < known.permit.until_ms]


def row(state: State, known: KnownPermit, now_ms: int) -> dict[str, Any]:
    """One permit, for a program. ``bay``: where its camera is, or empty; ``here``: the cameras that are in bays;
    ``ground`` and ``why``: what speaks against it as things are, or empty; ``nothing``: its camera is here without any
    file that it lets go; ``running``: whether an agent runs that would see cameras."""
    permit, session = known.permit, _session(state, known.permit.camera)
    if session is None:
        refusal = erasing.beforehand(state, known, now_ms)
    else:
        refusal = erasing.judge(state, known, session, now_ms)
    here = [f"{one.camera.id} in bay {one.bay}" for one in state.sessions.values() if one.camera is not None]
    return {
        "permit": permit.id,
        "record": known.record,
        "clip_id": permit.clip.clip_id,
        "path": permit.clip.path,
        "camera": permit.camera,
        "until": moment(permit.until_ms),
        "running": state.running,
        "bay": session.bay if session else "",
        "here": here,
        "ground": str(refusal.ground) if refusal else "",
        "why": refusal.words if refusal else "",
        "nothing": session is not None and refusal is None and not erasing.targets(state, session, known),
    }


def _session(state: State, camera: str) -> Session | None:
    found = (one for one in state.sessions.values() if one.camera is not None and one.camera.id == camera)
    return next(found, None)


def prospect(one: dict[str, Any]) -> str:
    """For which camera a permit is, and what will happen."""
    if one["why"]:
        return f"{_place(one)}: NOT FOLLOWED as things are ({one['ground']}): {one['why']}"
    if not one["bay"]:
        return f"{_place(one)}: it waits until that camera is in a bay, {one['until']} at the latest"
    if one["nothing"]:
        return f"{_place(one)}: nothing that it lets go is on that card now; it waits until {one['until']}"
    return f"{_place(one)}: it is followed now"


def none_comes(state: State, clip: Clip) -> str:
    """Why the custodian signs no permit for a clip, and what to do, as far as his receipt says it; empty where nothing
    in it is against one, where there is no receipt, and where there is a permit. His rules: ``custodian/permits``."""
    word = state.custodian.words.get(clip.id)
    if word is None or clip.id in state.permits.of_clip or clip.id in state.permits.gone:
        return ""
    if clip.quarantine:
        return "no permit is signed for what lies in quarantine; a person decides about it"
    if clip.holds:
        return "no permit is signed while it is on hold"
    if word.findings:
        return f"no permit is signed, for its receipt has findings; a person decides about it: {word.findings[0]}"
    if not word.ledger_size:
        return "no permit is signed, for no published ledger showed its record; a person erases it, or leaves it there"
    if word.legal_hold == store_receipt.ON:
        return "no permit is signed while the store has a legal hold on it"
    if word.legal_hold != store_receipt.UNKNOWN:
        return ""
    if kind := knows_none(clip):
        why = f"no permit is ever signed: {kind} cannot say that nobody holds it"
        return f"{why}; deliver to a store under lock, or empty the camera by hand"
    return "no permit is signed, for the custodian may not see legal holds; allow him s3:GetObjectLegalHold"


def none_come(state: State) -> dict[str, int]:
    """For how many clips no permit is signed, by the reason."""
    return dict(Counter(why for clip in state.clips.values() if (why := none_comes(state, clip))))


def _place(one: dict[str, Any]) -> str:
    if one["bay"]:
        return f"for camera {one['camera']}, which is in bay {one['bay']}"
    if not one["running"]:
        return f"for camera {one['camera']}, while no agent runs"
    here = ", ".join(one["here"][:_NAMED]) + (", …" if len(one["here"]) > _NAMED else "")
    return f"for camera {one['camera']}, which is not in this dock" + (f" (here: {here})" if here else "")


def lines(rows: Iterable[dict[str, Any]], most: int) -> list[str]:
    """The same for a person: a line for all permits of one camera that fare alike, at most ``most``."""
    alike = dict[tuple[str, str, bool], list[dict[str, Any]]]()
    for one in rows:
        alike.setdefault((one["camera"], one["ground"], one["nothing"]), []).append(one)
    told = list(_lines(alike.values()))
    left = len(told) - most
    return [*told[:most], f"  … and {left} more (see --json)"] if left > 0 else told


def _lines(groups: Iterable[list[dict[str, Any]]]) -> Iterator[str]:
    for group in groups:
        first = min(group, key=lambda one: str(one["until"]))
        name = f"{len(group)} permits" if len(group) > 1 else f"permit {first['permit']} for {first['path']}"
        yield plain(f"  {name}: {prospect(first)}")
