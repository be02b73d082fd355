"""The custodian table: which clips wait for the custodian's receipt, what a good receipt for a clip is, and when to
ask.

Two kinds of clips wait. Those that are delivered: the receipt is a second word. And those of which the dock cannot
tell, because their key is taken and it may not look by what: for them the receipt is the proof of delivery itself.
"""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.camera.inventory import Finding
from dockagent.core.central import store_receipt
from dockagent.core.central.receipt import BY_CUSTODIAN, Receipt
from dockagent.core.central.store_receipt import StoreReceipt
from dockagent.core.events.custodian import CustodianAsked, CustodianReceived, CustodianRefuted
from dockagent.core.model import Clip, ClipPhase, State
from dockagent.core.uplink.trouble import Kind
from dockagent.errors import Refused

BATCH = 64  # clips that are asked about at a time
_MOST_DOUBLINGS = 3
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A clip whose receipt is asked for: the ``key`` of its stored master with ``bytes`` and ``sha256`` (hex), and the
    same of what was read from the camera. ``store``: where the receipt would be the proof of delivery, of which store
    it must speak; else empty. ``hold``: the dock has it on hold."""

    clip_id: str
    key: str
    bytes: int
    sha256: str
    clip_bytes: int
    clip_sha256: str
    store: str = ""
    hold: bool = False


def check(state: State, event: ev.Event) -> None:
    """Raises Refused for word on a clip that was not delivered and does not wait for it, or that says nothing; and for
    a delivery that rests on the custodian where the dock did not meet the key."""
    if isinstance(event, ev.Delivered) and event.receipt.proof == BY_CUSTODIAN:
        if state.custodian.unseen.get(event.clip_id) != event.receipt.key:
            raise Refused(f"clip {event.clip_id} does not wait for the custodian's word on {event.receipt.key}")
        return
    if not isinstance(event, CustodianReceived | CustodianRefuted):
        return
    clip = state.clips.get(event.clip_id)
    refuted = isinstance(event, CustodianRefuted) and event.clip_id in state.custodian.unseen
    if clip is None or (clip.receipt is None and not refuted):
        raise Refused(f"the custodian spoke of clip {event.clip_id}, which was not delivered")
    digest = event.word.sha256 if isinstance(event, CustodianReceived) else event.sha256
    if not _SHA256.fullmatch(digest):
        raise Refused(f"the custodian's receipt for clip {event.clip_id} has no digest")
    if isinstance(event, CustodianReceived) and clip.receipt is not None and event.word.key != clip.receipt.key:
        raise Refused(f"the custodian's receipt for clip {event.clip_id} is of another object")


def follow(state: State, event: ev.Event, at_ms: int) -> None:
    """What other events mean here: a clip that is delivered, once more too, waits, and so does one whose key is taken;
    a start asks again about alarms."""
    mine = state.custodian
    if isinstance(event, ev.Delivered):
        mine.words.pop(event.clip_id, None)
        mine.alarms.pop(event.clip_id, None)
        mine.unseen.pop(event.clip_id, None)
        mine.waiting[event.clip_id] = at_ms
        mine.misses = 0
    if isinstance(event, ev.ClipFailed):
        _failed(state, event, at_ms)
    if isinstance(event, ev.DockStarted):
        mine.waiting.update(dict.fromkeys(mine.alarms, at_ms))
        mine.asked_ms = mine.misses = 0


def _failed(state: State, event: ev.ClipFailed, at_ms: int) -> None:
    mine, clip = state.custodian, state.clips.get(event.clip_id)
    if clip is None or clip.phase is not ClipPhase.SHOWN:  # lost, or its record is: it goes another way first
        if mine.unseen.pop(event.clip_id, ""):
            mine.waiting.pop(event.clip_id, None)
            mine.alarms.pop(event.clip_id, None)
        return
    if event.kind != Kind.UNSEEN or event.key not in _master_keys(clip):
        return
    if mine.unseen.get(clip.id) != event.key:
        mine.unseen[clip.id] = event.key
        mine.alarms.pop(clip.id, None)
        mine.misses = 0
    if clip.id not in mine.alarms:
        mine.waiting.setdefault(clip.id, at_ms)


def _master_keys(clip: Clip) -> tuple[str, ...]:
    """Where its master may lie."""
    master, _ = clip.stored
    names = (master.name, plan.other_seal(master.name, master.sha256)) if clip.seal else (master.name,)
    return tuple(f"{clip.prefix}/{name}" for name in names)


def received(state: State, event: CustodianReceived, at_ms: int) -> None:
    """The clip has its receipt."""
    state.custodian.words[event.clip_id] = event.word
    state.custodian.alarms.pop(event.clip_id, None)
    state.custodian.waiting.pop(event.clip_id, None)


def refuted(state: State, event: CustodianRefuted, at_ms: int) -> None:
    """A person has to look; the next start asks once more."""
    state.custodian.alarms[event.clip_id] = event.reason
    state.custodian.waiting.pop(event.clip_id, None)


def asked(state: State, event: CustodianAsked, at_ms: int) -> None:
    """Those asked about in vain go to the end, so that one that never comes keeps nobody waiting."""
    mine = state.custodian
    for clip_id in list(mine.waiting)[: max(0, event.asked - event.found)]:
        mine.waiting[clip_id] = mine.waiting.pop(clip_id)
    mine.asked_ms, mine.reason = at_ms, event.reason
    mine.misses = 0 if event.found else mine.misses + 1


def due(state: State, now_ms: int, every_ms: int) -> bool:
    """Whether to ask now; less often while nothing comes. A clock that was stepped back asks at once."""
    mine = state.custodian
    if not mine.waiting or every_ms <= 0:
        return False
    wait = every_ms << min(max(mine.misses - 1, 0), _MOST_DOUBLINGS) if mine.misses else 0
    return not 0 <= now_ms - mine.asked_ms < wait


def wanted(state: State, store: str) -> tuple[Wanted, ...]:
    """Whom to ask about now; ``store``: where this dock delivers to."""
    clips = [state.clips[one] for one in list(state.custodian.waiting)[:BATCH] if one in state.clips]
    found = (_wanted(clip, state.custodian.unseen.get(clip.id, ""), store) for clip in clips)
    return tuple(one for one in found if one.key)


def _wanted(clip: Clip, unseen: str, store: str) -> Wanted:
    master, key = clip.stored[0], unseen or (clip.receipt.key if clip.receipt else "")
    of_store = store if unseen else ""
    return Wanted(clip.id, key, master.bytes, master.sha256, clip.bytes, clip.sha256, of_store, bool(clip.holds))


def check_word(said: StoreReceipt, about: Wanted) -> None:
    """Raises Refused unless a receipt is about this clip's stored master and about what was read from the camera."""
    if (said.clip_id, said.key) != (about.clip_id, about.key):
        raise Refused(f"it is about {said.key[:200]} of clip {said.clip_id[:64]}")
    if about.store and said.store != about.store:
        raise Refused(f"it is about {said.store[:200]}, and this dock delivers to {about.store}")
    if (said.bytes, said.sha256) != (about.bytes, about.sha256):
        raise Refused(f"it says that the store holds {said.bytes} bytes with SHA-256 {said.sha256}")
    if (said.clip_bytes, said.clip_sha256) != (about.clip_bytes, about.clip_sha256):
        raise Refused(f"it says that the camera gave {said.clip_bytes} bytes with SHA-256 {said.clip_sha256}")


