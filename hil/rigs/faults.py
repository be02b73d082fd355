"""Faults as a script that one can read: ``rrrEUr`` is three good MiB, a medium error that heals, a pull, a good MiB.

Each letter speaks about the next MiB of medium that a dock reads *for the first time* from this camera; what was read
before is given well, so that a retry or a resume meets the next letter and not the last one again. A letter that ends a
stay or an answer (``U``, ``P``, ``H``) takes effect in the middle of its MiB. After the last letter all is well.

Where a rig knows where on a medium files lie, only their contents count: boot sectors, tables and folders are given
well however often they are looked at, so that a script means the same on every file system. On a medium whose file
system the rig cannot read, every sector counts. ``E``, ``B`` and ``F`` too take effect in the middle of their MiB, at
one sector. A camera that is plugged in again with the script of its last stay goes on in it; with another script it
begins anew.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hil.rigs import Ability

MIB = 1 << 20

LETTERS: dict[str, str] = {
    "r": "read well",
    "E": "a medium error, once",
    "B": "a medium error each time, until the camera is plugged in again",
    "F": "one bit flipped, once",
    "H": "no answer, until the camera is pulled or its port is switched off",
    "S": "slowly: this MiB takes a second",
    "U": "pulled out",
    "P": "the port loses its power for a second",
}

NEEDS: dict[str, Ability] = {
    "E": "read-error",
    "B": "read-error",
    "F": "bit-flip",
    "H": "hang",
    "S": "slow",
    "U": "yank",
    "P": "power",
}


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the size of a step in bytes. Raises ValueError for a letter that nobody knows."""

    letters: str = ""
    step: int = MIB

    def __post_init__(self) -> None:
        unknown = sorted(set(self.letters) - set(LETTERS))
        if unknown:
            raise ValueError(f"{self.letters!r}: no fault is called {', '.join(unknown)}; there are {''.join(LETTERS)}")

    @property
    def needs(self) -> frozenset[Ability]:
        """What a rig must be able to do for it."""
        return frozenset(NEEDS[letter] for letter in self.letters if letter in NEEDS)

    def at(self, index: int) -> str:
        """The letter for the MiB with this number, counted in the order of first reading."""
        return self.letters[index] if index < len(self.letters) else "r"


def draw(seed: int, length: int, letters: str) -> Script:
    """A script of this length from a seed: mostly good reads, and the given faults."""
    dice = random.Random(seed)
    return Script("".join(dice.choice(letters) if dice.random() < 0.3 else "r" for _ in range(length)))
