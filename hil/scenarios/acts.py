"""What each line of a script does."""

from __future__ import annotations

import math
import signal
import subprocess
import time
from collections.abc import Callable

from hil.rigs import Unable
from hil.scenarios import cast, evidence, leave
from hil.scenarios.cast import Member
from hil.scenarios.grammar import ACTS
from hil.scenarios.model import Line
from hil.scenarios.stage import Stage, Unmet

STUCK = 20.0
"""Seconds without news of a camera after which a person takes it out and puts it in again."""
STAYS = 12
OUT_FIRST = "it must be in no bay for that"
_COMING = ("plug", "start")
_HOLDS = ("wait-pulling", "wait-pulled")
_EARLY = ("attached", "identified")
_GOES_ON = ("drain", *(form.kind for form in ACTS if form.kind.startswith("wait")))
"""Lines during which the dock must do something."""


def act(stage: Stage, line: Line) -> None:
    """Carry out one line. Raises Unmet when it cannot be, or not in time."""
    stage.look()
    if line.kind in _COMING and (name := _held_next(stage, line)):
        stage.hold(name)
    elif line.kind in _GOES_ON and _held(line) not in stage.holds:
        stage.let_go()
    try:
        _ACTS[line.kind](stage, line)
    except (Unable, ValueError, RuntimeError, OSError, subprocess.TimeoutExpired, leave.NotSigned) as error:
        raise Unmet(f"{line.text}: {error}") from error
    finally:
        if line.kind not in (*_COMING, *_GOES_ON):
            stage.let_go()


def _held(line: Line) -> str:
    """The camera at which the dock stands still when this wait is over, or nothing."""
    holds = line.kind in _HOLDS or line.words.get("event") in _EARLY
    return line.words["camera"] if holds else ""


def _held_next(stage: Stage, line: Line) -> str:
    """The camera at which the dock stands still when the next wait of the script is over, or nothing."""
    later = (one for one in stage.scenario.script if one.number > line.number and one.kind in _GOES_ON)
    waits = next(later, None)
    return _held(waits) if waits is not None else ""


def _stepping(stage: Stage, line: Line, true: Callable[[], bool]) -> None:
    """Wait, and let a dock that reads step by step take a step as long as it is not so far."""
    name = line.words["camera"]
    stage.until(lambda: true() or stage.step(name), line.text, line.within)


def _plug(stage: Stage, line: Line) -> None:
    stage.plug(line.words["camera"], line.words["bay"])


def _unplug(stage: Stage, line: Line) -> None:
    stage.unplug(line.words["camera"])


def _drain(stage: Stage, line: Line) -> None:
    """As a person does who wants the camera empty: in again when it fell out, out and in again when nothing moves. What
    the line gives it bounds all of that together."""
    name, bay = line.words["camera"], line.words["bay"]
    limit = math.inf if line.within is None else line.within * stage.patience
    end = time.monotonic() + limit
    for _ in range(STAYS):
        if stage.stay(name) is None:
            stage.plug(name, bay)
        _one_stay(stage, line, end)
        if evidence.happened(stage, name, "released"):
            return
        stage.unplug(name)
        stage.until(lambda: _seen_to_leave(stage, name) or time.monotonic() > end, f"{name} gone", None)
        if time.monotonic() > end:
            raise Unmet(f"{line.text}: not within {limit:g} s")
    raise Unmet(f"{line.text}: not released after {STAYS} stays")


def _one_stay(stage: Stage, line: Line, end: float) -> None:
    """Until the camera is released, kept or gone, nothing moves any more, or the time is over."""
    name, news = line.words["camera"], _News(stage, line.words["camera"])

    def over() -> bool:
        ended = evidence.happened(stage, name, "released") or evidence.happened(stage, name, "kept")
        return ended or stage.stay(name) is None

    stage.until(lambda: over() or news.late() or time.monotonic() > end, line.text, math.inf)
    if not over() and time.monotonic() <= end:
        stage.say("script", f"nothing happens to {name}: a person takes it out", line.words["bay"], name)


