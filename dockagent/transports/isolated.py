"""A card read by a child process, so that the dock itself never waits inside the kernel for a camera.

The child (:mod:`reader`) holds the folder, the device or the camera open. Every question has a time limit; when it is
over, the child is killed and left to the kernel: one that waits for a dead device cannot die before that gives up. A
child that crashes takes nothing along but its own card.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from dockagent.core.paths import to_text
from dockagent.errors import DockError, Gone, Retryable
from dockagent.transports import FileFact, FootageReader
from dockagent.transports import reader_messages as msg
from dockagent.transports.reader_child import ReaderChild

HANG_S = 30.0
START_S = 10.0  # to start a process and open a card, on a machine that is busy
FAREWELL_S = 1.0  # an idle child ends at once, unless its camera wants to be told first
_Said = TypeVar("_Said", msg.Ready, msg.Facts, msg.Files, msg.Data, msg.Number, msg.Done)


class Hung(Gone):
    """The camera did not answer in time and was given up. What was read is right; it may be well after its bay was
    switched off and on."""


class Crashed(Retryable):
    """The process that read the card ended by itself. What it read is right; the next one may come further."""


Ended = Callable[[DockError], None]


def nobody(err: DockError) -> None:
    """Wants to know of nothing."""


class IsolatedFootage:
    """:class:`dockagent.transports.Footage` of kind ``folder`` (a path), ``raw`` (a device node or an image) or
    ``mtp`` (a node of usbfs) at ``address``, read by a child of its own.

    No call waits longer than ``hang_s`` seconds for a word of the child; then it raises Hung. ``ended`` is told once,
    by the thread that noticed, when the child hung or crashed: this object is of no more use then. Opening raises what
    the kind raises. Calls may come from any thread; they are carried out one by one, but :meth:`close` ends one that
    waits.
    """

    def __init__(self, kind: str, address: Path, hang_s: float = HANG_S, ended: Ended = nobody) -> None:
        self._name = to_text(os.fsencode(address))
        self._ended = ended
        self._busy = threading.Lock()
        self._over = ""
        self._numbers = count()
        self._child = ReaderChild(kind, address)
        self._child.line.settimeout(max(hang_s, START_S))
        try:
            with self._busy:
                self.confined = self._hear(msg.Ready).confined
                self._child.line.settimeout(hang_s)
        except DockError:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    @property
    def hangs(self) -> bool:
        """Whether the kernel still holds the child though it was killed: what it read is dead. Asked after
        :meth:`close`."""
        return self._child.alive

    def facts(self) -> Mapping[str, str]:
        said = self._ask(msg.AskFacts(), msg.Facts)
        return {msg.printable(fact): msg.printable(value) for fact, value in said.facts.items()}

    def list(self) -> Iterator[FileFact]:
        """As the contract says. The child sends parts, so that a long listing is not taken for a hang."""
        files: list[FileFact] = []
        trouble: DockError | None = None
        with self._busy:
            self._tell(msg.AskList())
            try:
                while part := self._hear(msg.Files).files:
                    files.extend(FileFact(*fact) for fact in part)
            except DockError as err:
                trouble = err
        yield from files
        if trouble is not None:
            raise trouble

    def open(self, path: bytes) -> FootageReader:
        number = next(self._numbers)
        self._ask(msg.AskOpen(number, path), msg.Done)
        return _Reader(self, number)

    def close(self) -> None:
        self._over = self._over or "was closed"
        idle = self._busy.acquire(blocking=False)
        self._child.end(FAREWELL_S if idle else 0)
        if idle or self._busy.acquire(timeout=FAREWELL_S):  # whoever was waiting has got its end
            self._child.release()
            self._busy.release()

    def read(self, number: int, offset: int, size: int) -> bytes:
        """Bytes of an open file; for its reader."""
        with self._busy:
            self._tell(msg.AskRead(number, offset, size))
            said = self._hear(msg.Data)
            if said.half not in (0, 1) or not 0 <= said.count <= min(size, msg.WINDOW):
                raise self._give_up(self._nonsense())
            start = said.half * msg.WINDOW
            return self._child.window[start : start + said.count]

    def size(self, number: int) -> int:
        """The size of an open file; for its reader."""
        return self._ask(msg.AskSize(number), msg.Number).value

    def shut(self, number: int) -> None:
        """Close an open file; for its reader. A child that is gone has closed it."""
        with suppress(DockError):
            self._ask(msg.AskShut(number), msg.Done)

    def _ask(self, request: msg.Request, wanted: type[_Said]) -> _Said:
        with self._busy:
            self._tell(request)
            return self._hear(wanted)

    def _tell(self, request: msg.Request) -> None:
        if self._over:
            raise Gone(f"{self._name} {self._over}")
        with suppress(OSError):  # it hung up: hearing it says so
            self._child.line.send(msg.encode(request))

    def _hear(self, wanted: type[_Said]) -> _Said:
        """The child's next word. Raises what it says went wrong, Hung, Crashed; Gone when we were closed meanwhile."""
        try:
            packet = self._child.line.recv(msg.LONGEST_MESSAGE)
        except TimeoutError as err:
            words = f"{self._name}: the camera has not answered for {self._child.line.gettimeout():g} s"
            raise self._give_up(Hung(words, "its bay is switched off and on, else unplug it")) from err
        except OSError:
            packet = b""
        if not packet:
            raise self._give_up(self._lost())
        try:
            said = msg.read_answer(packet)
        except msgspec.DecodeError as err:
            raise self._give_up(self._nonsense()) from err
        if isinstance(said, msg.Trouble):
            raise msg.error_of(said)
        if not isinstance(said, wanted):
            raise self._give_up(self._nonsense())
        return said

    def _lost(self) -> DockError:
        if self._over:
            return Gone(f"{self._name} {self._over}")
        words = f"the process that reads {self._name} {self._child.how_it_ended()}"
        return Crashed(words, "it is tried again; if it stays so, image the card and look at the image")

    def _nonsense(self) -> DockError:
        return Crashed(f"the process that reads {self._name} talks nonsense", "image the card and look at the image")

    def _give_up(self, err: DockError) -> DockError:
        """End the child, once, and say so. Called by whoever has the line."""
        tell = not self._over
        self._over = self._over or "was given up"
        self._child.end()
        self._child.release()
        if tell:
            self._ended(err)
        return err


class _Reader:
    """A :class:`dockagent.transports.FootageReader`: a number of the child's, and where we stand."""

    def __init__(self, footage: IsolatedFootage, number: int) -> None:
        self._footage, self._number = footage, number
        self._at = 0

    def read(self, size: int, /) -> bytes:
        data = self._footage.read(self._number, self._at, size)
        self._at += len(data)
        return data

    def seek(self, offset: int, /) -> int:
        self._at = offset
        return offset

    def size(self) -> int:
        return self._footage.size(self._number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._footage.shut(self._number)
