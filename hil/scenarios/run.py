"""`python -m hil run`: play scenarios. Exit 0 when all that could be played went well, 1 when one failed, 2 for a file
or a word that means nothing, 3 when nothing could be played."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hil.scenarios import report, rigs
from hil.scenarios.model import Scenario
from hil.scenarios.play import Outcome, Skipped, clear, drawn
from hil.scenarios.read import Mistake, all_cases, find, read
from hil.scenarios.soak import Job, Limit, replay, smallest, soak

FAILED, WRONG, NOTHING = 1, 2, 3
INTERRUPTED = 130
_HERE = "here"
_PLACE = ("--in", "--memory", "--timeout")


@dataclass(slots=True)
class Tally:
    """How many were good, failed and skipped, and how many reports were written."""

    good: int = 0
    failed: int = 0
    skipped: int = 0
    reports: int = 0

    @property
    def status(self) -> int:
        """The exit status."""
        return FAILED if self.failed else 0 if self.good else NOTHING


def main(words: Sequence[str]) -> int:
    """Play what the words say."""
    options = parser().parse_args(words)
    try:
        written = [read(path) for path in _paths(options)]
        scenarios = [chosen(scenario, options) for scenario in written]
        limit = Limit.parse(options.soak) if options.soak else Limit(runs=1)
    except (Mistake, ValueError) as error:
        print(error, file=sys.stderr)
        return WRONG
    if options.where != _HERE:
        return _elsewhere(options, words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end it in the same way: every child, then itself
    folder = Path(options.keep or tempfile.mkdtemp(prefix="hil-")).absolute()
    bench = Path(options.bench).absolute() if options.bench else None
    place = tuple(shlex.split(options.inside))
    tally = Tally()
    try:
        for whole, scenario in zip(written, scenarios, strict=True):
            job = Job(scenario, options.rig, folder / f"{scenario.name}-{options.rig}", bench, place, whole)
            _run_one(job, options, limit, tally)
    except KeyboardInterrupt:
        print("interrupted; dock and rig are taken down", file=sys.stderr)
        return INTERRUPTED
    if not options.keep and not tally.reports:
        _drop(folder)
    _sum_up(tally, folder, options)
    return tally.status


def _run_one(job: Job, options: argparse.Namespace, limit: Limit, tally: Tally) -> None:
    scenario, folder = job.scenario, job.folder
    say = (lambda _: None) if options.json else print
    try:
        if options.soak:
            outcome = soak(job, options.seed or 1, limit, say)
        else:
            outcome = job.once(drawn(scenario, options.rig, options.seed), options.seed, ".")
            if not outcome.good and scenario.seeded and options.seed is not None:
                outcome = smallest(job, outcome, say)
    except Skipped as why:
        tally.skipped += 1
        _drop(folder)
        _tell(
            options,
            {"scenario": scenario.name, "rig": options.rig, "skipped": str(why)},
            f"skipped  {scenario.name}: {why}",
        )
        return
    except (RuntimeError, OSError) as error:
        tally.failed += 1
        broken = f"it broke off, or its rig cannot be taken down: {error}"
        data: dict[str, object] = {"scenario": scenario.name, "rig": options.rig, "broken": broken}
        _tell(options, data, f"FAILED   {scenario.name}: {broken}")
        return
    outcome = replace(outcome, command=replay(outcome, job))
    report.write(outcome, folder)
    tally.reports += 1
    tally.good, tally.failed = tally.good + outcome.good, tally.failed + (not outcome.good)
    if outcome.good or not options.keep:
        clear(folder)
    _tell(options, report.as_data(outcome), _line(outcome, folder))


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


def _sum_up(tally: Tally, folder: Path, options: argparse.Namespace) -> None:
    if options.json:
        return
    reports = f"; reports in {folder}" if tally.reports else ""
    print(f"{tally.good} good, {tally.failed} failed, {tally.skipped} skipped{reports}")


def _paths(options: argparse.Namespace) -> list[Path]:
    if options.all == bool(options.scenario):
        raise Mistake("name scenarios, or say --all")
    return list(all_cases()) if options.all else [find(name) for name in options.scenario]


def chosen(scenario: Scenario, options: argparse.Namespace) -> Scenario:
    """The scenario without the cameras that are left out, and with the faults that are given."""
    for name in options.without:
        scenario = scenario.without(name)
    given = dict(word.partition("=")[::2] for word in options.faults)
    return scenario.with_faults(given) if given else scenario


def _elsewhere(options: argparse.Namespace, words: Sequence[str]) -> int:
    """The same command inside a guest, which gives back only what it writes into the shared folder."""
    folder = Path(options.keep or tempfile.mkdtemp(prefix="hil-")).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    inside, place = parted(words)
    inner = [sys.executable, "-m", "hil", "run", *inside, "--keep", str(folder), f"--inside={shlex.join(place)}"]
    boot = [sys.executable, "-m", f"hil.rigs.{options.where}", "--share", str(folder)]
    boot += ["--memory", str(options.memory), "--timeout", str(options.timeout)]
    return subprocess.run([*boot, "--", *inner], check=False).returncode


def parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words for the command in the guest, and those that say which guest it is; `--keep` is neither. Words as
    argparse takes them, `--in uml` and `--in=uml`."""
    inside: list[str] = []
    place: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, _ = word.partition("=")
        if name not in (*_PLACE, "--keep"):
            inside.append(word)
            continue
        whole = [word] if equals else [word, next(rest)]
        if name in _PLACE:
            place += whole
    return inside, place


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    words = argparse.ArgumentParser(prog="python -m hil run", description=__doc__, allow_abbrev=False)
    words.add_argument("scenario", nargs="*", help="names of `python -m hil list`, or files")
    words.add_argument(
        "--all", action="store_true", help="all that come with the project; those that a rig cannot carry are skipped"
    )
    words.add_argument("--rig", choices=rigs.RIGS, default="folder")
    words.add_argument(
        "--in", dest="where", choices=(_HERE, "uml", "qemu"), default=_HERE, help="boot this guest, and play there"
    )
    words.add_argument("--seed", type=int, metavar="N", help="draw the faults of cameras whose faults are random")
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
    words.add_argument("--memory", type=int, default=1024, metavar="MIB", help="of the guest")
    words.add_argument("--timeout", type=int, default=1800, metavar="S", help="of the guest")
    return words
