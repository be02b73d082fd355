"""What a scenario may expect, each judged from outside the dock. A judgement is empty where the claim holds."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hil.demo.agent import Answer
from hil.rigs.rest import rest
from hil.scenarios import evidence, on_card
from hil.scenarios.model import Line
from hil.scenarios.stage import LOOK_EVERY, Stage

SETTLE = 20.0
"""Seconds that an expectation may take to come true after the script has ended."""
QUIET = 4.0
"""Seconds without a new record after which nothing more is waited for."""
READ_AGAIN = 1.3
"""What a camera may give of its medium, in media: the file system's own blocks, read-ahead and the look before the
release are read besides the files."""
TRACEBACK = "Traceback (most recent call last)"
_LATER = (
    "not-released",
    "not-resumed",
    "copied-once",
    "no-finding",
    "no-reason",
    "delivered-none",
    "one-camera",
    "starts",
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim and why it does not hold; ``why`` is empty for one that does. ``line``: 0 for one that nobody wrote."""

    text: str
    why: str
    line: int = 0

    @property
    def holds(self) -> bool:
        """Whether it is true."""
        return not self.why


def judge_all(stage: Stage, claims: tuple[Line, ...], *, hurry: bool) -> list[Judged]:
    """Judge every claim. What may still come true is given time, unless ``hurry``; what must not happen is judged
    after that."""
    patience = _Patience(stage)
    judged: dict[int, Judged] = {}
    for line in sorted(claims, key=lambda one: one.kind in _LATER):
        began = time.monotonic()
        why = judge(stage, line)
        while why and line.kind not in _LATER and not hurry and patience.left():
            time.sleep(rest(time.monotonic() - began, LOOK_EVERY))
            began = time.monotonic()
            why = judge(stage, line)
        judged[line.number] = Judged(line.text, why, line.number)
    return [judged[line.number] for line in claims]


def settle(stage: Stage) -> None:
    """Wait, in patience, until the dock has come to an end with every camera that is in a bay: released, kept, or a
    reason why not. What never comes is found by the claims."""
    patience = _Patience(stage)
    busy = [name for name in stage.cast if stage.stay(name) is not None]
    began = time.monotonic()
    while patience.left() and not all(_ended(stage, name) for name in busy):
        time.sleep(rest(time.monotonic() - began, LOOK_EVERY))
        began = time.monotonic()
        stage.look()


def _ended(stage: Stage, name: str) -> bool:
    return evidence.happened(stage, name, "released") or evidence.happened(stage, name, "kept")


class _Patience:
    """As long as it makes sense to wait: not for ever, not for a dock that has ended, and not where nothing moves."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._end = time.monotonic() + SETTLE * stage.patience
        self._records, self._news = -1, 0.0

    def left(self) -> bool:
        """Whether to wait on."""
        now, records = time.monotonic(), len(self._stage.ledger.all)
        if records != self._records:
            self._records, self._news = records, now
        return self._stage.agent.alive() and now < min(self._end, self._news + QUIET * self._stage.patience)


def judge(stage: Stage, line: Line) -> str:
    """Why a claim does not hold now, or nothing."""
    stage.look()
    try:
        return _CLAIMS[line.kind](stage, line.words.get("camera", ""), line)
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        return f"it cannot be judged: {error}"


def verify(stage: Stage) -> Answer:
    """`dockagent verify` over the dock's home, and its store once there is footage in it, with the dock's keys as
    trust."""
    trust = _trust(stage)
    paths = [stage.place.home]
    if any(stage.place.store.rglob("master")):
        paths.append(stage.place.store)
    return stage.agent.verify(*paths, trust=trust)


def _trust(stage: Stage) -> Path:
    """The dock's keys, as it showed them the first time: they stay for a whole scenario."""
    trust = stage.place.root / "trust.json"
    if not trust.exists():
        shown = stage.agent.ask("keys", "show", "--json")
        if shown.code:
            raise RuntimeError(f"`dockagent keys show` ended with {shown.code}: {shown.err.strip()}")
        trust.write_text(shown.out)
    return trust


