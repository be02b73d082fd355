"""The lines that a script and its expectations may have: each form once, with its blanks and what a rig needs for it.

On a rig of folders, a dock that was waited for with ``attached``, ``identified``, ``pulling`` or ``pulled`` stands
still at the next byte of that camera while the next line is carried out. ``decided`` is released, refused or kept.

``CAMERA`` and ``BAY`` are names; ``N`` is a number; text stands in double quotes. Every line of a script may end with
``within N s``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from hil.rigs import Ability
from hil.scenarios.model import Line
from hil.words import nearest

WAYS = ("valid", "stale", "of-another-camera", "of-other-bytes", "of-another-signer")
EVENTS = ("attached", "identified", "gone", "released", "refused", "kept", "decided")
MOODS = ("fine", "silent", "noise", "slow", "wrong-check", "busy", "not-set", "impostor", "dead")
_BLANKS = {
    "CAMERA": r"(?P<camera>[a-z][a-z0-9-]*)",
    "OTHER": r"(?P<other>[a-z][a-z0-9-]*)",
    "BAY": r"(?P<bay>[A-Za-z][\w.:-]*)",
    "KIB": r"(?P<number>\d+) KiB",
    "N": r"(?P<number>\d+)",
    "TEXT": r'"(?P<text>[^"]+)"',
    "EVENT": f"(?P<event>{'|'.join(EVENTS)})",
    "MOOD": f"(?P<mood>{'|'.join(MOODS)})",
    "ON": "(?P<on>on|off)",
    "WAY": f"(?P<way>{'|'.join(WAYS)})",
    "KNOWN": "(?P<known>proof|console|card|nothing)",
    "STATE": "(?P<state>SAFE|WAIT|nothing)",
}
_LIMIT = re.compile(r"\bwithin\s+(?P<much>\S.*)$")
_SIZE = re.compile(r"\b(?P<much>\d+(\.\d+)?\s*([KMGT]i?)?B)\b", re.IGNORECASE)
_WITHIN = re.compile(r"(?P<line>.*\S)\s+within\s+(?P<seconds>\d+(\.\d+)?)\s*s")


@dataclass(frozen=True)
class Form:
    """One kind of line: how it is written, what it does or claims, what a rig needs for it."""

    kind: str
    form: str
    about: str
    needs: tuple[Ability, ...] = ()
    only: tuple[str, ...] = ()

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The form as an expression; the blanks are its groups."""
        return re.compile(r"\s+".join(_BLANKS.get(word, re.escape(word)) for word in self.form.split()))

    @property
    def shown(self) -> str:
        """The form as a person reads it."""
        choices = {"EVENT": "|".join(EVENTS), "MOOD": "|".join(MOODS), "ON": "on|off", "TEXT": '"TEXT"'}
        choices |= {
            "KIB": "N KiB",
            "KNOWN": "proof|console|card|nothing",
            "STATE": "SAFE|WAIT|nothing",
            "WAY": "|".join(WAYS),
        }
        return " ".join(choices.get(word, word) for word in self.form.split())


ACTS: tuple[Form, ...] = (
    Form("plug", "plug CAMERA BAY", "put a camera into a bay"),
    Form("unplug", "unplug CAMERA", "pull it out"),
    Form(
        "drain", "drain CAMERA BAY", "put it in, and in again each time it leaves or gets stuck, until it is released"
    ),
    Form("power", "power BAY ON", "switch the power of a bay's port", ("power",)),
    Form("wait", "wait CAMERA EVENT", "until this is recorded about its present stay; decided: any of the last three"),
    Form(
        "wait-pulling",
        "wait CAMERA pulling KIB",
        "until so much of its files is in the dock",
    ),
    Form("wait-pulled", "wait CAMERA pulled N", "until so many files of it were read in full"),
    Form("wait-delivered", "wait CAMERA delivered N", "until the store holds so many files of it"),
    Form(
        "wait-delivered-all", "wait CAMERA delivered all", "until each file, as it is on the card now, is in the store"
    ),
    Form("wait-quarantined", "wait CAMERA quarantined N", "until so many files of it are in quarantine"),
    Form("wait-erased", "wait CAMERA erased N", "until so many files of it were erased"),
    Form("wait-finding", "wait finding TEXT about CAMERA", "until the dock has found this about it"),
    Form("wait-status", "wait status says TEXT", "until `dockagent status` says this"),
    Form("kill", "kill dock", "SIGKILL, as a power cut would end it"),
    Form("stop", "stop dock", "SIGTERM, and wait for its end"),
    Form("start", "start dock", "start it, until it has recorded that; a script begins with the dock running"),
    Form("console", "console CAMERA MOOD", "what is wrong with its console from now on", ("serial",)),
    Form("type", "type CAMERA TEXT", "its keyboard types this", ("keyboard",)),
    Form("film", "film CAMERA N", "it films so many clips more, and signs again; only while it is in no bay"),
    Form("grow", "grow CAMERA KIB", "its last clip gets longer while it is in its bay", (), ("folder",)),
    Form("alter", "alter CAMERA N", "flip a bit of its clip N; only while it is in no bay"),
    Form("remove", "remove CAMERA N", "delete its clip N; only while it is in no bay"),
    Form("swap", "swap CAMERA OTHER", "exchange the cards of two cameras; only while both are in no bay"),
    Form(
        "permit", "permit CAMERA WAY", "the custodian lets each file of it that it saw be erased; only while it is out"
    ),
    Form("store-away", "store away", "the folder of the store is not there"),
    Form("store-back", "store back", "it is there again, as it was"),
)

