"""`python -m hil run`: play scenarios. Exit 0 when all that could be played went well, 1 when one failed, 2 for a file
or a word that means nothing, 3 when nothing could be played, 130 when it was interrupted."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hil.rigs.bench_table import Mistakes
from hil.rigs.medium import NotMade
from hil.scenarios import elsewhere, report, rigs
from hil.scenarios.model import Scenario
from hil.scenarios.play import Outcome, Skipped, clear, drawn
from hil.scenarios.read import Mistake, all_cases, find, read
from hil.scenarios.reports import Reports, reports
from hil.scenarios.soak import Job, Limit, replay, smallest, soak
from hil.words import Words, whole

FAILED, WRONG, NOTHING = 1, 2, 3
INTERRUPTED = 130
_HERE = "here"
_LEAST_MIB = 256


@dataclass(slots=True)
class Tally:
    """How many were good, failed, skipped, and asked for what cannot be."""

    good: int = 0
    failed: int = 0
    skipped: int = 0
    wrong: int = 0

    @property
    def status(self) -> int:
        """The exit status."""
        return FAILED if self.failed else WRONG if self.wrong else 0 if self.good else NOTHING


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be played: each scenario as its file has it, and as the words of the command change it."""

    pairs: tuple[tuple[Scenario, Scenario], ...]
    limit: Limit