def verified(stage: Stage) -> str:
    """Why `dockagent verify` does not pass what is there: 0 is good, 3 good but for findings, which are due only where
    the dock said so before."""
    try:
        answer = verify(stage)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return f"it cannot be judged: {error}"
    odd = any(evidence.refuted(stage, name) for name in stage.cast)
    if answer.code == 0 or (answer.code == 3 and odd):
        return ""
    said = [line.strip() for line in (answer.out + answer.err).splitlines() if " pass " not in line]
    return f"`dockagent verify` ended with {answer.code}: {' / '.join(said[-8:] if TRACEBACK in said else said[:8])}"


def crashed(stage: Stage) -> str:
    """Whether the dock's log holds a traceback, or it ended by itself."""
    log = stage.place.log.read_text(errors="replace") if stage.place.log.exists() else ""
    if TRACEBACK in log:
        return f"there is a traceback in its log: {log.splitlines()[-1]}"
    if stage.running and not stage.over and not stage.agent.alive():
        return f"it ended by itself; it said: {stage.agent.last_words(2)}"
    return ""


def untouched(stage: Stage, name: str) -> str:
    """Whether a camera's medium is not as it was when it was plugged in. A file system notes that it was mounted for
    writing: where something was to be erased, it is the files that count."""
    if any(stage.about(name, "erase.ask")):
        return _all_but(stage, name, evidence.erased(stage, name))
    if name not in stage.before or stage.rig.digest(stage.cast[name].specimen) == stage.before[name]:
        return ""
    return f"the medium of {name} is not as it was"


def _all_but(stage: Stage, name: str, gone: set[str]) -> str:
    """Whether other files than these are gone from its card, or any has come or changed."""
    there, known = on_card.files(stage, name), stage.cast[name].now
    due = {path: digest for path, digest in known.items() if path not in gone}
    odd = sorted(path for path in {*there, *due} if there.get(path) != due.get(path))
    return f"{odd[0]} on the card of {name} is not as it must be" if odd else ""


def _erased(stage: Stage, name: str, line: Line) -> str:
    gone = evidence.erased(stage, name)
    wrong = "" if len(gone) == int(line.words["number"]) else f"there are {len(gone)}"
    return wrong or _all_but(stage, name, gone)


def _delivered_all(stage: Stage, name: str, _: Line) -> str:
    if not evidence.must(stage, name) and stage.cast[name].known:
        return f"{name} has no file that must be pulled"
    if not stage.cast[name].known:
        return "its medium was made by somebody else: nobody knows what is on it"
    lost = evidence.missing(stage, name)
    if lost:
        return f"{len(lost)} files are not in the store, such as {lost[0]}"
    again = evidence.twice(stage, name)
    return f"{len(again)} files are there under two names" if again else ""


def _delivered_none(stage: Stage, name: str, _: Line) -> str:
    there = evidence.stored(stage, name)
    return f"the store holds {len(there)} files of it" if there else ""


def _same_number(count: Callable[[Stage, str], int]) -> Callable[[Stage, str, Line], str]:
    def judged(stage: Stage, name: str, line: Line) -> str:
        found = count(stage, name)
        return "" if found == int(line.words["number"]) else f"there are {found}"

    return judged


def _as_read(stage: Stage, name: str, _: Line) -> str:
    there = evidence.stored(stage, name)
    if not there:
        return "the store holds nothing of it"
    if any(one.sha256 != one.read for one in there):
        return "the store holds other bytes than the dock read"
    true = {digest for known in stage.cast[name].truth.values() for digest in known}
    return (
        "" if any(one.sha256 not in true for one in there) else "all of it is as it is on the card: no bit was flipped"
    )


def _event(event: str) -> Callable[[Stage, str, Line], str]:
    def judged(stage: Stage, name: str, _: Line) -> str:
        return "" if evidence.happened(stage, name, event) else f"that is not recorded{_last_words(stage, name)}"

    return judged


def _last_words(stage: Stage, name: str) -> str:
    said = evidence.reasons(stage, name)
    return f"; the last reason about {name}: {said[-1]}" if said else ""


def _not_released(stage: Stage, name: str, _: Line) -> str:
    released = any(one.what["safe"] for one in stage.about(name, "camera.release"))
    return "it was called safe to take" if released else ""


def _resumed(stage: Stage, name: str, _: Line) -> str:
    resumed = any(one.what["resumed_at"] for one in stage.about(name, "acquire"))
    return "" if resumed else "every file was read from its beginning"


def _not_resumed(stage: Stage, name: str, line: Line) -> str:
    return "a file was read on from its middle" if not _resumed(stage, name, line) else ""