class _News:
    """What is heard of a camera: records about it, and bytes of it that arrive."""

    def __init__(self, stage: Stage, name: str) -> None:
        self._stage, self._name = stage, name
        self._heard, self._at = (0, 0), time.monotonic()

    def late(self) -> bool:
        """Whether nothing new was heard for so long that a person loses patience."""
        heard = len(self._stage.about(self._name)), self._stage.pulled(self._stage.cast[self._name].specimen)
        if heard != self._heard:
            self._heard, self._at = heard, time.monotonic()
        return time.monotonic() - self._at > STUCK * self._stage.patience


def _seen_to_leave(stage: Stage, name: str) -> bool:
    """Whether the dock knows that it left; one that was out before the dock had seen it leaves no record."""
    return evidence.happened(stage, name, "gone") or not evidence.happened(stage, name, "attached")


def _power(stage: Stage, line: Line) -> None:
    bay = line.words["bay"]
    name = stage.bays.get(bay, "")
    stay = stage.stays.get(name, [None])[-1]
    if stay is None:
        raise Unmet(f"{line.text}: nobody was ever in {bay}")
    stage.say("script", f"the power of {bay} is switched {line.words['on']}", bay, name)
    stay.power(line.words["on"] == "on")


def _wait_event(stage: Stage, line: Line) -> None:
    name, event = line.words["camera"], line.words["event"]
    _stepping(stage, line, lambda: evidence.happened(stage, name, event))


def _wait_pulling(stage: Stage, line: Line) -> None:
    member, goal = stage.cast[line.words["camera"]], int(line.words["number"]) * 1024
    _stepping(stage, line, lambda: stage.read(member.specimen) >= goal)


def _counting(count: Callable[[Stage, str], int]) -> Callable[[Stage, Line], None]:
    def wait(stage: Stage, line: Line) -> None:
        name, goal = line.words["camera"], int(line.words["number"])
        _stepping(stage, line, lambda: count(stage, name) >= goal)

    return wait


def _wait_delivered_all(stage: Stage, line: Line) -> None:
    name = line.words["camera"]
    if not stage.cast[name].known:
        raise Unmet(f"{line.text}: its medium was made by somebody else, nobody knows what is on it")
    stage.until(lambda: not evidence.missing(stage, name), line.text, line.within)


def _wait_finding(stage: Stage, line: Line) -> None:
    name, text = line.words["camera"], line.words["text"]
    stage.until(lambda: any(text in one for one in evidence.findings(stage, name)), line.text, line.within)


def _wait_status(stage: Stage, line: Line) -> None:
    text = line.words["text"]
    stage.until(lambda: text in stage.agent.ask("status").out, line.text, line.within)


def _kill(stage: Stage, line: Line) -> None:
    stage.say("script", "the dock is killed")
    _end(stage, signal.SIGKILL, -signal.SIGKILL)


def _stop(stage: Stage, line: Line) -> None:
    stage.say("script", "the dock is told to stop")
    _end(stage, signal.SIGTERM, 0)


def _end(stage: Stage, number: signal.Signals, wanted: int) -> None:
    if not stage.agent.alive():
        raise Unmet("the dock does not run")
    stage.running = False
    stage.agent.send(number)  # before it goes on: one that stands still ends where it stands
    stage.let_go()
    code = stage.agent.stop(signal.SIGCONT)
    if code != wanted:
        raise Unmet(f"the dock ended with {code}; it said: {stage.agent.last_words(2)}")


def _start(stage: Stage, line: Line) -> None:
    stage.start()


def _console(stage: Stage, line: Line) -> None:
    name, mood = line.words["camera"], line.words["mood"]
    stage.say("script", f"the console of {name} is {mood} from now on", stage.bay_of(name), name)
    stage.cast[name].mood(mood)


