"""``dockagent status``: bays, cameras, clips and reasons."""

import argparse
import json
from collections import Counter
from typing import Any

from dockagent import config
from dockagent.cli import history, role
from dockagent.clock import SystemClock, zone
from dockagent.core import summary
from dockagent.core.central import custodian_table, hold_words
from dockagent.core.model import Clip, State
from dockagent.core.narrate import size
from dockagent.core.permits import permit_waits
from dockagent.core.plain import plain
from dockagent.core.uplink import words as uplink_words
from dockagent.core.uplink.link import SENDS
from dockagent.core.uplink.trouble import Kind
from dockagent.core.uplink.turns import Terms
from dockagent.core.uplink.words import clip_waits, spool_words, store_words

HELP = "bays, cameras, and why anything is not delivered yet"
LINES = 20
_NO_DOCKS = (
    (role.is_custodian, role.custodian_status, role.custodian_text),
    (role.is_witness, role.witness_status, role.witness_text),
)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("status", parents=[parent], help=HELP, description=HELP)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 when all is delivered or under way, 1 when a camera or a clip is held up, 3 when there is a quarantine. Of
    a witness or a custodian: 0 where it runs, 1 where not."""
    for is_such, row_of, text_of in _NO_DOCKS:
        if is_such(args):
            row = row_of(args)
            print(json.dumps(row, indent=2) if args.json else text_of(row))
            return 0 if row["running"] else 1
    state = history.state(args)
    history.only_what_is_here(state, args)
    now_ms, terms = SystemClock().now().utc_ms, config.terms_of(config.of(args), zone)
    said = config.of(args).custodian
    rows = _rows(state, now_ms, terms, said.alarm_hours * 3_600_000)
    words = {"Store": store_words(state, now_ms, terms), "Spool": spool_words(state, now_ms, terms)}
    if said.keys or rows["custodian"]["receipts"]:
        words["Custodian"] = plain(custodian_table.summary_words(rows["custodian"]))
    rows["permits"] = permit_waits.waiting(state, now_ms)
    rows["no_permits"] = permit_waits.none_come(state) if config.of(args).erase.when == "permit" else {}
    rows["holds"] = hold_words.summary(state, history.way_of_holds(args))
    print(json.dumps(rows, indent=2) if args.json else _text(rows, words, now_ms))
    wrong = rows["custodian"]["alarms"] or hold_words.FALSE in rows["holds"]["states"]
    return 1 if rows["held_up"] or wrong else 3 if rows["quarantined"] else 0


def _rows(state: State, now_ms: int, terms: Terms, alarm_ms: int) -> dict[str, Any]:
    clips = [_clip_row(clip, state, now_ms, terms) for clip in state.clips.values()]
    bays = [summary.session_row(session, state) for session in state.sessions.values()] if state.running else []
    quarantined = [row for row in clips if row["state"] == "quarantined"]
    waiting = [row for row in clips if row["state"] == "spooled"] + [row for row in quarantined if not row["stored"]]
    held_up = [row for row in bays if row["phase"] == "refused" or row["counts"]["failed"]]
    held_up += [clip for clip in waiting if _held_up(state.clips[clip["clip_id"]], state)]
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
        "uplink": uplink_words.row(state, now_ms, terms),
        "history": summary.history_row(state.history),
        "custodian": custodian_table.summary(state, now_ms, alarm_ms),
    }


def _clip_row(clip: Clip, state: State, now_ms: int, terms: Terms) -> dict[str, Any]:
    row = summary.clip_row(clip)
    return {**row, "reason": summary.with_wait(row["reason"], clip, clip_waits(clip, state, now_ms, terms))}


def _held_up(clip: Clip, state: State) -> bool:
    """Waiting for its turn or for the upload hours is as it should be."""
    away = bool(state.uplink.trouble.attempts) and clip.phase in SENDS
    return away or (bool(clip.trouble.reason) and clip.trouble.kind != Kind.HOURS)


def _text(rows: dict[str, Any], words: dict[str, str], now_ms: int) -> str:
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
        lines += hold_words.summary_words(rows["holds"], LINES)
    if rows["permits"]:
        lines.append(f"Permits to erase from cameras: {len(rows['permits'])} wait to be used")
        lines += permit_waits.lines(rows["permits"], LINES)
    if rows["no_permits"]:
        lines.append("Without a permit to erase them:")
        lines += [plain(f"  {count} clips: {why}") for why, count in list(rows["no_permits"].items())[:LINES]]
    lines += [f"{name}: {says}" for name, says in words.items()]
    lines.append(f"History: {summary.history_words(rows['history'], now_ms)}")
    return "\n".join(lines)
