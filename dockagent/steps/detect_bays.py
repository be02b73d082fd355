"""Detect cameras as folders: ``<bays>/<bay>/`` is the card in a bay, ``<bays>/<bay>.tty`` leads to its console.

For emulated cameras, and for whatever else shows up as a folder. A folder may come by rename, by a slow copy or by a
mount on it. The looking is done by a child (``transports/bays_child``), because a folder may be a mount that does not
answer any more: that costs its own bay, never the dock.
"""

import os
import select
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, cast

import msgspec

from dockagent.clock import Clock
from dockagent.errors import DockError
from dockagent.steps.detect import Deliver, Reporter, Sighting, Watch
from dockagent.transports import bay_messages as msg
from dockagent.transports.reader_child import ReaderChild
from dockagent.transports.reader_messages import LONGEST_MESSAGE, Trouble, error_of, printable

HANG_S = 30.0  # a folder that keeps us waiting for so long is told of; a long listing over a network takes less
START_S = 10.0  # to start a process and look at the bays folder, on a machine that is busy
AGAIN_S = 1.0  # after which a child that ended is followed by another
_MODULE = "dockagent.transports.bays_child"


class BaysFolderWatch(Watch):
    """Watches the folder ``bays``. A bay's folder is reported once something is in it and it was quiet for
    ``settle_s`` seconds; ``changed`` when its files differ after it had settled; ``gone`` when it vanishes, is emptied
    or is another folder now. Names that start with a dot, links to folders and other files are ignored.

    A bay that does not answer stays as it was last seen, and is told of after ``hang_s`` seconds; so is the bays folder
    itself.
    """

    def __init__(
        self,
        bays: Path,
        deliver: Deliver,
        on_error: Callable[[str], None],
        clock: Clock,
        *,
        settle_s: float = 1.0,
        hang_s: float = HANG_S,
    ) -> None:
        super().__init__("bays watch", on_error, hang_s)
        self._root, self._clock = bays.absolute(), clock
        self._begin = msg.Begin(settle_s, hang_s)
        self._reporter = Reporter(deliver)
        self._bays: dict[str, tuple[msg.Stay, ...]] = {}
        self._child: ReaderChild | None = None
        self._asked: float | None = None  # when, where the answer has not come yet
        self._answered = 0.0
        self._silent = False

    def _arm(self) -> None:
        child = self._begun()
        child.line.settimeout(START_S)
        try:
            packet = child.line.recv(LONGEST_MESSAGE)
        except TimeoutError:
            packet = msg.encode(msg.Complaint(f"the bays folder {self._root} has not answered yet; look at its mount"))
        child.line.setblocking(False)
        try:
            self._take(packet)
        except DockError:
            self._disarm()
            raise

    def _sources(self) -> Mapping[int, int]:
        return {self._child.line.fileno(): select.POLLIN} if self._child is not None else {}

    def _disarm(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child.release()
            self._child = None

    def _look(self, ready: frozenset[int]) -> float:
        if self._child is None:
            self._start_again()
        elif self._child.line.fileno() in ready:
            self._hear(self._child)
        if self._child is not None:
            self._ping(self._child)
        stays = [(name, stay) for name, found in self._bays.items() for stay in found]
        stays.sort(key=lambda one: one[1].kind != "tty")  # a console is known before its card
        self._reporter.look({(name, stay.kind, stay.key): _sighting(stay) for name, stay in stays})
        return self._begin.hang_s if self._child is not None else AGAIN_S

    def _begun(self) -> ReaderChild:
        """A new child that is told to begin; its first word answers that. Raises Retryable."""
        child = self._child = ReaderChild("bays", self._root, _MODULE)
        self._tell(child, self._begin)
        return child

    def _tell(self, child: ReaderChild, request: msg.Request) -> None:
        self._asked, self._silent = self._clock.monotonic(), False
        with suppress(OSError):  # it hung up: hearing it says so
            child.line.send(msg.encode(request))

    def _start_again(self) -> None:
        try:
            self._begun().line.setblocking(False)
        except DockError as err:
            self.complain(f"the bays folder is not watched: {err}")

    def _hear(self, child: ReaderChild) -> None:
        """Take what the child has said. One that ended is started again at the next look."""
        try:
            while True:
                self._take(child.line.recv(LONGEST_MESSAGE))
        except BlockingIOError:
            return
        except (DockError, OSError, msgspec.DecodeError) as err:
            self._disarm()
            self.complain(f"{err}; it is started again")

    def _take(self, packet: bytes) -> None:
        """Raises what the child says keeps it from watching, and Missing for one that hung up."""
        said = msg.read_answer(packet) if packet else self._last_words()
        if isinstance(said, Trouble):
            raise error_of(said)
        if isinstance(said, msg.Names):
            self._bays = {name: self._bays.get(name, ()) for name in said.names}
        elif isinstance(said, msg.Bay):
            self._bays[said.name] = said.stays
        elif isinstance(said, msg.Complaint):
            self._on_error(printable(said.words))
        else:
            self._asked, self._answered = None, self._clock.monotonic()

    def _last_words(self) -> Trouble:
        how = self._child.how_it_ended() if self._child is not None else "is gone"
        return Trouble("Retryable", f"the process that watches the bays folder {how}", "look at the memory")

    def _ping(self, child: ReaderChild) -> None:
        """Ask whether it still looks: it does not where the bays folder itself hangs."""
        now = self._clock.monotonic()
        if self._asked is None:
            if now >= self._answered + self._begin.hang_s:
                self._tell(child, msg.Ping())
        elif now >= self._asked + self._begin.hang_s and not self._silent:
            self._silent = True
            words = f"the bays folder {self._root} has not answered for {self._begin.hang_s:g} s"
            self._on_error(f"{words}; its cameras are not seen until it does: look at its mount")


def _sighting(stay: msg.Stay) -> Sighting:
    kind = cast(Literal["folder", "tty"], stay.kind)
    return Sighting("appeared", stay.bay, f"folder:{stay.bay}", kind, os.fsdecode(stay.address), stay.facts)
