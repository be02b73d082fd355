"""``dockagent show CLIP``: everything the ledger says about one clip."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

import msgspec

from dockagent import config
from dockagent.cli import history
from dockagent.core import custody, strict_json, summary
from dockagent.core.model import Clip, State
from dockagent.core.narrate import tell
from dockagent.core.session import advance
from dockagent.errors import Missing, UsageError

HELP = "everything that is known about one clip: verdicts, place, custody timeline"
SHORTEST = 4


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("show", parents=[parent], help=HELP, description=HELP)
    parser.add_argument("clip", metavar="CLIP", help="a clip id, or enough of its first digits")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one clip. Raises Missing where there is none, UsageError where there are several."""
    if len(args.clip) < SHORTEST:
        raise UsageError(f"{args.clip} is too short to tell clips apart", f"give at least {SHORTEST} digits")
    clip, timeline = _find(args)
    row = summary.clip_row(clip)
    row["samples"] = msgspec.to_builtins(clip.measure)
    row["preview"] = [thing.name for thing in clip.preview]
    row["findings"] = [summary.finding_row(one) for one in clip.findings]
    row["receipt"] = msgspec.to_builtins(clip.receipt)
    row["timeline"] = timeline
    print(json.dumps(row, indent=2) if args.json else _text(row))
    return 0


def _find(args: argparse.Namespace) -> tuple[Clip, list[dict[str, Any]]]:
    state, told = State(), []
    for index, payload in enumerate(history.payloads(args)):
        event, at_ms = custody.event_of(payload, index)
        raw = strict_json.parse(payload)
        about = raw["links"].get("clip", "")
        if about.startswith(args.clip):
            told.append({"record": index, "utc": raw["when"]["utc"], "what": tell(event, state), "clip": about})
        advance(state, event, at_ms)
    found = [clip for clip in state.clips.values() if clip.id.startswith(args.clip)]
    if not found:
        raise Missing(f"no clip {args.clip} in {config.home(args)}", "see `dockagent clips`")
    if len(found) > 1:
        raise UsageError(f"{args.clip} fits {len(found)} clips", "give more digits")
    return found[0], told


def _samples(found: dict[str, Any] | None) -> Iterator[str]:
    """A line for each track: what it is, and its tree or why it has none."""
    if not found or not found["tracks"]:
        yield found["why"] if found else "byte tree only: nobody looked for samples in it"
        return
    for one in found["tracks"]:
        left_out = f", {one['left_out']} hidden by its edit list" if one["left_out"] else ""
        tree = f"{one['samples']} samples{left_out}, root {one['root']}" if one["root"] else f"no tree: {one['why']}"
        yield f"track {one['track']} {one['handler']} {one['codec']} {one['time_base']}: {tree}"


def _text(row: dict[str, Any]) -> str:
    lines = [
        f"{key + ':':<12} {row[key]}" for key in ("clip_id", "camera", "path", "state", "bytes", "sha256", "stored")
    ]
    lines += [f"{'reason:':<12} {row['reason']}"] if row["reason"] else []
    lines += ["Verdicts"]
    lines += [f"  {name:<10} {says:<9} {row['reasons'].get(name, '')}" for name, says in row["verdicts"].items()]
    lines += ["Samples", *(f"  {line}" for line in _samples(row["samples"]))]
    lines += [f"Previews: {', '.join(row['preview']) or 'none'}", *(f"  {one['text']}" for one in row["findings"])]
    lines += ["Custody", *(f"  {one['utc']}  #{one['record']:<6} {one['what']}" for one in row["timeline"])]
    return "\n".join(lines)
