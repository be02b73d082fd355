"""How footage is handed out while somebody may press Ctrl-C: whole and on record, or not at all and on record."""

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from dockagent.cli import grounds, history
from dockagent.core import events as ev
from dockagent.core.model import Clip
from dockagent.desk import Desk
from dockagent.errors import DockError, Interrupted, Missing

CLIPPED = 500  # characters of a reason that a record keeps


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the work as errors do: with nothing half done left behind, and a record."""

    def interrupt(number: int, _frame: object) -> None:
        raise Interrupted(f"interrupted by {signal.Signals(number).name}; nothing was handed out")

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def note_failure(at: Desk, failed: ev.DisclosureFailed) -> None:
    """On record, too; nobody interrupts that. Where even that fails, the first reason is said as well."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        at.record(failed)
    except DockError as more:
        raise Missing(f"{failed.reason}; that could not be recorded: {more.what}", more.hint) from more


def named(open_desk: Desk, args: argparse.Namespace, name: str) -> Clip:
    """The clip that a person named. One that nobody knows is tried all the same: a failed try goes on record."""
    try:
        return history.one_clip(open_desk.state, argparse.Namespace(**{**vars(args), "clip": name}))
    except Missing:
        why = grounds.asked(args)
        open_desk.record(ev.Accessed("disclose", name[:64], "failed", "nobody knows this clip", grounds=why))
        raise
