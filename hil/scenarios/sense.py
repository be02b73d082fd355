"""Mistakes that a scenario's keys make only together: each may say what it says, and no camera can be all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hil.cameras import label, models
from hil.cameras.card import Shift
from hil.cameras.models import cards, quirks
from hil.cameras.models.reader import Model
from hil.scenarios.cast import SIGNED, family_of
from hil.scenarios.model import Line, Part

_TWO_CLIPS = ("unlisted", "counter-gap")
_OF_CLIPS = {
    *("wait-pulling", "wait-pulled", "wait-delivered", "wait-delivered-all", "grow", "alter", "remove", "permit"),
    *("delivered-all", "as-read", "resumed", "copied-once"),
}
"""Lines that speak of a camera's clips."""

Mistakes = Iterator[tuple[str, str]]


def of_part(part: Part, *, films: bool) -> Mistakes:
    """The key, and what is wrong, for each mistake of one camera; ``films``: its script lets it film more. Raises
    ValueError for a family that nobody knows."""
    known = models.model(family_of(part.model))
    if not known.serial_fits(part.serial):
        like = f"they are like {known.example!r}"
        yield "serial", f"serial = {part.serial!r} is no serial number of {part.model}; {like} ({known.serial})"
        return  # nothing can be said of its card
    if wrong := label.trouble(part.label, part.filesystem or known.card.filesystem):
        yield "label", f"label = {wrong}"
    if part.image:
        return
    yield from _of_signing(part)
    yield from _of_clips(part, known)
    if not (part.clips or films) and part.faults:
        yield "faults", f"faults = {part.faults!r}: letters count what is read of clips, and clips = 0"


def filming(lines: tuple[Line, ...]) -> frozenset[str]:
    """The cameras that film while the scenario is played."""
    return frozenset(line.words["camera"] for line in lines if line.kind == "film")


def of_lines(cameras: Mapping[str, Part], lines: tuple[Line, ...]) -> Iterator[tuple[int, str]]:
    """The line, and what is wrong, for lines that speak of the clips of a camera that never has any."""
    films = filming(lines)
    empty = {name for name, part in cameras.items() if not (part.clips or part.image or name in films)}
    for line in lines:
        if line.kind in _OF_CLIPS and (name := line.words["camera"]) in empty:
            yield line.number, f"{line.text}: {name} has clips = 0, and no line lets it film; give it clips"


def _of_signing(part: Part) -> Mistakes:
    for key, said in (("flaw", f"flaw = {part.flaw!r}" if part.flaw else ""), ("expired", "expired" * part.expired)):
        if said and part.model != SIGNED:
            yield key, f"{said}: {part.model} signs nothing; only model = {SIGNED!r} has a manifest and a certificate"
    least = 2 if part.flaw in _TWO_CLIPS else 1
    if part.flaw and part.clips < least:
        yield "flaw", f"flaw = {part.flaw!r} needs {least} clips, and clips = {part.clips}"


def _of_clips(part: Part, known: Model) -> Mistakes:
    plan = cards.plan(known, models.plate_of(known.family, part.serial), Shift(part.clips, known.card.first))
    footage = sum(file.role == "footage" for _, file in plan)
    if part.altered > footage:
        yield "altered", f"altered = {part.altered}: its clips are numbered from 1 to {footage}"
    words = part.quirk.split()
    if not footage and (lacking := sorted(quirks.OF_CLIPS & set(words))):
        yield "quirk", f"quirk = {part.quirk!r}: {', '.join(lacking)} needs a clip, and clips = {part.clips}"
    names = {path for path, _ in plan}
    for word, path in quirks.OF_FILES.items():
        if word in words and path not in names:
            yield "quirk", f"quirk = {part.quirk!r}: {word} is about {path}, which {part.model} has not"
