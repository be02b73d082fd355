"""The table of holds in the store: which holds of this dock the custodian is asked about, and what people are told.

A hold on a clip that was delivered before reaches the store by the published ledger alone: the custodian reads it there
and sets the store's legal hold. What became of it is the custodian's word; without it, the dock says what is missing.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dockagent.core import events as ev
from dockagent.core.central.custodian_state import HoldState, HoldWord
from dockagent.core.central.hold_note import HoldNote
from dockagent.core.events.custodian import CustodianHeld, HoldsAsked
from dockagent.core.model import Clip, Hold, State
from dockagent.core.plain import plain
from dockagent.errors import Refused

REACHED, REFUSED, FALSE = "reached", "refused", "false"
ON_ITS_WAY, NO_HOLDS, NOBODY, UNDELIVERED = "on-its-way", "no-holds", "nobody", "not-delivered"
BATCH = 64  # holds that are asked about at a time
_MOST_DOUBLINGS = 6
_KNOW_NONE = {"file": "a folder", "swift": "Swift", "swift+axis": "an evidence system"}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class WantedHold:
    """A hold that is asked about: its clip, the number of its record, and the digest (hex) of the note on it that the
    dock has seen, or empty."""

    clip_id: str
    hold: int
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """How a hold comes to the store, as configured: whether there is a custodian whose word counts, and whether this
    dock's ledger is published, in which he finds it."""

    custodian: bool
    published: bool


def check(state: State, event: ev.Event) -> None:
    """Raises Refused for word on a hold that is none, or that says nothing."""
    if not isinstance(event, CustodianHeld):
        return
    if state.custodian.holds.waiting.get(event.hold) != event.clip_id:
        raise Refused(f"the custodian spoke of hold {event.hold} on clip {event.clip_id}, which nobody asks about")
    if event.word.outcome not in (REACHED, REFUSED, FALSE) or not _SHA256.fullmatch(event.word.sha256):
        raise Refused(f"the custodian's word on hold {event.hold} of clip {event.clip_id} says nothing")


def follow(state: State, event: ev.Event) -> None:
    """What other events mean here. Called when they are in the state, and before they are counted."""
    mine = state.custodian.holds
    if isinstance(event, ev.HoldSet):
        _wait(mine, state.clips[event.clip_id], state.history.records)
    if isinstance(event, ev.HoldCleared):
        for known in (mine.words, mine.waiting, mine.delivered):
            known.pop(event.hold, None)
    if isinstance(event, ev.Delivered):
        for hold in state.clips[event.clip_id].holds:
            mine.words.pop(hold.record, None)
            mine.delivered[hold.record] = event.receipt.hold
            _wait(mine, state.clips[event.clip_id], hold.record)
    if isinstance(event, ev.Checkpointed) and event.published:
        if any(mine.published <= hold < event.size for hold in mine.waiting):
            mine.asked_ms = mine.misses = 0
        mine.published = event.size
    if isinstance(event, ev.DockStarted):
        mine.asked_ms = mine.misses = 0


def _wait(mine: HoldState, clip: Clip, hold: int) -> None:
    if clip.receipt is not None and not knows_none(clip):
        mine.waiting[hold] = clip.id
        mine.asked_ms = mine.misses = 0


def held(state: State, event: CustodianHeld, at_ms: int) -> None:
    """One that has reached the store is not asked about any more; the others are tried by the custodian again."""
    mine = state.custodian.holds
    mine.words[event.hold] = event.word
    if event.word.outcome == REACHED:
        del mine.waiting[event.hold]


def asked(state: State, event: HoldsAsked, at_ms: int) -> None:
    """Those asked about in vain go to the end."""
    mine = state.custodian.holds
    for hold in _published(mine)[: max(0, event.asked - event.found)]:
        mine.waiting[hold] = mine.waiting.pop(hold)
    mine.asked_ms, mine.reason = at_ms, event.reason
    mine.misses = 0 if event.found else mine.misses + 1


def due(state: State, now_ms: int, every_ms: int) -> bool:
    """Whether to ask now: about what is published, less and less often while there is nothing new, at the end every 64
    times ``every_ms``. A clock that was stepped back asks at once."""
    mine = state.custodian.holds
    if every_ms <= 0 or not mine.waiting or not _published(mine):
        return False
    wait = every_ms << min(max(mine.misses - 1, 0), _MOST_DOUBLINGS) if mine.misses else 0
    return not 0 <= now_ms - mine.asked_ms < wait


def _published(mine: HoldState) -> list[int]:
    """Those that wait and that the custodian can have read of."""
    return [hold for hold in mine.waiting if hold < mine.published]


def wanted(state: State) -> tuple[WantedHold, ...]:
    """Which holds to ask about now."""
    mine = state.custodian.holds
    return tuple(_wanted(mine, hold) for hold in _published(mine)[:BATCH])


def _wanted(mine: HoldState, hold: int) -> WantedHold:
    word = mine.words.get(hold)
    return WantedHold(mine.waiting[hold], hold, word.sha256 if word else "")


