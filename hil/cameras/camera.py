"""A camera that can be plugged into a bay and pulled out: a card and, if it has one, a console.

A dock with the folder backend sees `<bays>/<bay>/` as the card and `<bays>/<bay>.tty` as the console.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from hil.cameras.console import Console

POLL = 0.002


class ReferenceCamera:
    """A camera whose card lies in the folder `home` while it is not in a bay.

    `home` and `bays` must be on one file system, since plugging is a rename. As a context manager it unplugs at
    the end.
    """

    def __init__(self, home: Path, bays: Path, bay: str, console: Console | None = None) -> None:
        self.home, self.bays, self.bay, self.console = home, bays, bay, console
        self._lock = threading.RLock()
        self._plugged = False
        self._out = threading.Event()
        self._out.set()

    @property
    def place(self) -> Path:
        """Where the card appears when it is plugged."""
        return self.bays / self.bay

    @property
    def terminal(self) -> Path:
        """Where the link to the console's terminal appears when it is plugged."""
        return self.bays / f"{self.bay}.tty"

    @property
    def plugged(self) -> bool:
        """Whether it is in the bay."""
        return self._plugged

    @property
    def card(self) -> Path:
        """Where the card is now; what the functions of hil.cameras.card take."""
        return self.place if self.plugged else self.home

    def plug(self) -> None:
        """Put it into the bay: first the console's link, then the whole card at once.

        Raises RuntimeError when it is plugged or the bay is taken, OSError when the card cannot be renamed there.
        """
        with self._lock:
            if not self._out.is_set() or self.place.exists():
                raise RuntimeError(f"{self.bay} is taken")
            self.bays.mkdir(parents=True, exist_ok=True)
            self._link_console()
            try:
                self.home.rename(self.place)
            except OSError:
                self._drop_console()
                raise
            self._plugged = True
            self._out = threading.Event()  # a new one, so that who watches an earlier stay lets this one be

    def unplug(self, *, cut: bool = False) -> None:
        """Pull it out, at once, even if somebody reads. No error if it is out already.

        A folder is not a card: a file that somebody has open can be read to its end after it has gone. With `cut`
        such a reader meets the end of the file at once instead; the camera keeps the whole file. It costs a copy of
        the card before the unplugging, so what the dock changes on the card meanwhile may be lost.
        """
        with self._lock:
            if not self._plugged:
                return
            if cut:
                self._exchange_for_copy()
            else:
                self.place.rename(self.home)
            self.terminal.unlink(missing_ok=True)
            self._plugged = False
            out = self._out
        # Without the lock, because the console's observer may want to unplug as well.
        if self.console is not None:
            self.console.hang_up()
        out.set()

    def unplug_when(self, condition: Callable[[], bool], *, cut: bool = False) -> None:
        """Pull it out as soon as the condition is true; a thread asks it every two milliseconds until it is out.

        Raises RuntimeError when it is not plugged.
        """
        out = self._out
        if out.is_set():
            raise RuntimeError(f"nothing to pull out of {self.bay}")

        def watch() -> None:
            while not out.wait(POLL):
                if condition() and not out.is_set():
                    self.unplug(cut=cut)

        threading.Thread(target=watch, name=f"unplug {self.bay}", daemon=True).start()

    def wait_unplugged(self, timeout: float) -> None:
        """Wait until it is out. Raises TimeoutError."""
        if not self._out.wait(timeout):
            raise TimeoutError(f"the camera is still in {self.bay} after {timeout} s")

    def reconnect_console(self) -> None:
        """Hang up and appear again as another terminal under the same link, as USB serial lines do after an error."""
        self._drop_console()
        with self._lock:
            if self._plugged:
                self._link_console()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    def _link_console(self) -> None:
        if self.console is not None:
            # A link that a killed run left behind points to nowhere.
            self.terminal.unlink(missing_ok=True)
            self.terminal.symlink_to(self.console.open())

    def _drop_console(self) -> None:
        if self.console is not None:
            self.terminal.unlink(missing_ok=True)
            self.console.hang_up()

    def _exchange_for_copy(self) -> None:
        """Take the card away and leave its readers nothing: the camera goes on with a copy."""
        gone = self.home.with_name(f"{self.home.name}.gone")
        try:
            shutil.copytree(self.place, self.home)
        except OSError:
            shutil.rmtree(self.home, ignore_errors=True)
            raise
        self.place.rename(gone)
        for path in gone.rglob("*"):
            if path.is_file():
                os.truncate(path, 0)
        shutil.rmtree(gone)
