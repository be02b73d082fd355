"""How footage is handed out while somebody may press Ctrl-C: whole and on record, or not at all and on record.

The record that it is handed out comes before its name (:class:`HandingOut`): what a power cut leaves between the two is
a record of something that nobody has got. The other way round it would leave a package that no record tells of. And
that nothing was handed out is recorded only where the disk says so: a name is given in one step, or not.
"""

import argparse
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dockagent.cli import grounds, history
from dockagent.core import events as ev
from dockagent.core.acts import Recorded
from dockagent.core.model import Clip
from dockagent.desk import Desk
from dockagent.durable import publish_folder, remove_folder
from dockagent.errors import DockError, Interrupted, Missing

CLIPPED = 500  # characters of a reason that a record keeps
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Signals:
    """Ctrl-C and SIGTERM as an error, :class:`Interrupted`, while they are ``heeded``; before, they wait. The first one
    counts; nobody interrupts what is done about it."""

    def __init__(self) -> None:
        self._heeded, self._came = False, ""

    @contextmanager
    def caught(self) -> Iterator[None]:
        """From here on they do not end the process; afterwards they do again."""
        before = {number: signal.signal(number, self._take) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def heed(self) -> None:
        """Raises Interrupted now where one came, and wherever the work is when one comes."""
        self._heeded = True
        if self._came:
            raise Interrupted(f"interrupted by {self._came}; nothing was handed out")

    def record(self, at: Desk, event: ev.PersonsAct) -> Recorded:
        """Have an act recorded while signals wait, and go on waiting: half a record helps nobody."""
        self._heeded = False
        return at.record(event)

    def _take(self, number: int, _frame: object) -> None:
        _leave_alone()
        self._came = signal.Signals(number).name
        if self._heeded:
            self.heed()


def _leave_alone() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@dataclass(slots=True)
class HandingOut:
    """Something that is made under a name that nobody takes for it. ``asked``: the record that asks for it."""

    asked: Recorded
    _at: Desk
    _signals: _Signals
    _part: Path | None = None

    def publish(self, done: ev.Disclosed, part: Path, out: Path) -> Recorded:
        """Have it recorded that it is handed out, then give the folder ``part`` its name ``out``, durably, as
        :func:`dockagent.durable.publish_folder` does. From then on nobody interrupts the work. Raises Interrupted where
        a signal came before the name, OSError, and as :meth:`dockagent.desk.Desk.record`."""
        recorded = self._signals.record(self._at, done)
        self._signals.heed()
        _leave_alone()
        self._part = part
        publish_folder(part, out)
        return recorded

    @property
    def is_out(self) -> bool:
        """Whether it has its name, whatever came afterwards."""
        return self._part is not None and not os.path.lexists(self._part)


@contextmanager
def handing_out(at: Desk, ask: ev.DisclosureAsked, work: Path) -> Iterator[HandingOut]:
    """Have it recorded that a person asks (``ask``), then make it in the folder ``work``, which is gone afterwards.
    Where it does not get its name, that is on record too. Ctrl-C and SIGTERM end it as errors do."""
    signals = _Signals()
    with signals.caught():
        one = HandingOut(signals.record(at, ask), at, signals)
        reason = "it ended unexpectedly"
        try:
            signals.heed()
            yield one
            reason = ""
        except (DockError, OSError) as err:
            reason = str(err)
            raise
        finally:
            is_out = one.is_out
            try:
                remove_folder(work)
            finally:
                if reason and not is_out:
                    index, why = one.asked.index, reason[:CLIPPED]
                    _note_failure(at, ev.DisclosureFailed(ask.clips, index, why, kind=ask.kind, grounds=ask.grounds))


def _note_failure(at: Desk, failed: ev.DisclosureFailed) -> None:
    """On record, too; nobody interrupts that. Where even that fails, the first reason is said as well."""
    _leave_alone()
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
