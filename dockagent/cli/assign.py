"""``dockagent assign``: give a camera to an officer, so that what it records from then on is known to be theirs."""

import argparse
import json

from dockagent import config
from dockagent.cli import grounds
from dockagent.core import events as ev
from dockagent.core.moment import parse_rfc3339, rfc3339
from dockagent.desk import desk
from dockagent.errors import UsageError

HELP = "give a camera to an officer; recorded with who did it"
DESCRIPTION = """From its record on, footage of the camera is this officer's, until the camera is given to another, or
until the time that --until names. A clip belongs to whoever had the camera when its recording began, where the camera
signed that time, else when it was docked. What the camera itself signed about its officer goes before."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("assign", parents=[parent], help=HELP, description=DESCRIPTION)
    parser.add_argument("camera", metavar="CAMERA", help="the camera's serial")
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("--officer", metavar="ID", default="", help="the officer's number: better than a name")
    whom.add_argument("--nobody", action="store_true", help="nobody has it any more")
    parser.add_argument("--until", metavar="TIME", default="", help="when that is over (RFC 3339 with zone)")
    grounds.add(parser, "basis", "authority")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0: it is on record. 1: it is refused."""
    found = config.of(args)
    officer = config.officers_of(found).known_as(args.officer)
    if args.officer and not officer:
        raise UsageError("this dock keeps no officers", 'keep of [officers] is "none"')
    if not args.officer and not args.nobody:
        raise UsageError("--officer names nobody", "say --nobody for that")
    event = ev.Assigned(args.camera, officer, _time(args.until), grounds=grounds.asked(args))
    with desk(found, config.home(args)) as at:
        done = at.record(event)
    row = {"camera": args.camera, "officer": officer, "from": rfc3339(done.at_ms), "record": done.index}
    words = f"camera {args.camera} is {officer or 'nobody'}'s from {row['from']} on, by record {done.index}"
    print(json.dumps(row, indent=2) if args.json else words)
    return 0


def _time(text: str) -> int:
    try:
        return parse_rfc3339(text) if text else 0
    except ValueError as err:
        raise UsageError(f"not a time: {text}", "write it like 2026-11-22T14:00:00Z") from err
