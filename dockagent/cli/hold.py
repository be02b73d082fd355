"""``dockagent hold``: put clips on hold, so that nothing of them is disposed of, and end a hold."""

import argparse
import json
import sys

from dockagent import config
from dockagent.cli import grounds, history
from dockagent.core import events as ev
from dockagent.core.acts import REFUSED, Recorded
from dockagent.core.central.hold_words import Way
from dockagent.core.model import Clip, ClipPhase
from dockagent.desk import Desk, desk
from dockagent.errors import Missing, UsageError

HELP = "put a clip on hold, or end a hold; who, why and by whose authority goes on record"
DESCRIPTION = """While a clip is on hold, the dock disposes of nothing of it. Each hold stands for itself: a clip may be
under several, and is free when the last one is cleared. Beside a running agent this needs the right to its desk
(docs/access.md); without one, it is for the dock's own user."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", parent: argparse.ArgumentParser) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("hold", help=HELP, description=DESCRIPTION)
    acts = parser.add_subparsers(metavar="ACT", required=True)
    for name, run, text in (("set", run_set, "put a clip on hold"), ("clear", run_clear, "end a hold on a clip")):
        act = acts.add_parser(name, parents=[parent], help=text, description=text)
        act.add_argument("clip", metavar="CLIP", help="a clip id, or enough of its first digits")
        grounds.add(act, "basis", "authority", "purpose")
        act.set_defaults(run=run)
        if name == "clear":
            act.add_argument(
                "--hold",
                metavar="RECORD",
                type=int,
                default=-1,
                help="which hold: the number of the record that set it; needed where there are several",
            )


def run_set(args: argparse.Namespace) -> int:
    """Exit 0: it is on record. 1: it is refused. 4: nobody knows the clip."""
    with desk(config.of(args), config.home(args)) as open_desk:
        clip = _named(open_desk, args, "hold.set")
        done = open_desk.record(ev.HoldSet(clip.id, grounds=grounds.asked(args, "basis", "authority")))
    way = history.way_of_holds(args)
    heard = way.custodian and way.published
    _say(args, done, clip.id, f"clip {clip.id} is on hold by record {done.index}", _HEARD if heard else _unheard(way))
    if clip.phase is ClipPhase.DONE:
        told = _TOLD if heard else _UNTOLD
        print(f"dockagent: {_DISPOSED}; in the store, {told}", file=sys.stderr)
    return 0


_DISPOSED = (
    "the dock had disposed of its copy already, so this hold keeps no footage here; it still forbids this dock to erase"
    " the clip from its camera"
)
_TOLD = "the custodian sets the store's legal hold where it may, once he has read this in the published ledger"
_UNTOLD = "only a legal hold of the store's own keeps it"
_HEARD = (
    "a running agent publishes it now, one that starts later then; the custodian reads it in his next round, and gives"
    " no dock leave to erase the clip from then on; `dockagent show` says when the store keeps it"
)


def _unheard(way: Way) -> str:
    """Why no other dock hears of a hold."""
    missing = "[custodian] names none" if not way.custodian else "this dock publishes no ledger ([witnesses])"
    return f"no custodian hears of it, for {missing}: it binds this dock alone"


def run_clear(args: argparse.Namespace) -> int:
    """Exit 0: it is on record. 1: it is refused."""
    with desk(config.of(args), config.home(args)) as open_desk:
        clip = _named(open_desk, args, "hold.clear")
        hold = args.hold if args.hold >= 0 else _only_hold(clip)
        done = open_desk.record(ev.HoldCleared(clip.id, hold, grounds=grounds.asked(args, "basis", "authority")))
    left = len(clip.holds) - 1
    rest = f"; {left} more on this clip" if left > 0 else ""
    _say(args, done, clip.id, f"hold {hold} on clip {clip.id} is over by record {done.index}{rest}")
    return 0


def _named(at: Desk, args: argparse.Namespace, act: str) -> Clip:
    """The clip of the command line. One that nobody knows is a failed try, which goes on record."""
    try:
        return history.one_clip(at.state, args)
    except Missing as err:
        why = grounds.asked(args, "basis", "authority")
        at.record(ev.Accessed(act, args.clip[:64], REFUSED, f"nobody knows a clip {args.clip[:64]}", grounds=why))
        raise Missing(err.what, err.hint) from err


def _only_hold(clip: Clip) -> int:
    if len(clip.holds) > 1:
        names = "; ".join(f"{one.record} ({one.basis}, {one.authority})" for one in clip.holds)
        raise UsageError(f"clip {clip.id} is under {len(clip.holds)} holds: {names}", "say which: --hold RECORD")
    return clip.holds[0].record if clip.holds else 0


def _say(args: argparse.Namespace, done: Recorded, clip_id: str, words: str, further: str = "") -> None:
    row: dict[str, str | int] = {"clip_id": clip_id, "record": done.index, "ledger_size": done.size}
    row |= {"custodian": further} if further else {}
    print(json.dumps(row, indent=2) if args.json else "\n".join(filter(None, (words, further))))