def _type(stage: Stage, line: Line) -> None:
    keyboard = getattr(stage.stay(line.words["camera"]), "keyboard", None)
    if keyboard is None:
        raise Unmet(f"{line.text}: it has no keyboard on this rig")
    keyboard.type(line.words["text"])


def _at_home(stage: Stage, name: str) -> Member:
    if stage.stay(name) is not None:
        raise Unmet(f"{name} is in {stage.bay_of(name)}; {OUT_FIRST}")
    member = stage.cast[name]
    if not member.known:
        raise Unmet(f"the medium of {name} was made by somebody else, and is not changed")
    stage.say("script", f"the card of {name} is changed", "", name)
    member.touched = True
    return member


def _film(stage: Stage, line: Line) -> None:
    _at_home(stage, line.words["camera"]).film(int(line.words["number"]))


def _alter(stage: Stage, line: Line) -> None:
    _at_home(stage, line.words["camera"]).alter(int(line.words["number"]))


def _remove(stage: Stage, line: Line) -> None:
    _at_home(stage, line.words["camera"]).remove(int(line.words["number"]))


def _swap(stage: Stage, line: Line) -> None:
    cast.swap(_at_home(stage, line.words["camera"]), _at_home(stage, line.words["other"]))


def _grow(stage: Stage, line: Line) -> None:
    """Only where a card is a folder that lies in the bay."""
    name = line.words["camera"]
    folder = stage.place.bays / stage.bay_of(name)
    clips = stage.cast[name].clips(folder) if stage.stay(name) is not None else ()
    if not clips:
        raise Unmet(f"{line.text}: it has no clip in a bay")
    stage.say("script", f"{name} records on", stage.bay_of(name), name)
    cast.grow(folder / clips[-1], int(line.words["number"]))
    stage.changed_in_bay(name, folder)


def _permit(stage: Stage, line: Line) -> None:
    name, way = line.words["camera"], line.words["way"]
    if stage.stay(name) is not None:
        raise Unmet(f"{line.text}: {name} is in {stage.bay_of(name)}; {OUT_FIRST}")
    if stage.custodian is None:
        raise Unmet(f'{line.text}: nobody can sign one; write dock.erase = {{ when = "permit" }}')
    stored = evidence.stored(stage, name)
    clips, masters = {one.clip for one in stored}, [stage.place.store / one.key for one in stored]
    what = f"{line.text}: the dock has the custodian's receipt for each of {len(masters)} files"
    stage.until(lambda: set() < clips <= evidence.receipted(stage), what, line.within)
    leave.permit(stage.custodian, masters, way)
    stage.say("script", f"permits for {len(masters)} files of {name} are signed, {way}", "", name)


def _store_away(stage: Stage, line: Line) -> None:
    stage.say("script", "the store is away")
    stage.place.store.rename(stage.place.store.with_name("store.away"))


def _store_back(stage: Stage, line: Line) -> None:
    stage.say("script", "the store is back")
    stage.place.store.with_name("store.away").rename(stage.place.store)


_ACTS: dict[str, Callable[[Stage, Line], None]] = {
    "plug": _plug,
    "unplug": _unplug,
    "drain": _drain,
    "power": _power,
    "wait": _wait_event,
    "wait-pulling": _wait_pulling,
    "wait-pulled": _counting(evidence.pulled),
    "wait-delivered": _counting(evidence.delivered),
    "wait-delivered-all": _wait_delivered_all,
    "wait-quarantined": _counting(evidence.quarantined),
    "wait-erased": _counting(lambda stage, name: len(evidence.erased(stage, name))),
    "wait-finding": _wait_finding,
    "wait-status": _wait_status,
    "kill": _kill,
    "stop": _stop,
    "start": _start,
    "console": _console,
    "type": _type,
    "film": _film,
    "grow": _grow,
    "alter": _alter,
    "remove": _remove,
    "swap": _swap,
    "permit": _permit,
    "store-away": _store_away,
    "store-back": _store_back,
}
