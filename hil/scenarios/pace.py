"""A dock that reads step by step, so that a camera can be pulled out at a byte and not at a moment.

A folder is read as fast as a disk, and on a busy machine whoever wants to pull its camera at a byte comes too late. So
the kernel itself stops the dock: dnotify (fcntl(2), F_NOTIFY with DN_ACCESS, and the signal that F_SETSIG names) sends
it SIGSTOP as soon as a file in a watched folder was read, and its child that read it, before that can read on. They go
on when everybody who waits for a byte has looked. A child that has just begun and has read nothing yet is stopped from
its second read on; what it reads first tells the dock whose card that is.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from hil.scenarios.agent import StillAgent

PATIENCE = 10.0
LOOK_EVERY = 0.001
STEP = 1 << 20
"""Bytes that a dock copies at once."""
_READ = fcntl.DN_ACCESS | fcntl.DN_MULTISHOT


def lacks() -> str:
    """Why no dock can be made to read step by step here, or nothing: a kernel without dnotify or lists of children."""
    if not Path("/proc/thread-self/children").exists():
        return "this kernel does not list a process's children (CONFIG_PROC_CHILDREN)"
    here = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.fcntl(here, fcntl.F_NOTIFY, _READ)
    except OSError as error:
        return f"this kernel does not tell who reads in a folder (dnotify, CONFIG_DNOTIFY): {error.strerror}"
    finally:
        os.close(here)
    return ""


def _stop_at_reads(folder: int, pid: int) -> None:
    fcntl.fcntl(folder, fcntl.F_SETSIG, signal.SIGSTOP)
    fcntl.fcntl(folder, fcntl.F_SETOWN, pid)
    fcntl.fcntl(folder, fcntl.F_NOTIFY, _READ)


def _front(front: int, position: int, size: int) -> int:
    """How far a file of ``size`` bytes was copied, if it was to ``front`` and somebody stands at ``position`` now. A
    dock copies MiB by MiB; where it stands in between, or far ahead, it has probed the file, as it does with each that
    it lists."""
    whole = position % STEP == 0 and position <= front + 2 * STEP
    last = position == size and position <= front + STEP
    return max(front, position) if whole or last else front


def _send(child: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it has ended
        signal.pidfd_send_signal(child, number)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # its camera has just left
        return 0


@dataclass(slots=True)
class _Watched:
    """A card in a bay. ``folders``: its open folders; ``bells``: the same, opened again for each process that they
    stop; ``given``: its bytes that the dock had when it last stood still; ``compared``: how often somebody asked for
    that since."""

    bay: Path
    folders: list[int]
    bells: dict[int, list[int]] = field(default_factory=dict)
    given: int = 0
    compared: int = 0

    def ring(self, pid: int) -> None:
        """Have a process stopped each time that something was read. Raises ProcessLookupError for one that is gone."""
        if pid not in self.bells:
            again = [os.open(f"/proc/self/fd/{folder}", os.O_RDONLY | os.O_DIRECTORY) for folder in self.folders]
            self.bells[pid] = again
            for folder in again:
                _stop_at_reads(folder, pid)

    def close(self) -> None:
        """Stop nobody any more."""
        for folder in [*self.folders, *(one for again in self.bells.values() for one in again)]:
            os.close(folder)


@dataclass(slots=True)
class Pace:
    """Whoever watches a card asks :meth:`given` again and again; asking a second time says that the answer was not
    enough, and lets the dock take its next step. May be used from several threads.

    ``_children``: of the dock, by process id, each as a descriptor that names it and no later one (pidfd_open(2)).
    """

    agent: StillAgent
    _cards: dict[str, _Watched] = field(default_factory=dict)
    _furthest: dict[str, dict[str, int]] = field(default_factory=dict)
    _children: dict[int, int] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def watch(self, name: str, card: Path, bay: Path) -> None:
        """Stop the dock each time that it has read from ``card``, which is going to lie in ``bay`` by a rename. Before
        it is there, so that nothing of it is read unseen. Raises OSError where the kernel cannot do that."""
        with self._lock:
            self.forget(name)
            folders = [card, *(path for path in card.rglob("*") if path.is_dir())]
            opened = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in folders]
            self._cards[name] = _Watched(bay, opened, given=self._total(name))
            self.own()

    def own(self) -> None:
        """Let the watched cards stop the dock that runs now, and the children that it has now."""
        with self._lock:
            children = self.agent.children()
            for pid in filter(None, (self.agent.pid, *children)):
                with suppress(ProcessLookupError):  # it has ended
                    if pid in children and pid not in self._children:
                        self._children[pid] = os.pidfd_open(pid)
                    for card in self._cards.values():
                        card.ring(pid)
            self._let_go(self._children.keys() - set(children))

    def _let_go(self, gone: Set[int]) -> None:
        """Children that the dock has no more, but that may have outlived it."""
        for pid in gone:
            child = self._children.pop(pid)
            _send(child, signal.SIGCONT)
            os.close(child)

    def forget(self, name: str) -> None:
        """Stop watching a card; the dock goes on where nobody else watches. No error if it is not watched."""
        with self._lock:
            card = self._cards.pop(name, None)
            if card is None:
                return
            card.close()
            self._step()

    def forget_all(self) -> None:
        """Stop watching, and let the dock go on."""
        for name in list(self._cards):
            self.forget(name)
        with self._lock:
            self._let_go(set(self._children))

    def given(self, name: str) -> int:
        """Bytes of a card's files that the dock had read when it last stood still for it, each byte counted once."""
        with self._lock:
            card = self._cards.get(name)
            if card is None:
                return self._total(name)
            self.own()
            if not self.agent.stands_still() or self.agent.reads():
                return card.given
            card.compared += 1
            if card.compared == 1:
                card.given = self._measure(name, card.bay)
            else:
                self._step()
            return card.given

    @contextmanager
    def still(self) -> Iterator[None]:
        """Hold the dock and its children still; one that stood still before does so afterwards. Does nothing for one
        that does not run. Raises TimeoutError when it goes on."""
        with self._lock:
            before = self.agent.stands_still()
            try:
                self._send_all(signal.SIGSTOP)
                self._until_still()
                yield
            finally:
                if not before or not self._cards:
                    self._send_all(signal.SIGCONT)

    def _send_all(self, number: signal.Signals) -> None:
        self.agent.send(number)
        for child in self._children.values():
            _send(child, number)

    def _until_still(self) -> None:
        end = time.monotonic() + PATIENCE
        while self.agent.alive() and not self.agent.stands_still():
            if time.monotonic() > end:
                raise TimeoutError(f"process {self.agent.pid} does not stand still")
            time.sleep(LOOK_EVERY)

    def _step(self) -> None:
        """Let the dock go on, if all who watch have compared what they were told."""
        if all(card.compared > 1 for card in self._cards.values()):
            for card in self._cards.values():
                card.compared = 0
            self._send_all(signal.SIGCONT)

    def _measure(self, name: str, bay: Path) -> int:
        furthest = self._furthest.setdefault(name, {})
        for path, position in self.agent.open_files():
            if path.is_relative_to(bay):
                place = str(path.relative_to(bay))
                furthest[place] = _front(furthest.get(place, 0), position, _size(path))
        return self._total(name)

    def _total(self, name: str) -> int:
        return sum(self._furthest.get(name, {}).values())
