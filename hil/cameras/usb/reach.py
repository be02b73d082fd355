"""How far a dock has come in reading a medium, and so which letter of a script it meets next.

A host reads in pieces of its own choice, reads ahead, and reads again. So every sector is noted, and only one that was
not given before moves the script on (:mod:`hil.rigs.faults`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hil.cameras.usb.disk import SECTOR
from hil.rigs.faults import Script

STRIKING = frozenset("EBFHUP")
"""The letters that take effect at one place, the middle of their step."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the medium does next: ``sectors`` are given, well or ``slowly``; right behind them ``letter`` strikes, or
    nothing if it is empty."""

    sectors: int
    slowly: bool = False
    letter: str = ""


class Reach:
    """One camera's medium and the script that it follows, from one plug to the next.

    ``contents``: the sectors that count, as ranges; None: all. ``sectors``: how many the medium has. ``fresh``: bytes
    that counted so far.
    """

    def __init__(self, script: Script, sectors: int, contents: Iterable[range] | None = None) -> None:
        self.script = script
        self._step = max(script.step // SECTOR, 1)
        self._given = 0
        self._struck: set[int] = set()
        self.changed(sectors, contents)

    def changed(self, sectors: int, contents: Iterable[range] | None = None) -> None:
        """The camera has another medium now: none of it was given, and the script goes on where it is."""
        # One byte for each sector: 1 while it counts and was not given.
        self._fresh = bytearray(sectors)
        for part in (range(sectors),) if contents is None else contents:
            self._fresh[part.start : part.stop] = b"\1" * len(part)
        self._bad: set[int] = set()

    @property
    def fresh(self) -> int:
        """Bytes that were given for the first time."""
        return self._given * SECTOR

    def plugged(self) -> None:
        """It is plugged in again: what was bad until then is well."""
        self._bad.clear()

    def ahead(self, first: int, count: int) -> Stretch:
        """What happens to a read of ``count`` sectors; of a long one perhaps only of its beginning."""
        room = min((bad for bad in self._bad if first <= bad < first + count), default=first + count) - first
        behind = "B" if room < count else ""
        index = self._given // self._step
        if index >= len(self.script.letters):
            return Stretch(room, letter=behind)
        letter = self.script.at(index)
        strikes = letter in STRIKING and index not in self._struck
        end = index * self._step + (self._step // 2 if strikes else self._step)
        sectors = self._holding(first, room, end - self._given)
        if sectors < room:
            behind = letter if strikes else ""
        return Stretch(sectors, letter == "S", behind)

    def gave(self, first: int, count: int) -> None:
        """These sectors were given."""
        self._given += self._fresh.count(1, first, first + count)
        self._fresh[first : first + count] = bytes(len(self._fresh[first : first + count]))

    def struck(self, letter: str, sector: int) -> None:
        """The letter took effect at this sector; it does not come again."""
        self._struck.add(self._given // self._step)
        if letter == "B":
            self._bad.add(sector)

    def _holding(self, first: int, room: int, fresh: int) -> int:
        """How many sectors from ``first`` on hold no more than so many fresh ones."""
        if self._fresh.count(1, first, first + room) <= fresh:
            return room
        at = first - 1
        for _ in range(fresh + 1):
            at = self._fresh.find(1, at + 1)
        return at - first
