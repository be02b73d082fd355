"""``dockagent clips``: what the dock knows about clips, and a sample of them by lot."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from dockagent import config
from dockagent.cli import grounds, history, sample
from dockagent.core import summary
from dockagent.core.model import ReviewFilter, State
from dockagent.core.moment import parse_rfc3339
from dockagent.core.narrate import size
from dockagent.core.plain import plain
from dockagent.core.review import review
from dockagent.errors import UsageError

HELP = "list clips: camera, officer, state, size, digest, reason; or draw a sample of them"
DESCRIPTION = """List the clips that fit, oldest first. With --sample N, fix a review by lot instead: the request goes
on record with the list of all footage that fits; once witnesses have cosigned a checkpoint behind it, the same command
with --seed-from draws the sample, which anyone can draw again (docs/review.md)."""
STATES = ("spooled", "delivered", "quarantined")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("clips", parents=[parent], help=HELP, description=DESCRIPTION)
    parser.add_argument("--camera", metavar="SERIAL", default="", help="only clips of this camera")
    parser.add_argument("--officer", metavar="ID", default="", help="only clips of this officer")
    parser.add_argument("--category", metavar="NAME", default="", help="only clips that were filed under this")
    parser.add_argument("--state", choices=STATES, default="", help="only clips in this state")
    parser.add_argument("--since", metavar="TIME", default="", help="only clips acquired since (RFC 3339 with zone)")
    parser.add_argument("--until", metavar="TIME", default="", help="only clips acquired before")
    parser.add_argument("--held", action="store_true", help="only clips that are on hold")
    parser.add_argument("--sample", metavar="N", type=int, default=None, help="ask for so many of them by lot, or draw")
    parser.add_argument(
        "--seed-from", metavar="FILE", default="", help="draw: the witnessed checkpoint, or `newest` for the right one"
    )
    parser.add_argument("--request", metavar="RECORD", type=int, default=None, help="draw: which request")
    grounds.add(parser, "basis", "authority")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the clips that fit, oldest first; or ask for a sample, or draw it."""
    wanted = _filter(args)
    if wanted.until_ms and wanted.until_ms <= wanted.since_ms:
        raise UsageError("--until is not after --since: no clip can be between them", "exchange the two")
    if args.sample is None:
        if args.seed_from or args.request is not None:
            raise UsageError("--seed-from and --request draw a sample", "say of how many: --sample N")
        return _list(args, wanted)
    if args.state or args.held:
        raise UsageError("a sample is over all states, which change", "leave --state and --held out")
    if not 1 <= args.sample <= review.MOST_SAMPLE:
        raise UsageError(f"--sample {args.sample} is no sample", f"ask for 1 to {review.MOST_SAMPLE} clips")
    if args.request is not None and not args.seed_from:
        raise UsageError("--request says which request is drawn", f"add --seed-from {sample.NEWEST}")
    return sample.draw(args, wanted) if args.seed_from else sample.ask(args, wanted)


def _list(args: argparse.Namespace, wanted: ReviewFilter) -> int:
    state = history.state(args)
    clips = state.clips.values()
    rows = [
        summary.clip_row(clip)
        for clip in clips
        if args.state in ("", summary.clip_state(clip)) and (clip.holds or not args.held) and review.fits(clip, wanted)
    ]
    print(json.dumps(rows, indent=2) if args.json else _text(rows))
    if not rows:
        for line in unknown(state, wanted):
            print(f"dockagent: {plain(line)}", file=sys.stderr)
    return 0


def unknown(state: State, wanted: ReviewFilter) -> Iterator[str]:
    """Which parts of a filter fit no clip of this dock at all: they may be misspelt."""
    for name in ("camera", "officer", "category"):
        said = getattr(wanted, name)
        if said and not any(review.fits(clip, ReviewFilter(**{name: said})) for clip in state.clips.values()):
            yield f"this dock has no clip of {name} {said!r}; check --{name}"


def _filter(args: argparse.Namespace) -> ReviewFilter:
    officer = config.officers_of(config.of(args)).known_as(args.officer) if args.officer else ""
    if args.officer and not officer:
        raise UsageError("this dock keeps no officers", 'keep of [officers] is "none"')
    return ReviewFilter(args.camera, officer, args.category, _time(args.since), _time(args.until))


def _time(text: str) -> int:
    try:
        return parse_rfc3339(text) if text else 0
    except ValueError as err:
        raise UsageError(f"not a time: {text}", "write it like 2026-11-22T14:00:00Z") from err


def _text(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"{row['clip_id']}  {row['state']:<11} {size(row['bytes']):>10}  {row['camera']}  {row['path']}"
        + ("  ON HOLD" if row["holds"] else "")
        + (f"  ({row['reason']})" if row["reason"] else "")
        for row in rows
    ]
    return "\n".join(lines) or "no clips"
