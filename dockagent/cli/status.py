"""``dockagent status``: bays, cameras, clips and reasons."""

import argparse
import json
from collections import Counter
from typing import Any

from dockagent.cli import history
from dockagent.clock import SystemClock
from dockagent.core import summary
from dockagent.core.model import State
from dockagent.core.narrate import size

HELP = "bays, cameras, and why anything is not delivered yet"
LINES = 20


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("status", parents=[parent], help=HELP, description=HELP)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 when all is delivered or under way, 1 when a camera or a clip is held up, 3 when there is a quarantine."""
    state = history.state(args)
    state.running = state.running and history.in_use(args)
    rows = _rows(state)
    print(json.dumps(rows, indent=2) if args.json else _text(rows, SystemClock().now().utc_ms))
    return 1 if rows["held_up"] else 3 if rows["quarantined"] else 0


def _rows(state: State) -> dict[str, Any]:
    clips = [summary.clip_row(clip) for clip in state.clips.values()]
    bays = [summary.session_row(session, state) for session in state.sessions.values()] if state.running else []
    quarantined = [row for row in clips if row["state"] == "quarantined"]
    waiting = [row for row in clips if row["state"] == "spooled"] + [row for row in quarantined if not row["stored"]]
    held_up = [row for row in bays if row["phase"] == "refused" or row["counts"]["failed"]]
    held_up += [clip for clip in waiting if state.clips[clip["clip_id"]].trouble.reason]
    return {
        "running": state.running,
        "bays": bays,
        "clips": dict(Counter(row["state"] for row in clips)),
        "waiting": waiting,
        "held_up": held_up,
        "quarantined": quarantined,
        "on_hold": [row for row in clips if row["holds"]],
        "store": state.uplink.trouble.reason or "no trouble seen",
        "spool": state.spool.reason or "no trouble seen",
        "history": summary.history_row(state.history),
    }


def _text(rows: dict[str, Any], now_ms: int) -> str:
    lines = [f"Dock: {'running' if rows['running'] else 'not running'}"]
    for row in rows["bays"]:
        camera = row["camera"].get("id", "unknown camera")
        safe = "SAFE TO TAKE" if row["safe_to_take"] else row["reason"]
        noticed = f" ({row['findings']} findings)" if row["findings"] else ""
        lines.append(f"  {row['bay']:<12} {camera:<20} {safe}{noticed}")
    if rows["running"] and not rows["bays"]:
        lines.append("  all bays are empty")
    counts = ", ".join(f"{count} {name}" for name, count in rows["clips"].items())
    lines.append(f"Clips: {counts or 'none yet'}")
    lines += [f"  {row['path']}: {row['reason']}" for row in rows["waiting"][:LINES]]
    if len(rows["waiting"]) > LINES:
        lines.append(f"  … and {len(rows['waiting']) - LINES} more (see `dockagent clips --state spooled`)")
    lines += [f"  QUARANTINED {row['path']}: {row['reason']}" for row in rows["quarantined"]]
    if rows["on_hold"]:
        kept = size(sum(row["bytes"] for row in rows["on_hold"]))
        lines.append(f"On hold: {len(rows['on_hold'])} clips, {kept} (see `dockagent clips --held`)")
    lines += [f"Store: {rows['store']}", f"Spool: {rows['spool']}"]
    lines.append(f"History: {summary.history_words(rows['history'], now_ms)}")
    return "\n".join(lines)
