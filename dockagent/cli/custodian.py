"""``dockagent custodian``: the counter-party beside the store."""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dockagent.errors import Interrupted

if TYPE_CHECKING:
    from dockagent.custodian.service import Open
    from dockagent.custodian.settings import File

HELP = "the counter-party beside the store: re-reads what docks delivered, signs receipts and permits"
DESCRIPTION = """Finds what docks delivered, reads it back from storage, checks it against the docks' records and
published ledgers, and signs a receipt beside it. It runs on a machine of its own, with a credential that may list, read
and add, and with keys that are no dock's. docs/custodian.md says how it is set up."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("custodian", help=HELP, description=DESCRIPTION)
    acts = parser.add_subparsers(metavar="ACT", required=True)
    for name, act, words in (
        ("run", run, "round after round, and answer docks, until it is told to stop"),
        ("once", run_once, "one round; exit 1 where something is not what it must be, 3 with findings"),
    ):
        one = acts.add_parser(name, parents=[parent], help=words)
        one.add_argument(
            "--store", metavar="URL", default="", help="file:///DIR, s3://BUCKET/PREFIX or swift://CONTAINER/PREFIX"
        )
        one.set_defaults(run=act, log_default="info" if name == "run" else "warning")
    keys = acts.add_parser("keys", parents=[parent], help="make its keys where there are none, and print their lines")
    keys.set_defaults(run=run_keys)


def run(args: argparse.Namespace) -> int:
    """Rounds until SIGTERM or SIGINT."""
    from dockagent.custodian import service  # brings the server along

    with service.opened(*_opened(args)) as parts:
        service.run(parts, _listening)
    return 0


def run_once(args: argparse.Namespace) -> int:
    """One round, and what came of it."""
    from dockagent.custodian import rounds, service

    try:
        with service.opened(*_opened(args)) as parts:
            tally = rounds.once(parts.custodian)
    except KeyboardInterrupt as err:
        raise Interrupted("the round is cut off", "nothing is lost: the next one goes on") from err
    if args.json:
        said = {name: getattr(tally, name) for name in _SHOWN}
        print(json.dumps({**said, "new": dict(tally.new), "asked": dict(parts.custodian.archive.asked)}))
    else:
        print("\n".join([service.words(tally), *(f"  {one}" for one in (*tally.told, *tally.troubles))]))
    return tally.exit_code


_SHOWN = (
    *("seen", "receipts", "lost_races", "permits", "audits", "lines", "cosigned", "waiting", "read", "refuting"),
    *("told", "troubles", "untold"),
)


def run_keys(args: argparse.Namespace) -> int:
    """The lines that docks and trust files are given."""
    from dockagent.custodian import service, settings

    file = settings.load(Path(args.config) if args.config else None)
    key, witness = service.open_keys(settings.home_of(file, args.home or ""), file.custodian.name)
    if args.json:
        print(json.dumps({"custodian": key.public.text(), "witness": witness.public.text()}))
    else:
        print(f"{'custodian key':<16} {key.public.text()}")
        print(f"{'witness key':<16} {witness.public.text()}")
    return 0


def _opened(args: argparse.Namespace) -> "tuple[File, Path, Open, str]":
    from dockagent.custodian import settings
    from dockagent.reach import configured_archive

    file = settings.load(Path(args.config) if args.config else None)
    return file, settings.home_of(file, args.home or ""), partial(configured_archive, file.reached), args.store


def _listening(port: int) -> None:
    """Where docks ask, for whoever started it with port 0."""
    print(json.dumps({"port": port}), flush=True, file=sys.stdout)
