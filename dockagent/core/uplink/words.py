"""Why footage waits for the store, since when, what is being done, and when: for people, and as rows for programs.

Times are those of the clock on the station's wall, because that is the clock that the reader looks at.
"""

from typing import Any

from dockagent.core.model import Clip, ClipPhase, State
from dockagent.core.moment import rfc3339
from dockagent.core.narrate import size
from dockagent.core.uplink import link
from dockagent.core.uplink.pace import rate_words
from dockagent.core.uplink.trouble import Kind, Trouble
from dockagent.core.uplink.turns import Terms


def clip_waits(clip: Clip, state: State, now_ms: int, terms: Terms) -> str:
    """Why this clip is not on its way right now, and until when; empty where the store has it, or where something of
    the dock's own is still to be done for it."""
    if clip.phase not in link.SENDS:
        return ""
    trouble = state.uplink.trouble
    if clip.trouble.reason and clip.trouble.kind != Kind.HOURS and not _of_the_link(clip.trouble):
        return f"{_named(clip.trouble)}; {_again(clip.trouble, state, now_ms, terms)}{_settles(clip, state)}"
    if trouble.attempts:
        return f"waiting: the store is away{_since(state, terms)}; {_again(trouble, state, now_ms, terms)}"
    if not terms.hours.open(now_ms) and not terms.exempt(clip):
        return f"waiting for the upload hours ({terms.hours.words()}): {_opens(now_ms, terms)}"
    if clip.trouble.reason and clip.trouble.kind != Kind.HOURS:
        return f"{_named(clip.trouble)}; {_again(clip.trouble, state, now_ms, terms)}"
    kind = "its preview" if clip.phase is ClipPhase.ADMITTED else "it"
    place = "among the flagged ones, " if terms.flagged(clip) else ""
    return f"waiting: {kind} is sent in turn, {place}{_pace(terms)}"


def row(state: State, now_ms: int, terms: Terms) -> dict[str, Any]:
    """The way to the store, for a program; times are empty where there is none. ``opens_or_closes_at``: when the
    upload hours change next."""
    uplink, trouble = state.uplink, state.uplink.trouble
    waiting = [state.clips[clip_id] for phase in link.SENDS for clip_id in state.queues[phase]]
    return {
        "away": bool(trouble.attempts),
        "away_since": _utc(uplink.since_ms),
        "kind": trouble.kind,
        "reason": trouble.reason,
        "attempts": trouble.attempts,
        "next_try_at": _utc(trouble.retry_ms if trouble.attempts else 0),
        "answered_at": _utc(uplink.answered_ms),
        "open": terms.hours.open(now_ms),
        "opens_or_closes_at": _utc(terms.hours.changes_ms(now_ms)),
        "hours": terms.hours.words(),
        "bytes_per_second": terms.rate,
        "waiting_clips": len(waiting),
        "waiting_flagged": sum(terms.flagged(clip) for clip in waiting),
        "waiting_bytes": sum(clip.bytes for clip in waiting),
    }


def store_words(state: State, now_ms: int, terms: Terms) -> str:
    """The way to the store in a line for a person."""
    trouble, found = state.uplink.trouble, []
    if trouble.attempts:
        found.append(f"AWAY{_since(state, terms)}: {_named(trouble)}")
        found.append(f"{_again(trouble, state, now_ms, terms)}, with one clip alone; cameras are drained meanwhile")
    else:
        found.append("no trouble seen")
    if terms.hours.stretches:
        opened = terms.hours.open(now_ms)
        found.append(
            f"upload hours {terms.hours.words()}: {_closes(now_ms, terms) if opened else _shut(now_ms, terms)}"
        )
    if terms.rate:
        found.append(_pace(terms))
    waiting = [state.clips[clip_id] for phase in link.SENDS for clip_id in state.queues[phase]]
    if waiting:
        count = "1 clip waits" if len(waiting) == 1 else f"{len(waiting)} clips wait"
        found.append(f"{count} for it, {size(sum(clip.bytes for clip in waiting))}")
    return "; ".join(found)


def spool_words(state: State, now_ms: int, terms: Terms) -> str:
    """The spool in a line for a person: whether cameras can be read, and what would let them be."""
    if not state.spool.attempts:
        return "no trouble seen"
    kept = [clip for clip in state.clips.values() if clip.kept]
    held = f"; {size(sum(clip.bytes for clip in kept))} of it are on hold" if kept else ""
    return f"PULLS WAIT: {state.spool.reason}{held}; {_again(state.spool, state, now_ms, terms)}, and when room is made"


def _named(trouble: Trouble) -> str:
    """What it is, and what was said word for word."""
    known = link.RULES.get(trouble.kind)
    return f"{known.words}: {trouble.reason}" if known else trouble.reason


def _settles(clip: Clip, state: State) -> str:
    """What else would bring a clip to its end whose key is taken."""
    if clip.id in state.custodian.alarms:
        return f"; ALARM: {state.custodian.alarms[clip.id]}"
    return "; the custodian's receipt for it counts as delivery" if clip.id in state.custodian.unseen else ""


def _of_the_link(trouble: Trouble) -> bool:
    return link.rule(trouble.kind, whole=False).whole


def _since(state: State, terms: Terms) -> str:
    return f" since {_wall(state.uplink.since_ms, terms)}" if state.uplink.since_ms else ""


def _again(trouble: Trouble, state: State, now_ms: int, terms: Terms) -> str:
    if not state.running:
        return "it is tried again when the dock runs"
    if trouble.final and not trouble.retry_ms:
        return "it is not tried again before the dock starts anew"
    if trouble.due(now_ms):
        return "it is tried again now"
    return f"it is tried again at {_wall(trouble.retry_ms, terms)}"


def _opens(now_ms: int, terms: Terms) -> str:
    return f"it goes from {_wall(terms.hours.changes_ms(now_ms), terms)} on"


def _shut(now_ms: int, terms: Terms) -> str:
    but = f", but for {' and '.join(sorted(terms.always))} clips" if terms.always else ""
    return f"closed until {_wall(terms.hours.changes_ms(now_ms), terms)}{but}"


def _closes(now_ms: int, terms: Terms) -> str:
    ends_ms = terms.hours.changes_ms(now_ms)
    return f"open until {_wall(ends_ms, terms)}" if ends_ms else "open all day"


def _pace(terms: Terms) -> str:
    return f"at {rate_words(terms.rate)} at most" if terms.rate else "as fast as the link takes it"


def _wall(at_ms: int, terms: Terms) -> str:
    return f"{terms.hours.wall(at_ms):%Y-%m-%d %H:%M:%S %Z}"


def _utc(at_ms: int) -> str:
    return rfc3339(at_ms) if at_ms else ""
