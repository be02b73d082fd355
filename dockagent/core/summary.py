"""The state as rows for people and programs: what ``ingest``, ``status``, ``clips`` and ``show`` print."""

from typing import Any

import msgspec

from dockagent.core.camera.inventory import Finding
from dockagent.core.camera.manifest import Verdicts
from dockagent.core.model import UNDELIVERED, Clip, ClipPhase, History, Hold, Item, Session, SessionPhase, State
from dockagent.core.moment import parse_rfc3339, rfc3339

VERDICTS = ("intact", "signature", "signer", "time", "complete")


def clip_state(clip: Clip) -> str:
    """``spooled``, ``delivered``, or ``quarantined`` (and then its ``stored`` key tells whether the store has it)."""
    if clip.quarantine:
        return "quarantined"
    return "spooled" if clip.phase in UNDELIVERED else "delivered"


def clip_reason(clip: Clip) -> str:
    """Why a clip is not simply delivered, or empty."""
    if clip.trouble.reason:
        return f"{clip.quarantine}; {clip.trouble.reason}" if clip.quarantine else clip.trouble.reason
    if clip.quarantine:
        return clip.quarantine
    return "" if clip.phase not in UNDELIVERED else f"waiting: {_WAITS[clip.phase]}"


def with_wait(reason: str, clip: Clip, waits: str) -> str:
    """A clip's reason, with what ``core/uplink/words`` says of its turn instead of what is known of it alone."""
    if not waits:
        return reason
    return f"{clip.quarantine}; {waits}" if clip.quarantine else waits


_WAITS = {
    ClipPhase.ACQUIRED: "to be verified",
    ClipPhase.VERIFIED: "to be measured",
    ClipPhase.MEASURED: "for its preview",
    ClipPhase.PREVIEWED: "for its record",
    ClipPhase.SEALED: "for its plaintext to be removed",
    ClipPhase.LOCKED: "for its record",
    ClipPhase.ADMITTED: "for its preview to be delivered",
    ClipPhase.SHOWN: "to be delivered",
}


def verdicts(found: Verdicts | None) -> dict[str, str]:
    """The five verdicts by name; ``unknown`` for all as long as nobody has judged."""
    return {name: getattr(found, name) if found else "unknown" for name in VERDICTS}


def clip_row(clip: Clip) -> dict[str, Any]:
    """One clip, for a program."""
    return {
        "path": clip.path,
        "bytes": clip.bytes,
        "sha256": clip.sha256,
        "state": clip_state(clip),
        "clip_id": clip.id,
        "reason": clip_reason(clip),
        "verdicts": verdicts(clip.verdicts),
        "reasons": dict(clip.verdicts.reasons) if clip.verdicts else {},
        "camera": clip.camera,
        "officer": clip.about.officer,
        "officer_by": clip.about.officer_by,
        "category": clip.about.category,
        "marked": clip.about.marked,
        "role": clip.role,
        "recording": clip.recording,
        "belongs_to": clip.belongs_to,
        "other_paths": list(clip.aliases),
        "acquired": rfc3339(clip.acquired_ms),
        "stored": clip.receipt.key if clip.receipt else "",
        "holds": [hold_row(hold) for hold in clip.holds],
        "sealed_to": list(clip.seal.recipients) if clip.seal else [],
    }


def hold_row(hold: Hold) -> dict[str, Any]:
    """One order not to dispose of a clip, for a program; ``record``: the number of the record that set it."""
    row: dict[str, Any] = msgspec.to_builtins(hold)
    return {**row, "since": rfc3339(row.pop("since_ms"))}


def item_row(item: Item, state: State) -> dict[str, Any]:
    """One file of a session's inventory, for a program: its clip's row, under the path that it has on this card."""
    entry = item.entry
    if item.clip_id:
        return _row_under(state.clips[item.clip_id], item)
    return {
        "path": entry.path,
        "bytes": entry.bytes,
        "sha256": "",
        "state": "failed" if item.trouble.final else "waiting",
        "clip_id": "",
        "reason": item.trouble.reason or state.spool.reason or "waiting to be pulled",
        "verdicts": verdicts(None),
        "reasons": {},
        "role": entry.role,
        "recording": entry.recording,
        "belongs_to": entry.belongs_to,
    }


def _row_under(clip: Clip, item: Item) -> dict[str, Any]:
    """A clip's row under one of its paths: roles, joins and verdicts belong to the path, not to the bytes."""
    entry, found = item.entry, item_verdicts(clip, item)
    return {
        **clip_row(clip),
        "path": entry.path,
        "role": entry.role,
        "recording": entry.recording,
        "belongs_to": entry.belongs_to,
        "other_paths": [path for path in (clip.path, *clip.aliases) if path != entry.path],
        "verdicts": verdicts(found),
        "reasons": dict(found.reasons) if found else {},
    }


