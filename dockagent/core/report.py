"""What came of one card: for a program (the contract's object), for a person, and as an exit code."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from dockagent.core import summary
from dockagent.core.model import ClipPhase, SessionPhase, State
from dockagent.core.narrate import size
from dockagent.errors import Missing

LINES = 40  # clips that a person is shown one by one


def card(state: State, bay: str) -> dict[str, Any]:
    """The contract's object for the card in ``bay``, without the ledger's size and root."""
    session = state.sessions.get(bay)
    if session is None:
        raise Missing("the card went away before it could be looked at", "put it back and run it again")
    rows = [summary.item_row(item, state) for item in session.items.values()]
    sidecars: dict[str, list[str]] = {}
    for row in rows:
        if row["belongs_to"]:
            sidecars.setdefault(row["belongs_to"], []).append(row["path"])
    for row in rows:
        row["sidecars"] = sidecars.get(row["path"], [])
    return {
        "camera": summary.camera_row(session),
        "clips": rows,
        "skipped": [{"path": one.path, "role": one.role, "reason": one.reason} for one in session.skipped],
        "findings": [summary.finding_row(one) for one in summary.session_findings(session, state)],
        "safe_to_take": session.phase is SessionPhase.RELEASED and session.safe,
        "reason": summary.session_reason(session, state),
    }


def exit_code(result: dict[str, Any]) -> int:
    """0 all delivered; 3 all delivered, with findings; 1 something is not delivered."""
    if not result["safe_to_take"]:
        return 1
    quarantined = any(row["state"] == "quarantined" for row in result["clips"])
    warned = any(finding["severity"] == "warning" for finding in result["findings"])
    return 3 if quarantined or warned else 0


def amounts(state: State, bay: str) -> Iterator[tuple[str, int, int]]:
    """(``pull`` or ``upload``, bytes in all, bytes done) for progress bars."""
    session = state.sessions.get(bay)
    if session is None or not session.items:
        return
    total = sum(item.entry.bytes for item in session.items.values())
    pulled = [item.clip_id for item in session.items.values() if item.clip_id]
    clips = [state.clips[clip_id] for clip_id in pulled]
    done = (ClipPhase.DELIVERED, ClipPhase.DONE)
    yield "pull", total, sum(clip.bytes for clip in clips)
    yield "upload", total, sum(clip.bytes for clip in clips if clip.phase in done)


def as_text(result: dict[str, Any], store: str) -> str:
    """The report for a person: who, what came of it, what to know, and whether the camera may be taken."""
    return "\n".join(
        [*_camera_lines(result["camera"]), *_clip_lines(result), *_finding_lines(result), *_end(result, store)]
    )


def _camera_lines(camera: dict[str, Any]) -> Iterator[str]:
    if not camera:
        yield "Camera: not recognised"
        return
    model = " ".join(filter(None, (camera["maker"], camera["model"]))) or "unknown model"
    yield f"Camera: {camera['id']} ({model}), profile {camera['profile']}, identity known by: {camera['known_by']}"


def _clip_lines(result: dict[str, Any]) -> Iterator[str]:
    rows = result["clips"]
    for row in rows[:LINES]:
        says = row["verdicts"]
        yield f"  {row['state']:<11} {size(row['bytes']):>10}  {row['path']}"
        yield "              " + ", ".join(f"{name} {says[name]}" for name in summary.VERDICTS)
        if row["reason"]:
            yield f"              {row['reason']}"
    if len(rows) > LINES:
        yield f"  … and {len(rows) - LINES} more (see --json, or `dockagent clips`)"
    counts = Counter(row["state"] for row in rows)
    words = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing to pull"
    yield f"{len(rows)} files, {size(sum(row['bytes'] for row in rows))}: {words}; {len(result['skipped'])} left out"


def _finding_lines(result: dict[str, Any]) -> Iterator[str]:
    for finding in result["findings"][:LINES]:
        yield f"  {finding['severity']}: {finding['text']}"
    if len(result["findings"]) > LINES:
        yield f"  … and {len(result['findings']) - LINES} more findings"
    for one in result["skipped"][:LINES]:
        yield f"  left out: {one['path']}: {one['reason']}"


def _end(result: dict[str, Any], store: str) -> Iterator[str]:
    ledger = result.get("ledger")
    if ledger:
        yield f"Ledger: {ledger['size']} records, root {ledger['root']}"
    yield f"Store: {store}"
    yield "SAFE TO TAKE" if result["safe_to_take"] else f"KEEP THE CAMERA: {result['reason'] or 'not all is delivered'}"
