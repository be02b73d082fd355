"""``dockagent ingest``: one pass over a mounted card, a folder or a block device. The daemon's flow, one bay."""

import argparse
import json
import signal
import stat
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from dockagent import config
from dockagent.cli.progress import Bars
from dockagent.core import report
from dockagent.core.orders import card_is_done
from dockagent.dock import Stop
from dockagent.errors import Interrupted, UsageError
from dockagent.steps.detect import Sighting

if TYPE_CHECKING:
    from dockagent.daemon import Agent

HELP = "pull, verify, preview and deliver one card, folder or block device; never erases"
BAY = "ingest"
TRIES = 3  # how often the store is knocked at before a person is told that it is away
TICK_S = 0.2


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("ingest", parents=[parent], help=HELP, description=HELP)
    parser.add_argument(
        "source", metavar="SOURCE", type=Path, help="a mounted card, a folder, a block device, an image"
    )
    parser.add_argument("--profile", metavar="P", default="", help="use this firmware profile instead of finding one")
    parser.add_argument(
        "--store", metavar="URL", default="", help="file:///DIR, s3://BUCKET/PREFIX or swift://CONTAINER/PREFIX"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0: all delivered. 1: something is not. 3: delivered, with findings."""
    from dockagent import daemon  # heavy: the other commands do without

    sighting = _sighting(args.source)
    _keep_apart(args)
    with ExitStack() as stack:
        bars = stack.enter_context(Bars(Console(stderr=True))) if sys.stderr.isatty() and not args.json else None
        running = stack.enter_context(
            daemon.agent(config.of(args), config.home(args), args.store, bars, card=args.profile)
        )
        running.dock.post(sighting)
        _drain(running, bars, custodian_first=config.of(args).custodian.spool_waits)
        interrupted = bool(running.dock.stopping)
        result = {} if interrupted else report.card(running.dock.state, BAY)
        running.dock.post(Sighting("gone", BAY, "", sighting.kind, sighting.address))
    if interrupted:
        raise Interrupted("interrupted; nothing is lost", "run it again to go on where it was")
    result["ledger"] = {"size": running.ledger.size, "root": running.ledger.root().hex()}
    print(json.dumps(result, indent=2) if args.json else report.as_text(result, running.world.store.url))
    return report.exit_code(result)


def _sighting(source: Path) -> Sighting:
    try:
        mode = source.stat().st_mode
    except OSError as err:
        reason = err.strerror or err
        raise UsageError(f"cannot use {source}: {reason}", "name a mounted card, a folder or a block device") from err
    return Sighting("appeared", BAY, "", "folder" if stat.S_ISDIR(mode) else "block", str(source.absolute()))


def _keep_apart(args: argparse.Namespace) -> None:
    """A card is never the dock's own folder, nor holds it: else keys and spool would go to the store as footage."""
    source = args.source.resolve()
    home = config.home(args).resolve()
    url = args.store or config.of(args).store.url
    ours = [home] + ([Path(url.removeprefix("file://")).resolve()] if url.startswith("file:///") else [])
    for folder in ours:
        if source.is_relative_to(folder) or folder.is_relative_to(source):
            raise UsageError(
                f"{source} and the dock's own {folder} lie in one another", "give another --home or --store"
            )


def _drain(running: "Agent", bars: Bars | None, *, custodian_first: bool) -> None:
    """Turn the loop until the card is done, until all that is left has been tried often enough, or until a signal."""
    state, clock = running.dock.state, running.world.clock
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: running.dock.post(Stop("interrupted")))
    drawn = clock.monotonic()
    while not running.dock.stopping and not (
        running.dock.idle and card_is_done(state, BAY, TRIES, custodian_first=custodian_first)
    ):
        running.dock.turn(running.workers, TICK_S)
        if bars and clock.monotonic() - drawn > TICK_S:
            drawn = clock.monotonic()
            for what, total, done in report.amounts(state, BAY):
                bars.plan(what, total, done)
