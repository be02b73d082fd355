"""``dockagent doctor``: everything a dock needs, each with what to do about it."""

import argparse
import json
import sys
from collections.abc import Iterator

from dockagent import config
from dockagent.cli import role
from dockagent.clock import SystemClock
from dockagent.doctor import of_witness_alone
from dockagent.doctor.check import Check, as_json, as_text, exit_code
from dockagent.doctor.examine import examine
from dockagent.doctor.machine import look

HELP = "check everything a dock needs, each with what to do about it"
DESCRIPTION = """Looks at the machine, the dock's home, the configuration and the store. Makes and mends nothing (a
store is asked by writing a probe and removing it). Run it as the user that runs the agent. On a machine that only
witnesses, or that is a custodian (--config custodian.toml), it looks at what that needs."""
EPILOG = "exit codes: 0 all good, warnings allowed · 1 something failed · 2 wrong usage or configuration"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("doctor", parents=[parent], help=HELP, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--store", metavar="URL", default="", help="file:///DIR or s3://BUCKET/PREFIX")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make every check. 0: all good, with or without warnings; 1: something failed."""
    checks = list(role.custodians_checks(args) if role.is_custodian(args) else _checks(args))
    if args.json:
        print(json.dumps(as_json(checks), ensure_ascii=False, indent=2))
    else:
        sys.stdout.write(as_text(checks))
    return exit_code(checks)


def _checks(args: argparse.Namespace) -> Iterator[Check]:
    """Those of a dock, or of a machine that only witnesses."""
    chosen, home, clock = config.of(args), config.home(args), SystemClock()
    if role.is_witness(args):
        yield from of_witness_alone.examine(chosen, home, look(), clock.now())
        return
    from dockagent import daemon  # heavy: it knows how to open all that a daemon needs
    from dockagent.reach import configured_store

    yield from examine(
        chosen,
        home,
        look(),
        clock.now(),
        args.store or chosen.store.url or (home / "store").as_uri(),
        lambda: configured_store(chosen, home, args.store, clock, remember=False),
        lambda: daemon.camera_roots(chosen),
        lambda: daemon.stamp_roots(chosen),
    )
