"""``dockagent run``: the daemon, in the foreground."""

import argparse

from dockagent import config

HELP = "the daemon: watch the bays, pull, verify, preview and deliver, until it is told to stop"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("run", parents=[parent], help=HELP, description=HELP)
    parser.add_argument("--store", metavar="URL", default="", help="file:///DIR or s3://BUCKET/PREFIX")
    parser.add_argument("--bays", metavar="DIR", default="", help="folder with one subfolder per bay to watch")
    parser.set_defaults(run=run, log_default="info")


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT."""
    from dockagent import daemon  # heavy: only the daemon needs all of it

    chosen = config.of(args)
    if args.bays:
        chosen = config.with_bays_folder(chosen, args.bays)
    return daemon.run(chosen, config.home(args), args.store)