def _copied_once(stage: Stage, name: str, _: Line) -> str:
    copies = [one.what["path"] for one in stage.about(name, "acquire")]
    again = sorted({path for path in copies if copies.count(path) > 1})
    return f"copied again: {', '.join(again)}" if again else "" if copies else "nothing was copied"


def _read_once(stage: Stage, name: str, _: Line) -> str:
    given = [stay.given for stay in stage.stays.get(name, [])]
    if not given or min(given) < 0:
        return "this rig cannot tell what it gave"
    member = stage.cast[name]
    files = [path for path in member.specimen.card.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) or (member.specimen.image or member.specimen.card).stat().st_size
    most = int(size * READ_AGAIN) + (4 << 20)
    return "" if sum(given) <= most else f"it gave {sum(given)} bytes; its files have {size}, so at most {most} are due"


def _known(stage: Stage, name: str, line: Line) -> str:
    said = [one.what["camera"]["known_by"] for one in stage.about(name, "camera.identify")]
    wanted = line.words["known"]
    return "" if said and said[-1] == wanted else f"the dock knows it by {said[-1] if said else 'no record at all'}"


def _clock_set(stage: Stage, name: str, _: Line) -> str:
    console = stage.cast[name].console
    kinds = [one.type for one in stage.about(name, "clock.camera", "clock.set", "clock.unset")]
    if console is None or not console.clock_sets:
        return "nobody set its clock"
    if "clock.set" not in kinds or kinds[0] == "clock.set":
        return "its clock was set before its offset was in the ledger"
    return "" if abs(console.clock.offset) < 2 else f"it is off by {console.clock.offset:.1f} s"


def _shows(stage: Stage, name: str, line: Line) -> str:
    console = stage.cast[name].console
    shown = console.release.state if console is not None and console.release is not None else "nothing"
    return "" if shown == line.words["state"] else f"it shows {shown}"


def _finding(stage: Stage, name: str, line: Line) -> str:
    found = evidence.findings(stage, name)
    return "" if any(line.words["text"] in one for one in found) else f"found: {'; '.join(found) or 'nothing'}"


def _no_finding(stage: Stage, name: str, line: Line) -> str:
    return next((one for one in evidence.findings(stage, name) if line.words["text"] in one), "")


def _reason(stage: Stage, name: str, line: Line) -> str:
    said = evidence.reasons(stage, name)
    return "" if any(line.words["text"] in one for one in said) else f"recorded: {'; '.join(said) or 'nothing'}"


def _no_reason(stage: Stage, name: str, line: Line) -> str:
    return next((one for one in evidence.reasons(stage, name) if line.words["text"] in one), "")


def _status(stage: Stage, _: str, line: Line) -> str:
    said = stage.agent.ask("status").out
    return "" if line.words["text"] in said else f"it says: {' / '.join(said.strip().splitlines())}"


def _starts(stage: Stage, _: str, line: Line) -> str:
    starts = len(list(stage.ledger.of("dock.start")))
    return "" if starts == int(line.words["number"]) else f"there are {starts}"


def _one_camera(stage: Stage, *_: object) -> str:
    known = sorted({one.what["camera"]["id"] for one in stage.ledger.of("camera.identify")})
    return "" if len(known) == 1 else f"it has met: {', '.join(known) or 'none'}"


_CLAIMS: dict[str, Callable[[Stage, str, Line], str]] = {
    "delivered-all": _delivered_all,
    "delivered-none": _delivered_none,
    "delivered": _same_number(evidence.delivered),
    "as-read": _as_read,
    "quarantined": _same_number(evidence.quarantined),
    "released": _event("released"),
    "not-released": _not_released,
    "kept": _event("kept"),
    "refused": _event("refused"),
    "resumed": _resumed,
    "not-resumed": _not_resumed,
    "copied-once": _copied_once,
    "read-once": _read_once,
    "untouched": lambda stage, name, _: untouched(stage, name),
    "erased": _erased,
    "known": _known,
    "clock-set": _clock_set,
    "shows": _shows,
    "finding": _finding,
    "no-finding": _no_finding,
    "reason": _reason,
    "no-reason": _no_reason,
    "status": _status,
    "verified": lambda stage, *_: verified(stage),
    "never-crashed": lambda stage, *_: crashed(stage),
    "starts": _starts,
    "one-camera": _one_camera,
}
