"""One scenario with many seeds, until one fails or the time is over; and what fails made as small as it can be."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hil.scenarios.model import Scenario
from hil.scenarios.play import Outcome, clear, drawn, play
from hil.scenarios.read import CASES
from hil.scenarios.shrink import Trial, shrink

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What is played, on which rig, where its folders go.

    ``scenario``: as it was asked for; ``written``: as its file has it, None where that is the same. ``place``: the
    words of the command that say in which guest it is played; none where it is this machine.
    """

    scenario: Scenario
    rig: str
    folder: Path
    bench: Path | None = None
    place: tuple[str, ...] = ()
    written: Scenario | None = None

    def once(self, scenario: Scenario, seed: int | None, folder: str) -> Outcome:
        """Play it once. Raises Skipped."""
        outcome = play(scenario, self.rig, self.folder / folder, seed=seed, bench=self.bench)
        return replace(outcome, command=replay(outcome, self))


@dataclass(frozen=True, slots=True)
class Limit:
    """When to end: after so many seconds, or so many runs."""

    seconds: float = float("inf")
    runs: int = 1

    @classmethod
    def parse(cls, text: str) -> Limit:
        """``8h``, ``30m``, ``90s``, or a number of runs. Raises ValueError."""
        units = {"s": 1, "m": 60, "h": 3600}
        if text[-1:] in units and text[:-1].isdigit():
            return cls(int(text[:-1]) * units[text[-1]], 1 << 62)
        if text.isdigit() and int(text) > 0:
            return cls(runs=int(text))
        raise ValueError(f"{text!r} is no limit; write 8h, 30m, 90s, or a number of runs")


def soak(job: Job, first: int, limit: Limit, say: Say) -> Outcome:
    """Seeds from ``first`` on, a line for each. The last outcome: a good one, or the shrunk one that fails."""
    end = time.monotonic() + limit.seconds
    for seed in range(first, first + limit.runs):
        chosen = drawn(job.scenario, job.rig, seed)
        outcome = job.once(chosen, seed, f"seed-{seed}")
        say(f"seed {seed}  {'good' if outcome.good else 'FAILED'}  {outcome.seconds:5.1f} s  {_letters(outcome)}")
        if not outcome.good:
            say(f"  {outcome.why}")
            return smallest(job, outcome, say)
        clear(job.folder / f"seed-{seed}")
        if time.monotonic() > end:
            break
    return outcome


def smallest(job: Job, failed: Outcome, say: Say) -> Outcome:
    """The smallest run that still fails, as far as it can be found; at least the one that is given."""
    outcomes: dict[str, Outcome] = {}
    numbers = iter(range(1 << 30))

    def fails(trial: Trial) -> bool:
        scenario = scenario_of(failed.scenario, trial)
        folder = f"shrink-{next(numbers)}"
        outcome = job.once(scenario, failed.seed, folder)
        say(f"  shrinking: {trial.shown()}: {'still fails' if not outcome.good else 'good'}")
        clear(job.folder / folder)
        if not outcome.good:
            outcomes[trial.shown()] = outcome
        return not outcome.good

    whole = Trial(tuple(failed.scenario.cameras), failed.letters)
    found = shrink(whole, fails)
    return outcomes.get(found.shown(), failed)


def scenario_of(scenario: Scenario, trial: Trial) -> Scenario:
    """The scenario with these cameras and faults only."""
    for name in set(scenario.cameras) - set(trial.cameras):
        scenario = scenario.without(name)
    return scenario.with_faults({name: trial.letters.get(name, "") for name in trial.cameras})


def replay(outcome: Outcome, job: Job) -> str:
    """The command that plays it again: everything is written out that a seed or a word of the command made different
    from the file."""
    path, played = job.scenario.path, outcome.scenario.cameras
    words = ["python", "-m", "hil", "run", path.stem if path.parent == CASES else str(path), "--rig", job.rig]
    words += job.place
    for name, part in (job.written or job.scenario).cameras.items():
        if name not in played:
            words += ["--without", name]
        elif part.faults or played[name].faults:
            words += ["--faults", f"{name}={played[name].faults}"]
    return shlex.join([*words, "--bench", str(job.bench)] if job.bench else words)


def _letters(outcome: Outcome) -> str:
    return " ".join(f"{name}={text}" for name, text in outcome.letters.items())
