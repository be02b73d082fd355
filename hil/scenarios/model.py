"""A scenario as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hil.rigs import Ability
from hil.rigs.faults import LETTERS, NEEDS, Script

RANDOM = "random"


def check_letters(faults: str) -> None:
    """Raises ValueError for faults of a camera that are neither letters nor ``random`` and letters."""
    letters = faults.removeprefix(RANDOM).strip()
    if unknown := sorted(set(letters) - set(LETTERS)):
        what = ", ".join(f"{letter} ({about})" for letter, about in LETTERS.items())
        raise ValueError(f"no fault is called {', '.join(unknown)}; allowed: {what}, or `random` and letters")
    if faults.startswith(RANDOM) and not letters:
        raise ValueError("random needs the letters that may be drawn, as in `random EU`")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a script, or an expectation. ``kind``: the form that it has; ``words``: what stands in its blanks.

    ``within``: seconds that it may take, or None for the usual patience. ``text``: as it was written, in line
    ``number`` of its file.
    """

    kind: str
    words: Mapping[str, str]
    text: str
    number: int
    within: float | None = None

    def cameras(self) -> frozenset[str]:
        """The cameras that it names."""
        return frozenset(self.words[key] for key in ("camera", "other") if key in self.words)


@dataclass(frozen=True, slots=True)
class Part:
    """One camera of a scenario, as its file says it. Sizes in KiB, ``clock`` in seconds ahead of the true time.

    ``faults``: letters of :mod:`hil.rigs.faults`, or ``random`` and the letters that may be drawn from.
    ``altered``: the number of the clip of which a bit is flipped after signing. ``image``: a medium from the corpus.
    ``mode``, ``quirk``: of its family, quirks in words; ``sparse``: clips of zeros, which take no room; ``locked``: its
    card takes no writing.
    """

    name: str
    model: str
    serial: str
    clips: int = 1
    clip_kib: int = 1024
    video: bool = False
    sidecars: bool = True
    filesystem: str = ""
    label: str = ""
    image: str = ""
    flaw: str = ""
    altered: int = 0
    console: str = ""
    clock: float = 0.0
    faults: str = ""
    usb: str = ""
    mode: str = ""
    quirk: str = ""
    keyboard: bool = False
    expired: bool = False
    sparse: bool = False
    locked: bool = False

    @property
    def drawn(self) -> str:
        """The letters that a seed draws from, or empty for a camera whose faults are written down."""
        return self.faults.removeprefix(RANDOM).strip() if self.faults.startswith(RANDOM) else ""

    @property
    def script(self) -> Script:
        """Its faults as they are written; none for one whose faults are drawn."""
        return Script("" if self.faults.startswith(RANDOM) else self.faults)

    @property
    def needs(self) -> frozenset[Ability]:
        """What a rig must be able to do for this camera, what its model needs left aside."""
        needed: set[Ability] = set(self.script.needs)
        if self.console:
            needed.add("serial")
        if self.filesystem or self.label or self.image or self.locked:
            needed.add("block")
        if self.usb:
            needed.add("usb")
        return frozenset(needed)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole scenario. ``needs``: derived from its cameras and its script; ``rigs``: empty for all that carry it."""

    name: str
    path: Path
    about: str
    why: str
    cameras: Mapping[str, Part]
    dock: Mapping[str, Mapping[str, Any]]
    script: tuple[Line, ...]
    expect: tuple[Line, ...]
    needs: frozenset[Ability]
    rigs: tuple[str, ...] = ()

    @property
    def bays(self) -> frozenset[str]:
        """The bays that its script speaks of."""
        return frozenset(line.words["bay"] for line in self.script if "bay" in line.words)

    @property
    def seeded(self) -> bool:
        """Whether a seed changes what happens."""
        return any(part.faults.startswith(RANDOM) for part in self.cameras.values())

    def with_faults(self, letters: Mapping[str, str]) -> Scenario:
        """The same with other faults for some cameras. Raises ValueError for unknown cameras and letters."""
        if unknown := sorted(set(letters) - set(self.cameras)):
            raise ValueError(f"{self.name} has no camera {', '.join(unknown)}; it has {', '.join(self.cameras)}")
        for faults in letters.values():
            check_letters(faults)
        parts = {name: replace(part, faults=letters.get(name, part.faults)) for name, part in self.cameras.items()}
        written = {NEEDS[letter] for part in self.cameras.values() for letter in part.script.letters if letter != "r"}
        kept = self.needs - written
        now = frozenset(need for part in parts.values() for need in part.script.needs)
        return replace(self, cameras=parts, needs=kept | now)

    def without(self, name: str) -> Scenario:
        """The same without one camera, and without the lines that name it.

        Raises ValueError for a camera that it has not, and for its only one: where nobody takes part, nothing can fail.
        """
        if name not in self.cameras:
            raise ValueError(f"no camera is called {name}; there are: {', '.join(self.cameras)}")
        if len(self.cameras) == 1:
            raise ValueError(f"no camera is left in {self.name} without {name}")
        cameras = {key: part for key, part in self.cameras.items() if key != name}
        script = tuple(line for line in self.script if name not in line.cameras())
        expect = tuple(line for line in self.expect if name not in line.cameras())
        return replace(self, cameras=cameras, script=script, expect=expect)
