"""What a dock's ledger says, for commands that only look: they read beside a running daemon and change nothing."""

import argparse
from collections.abc import Iterator

from dockagent import config, desk
from dockagent.core import custody
from dockagent.core.central.hold_words import Way
from dockagent.core.model import Clip, State
from dockagent.errors import Missing, UsageError
from dockagent.ledger.lock import is_held

SHORTEST = 4  # characters by which a person may name a clip


def payloads(args: argparse.Namespace) -> Iterator[bytes]:
    """The records of the dock that the command line names, each checked by the dock's key. Raises Missing."""
    return desk.payloads(config.home(args))


def state(args: argparse.Namespace) -> State:
    """What that dock believes."""
    found = State(dock=dock_id(args))
    custody.replay(payloads(args), found)
    return found


def dock_id(args: argparse.Namespace) -> str:
    """What that dock is called. Raises Missing."""
    return desk.public_keys(config.home(args))[-1].id


def one_clip(found: State, args: argparse.Namespace) -> Clip:
    """The clip that ``args.clip`` names: by its id, or by enough of its first digits. Raises Missing where there is
    none, UsageError where it is too short or fits several."""
    if len(args.clip) < SHORTEST:
        raise UsageError(f"{args.clip!r} is too short to tell clips apart", f"give at least {SHORTEST} digits")
    fits = [clip for clip in found.clips.values() if clip.id.startswith(args.clip)]
    if not fits:
        raise Missing(f"no clip {args.clip} in {config.home(args)}", "see `dockagent clips`")
    if len(fits) > 1:
        raise UsageError(f"{args.clip} fits {len(fits)} clips", "give more digits")
    return fits[0]


def way_of_holds(args: argparse.Namespace) -> Way:
    """How that dock's holds come to its store, as it is configured now."""
    chosen = config.of(args)
    return Way(
        bool(chosen.custodian.keys), bool(chosen.witnesses.ask or chosen.timestamps.url) and chosen.witnesses.publish
    )


def only_what_is_here(found: State, args: argparse.Namespace) -> None:
    """Have ``found`` say that an agent runs, and which cameras it has, only where one has the ledger open now."""
    found.running = found.running and in_use(args)
    if not found.running:
        found.sessions.clear()


def in_use(args: argparse.Namespace) -> bool:
    """Whether an agent has that dock's ledger open now. A ledger whose last start has no stop after it cannot tell."""
    return is_held(config.home(args) / "ledger" / "lock")
