"""The five verdicts of a disclosed clip, and for each how anybody checks it with a tool that we did not write.

The commands (:mod:`dockagent.disclosure.commands`) are typed in the package's folder, in their order;
``tests/evidence`` takes them out of a page and runs them, on good packages and on forged ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dockagent.core import plan
from dockagent.disclosure import commands
from dockagent.disclosure.heads import Head
from dockagent.disclosure.originals import CHAIN_FILE
from dockagent.evidence.check_clip import MANIFEST_FILE, ClipRecord

KEYS, LEDGER = "data/keys", "data/ledger"

QUESTIONS = {
    "intact": "Are these the bytes?",
    "signature": "Is what was signed unchanged?",
    "signer": "Who signed it?",
    "time": "When was it?",
    "complete": "Is everything here?",
}

_CAMERA = {
    "pass": "The dock found the camera's word good when it took the file in.",
    "fail": "The dock found this WRONG when it took the file in.",
    "unknown": "The dock could not tell from what the camera gave.",
    "unsigned": "The camera signed nothing: integrity begins at the dock.",
}


@dataclass(frozen=True, slots=True)
class Check:
    """How one question is checked: in words, the commands, and what they must print (empty: see the words)."""

    words: str
    commands: str
    prints: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One aspect for a page: ``camera``, the dock's verdict on the camera's word, with its reason; ``checks``."""

    aspect: str
    question: str
    camera: str
    reason: str
    checks: tuple[Check, ...]

    @property
    def said(self) -> str:
        """The verdict in a sentence."""
        return _CAMERA[self.camera]


@dataclass(frozen=True, slots=True)
class Subject:
    """What there is to check about one clip. ``folder``: where it lies in the bag; ``master``: its file name there;
    ``ledger``: the origin of the dock's; ``certified``: whether certificates came with the dock's keys; ``reasons``:
    the dock's reasons by aspect; ``heads``: the checkpoints in the package."""

    said: ClipRecord
    folder: str
    master: str
    ledger: str
    certified: bool
    reasons: dict[str, str]
    heads: tuple[Head, ...]

    @property
    def sealed(self) -> bool:
        """Whether the footage is here as it was sealed."""
        return self.master == plan.SEALED_MASTER


def preparation(clip: Subject) -> Iterator[Check]:
    """What is typed first."""
    yield Check(
        "Which clip, and three small tools: for signed envelopes (DSSE), for signed checkpoints (C2SP), and for places "
        "in the ledger (RFC 6962).",
        commands.begin(clip.said.clip_id, f"{clip.folder}/{clip.master}", clip.ledger),
        "",
    )
    if clip.certified:
        yield Check(
            f"Only where you have no {commands.TRUST_FILE} but the certificate of the agency's CA, {commands.CA_FILE}: "
            "the keys that it vouches for.",
            commands.FROM_CA,
            "keys by the agency's CA",
        )
    yield Check(
        "The keys that the agency names for this ledger: how many sets.", commands.KEYS, f"keys of {clip.ledger}"
    )


def answers(clip: Subject) -> Iterator[Answer]:
    """The five, in their order."""
    checks = {
        "intact": _intact(clip),
        "signature": _signature(clip),
        "signer": _signer(clip),
        "time": _time(clip),
        "complete": _complete(clip),
    }
    for aspect, question in QUESTIONS.items():
        word = clip.said.verdicts.get(aspect, "unknown")
        yield Answer(aspect, question, word, clip.reasons.get(aspect, ""), checks[aspect])


def checks_of(clip: Subject) -> Iterator[Check]:
    """All that have commands, in the order in which they are run."""
    found = (*preparation(clip), *(check for answer in answers(clip) for check in answer.checks))
    return (one for one in found if one.commands)


def _intact(clip: Subject) -> tuple[Check, ...]:
    words = "The footage has the digest that the dock signed in the record of this clip."
    if clip.sealed:
        words = "The sealed footage has the digest that the dock signed in the record of this clip."
    does = commands.of_sealed(commands.FOOTAGE) if clip.sealed else commands.FOOTAGE
    return (Check(words, does, "the footage is as the dock signed it"),)


def _signature(clip: Subject) -> tuple[Check, ...]:
    return (
        Check(
            "The dock signed each custody record here, each is in its ledger, and the record of this clip is the one "
            "that the ledger knows. This takes a second for some ten records.",
            commands.RECORDS,
            "records are good",
        ),
    )


def _signer(clip: Subject) -> tuple[Check, ...]:
    dock = Check("The dock: its keys are those of the trust file, since the commands take no others.", "", "")
    if MANIFEST_FILE not in clip.said.subjects or CHAIN_FILE not in clip.said.subjects:
        return (dock,)
    if "fail" in (clip.said.verdicts.get("intact"), clip.said.verdicts.get("signature")):
        return dock, Check("The camera: nothing to be shown, since the dock found its word wrong.", "", "")
    words = (
        f"The camera: its maker ({commands.MAKER_FILE}, from the maker) certified its key, which signed a list of the "
        "card that has this footage."
    )
    if clip.sealed:
        words += " The list has the digest of what is in the sealed file."
    does = commands.of_sealed(commands.CAMERA) if clip.sealed else commands.CAMERA
    return dock, Check(words, does, "the camera signed")


def _time(clip: Subject) -> tuple[Check, ...]:
    found = []
    if names := sorted({name for one in clip.heads for name in one.cosigners}):
        words = f"Witnesses cosigned the ledger: {', '.join(names)}. Go's sumdb/note or dockagent checks their lines."
        found.append(Check(words, "", ""))
    if stamped := [one.size for one in clip.heads if one.token]:
        found.append(
            Check(
                f"A time-stamping authority saw the first {max(stamped)} records of the ledger ({commands.TSA_FILE}: "
                "the authority's root, from the authority).",
                commands.TIME,
                "the time stamps are good",
            )
        )
    return tuple(found) or (Check("Nobody outside vouches for the time: it is the dock's own clock's.", "", ""),)


def _complete(clip: Subject) -> tuple[Check, ...]:
    return (
        Check(
            "The package is the one that the ledger says was handed out: nothing in it was changed, taken out or "
            "added. This needs NAME.record.json and NAME.tlog-proof, which lie beside the folder NAME.",
            commands.WHOLE,
            "the package is whole",
        ),
    )