def item_verdicts(clip: Clip, item: Item) -> Verdicts | None:
    """What was judged about the file at this item's path."""
    return clip.verdicts if item.entry.path == clip.path else clip.other_verdicts.get(item.entry.path)


def history_row(history: History) -> dict[str, Any]:
    """What outsiders vouch for, for a program. ``witnessed`` and ``stamped`` count records, 0 for none."""
    return {
        "records": history.records,
        "witnessed": history.witnessed,
        "witnessed_at": rfc3339(history.witnessed_ms) if history.witnessed else "",
        "cosigners": history.cosigners,
        "asked": history.asked,
        "quorum": history.quorum,
        "stamped": history.stamped,
        "stamped_at": rfc3339(history.stamped_ms) if history.stamped else "",
        "reason": history.trouble.reason,
        "findings": list(history.findings),
    }


def history_words(row: dict[str, Any], now_ms: int) -> str:
    """The same in a line for a person."""
    words = []
    if row["witnessed"] and row["asked"]:
        ago = minutes_ago(parse_rfc3339(row["witnessed_at"]), now_ms)
        words.append(f"witnessed up to record {row['witnessed'] - 1}, {ago}")
    if row["asked"]:
        words.append(f"{row['cosigners']} of {row['asked']} witnesses signed last, {row['quorum']} are needed")
    if row["stamped"]:
        ago = minutes_ago(parse_rfc3339(row["stamped_at"]), now_ms)
        words.append(f"time-stamped up to record {row['stamped'] - 1}, {ago}")
    if row["findings"]:
        words.append("; ".join(row["findings"]))
    return "; ".join(words) or f"{row['records']} records; no outsider vouches for them"


def minutes_ago(then_ms: int, now_ms: int) -> str:
    """A stretch of time in the unit that fits."""
    minutes = max(0, now_ms - then_ms) // 60_000
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size:
            count = minutes // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def finding_row(finding: Finding) -> dict[str, Any]:
    """One finding, for a program."""
    row: dict[str, Any] = msgspec.to_builtins(finding)
    return row


def session_findings(session: Session, state: State) -> list[Finding]:
    """What was noticed about the card and about each of its clips."""
    found = list(session.findings)
    for item in session.items.values():
        if item.clip_id:
            clip = state.clips[item.clip_id]
            found += [msgspec.structs.replace(one, path=one.path or item.entry.path) for one in clip.findings]
            found += _failed_verdicts(item_verdicts(clip, item), item.entry.path)
    return found


def _failed_verdicts(found: Verdicts | None, path: str) -> list[Finding]:
    """A verdict that is a plain no is a finding, whatever became of the clip."""
    failed = [name for name in VERDICTS if found is not None and getattr(found, name) == "fail"]
    return [Finding(f"{name}-fail", f"{path}: {found.reasons[name]}", "warning", path) for name in failed if found]


def session_row(session: Session, state: State) -> dict[str, Any]:
    """One camera in its bay, for a program."""
    rows = [item_row(item, state) for item in session.items.values()]
    counts = {name: sum(row["state"] == name for row in rows) for name in _STATES}
    return {
        "bay": session.bay,
        "port": session.port,
        "session": session.id,
        "phase": str(session.phase),
        "safe_to_take": session.phase is SessionPhase.RELEASED and session.safe,
        "camera": camera_row(session),
        "counts": counts,
        "left_out": len(session.skipped),
        "findings": len(session.findings),
        "reason": session_reason(session, state),
    }


_STATES = ("waiting", "failed", "spooled", "delivered", "quarantined")


def camera_row(session: Session) -> dict[str, Any]:
    """The camera of a session, for a program; empty as long as nobody knows it."""
    if session.camera is None:
        return {}
    row: dict[str, Any] = msgspec.to_builtins(session.camera)
    offset = {} if session.offset_ms is None else {"clock_offset_ms": session.offset_ms}
    return row | {"profile": session.profile, "battery": session.battery} | offset


def session_reason(session: Session, state: State) -> str:
    """Why a camera may not be taken yet, for a person; empty when it may."""
    if session.trouble.reason:
        return session.trouble.reason
    if session.phase is SessionPhase.RELEASED:
        return "" if session.safe else session.words
    if session.phase is SessionPhase.LISTED:
        left = f"{len(session.to_pull)} files to pull, {len(session.undelivered)} clips to deliver"
        why = state.spool.reason or state.uplink.trouble.reason
        return f"{left}; {why}" if why else left
    return "being looked at"