CLAIMS: tuple[Form, ...] = (
    Form("delivered-all", "CAMERA delivered all", "each file that must be pulled is in the store, once, byte for byte"),
    Form("delivered-none", "CAMERA delivered nothing", "no file of it is in the store"),
    Form("delivered", "CAMERA delivered N", "so many files of it are in the store"),
    Form("as-read", "CAMERA delivered as read", "what the dock read is in the store, and differs from the card"),
    Form("quarantined", "CAMERA quarantined N", "so many files of it are in quarantine"),
    Form("released", "CAMERA released", "its last stay ended, or goes on, as safe to take"),
    Form("not-released", "CAMERA not released", "it was never called safe to take"),
    Form("kept", "CAMERA kept", "the dock said not to take it"),
    Form("refused", "CAMERA refused", "the dock said that it can do nothing with it"),
    Form("resumed", "CAMERA resumed", "a file of it was read on from where an earlier stay ended"),
    Form("not-resumed", "CAMERA not resumed", "no file was"),
    Form("copied-once", "CAMERA copied once", "no file of it was copied twice"),
    Form(
        "read-once", "CAMERA read once", "all stays together gave at most 1.3 times what is on its medium", ("block",)
    ),
    Form("untouched", "CAMERA untouched", "its medium is as it was"),
    Form("erased", "CAMERA erased N", "so many files of it are gone from its card, and all others are as they were"),
    Form("known", "CAMERA known by KNOWN", "how the dock knows who it is"),
    Form("clock-set", "CAMERA clock set", "its clock is right now, and was recorded before", ("serial",)),
    Form("shows", "CAMERA shows STATE", "what its own display says about taking it", ("serial",)),
    Form("finding", "finding TEXT about CAMERA", "the dock found this about it: a code, or words"),
    Form("no-finding", "no finding TEXT about CAMERA", "it did not"),
    Form("reason", "reason TEXT about CAMERA", "a failure was recorded about it with these words"),
    Form("no-reason", "no reason TEXT about CAMERA", "no failure was recorded about it with these words"),
    Form("status", "status says TEXT", "`dockagent status` says this"),
    Form("verified", "ledger verified", "`dockagent verify` passes the ledger, with the dock's keys as trust"),
    Form("never-crashed", "dock never crashed", "no traceback in its log, and it ended as it was told"),
    Form("starts", "dock started N times", "so many starts are in the ledger"),
    Form("one-camera", "one camera known", "the dock has met one camera, however often it came"),
)


def parse(text: str, number: int, forms: tuple[Form, ...]) -> Line:
    """One line. Raises ValueError saying what is allowed."""
    timed = _WITHIN.fullmatch(text) if forms is ACTS else None
    said, within = (timed["line"], float(timed["seconds"])) if timed else (text, None)
    for form in forms:
        if match := form.pattern.fullmatch(said):
            return Line(form.kind, match.groupdict(), text, number, within)
    raise ValueError(_wrong_unit(said, forms) or _no_line(said, forms))


def _wrong_unit(said: str, forms: tuple[Form, ...]) -> str:
    """What is wrong with a number's unit, or nothing."""
    if forms is CLAIMS and _LIMIT.search(said):
        return f"{said!r}: an expectation has no limit of time; write `wait … within N s` into the script"
    if limit := _LIMIT.search(said):
        return f"{said!r}: `within {limit['much']}` is no limit of time; its only unit is s, as in `within 120 s`"
    if size := _SIZE.search(said):
        return f"{said!r}: {size['much']} is no size; its only unit is KiB, as in `2048 KiB`"
    return ""


def _no_line(said: str, forms: tuple[Form, ...]) -> str:
    """Which lines begin as this one does, or have a word that is like one of its; all where none has."""
    words, where = said.split(), "script" if forms is ACTS else "list of expectations"
    near = [form for form in forms if words[0] in form.form.split()]
    fixed = {word for form in forms for word in form.form.split() if not word.isupper()}
    guess = next(filter(None, (nearest(word, fixed) for word in words)), "") if not near else ""
    near = near or [form for form in forms if guess in form.form.split()] or list(forms)
    asked = f" (did you mean {guess}?)" if guess else ""
    return f"{said!r} is no line of a {where}{asked}; allowed: {' · '.join(form.shown for form in near)}"


def form_of(line: Line, forms: tuple[Form, ...]) -> Form:
    """The form of a parsed line."""
    return next(form for form in forms if form.kind == line.kind)
