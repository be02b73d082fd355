"""The smallest faults that still fail: delta debugging over cameras, then over letters.

After A. Zeller and R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input (IEEE TSE 28(2), 2002). A letter is
taken away by making it ``r``, so that those after it stay where they are; good reads at the end are cut off last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried: the cameras that take part, and the faults of those that have any."""

    cameras: tuple[str, ...]
    letters: Mapping[str, str]

    def shown(self) -> str:
        """In a few words."""
        return ", ".join(f"{name} {self.letters.get(name) or 'well'}" for name in self.cameras)


def shrink(trial: Trial, fails: Callable[[Trial], bool], most: int = 60) -> Trial:
    """The smallest trial that still fails, found in at most ``most`` tries. ``trial`` itself is known to fail."""
    left = [most]

    def still(candidate: Trial) -> bool:
        if left[0] <= 0:
            return False
        left[0] -= 1
        return fails(candidate)

    return _fewer_letters(_fewer_cameras(trial, still), still)


def _fewer_cameras(trial: Trial, still: Callable[[Trial], bool]) -> Trial:
    for name in trial.cameras:
        kept = tuple(one for one in trial.cameras if one != name)
        letters = {one: text for one, text in trial.letters.items() if one != name}
        candidate = Trial(kept, letters)
        if kept and still(candidate):
            trial = candidate
    return trial


def _fewer_letters(trial: Trial, still: Callable[[Trial], bool]) -> Trial:
    for name, text in trial.letters.items():
        where = [(name, index) for index, letter in enumerate(text) if letter != "r"]
        trial = _minimal(trial, where, still)
    cut = Trial(trial.cameras, {name: text.rstrip("r") for name, text in trial.letters.items()})
    return cut if cut != trial and still(cut) else trial


def _minimal(trial: Trial, where: list[tuple[str, int]], still: Callable[[Trial], bool]) -> Trial:
    """ddmin: leave out halves, then quarters, and so on; what cannot be left out is kept."""
    parts = 1
    while where:
        size = max(len(where) // parts, 1)
        chunks = [where[at : at + size] for at in range(0, len(where), size)]
        for chunk in chunks:
            candidate = _well(trial, chunk)
            if still(candidate):
                trial, where = candidate, [one for one in where if one not in chunk]
                parts = max(parts - 1, 1)
                break
        else:
            if size == 1:
                return trial
            parts *= 2
    return trial


def _well(trial: Trial, places: list[tuple[str, int]]) -> Trial:
    letters = {name: list(text) for name, text in trial.letters.items()}
    for name, index in places:
        letters[name][index] = "r"
    return Trial(trial.cameras, {name: "".join(text) for name, text in letters.items()})
