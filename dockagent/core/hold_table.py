"""The hold table: what people's acts may do to a clip, and what a hold forbids."""

import msgspec

from dockagent.core import events as ev
from dockagent.core.acts import DONE, FAILED, MOST_TEXT, REFUSED
from dockagent.core.model import Clip, Hold, State
from dockagent.errors import Refused

_OUTCOMES = (DONE, REFUSED, FAILED)
_ACTS = ("read", "show", "export", "verify", "login")


def check(state: State, event: ev.Event) -> None:
    """Raises Refused for a person's act that may not happen now, and for a disposal that a hold forbids."""
    if isinstance(event, ev.Disposed) and event.what != ev.PLAINTEXT:
        refuse_held(state, event.clip_id)
    if isinstance(event, ev.PersonsAct):
        _readable(event)
    if isinstance(event, ev.Accessed) and event.outcome not in _OUTCOMES:
        raise Refused(f"no act ends as {event.outcome!r}: it is {', '.join(_OUTCOMES)}")
    if isinstance(event, ev.Accessed) and event.outcome == DONE:
        if event.act not in _ACTS:
            raise Refused(f"{event.act[:40]!r} is no access to footage", f"it is one of {', '.join(_ACTS)}")
        if event.clip_id:
            _known(state, event.clip_id)
    if isinstance(event, ev.HoldSet | ev.HoldCleared):
        _grounded(event)
        clip = _known(state, event.clip_id)
        if isinstance(event, ev.HoldCleared) and event.hold not in {one.record for one in clip.holds}:
            if not clip.holds:
                raise Refused(f"clip {clip.id} is on no hold: there is none to clear", "see `dockagent clips --held`")
            raise Refused(f"clip {clip.id} is not under a hold {event.hold} (holds: {_numbers(clip)})")


def refuse_held(state: State, clip_id: str) -> None:
    """Raises Refused for a clip that is on hold: for every event that takes footage away for good."""
    clip = state.clips.get(clip_id)
    if clip is not None and clip.holds:
        raise Refused(f"clip {clip.id} is on hold and may not be disposed of (holds: {_numbers(clip)})")


def _readable(event: ev.PersonsAct) -> None:
    """A record is for good: what a person filled in is bounded before it gets there."""
    longest = max(map(len, (*_texts(event.actor), *_texts(event.grounds), *_texts(event))), default=0)
    if longest > MOST_TEXT:
        raise Refused(f"a field of {longest} characters is too long for a record", f"at most {MOST_TEXT}")


def _texts(value: msgspec.Struct) -> list[str]:
    return [one for one in msgspec.structs.astuple(value) if isinstance(one, str)]


def _grounded(event: ev.HoldSet | ev.HoldCleared) -> None:
    if not (event.grounds.basis.strip() and event.grounds.authority.strip()):
        raise Refused("a hold needs its basis and its authority", "give --basis and --authority")


def _known(state: State, clip_id: str) -> Clip:
    clip = state.clips.get(clip_id)
    if clip is None:
        raise Refused(f"nobody knows a clip {clip_id}", "see `dockagent clips`")
    return clip


def _numbers(clip: Clip) -> str:
    return ", ".join(str(one.record) for one in clip.holds) or "none"


def hold_set(state: State, event: ev.HoldSet, at_ms: int) -> None:
    """One more hold on a clip, named by this record's number."""
    clip = state.clips[event.clip_id]
    hold = Hold(state.history.records, event.grounds.basis, event.grounds.authority, event.actor.name, at_ms)
    clip.holds = (*clip.holds, hold)


def hold_cleared(state: State, event: ev.HoldCleared, at_ms: int) -> None:
    """One hold fewer. With the last one gone, the clip's room in the spool is freed as that of any other."""
    clip = state.clips[event.clip_id]
    clip.holds = tuple(one for one in clip.holds if one.record != event.hold)


def accessed(state: State, event: ev.Accessed, at_ms: int) -> None:
    """A record for people; it changes nothing that the dock believes."""