def main(words: Sequence[str]) -> int:
    """Play what the words say."""
    options = parser().parse_args(words)
    try:
        asked = _asked(options)
    except (Mistake, Mistakes, ValueError) as error:
        print(error, file=sys.stderr)
        return WRONG
    for note in notes([scenario for _, scenario in asked.pairs], options):
        print(f"note: {note}", file=sys.stderr)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end it in the same way: every child, then itself
    try:
        with reports(options.keep, options.scratch) as folder:
            return _all(asked, options, folder) if options.where == _HERE else _elsewhere(options, words, folder)
    except Mistake as error:
        print(error, file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("interrupted; dock and rig are taken down", file=sys.stderr)
        return INTERRUPTED


def _asked(options: argparse.Namespace) -> Asked:
    """Raises Mistake, bench_table.Mistakes and ValueError, each with a line that says what is wrong."""
    written = [read(path) for path in _paths(options)]
    scenarios = [chosen(scenario, options) for scenario in written]
    _check_bays(options, scenarios)
    limit = Limit.parse(options.soak) if options.soak else Limit(runs=1)
    return Asked(tuple(zip(written, scenarios, strict=True)), limit)


def _all(asked: Asked, options: argparse.Namespace, folder: Reports) -> int:
    bench = Path(options.bench).absolute() if options.bench else None
    place = tuple(shlex.split(options.inside))
    tally = Tally()
    for written, scenario in asked.pairs:
        own = folder.folder / f"{scenario.name}-{options.rig}"
        _run_one(Job(scenario, options.rig, own, bench, place, written), options, asked.limit, tally, folder)
    if not options.json:
        there = f"; reports in {folder.folder}" if folder.told else ""
        print(f"{tally.good} good, {tally.failed} failed, {tally.skipped} skipped{there}")
    return tally.status


def _elsewhere(options: argparse.Namespace, words: Sequence[str], folder: Reports) -> int:
    guest = elsewhere.Guest(options.where, options.memory, options.timeout)
    try:
        return elsewhere.play(guest, words, folder.folder, kept=folder.asked)
    finally:
        for path in folder.folder.glob("*/report.json"):  # a run that failed; the command in the guest has told of it
            folder.tell(path.parent)


def _run_one(job: Job, options: argparse.Namespace, limit: Limit, tally: Tally, folder: Reports) -> None:
    try:
        outcome = _played(job, options, limit)
    except Skipped as why:
        tally.skipped += 1
        _drop(job.folder)
        data: dict[str, object] = {"scenario": job.scenario.name, "rig": options.rig, "skipped": str(why)}
        _tell(options, data, f"skipped  {job.scenario.name}: {why}")
        return
    except Mistake as mistake:
        tally.wrong += 1
        _drop(job.folder)
        print(mistake, file=sys.stderr)
        return
    except (RuntimeError, OSError, NotMade) as error:
        tally.failed += 1
        broken = f"it broke off, or its rig cannot be taken down: {error}"
        data = {"scenario": job.scenario.name, "rig": options.rig, "broken": broken}
        _tell(options, data, f"FAILED   {job.scenario.name}: {broken}")
        return
    outcome = replace(outcome, command=replay(outcome, job))
    report.write(outcome, job.folder)
    tally.good, tally.failed = tally.good + outcome.good, tally.failed + (not outcome.good)
    if outcome.good or not options.keep:
        clear(job.folder)
    if outcome.good and not options.keep:
        folder.drop(job.folder)
    else:
        folder.tell(job.folder)
    _tell(options, report.as_data(outcome), _line(outcome, job.folder))


def _played(job: Job, options: argparse.Namespace, limit: Limit) -> Outcome:
    """The run, or the last run of a soak, made small where it fails and a seed drew its faults."""
    say = (lambda _: None) if options.json else print
    if options.soak:
        return soak(job, options.seed or 1, limit, say)
    outcome = job.once(drawn(job.scenario, options.rig, options.seed), options.seed, ".")
    if not outcome.good and job.scenario.seeded and options.seed is not None:
        return smallest(job, outcome, say)
    return outcome


def notes(scenarios: Sequence[Scenario], options: argparse.Namespace) -> Iterator[str]:
    """What was asked for and changes nothing."""
    for scenario in scenarios:
        if options.seed is not None and not scenario.seeded:
            yield f'--seed changes nothing in {scenario.name}: none of its cameras has faults = "random …"'
    if options.bench and options.rig != "bench":
        yield f"--bench changes nothing on --rig {options.rig}"


def _check_bays(options: argparse.Namespace, scenarios: Sequence[Scenario]) -> None:
    """Raises Mistake for a bench that nobody named, that is not there, or that has not the bays of the scenarios that
    were named. Raises bench_table.Mistakes for one whose file is wrong."""
    if options.rig == "bench" and not options.bench:
        raise Mistake("--rig bench: which bench? add --bench FILE; docs/bench.md says how to write one")
    try:
        for scenario in scenarios if not options.all else ():
            if why := rigs.no_such_bay(scenario, options.rig, Path(options.bench) if options.bench else None):
                raise Mistake(why)
    except OSError as error:
        raise Mistake(f"--bench {options.bench}: cannot be read: {error.strerror}; see docs/bench.md") from error


def _drop(folder: Path) -> None:
    """Remove what a run that was not played has left, but nothing of an earlier one."""
    clear(folder)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _line(outcome: Outcome, folder: Path) -> str:
    name = outcome.scenario.name
    if outcome.good:
        return f"good     {name} ({outcome.seconds:.1f} s)"
    wrong = [f"    {one.text}: {one.why}" for one in outcome.judged if not one.holds]
    stopped = [f"    {outcome.stopped}"] if outcome.stopped else []
    last = [f"    again: {outcome.command}", f"    report: {folder / 'report.html'}"]
    return "\n".join([f"FAILED   {name} ({outcome.seconds:.1f} s)", *stopped, *wrong, *last])


def _tell(options: argparse.Namespace, data: dict[str, object], words: str) -> None:
    print(json.dumps(data) if options.json else words, flush=True)


def _paths(options: argparse.Namespace) -> list[Path]:
    if options.all == bool(options.scenario):
        raise Mistake("name scenarios, or say --all")
    return list(all_cases()) if options.all else [find(name) for name in options.scenario]


def chosen(scenario: Scenario, options: argparse.Namespace) -> Scenario:
    """The scenario without the cameras that are left out, and with the faults that are given."""
    for name in options.without:
        scenario = scenario.without(name)
    for word in options.faults:
        if "=" not in word:
            raise Mistake(f"--faults {word}: write CAMERA=LETTERS, as in alice=rrU; alice= for none")
    given = dict(word.partition("=")[::2] for word in options.faults)
    return scenario.with_faults(given) if given else scenario


def parser() -> Words:
    """What the command takes."""
    words = Words(prog="python -m hil run", description=__doc__, allow_abbrev=False)
    words.add_argument("scenario", nargs="*", help="names of `python -m hil list`, or files")
    words.add_argument(
        "--all", action="store_true", help="all that come with the project; those that a rig cannot carry are skipped"
    )
    words.add_argument("--rig", choices=rigs.RIGS, default="folder")
    words.add_argument(
        "--in", dest="where", choices=(_HERE, *elsewhere.GUESTS), default=_HERE, help="boot this guest, and play there"
    )
    words.add_argument(
        "--seed", type=whole("a seed", 0), metavar="N", help="draw the faults of cameras whose faults are random"
    )
    words.add_argument(
        "--soak", metavar="8h|200", help="seed after seed, until one fails or the time or the number is over"
    )
    words.add_argument(
        "--faults", action="append", default=[], metavar="CAMERA=LETTERS", help="instead of those in the file"
    )
    words.add_argument("--without", action="append", default=[], metavar="CAMERA", help="leave a camera out")
    words.add_argument("--bench", metavar="FILE", help="the description of a real bench, for --rig bench")
    words.add_argument("--keep", metavar="DIR", help="where reports go; what a failed run leaves stays there whole")
    words.add_argument("--json", action="store_true", help="a line of data for each scenario")
    words.add_argument("--inside", default="", help=argparse.SUPPRESS)  # in a guest: the words that led there
    words.add_argument("--scratch", help=argparse.SUPPRESS)  # in a guest: as --keep, but good runs leave nothing
    words.add_argument("--memory", type=whole("MiB", _LEAST_MIB), default=1024, metavar="MIB", help="of the guest")
    words.add_argument("--timeout", type=whole("seconds", 1), default=1800, metavar="S", help="of the guest")
    return words
