"""The cameras that stand in the dock right now, and how each is reached. Watches tell it, steps ask it."""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from dockagent.clock import Clock
from dockagent.core.profile import Console
from dockagent.errors import Gone
from dockagent.transports import Control, FileFact, Footage, FootageReader
from dockagent.transports.mass_storage import MOUNTS, open_source
from dockagent.transports.serial_port import ReferenceConsole

_LOOK_AGAIN_S = 0.05


class DockBays:
    """For each bay the card and the console that are there; opened when first asked for, closed when they leave.

    ``mounts``: where cards of block devices are mounted. Every call may come from any thread.
    """

    def __init__(self, clock: Clock, mounts: Path = MOUNTS) -> None:
        self._clock, self._mounts = clock, mounts
        self._lock = threading.Lock()
        self._cards: dict[str, tuple[str, Mapping[str, str]]] = {}
        self._lines: dict[str, str] = {}
        self._footage: dict[str, Footage] = {}
        self._controls: dict[str, Control] = {}

    def came(self, bay: str, kind: str, address: str, facts: Mapping[str, str]) -> None:
        """A card (``folder``, ``block``) or a console (``tty``) is there now."""
        self.left(bay, kind)
        with self._lock:
            if kind == "tty":
                self._lines[bay] = address
            else:
                self._cards[bay] = (address, facts)

    def left(self, bay: str, kind: str) -> None:
        """It is gone. What was open is closed; whoever still reads gets Gone."""
        old: Footage | Control | None
        with self._lock:
            if kind == "tty":
                self._lines.pop(bay, None)
                old = self._controls.pop(bay, None)
            else:
                self._cards.pop(bay, None)
                old = self._footage.pop(bay, None)
        if old is not None:
            old.close()

    def rest(self, bay: str) -> None:
        """Let the card go; it is opened anew when it is asked for again."""
        with self._lock:
            old = self._footage.pop(bay, None)
        if old is not None:
            old.close()

    def footage(self, bay: str) -> Footage:
        """The card in ``bay``. Raises Gone for an empty bay, and what opening the card raises."""
        with self._lock:
            if bay in self._footage:
                return self._footage[bay]
            if bay not in self._cards:
                raise Gone(f"there is no camera in {bay}", "put the camera back")
            address, facts = self._cards[bay]
        opened = _WithFacts(open_source(Path(address), under=self._mounts), facts)
        return self._keep(bay, address, opened)

    def _keep(self, bay: str, address: str, opened: Footage) -> Footage:
        with self._lock:
            if self._cards.get(bay, ("", {}))[0] == address:
                return self._footage.setdefault(bay, opened)
        opened.close()
        raise Gone(f"the camera in {bay} was taken", "put the camera back")

    def control(self, bay: str, console: Console, wait_ms: int) -> Control | None:
        """The console in ``bay``, waiting up to ``wait_ms`` for it to appear; None where there is none."""
        if console.kind == "none":
            return None
        until = self._clock.monotonic() + wait_ms / 1000
        while True:
            with self._lock:
                if bay in self._controls:
                    return self._controls[bay]
                line = self._lines.get(bay)
            if line is not None:
                break
            if self._clock.monotonic() >= until:
                return None
            self._clock.sleep(_LOOK_AGAIN_S)
        opened = ReferenceConsole(line, self._clock, console.baud, console.answer_ms, console.tries)
        with self._lock:
            return self._controls.setdefault(bay, opened)

    def close(self) -> None:
        """Let everything go."""
        for bay in {*self._cards, *self._lines}:
            self.left(bay, "folder")
            self.left(bay, "tty")


class _WithFacts:
    """A card together with what its device said over USB."""

    def __init__(self, footage: Footage, facts: Mapping[str, str]) -> None:
        self._footage = footage
        self._facts = dict(facts)
        vendor, product = facts.get("vendor_id"), facts.get("product_id")
        if vendor and product:
            self._facts["usb"] = f"{vendor}:{product}".lower()

    def list(self) -> Iterator[FileFact]:
        return self._footage.list()

    def open(self, path: bytes) -> FootageReader:
        return self._footage.open(path)

    def facts(self) -> Mapping[str, str]:
        return {**self._facts, **self._footage.facts()}

    def close(self) -> None:
        self._footage.close()
