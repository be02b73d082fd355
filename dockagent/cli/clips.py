"""``dockagent clips``: what the dock knows about clips."""

import argparse
import json
from typing import Any

from dockagent.cli import history
from dockagent.core import summary
from dockagent.core.moment import parse_rfc3339
from dockagent.core.narrate import size
from dockagent.errors import UsageError

HELP = "list clips: camera, state, size, digest, reason"
STATES = ("spooled", "delivered", "quarantined")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("clips", parents=[parent], help=HELP, description=HELP)
    parser.add_argument("--camera", metavar="SERIAL", default="", help="only clips of this camera")
    parser.add_argument("--state", choices=STATES, default="", help="only clips in this state")
    parser.add_argument("--since", metavar="TIME", default="", help="only clips acquired since (RFC 3339 with zone)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the clips that fit, oldest first."""
    since = _since(args.since)
    clips = history.state(args).clips.values()
    rows = [
        summary.clip_row(clip)
        for clip in clips
        if args.camera in ("", clip.camera)
        and args.state in ("", summary.clip_state(clip))
        and clip.acquired_ms >= since
    ]
    print(json.dumps(rows, indent=2) if args.json else _text(rows))
    return 0


def _since(text: str) -> int:
    try:
        return parse_rfc3339(text) if text else 0
    except ValueError as err:
        raise UsageError(f"not a time: {text}", "write it like 2026-11-22T14:00:00Z") from err


def _text(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"{row['clip_id']}  {row['state']:<11} {size(row['bytes']):>10}  {row['camera']}  {row['path']}"
        + (f"  ({row['reason']})" if row["reason"] else "")
        for row in rows
    ]
    return "\n".join(lines) or "no clips"