def word_of(note: HoldNote, about: WantedHold, dock: str, sha256: str, key_id: str) -> HoldWord:
    """What a note, whose signature was checked, says about a hold of this ``dock``. Raises Refused for one that is
    about another, and for one that says neither that the store keeps the clip nor why not."""
    if (note.clip_id, note.dock, note.hold, note.cleared) != (about.clip_id, dock, about.hold, False):
        raise Refused(f"it is about hold {note.hold} of dock {note.dock[:64]} on clip {note.clip_id[:64]}")
    if not (note.keeps or note.refused):
        raise Refused("it says neither that the store keeps the clip nor why not")
    outcome = REFUSED if note.refused else REACHED
    objects = 0 if note.refused else len({one.name for one in note.objects})  # a row for each version of one
    return HoldWord(sha256, outcome, note.custodian, key_id, note.store, note.time, objects, note.refused[:500])


# ---- what people are told -------------------------------------------------------------------------------------------


def knows_none(clip: Clip) -> str:
    """What kind of store has the clip, where that knows no legal hold; else empty."""
    return _KNOW_NONE.get(urlsplit(clip.receipt.store).scheme, "") if clip.receipt else ""


def row(state: State, clip: Clip, hold: Hold, way: Way) -> dict[str, Any]:
    """Whether the store keeps a clip for a hold, for a program: ``state`` is one of this module's words, ``text`` the
    same for a person; ``at``, ``custodian``, ``objects`` and ``reason`` of the custodian's word."""
    word = state.custodian.holds.words.get(hold.record)
    found, text = _found(state, clip, hold, way)
    return {
        "state": found,
        "text": text,
        "at": word.time if word else "",
        "custodian": word.custodian if word else "",
        "objects": word.objects if word else 0,
        "reason": word.reason if word else "",
    }


def _found(state: State, clip: Clip, hold: Hold, way: Way) -> tuple[str, str]:
    mine = state.custodian.holds
    word, at_delivery = mine.words.get(hold.record), mine.delivered.get(hold.record, "")
    if clip.receipt is None:
        return UNDELIVERED, "not delivered yet; the store's legal hold is asked for at the delivery"
    if kind := knows_none(clip):
        return (
            NO_HOLDS,
            f"none: {kind} knows no legal hold; have whatever is below it keep people from deleting the clip",
        )
    if word is not None:
        return word.outcome, said(word)
    if at_delivery == "kept":
        return REACHED, "set when this clip was delivered: the store showed it on the clip"
    if not (way.custodian and way.published):
        return NOBODY, _nobody(way, at_delivery)
    return ON_ITS_WAY, _way(mine, hold)


def said(word: HoldWord) -> str:
    """The custodian's word for a person."""
    if word.outcome == REACHED:
        return f"reached on {word.time}: {word.custodian} has seen it on {word.objects} objects"
    if word.outcome == REFUSED:
        return f"REFUSED on {word.time}, says {word.custodian}, who tries again: {word.reason}"
    return f"FALSE: what lies there in the custodian's name is no good note: {word.reason}"


def _nobody(way: Way, at_delivery: str) -> str:
    asked = f"; when it was asked for at the delivery it was {at_delivery}" if at_delivery else ""
    missing = [] if way.custodian else ["[custodian] names none"]
    missing += [] if way.published else ["[witnesses] publishes no ledger in which one could read of it"]
    return f"not set: no custodian carries it there, for {' and '.join(missing)}{asked}"


def _way(mine: HoldState, hold: Hold) -> str:
    if hold.record >= mine.published:
        return f"on its way: record {hold.record} is not in the published ledger yet"
    trouble = f" ({mine.reason})" if mine.reason else ""
    return f"on its way: record {hold.record} is published, and no custodian has said what became of it{trouble}"


def summary(state: State, way: Way) -> dict[str, Any]:
    """How all holds stand in the store, for a program: how many are in each ``state``, and one line about each clip
    that a person has to see to."""
    counts, wrong = dict[str, int](), dict[str, str]()
    for clip in state.clips.values():
        for hold in clip.holds:
            found, text = _found(state, clip, hold, way)
            counts[found] = counts.get(found, 0) + 1
            if found in (REFUSED, FALSE):
                wrong[clip.id] = text
    return {"states": counts, "wrong": wrong}


_SHORT = {
    REACHED: "reached the store",
    ON_ITS_WAY: "on their way to it",
    REFUSED: "REFUSED there",
    FALSE: "with a FALSE note",
    NO_HOLDS: "in a store that knows no legal hold",
    NOBODY: "that no custodian carries there",
    UNDELIVERED: "not delivered yet",
}


def summary_words(found: dict[str, Any], most: int) -> list[str]:
    """The same for a person: a line, and at most ``most`` about single clips."""
    states = found["states"]
    counted = ", ".join(f"{states[name]} {words}" for name, words in _SHORT.items() if name in states)
    lines = [f"  legal holds: {counted}"] if counted else []
    lines += [f"  {clip_id[:8]}: {plain(text)}" for clip_id, text in list(found["wrong"].items())[:most]]
    left = len(found["wrong"]) - most
    return [*lines, f"  … and {left} more (see `dockagent clips --held`)"] if left > 0 else lines
