"""Play one scenario on one rig: make the cameras, start the dock, follow the script, judge what came of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from hil.cameras.keyring import maker_in
from hil.cameras.specimen import Specimen
from hil.demo.agent import COMMAND, PATIENCE
from hil.demo.custodian import Custodian
from hil.demo.place import Place, fresh
from hil.rigs import Rig, faults
from hil.rigs.faults import MIB, NEEDS
from hil.rigs.folder import Hand
from hil.scenarios import always, leave, rigs
from hil.scenarios.acts import act
from hil.scenarios.agent import DOCK, StillAgent, configuration
from hil.scenarios.cast import VALID, Member, corpus_folder, make
from hil.scenarios.claims import Judged, judge_all, settle
from hil.scenarios.model import Part, Scenario
from hil.scenarios.pace import Pace
from hil.scenarios.pace import lacks as pace_lacks
from hil.scenarios.read import Mistake
from hil.scenarios.stage import Moment, Stage, Unmet

HURRIED = 5.0
"""Seconds that a dock may take to end before its cameras are pulled out, where the run has failed already."""
_OF_CARDS = ("untouched", "erased")
"""What is judged when the cameras are out."""


class Skipped(Exception):
    """A scenario that cannot be played here; one line that says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run. ``stopped``: why the script could not be played to its end, or empty; ``letters``: the faults
    of each camera that has any; ``command``: what plays it again."""

    scenario: Scenario
    rig: str
    seed: int | None
    letters: Mapping[str, str]
    stopped: str
    judged: tuple[Judged, ...]
    moments: tuple[Moment, ...]
    seconds: float
    log: tuple[str, ...]
    command: str = field(default="")

    @property
    def good(self) -> bool:
        """Whether all went as it must."""
        return not self.stopped and all(one.holds for one in self.judged)

    @property
    def why(self) -> str:
        """The first thing that went wrong, or nothing."""
        wrong = [f"{one.text}: {one.why}" for one in self.judged if not one.holds]
        return self.stopped or next(iter(wrong), "")


def drawn(scenario: Scenario, rig_name: str, seed: int | None) -> Scenario:
    """The scenario with the faults that a seed gives its cameras: only such as the rig can carry. Without a seed those
    cameras have none."""
    letters: dict[str, str] = {}
    if rigs.cannot_carry(scenario, rig_name):
        return scenario
    carries = rigs.carries(rig_name)
    for number, (name, part) in enumerate(scenario.cameras.items()):
        if part.drawn:
            able = "".join(letter for letter in part.drawn if letter == "r" or NEEDS[letter] in carries)
            length = max(part.clips * part.clip_kib * 1024 // MIB, 1)
            chosen = faults.draw(seed * 1000 + number, length, able) if seed is not None and able else None
            letters[name] = chosen.letters if chosen else ""
    return scenario.with_faults(letters) if letters else scenario


def play(
    scenario: Scenario, rig_name: str, folder: Path, *, seed: int | None = None, bench: Path | None = None
) -> Outcome:
    """Play a scenario whose faults are drawn already in an empty ``folder``. Raises Skipped where that cannot be, and
    Mistake where its file asks for what no camera can be."""
    if not COMMAND.exists():
        raise Skipped(f"the command {COMMAND} is not installed: pip install -e .")
    if why := rigs.cannot_carry(scenario, rig_name):
        raise Skipped(f"{rig_name} cannot carry it: {why}")
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        place = stack.enter_context(fresh(folder / "dock"))
        stage = _set(scenario, rig_name, place, stack, bench)
        stopped = _follow(stage)
        judged = _judge(stage, hurry=bool(stopped))
        letters = {name: part.faults for name, part in scenario.cameras.items() if part.faults}
        log = place.log.read_text(errors="replace").splitlines() if place.log.exists() else []
        _keep(place, folder)
        moments = tuple(sorted(stage.moments, key=lambda one: one.seconds))
    took = time.monotonic() - began
    return Outcome(scenario, rig_name, seed, letters, stopped, tuple(judged), moments, took, tuple(log))


def clear(folder: Path) -> None:
    """Remove what is big in the folder of a run: cards, media, store, spool. Report, log and ledger stay."""
    shutil.rmtree(folder / "dock", ignore_errors=True)


def _set(scenario: Scenario, rig_name: str, place: Place, stack: ExitStack, bench: Path | None) -> Stage:
    maker_in(place.maker, "Reference", VALID)
    entry = rigs.RIGS[rig_name]
    agent = StillAgent(place, slowness=entry.patience)
    stages: list[Stage] = []

    def read(camera: Specimen) -> int:
        return stages[0].read(camera)

    pace = Pace(agent)
    stack.callback(pace.forget_all)
    hand = Hand(read, pace.still)
    try:
        rig: Rig = rigs.open_rig(rig_name, rigs.Room(place, hand, bench))
    except rigs.Unusable as error:
        raise Skipped(str(error)) from error
    stack.callback(rig.close)
    if lacking := sorted(scenario.needs - rig.carries):
        raise Skipped(f"this {rig_name} cannot do {', '.join(lacking)}")
    if strange := sorted(scenario.bays - {place.name for place in rig.places}):
        raise Skipped(f"this {rig_name} has no {', '.join(strange)}")
    if "yank" in scenario.needs and "folder" in rig.bays() and (why := pace_lacks()):
        raise Skipped(f"no camera can be pulled out at a byte: {why}")
    try:
        if isinstance(rig, AbstractContextManager):
            stack.enter_context(rig)
        cast = {name: _member(rig, entry, part, place, scenario.path) for name, part in scenario.cameras.items()}
        console_ms = int(entry.console_ms * entry.patience) if _talks(scenario, rig) else 0
        custodian = _custodian(scenario, place, agent, stack)
        changes = {**scenario.dock, **(leave.of_a_dock(custodian) if custodian is not None else {})}
        place.configure(configuration(place, rig, changes, console_ms))
        stage = Stage(scenario, rig, place, agent, cast, pace, entry.patience, custodian)
        for name, member in cast.items():
            stage.before[name] = rig.digest(member.specimen)
    except Mistake:  # a ValueError too, but nothing that another rig could play
        raise
    except (FileNotFoundError, ValueError, RuntimeError) as error:
        raise Skipped(str(error)) from error
    stages.append(stage)
    stack.enter_context(agent)
    return stage


def _custodian(scenario: Scenario, place: Place, agent: StillAgent, stack: ExitStack) -> Custodian | None:
    """Who stands beside the store of a dock that may erase. Raises RuntimeError where it cannot be had."""
    if "erase" not in scenario.dock:
        return None
    place.configure({"dock": DOCK})  # the keys that it is made known by bear the dock's name
    custodian = stack.enter_context(Custodian(place))
    custodian.meet(agent)
    return custodian


def _talks(scenario: Scenario, rig: Rig) -> bool:
    """Whether a camera of the cast may have a console. A dock that waits for one that nobody has loses only time."""
    return any(part.console for part in scenario.cameras.values()) or hasattr(rig, "specimen")


def _member(rig: Rig, entry: rigs.Entry, part: Part, place: Place, path: Path) -> Member:
    """A camera of the cast: made, or the real one of that name. Raises what these raise, and Mistake for one that the
    scenario in ``path`` wants and that cannot be."""
    real: Callable[[str], Specimen] | None = getattr(rig, "specimen", None)
    if real is not None:
        return Member(part, real(part.name), None, None, made=False)
    here = replace(part, filesystem=part.filesystem or entry.filesystem)
    try:
        member = make(here, place.cards / part.name, place.maker, corpus_folder(os.environ))
    except ValueError as error:
        raise Mistake(f"{path}: camera {part.name} cannot be made: {error}") from error
    _check_functions(rig, member.specimen)
    return member


def _check_functions(rig: Rig, camera: Specimen) -> None:
    """A rig that makes a camera's functions one by one may lack one. Raises ValueError."""
    makers: Mapping[str, object] | None = getattr(rig, "makers", None)
    lacking = [word for word in camera.functions if makers is not None and word not in makers]
    if lacking:
        raise ValueError(f"the rig {rig.name} has no function {', '.join(lacking)} for {camera.name}")


