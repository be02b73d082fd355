"""What a dock's ledger says, for commands that only look: they read beside a running daemon and change nothing."""

import argparse
from collections.abc import Iterator

from dockagent import config
from dockagent.core import custody
from dockagent.core.model import State
from dockagent.durable import RealDisk
from dockagent.errors import Missing
from dockagent.ledger.keys import read_sets
from dockagent.ledger.keys_lineage import Lineage
from dockagent.ledger.lock import is_held
from dockagent.ledger.log import Ledger


def payloads(args: argparse.Namespace) -> Iterator[bytes]:
    """The records of the dock that the command line names, each checked by the dock's key. Raises Missing."""
    home = config.home(args)
    if not (home / "ledger").is_dir():
        raise Missing(f"there is no dock at {home}", "give its --home, or start one with `dockagent run`")
    return Ledger.read(RealDisk(home / "ledger"), Lineage(read_sets(RealDisk(home / "keys"))))


def state(args: argparse.Namespace) -> State:
    """What that dock believes."""
    found = State()
    custody.replay(payloads(args), found)
    return found


def in_use(args: argparse.Namespace) -> bool:
    """Whether an agent has that dock's ledger open now. A ledger whose last start has no stop after it cannot tell."""
    return is_held(config.home(args) / "ledger" / "lock")
