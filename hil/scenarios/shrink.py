"""The smallest faults that still fail: delta debugging over cameras, then over letters.

After A. Zeller and R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input (IEEE TSE 28(2), 2002). A fault is
taken away by making it ``r``, so that those after it stay where they are; then good reads are taken out, so that they
come earlier. What is left is one-minimal: without any one camera, any one fault, or any one good read it passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried: the cameras that take part, and the faults of those that have any."""

    cameras: tuple[str, ...]
    letters: Mapping[str, str]

    def shown(self) -> str:
        """In a few words."""
        return ", ".join(f"{name} {self.letters.get(name) or 'well'}" for name in self.cameras)

    def without(self, name: str) -> Trial:
        """The same without a camera."""
        kept = tuple(one for one in self.cameras if one != name)
        return Trial(kept, {one: text for one, text in self.letters.items() if one != name})

    def with_letters(self, name: str, text: str) -> Trial:
        """The same with other faults for a camera."""
        return Trial(self.cameras, {**self.letters, name: text})


Still = Callable[[Trial], bool]


def shrink(trial: Trial, fails: Still, most: int = 60) -> Trial:
    """The smallest trial that still fails; one-minimal, unless that takes more than ``most`` tries. ``trial`` itself is
    known to fail. Nothing is tried twice."""
    tried: dict[str, bool] = {}

    def still(candidate: Trial) -> bool:
        shown = candidate.shown()
        if shown not in tried:
            if len(tried) >= most:
                return False
            tried[shown] = fails(candidate)
        return tried[shown]

    before = None
    while trial != before:  # what could not be left out before may be left out now
        before = trial
        trial = _shorter(_fewer_letters(_fewer_cameras(trial, still), still), still)
    return trial


def smaller(trial: Trial) -> Iterator[Trial]:
    """Every trial that is smaller by one: a camera, a fault, or a good read."""
    if len(trial.cameras) > 1:
        yield from (trial.without(name) for name in trial.cameras)
    for name, text in trial.letters.items():
        yield from (_well(trial, [(name, index)]) for index, letter in enumerate(text) if letter != "r")
        for run in re.finditer("r+", text):  # which one of a run is taken out is all the same
            yield trial.with_letters(name, text[: run.start()] + text[run.start() + 1 :])


def _fewer_cameras(trial: Trial, still: Still) -> Trial:
    for name in trial.cameras:
        if len(trial.cameras) > 1 and still(trial.without(name)):
            trial = trial.without(name)
    return trial


def _fewer_letters(trial: Trial, still: Still) -> Trial:
    for name, text in trial.letters.items():
        where = [(name, index) for index, letter in enumerate(text) if letter != "r"]
        trial = _minimal(trial, where, still)
    return trial


def _shorter(trial: Trial, still: Still) -> Trial:
    """Good reads taken out, run by run from the last: those behind the last fault, then those that make others late."""
    for name in trial.letters:
        for run in reversed(list(re.finditer("r+", trial.letters[name]))):
            trial = _shorter_run(trial, name, run.start(), run.end() - run.start(), still)
    return trial


def _shorter_run(trial: Trial, name: str, at: int, length: int, still: Still) -> Trial:
    """Halves, then quarters, and so on, down to a single one that cannot be taken out."""
    out = length
    while out:
        text = trial.letters[name]
        candidate = trial.with_letters(name, text[:at] + text[at + out :])
        if still(candidate):
            trial, length = candidate, length - out
            out = min(out, length)
        else:
            out //= 2
    return trial


def _minimal(trial: Trial, where: list[tuple[str, int]], still: Still) -> Trial:
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
