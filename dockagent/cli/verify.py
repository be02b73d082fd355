"""``dockagent verify``: check a ledger or stored clips, offline."""

import argparse
import json
import sys
from pathlib import Path

from dockagent.errors import Missing
from dockagent.evidence import report
from dockagent.evidence.report import Report, Verdict
from dockagent.evidence.sealed import read_identities
from dockagent.evidence.verify import (
    found_elsewhere,
    keys_beside,
    read_trust,
    stored_clips,
    strangers,
    verify,
    verify_together,
)

HELP = "check a ledger, a stored clip, or a whole store, offline"
DESCRIPTION = """Check a ledger folder, a dock's home, a stored clip's folder, or any folder above such.
Says separately whether the bytes are intact, the signature is good, the signer is trusted, the time is vouched for, and
everything is there. Given a dock and its store together, also whether any delivered clip was taken away.
Without --trust no signer can pass: a key found beside what it signed proves nothing."""
EPILOG = """exit codes: 0 all good · 1 something is refuted · 3 findings a person should look at · 4 cannot tell
(something needed is missing) · 2 wrong usage"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("verify", parents=[parent], help=HELP, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="what to check")
    parser.add_argument(
        "--trust", metavar="FILE", type=Path, help="whom to believe (from `dockagent keys show --json`)"
    )
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a checkpoint that you kept: the ledger must contain it (its time stamp beside it as FILE.tsr)",
    )
    parser.add_argument(
        "--identity",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="an age identity: what is sealed to it is opened and checked too, through the temporary folder",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check every path; the exit code is that of the gravest answer."""
    trust = read_trust(args.trust) if args.trust else None
    clips = stored_clips(args.paths)
    also, keys = found_elsewhere(args.paths, args.checkpoint), keys_beside(args.paths)
    identities = read_identities(args.identity)
    reports: list[Report] = []
    for path in args.paths:
        try:
            reports += verify(path, trust, also, keys, identities)
        except Missing as err:
            if len(args.paths) == 1:
                raise
            reports.append(Report("folder", str(path), {"intact": Verdict("unknown", err.what)}))
    reports += verify_together(args.paths, clips) + strangers(args.paths, args.checkpoint)
    if args.json:
        print(json.dumps(report.as_json(reports), ensure_ascii=True, indent=2))
    else:
        sys.stdout.write(report.as_text(reports))
    return report.exit_code(reports)