def _follow(stage: Stage) -> str:
    """Play the script; why it could not be played to its end, or nothing."""
    try:
        stage.start()
        for line in stage.scenario.script:
            act(stage, line)
    except (Unmet, RuntimeError, OSError) as error:
        stage.say("script", f"the script ends here: {error}")
        stage.pace.forget_all()
        return str(error)
    finally:
        stage.let_go()
    return ""


def _judge(stage: Stage, *, hurry: bool) -> list[Judged]:
    """What is expected while the dock runs; then, with the dock and the cameras out, what is always expected."""
    live = tuple(line for line in stage.scenario.expect if line.kind not in _OF_CARDS)
    still = tuple(line for line in stage.scenario.expect if line.kind in _OF_CARDS)
    if not hurry:
        settle(stage)
    judged = judge_all(stage, live, hurry=hurry)
    if stage.agent.alive():
        stage.say("script", "the scenario is over, the dock is told to stop")
        stage.over = True
        stage.exits.append(_end(stage, HURRIED if hurry else PATIENCE))
    _take_home(stage)
    stage.look()
    return [*judged, *judge_all(stage, still, hurry=True), *always.check(stage)]


def _end(stage: Stage, seconds: float) -> int | str:
    """Tell the dock to stop; its exit status, or what is wrong with how it ended. A camera that hangs may keep a dock
    from ending, even a killed one: after so many seconds, on a rig of patience 1, all cameras are pulled out."""
    stage.agent.send(signal.SIGTERM)
    limit = seconds * stage.patience
    late = "" if stage.agent.ended(limit) else f"it did not end within {limit:g} s after SIGTERM"
    if late:
        stage.say("rig", f"{late}; all cameras are pulled out")
        _take_home(stage)
    try:
        code = stage.agent.stop(signal.SIGCONT)  # it was told already
    except subprocess.TimeoutExpired:
        return f"{late}, and was killed"
    return f"{late}, until all cameras were out" if late else code


def _take_home(stage: Stage) -> None:
    for name in stage.stays:
        try:
            stage.take_home(name)
        except (RuntimeError, OSError) as error:
            stage.say("rig", f"it cannot be pulled out: {error}", stage.bay_of(name), name)


def _keep(place: Place, folder: Path) -> None:
    """Log, configuration and ledger beside the report, where they stay."""
    for file in (place.log, place.config):
        if file.exists():
            shutil.copyfile(file, folder / file.name)
    if (place.home / "ledger").is_dir():
        shutil.copytree(place.home / "ledger", folder / "ledger", dirs_exist_ok=True)
