"""A dock that reads step by step, so that a camera can be pulled out at a byte and not at a moment.

A folder is read as fast as a disk, and on a busy machine whoever wants to pull its camera at a byte comes too late. So
the kernel itself stops the dock: dnotify (fcntl(2), F_NOTIFY with DN_ACCESS, and the signal that F_SETSIG names) sends
it SIGSTOP as soon as a file in a watched folder was read. It goes on when everybody who waits for a byte has looked.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hil.scenarios.agent import StillAgent

PATIENCE = 10.0
LOOK_EVERY = 0.001
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


@dataclass(slots=True)
class _Watched:
    """A card in a bay. ``given``: its bytes that the dock had when it last stood still; ``compared``: how often
    somebody asked for that since."""

    bay: Path
    folders: list[int]
    given: int = 0
    compared: int = 0


@dataclass(slots=True)
class Pace:
    """Whoever watches a card asks :meth:`given` again and again; asking a second time says that the answer was not
    enough, and lets the dock take its next step. May be used from several threads."""

    agent: StillAgent
    _cards: dict[str, _Watched] = field(default_factory=dict)
    _furthest: dict[str, dict[str, int]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def watch(self, name: str, card: Path, bay: Path) -> None:
        """Stop the dock each time that it has read from ``card``, which is going to lie in ``bay`` by a rename. Before
        it is there, so that nothing of it is read unseen. Raises OSError where the kernel cannot do that."""
        with self._lock:
            self.forget(name)
            folders = [card, *(path for path in card.rglob("*") if path.is_dir())]
            opened = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in folders]
            self._cards[name] = _Watched(bay, opened, self._total(name))
            self.own()

    def own(self) -> None:
        """Let the watched cards stop the dock that runs now."""
        pid = self.agent.pid
        with self._lock:
            for folder in [one for card in self._cards.values() for one in card.folders] if pid else ():
                fcntl.fcntl(folder, fcntl.F_SETSIG, signal.SIGSTOP)
                fcntl.fcntl(folder, fcntl.F_SETOWN, pid)
                fcntl.fcntl(folder, fcntl.F_NOTIFY, _READ)

    def forget(self, name: str) -> None:
        """Stop watching a card; the dock goes on where nobody else watches. No error if it is not watched."""
        with self._lock:
            card = self._cards.pop(name, None)
            if card is None:
                return
            for folder in card.folders:
                os.close(folder)
            self._step()

    def forget_all(self) -> None:
        """Stop watching, and let the dock go on."""
        for name in list(self._cards):
            self.forget(name)

    def given(self, name: str) -> int:
        """Bytes of a card's files that the dock had read when it last stood still for it, each byte counted once."""
        with self._lock:
            card = self._cards.get(name)
            if card is None:
                return self._total(name)
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
        """Hold the dock still; one that stood still before does so afterwards. Does nothing for one that does not run.
        Raises TimeoutError when it goes on."""
        with self._lock:
            before = self.agent.stands_still()
            try:
                self.agent.send(signal.SIGSTOP)
                self._until_still()
                yield
            finally:
                if not before or not self._cards:
                    self.agent.send(signal.SIGCONT)

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
            self.agent.send(signal.SIGCONT)

    def _measure(self, name: str, bay: Path) -> int:
        furthest = self._furthest.setdefault(name, {})
        for path, position in self.agent.open_files():
            if path.is_relative_to(bay):
                place = str(path.relative_to(bay))
                furthest[place] = max(furthest.get(place, 0), position)
        return self._total(name)

    def _total(self, name: str) -> int:
        return sum(self._furthest.get(name, {}).values())