def delivery(said: StoreReceipt, about: Wanted) -> ev.Delivered:
    """What a receipt that was checked proves about a clip whose key is taken: the store has it."""
    receipt = Receipt(
        store=about.store,
        key=said.key,
        bytes=said.bytes,
        sha256=said.sha256,
        proof=BY_CUSTODIAN,
        version=said.version,
        etag=said.etag,
    )
    words = f"this clip is on hold, and the legal hold in the store was {said.legal_hold} when it was read back"
    lacks = about.hold and said.legal_hold != store_receipt.ON
    findings = (Finding("hold", f"{words}: see that one is on {said.key}", "warning"),) if lacks else ()
    return ev.Delivered(about.clip_id, receipt, (), findings)


def vouched(state: State, clip_id: str) -> bool:
    """Whether the custodian has read this clip back from storage, as far as the dock knows."""
    return clip_id in state.custodian.words


def row(state: State, clip_id: str) -> dict[str, Any] | None:
    """The custodian's word on a clip, for a program; None where there is none."""
    word = state.custodian.words.get(clip_id)
    return None if word is None else msgspec.to_builtins(word)


def words(state: State, clip_id: str) -> str:
    """The same in a line for a person; empty where nobody waits for any."""
    mine = state.custodian
    if clip_id in mine.alarms:
        return f"ALARM: {mine.alarms[clip_id]}"
    if clip_id in mine.unseen:
        return f"the dock may not look at {mine.unseen[clip_id]}, and waits for the custodian's receipt for it"
    word = mine.words.get(clip_id)
    if word is None:
        return ""
    locked = f"{word.mode} until {word.until[:10]}" if word.until else word.mode or "no retention seen"
    seen = f"{word.ledger_size} records of the ledger seen" if word.ledger_size else "no ledger seen"
    noticed = f"; noticed: {'; '.join(word.findings)}" if word.findings else ""
    return f"receipt of {word.custodian}, read back from storage at {word.time}, {locked}, {seen}{noticed}"


def summary(state: State, now_ms: int, alarm_ms: int) -> dict[str, Any]:
    """How things stand with the custodian, for a program. ``late``: clips that wait longer than ``alarm_ms``;
    ``unseen``: clips that count as delivered only with his receipt."""
    mine = state.custodian
    late = sum(now_ms - since > alarm_ms for since in mine.waiting.values())
    return {
        "receipts": len(mine.words),
        "waiting": len(mine.waiting),
        "late": late,
        "unseen": len(mine.unseen),
        "alarms": dict(mine.alarms),
        "reason": mine.reason,
    }


def summary_words(found: dict[str, Any]) -> str:
    """The same in a line for a person."""
    said = [f"{found['receipts']} receipts, {found['waiting']} clips wait for theirs"]
    said += [f"{found['late']} of them for too long"] if found["late"] else []
    said += [f"{found['unseen']} are not delivered before it comes"] if found["unseen"] else []
    said += [found["reason"]] if found["reason"] else []
    said += [f"ALARM: false receipts for {', '.join(one[:8] for one in found['alarms'])}"] if found["alarms"] else []
    return "; ".join(said)
