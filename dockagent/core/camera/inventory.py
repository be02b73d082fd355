"""The inventory of a card: what is pulled and in which order, what is not and why, and what looks wrong.

Pure and whole: every listed file ends up once in ``entries`` or in ``skipped``. A finding never stops a file: an
orphan is pulled like any other.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec

from dockagent.core import paths
from dockagent.core.camera.layout import Place, reader
from dockagent.core.camera.profile import Profile, Role, Severity

FINDINGS_EACH = 25  # of one code; more are counted in one line, so that a damaged card cannot flood a record


class FileFact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file as the camera lists it. ``path``: text form, relative to the card's root. ``bytes`` and ``mtime_ms``
    (milliseconds since 1970, as the file system says) are hints."""

    path: str
    bytes: int
    mtime_ms: int


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that a person should know. ``code`` is for programs and never changes its meaning; ``text`` is one
    line for people; ``path`` names the file it is about, or is empty."""

    code: str
    text: str
    severity: Severity
    path: str = ""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file that is to be pulled.

    ``recording`` groups the chapters, channels and sidecars of one take. ``chapter``: the number within it, or None.
    ``belongs_to``: the path of the clip that this file goes with, or empty. ``order``: 0 is pulled first.
    """

    path: str
    bytes: int
    mtime_ms: int
    role: Role
    recording: str
    chapter: int | None
    belongs_to: str
    flagged: bool
    order: int


class Skipped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file that is not pulled, and why, for a person."""

    path: str
    role: Role
    reason: str


class Inventory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A card, sorted out. ``entries`` stand in the order in which they are to be pulled."""

    profile: str
    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file to be pulled, with what its rule says and what it was joined to."""

    file: FileFact
    place: Place
    recording: str
    belongs_to: str


def take(profile: Profile, files: Sequence[FileFact]) -> Inventory:
    """The inventory of a card with these files. A path that is listed twice is taken once (its first listing)."""
    place_of = reader(profile)
    facts: dict[str, FileFact] = {}
    for file in files:
        facts.setdefault(file.path, file)
    places = {path: place_of(path) for path in facts}
    skipped = tuple(Skipped(path, place.role, place.skip) for path, place in places.items() if place.skip)
    seen = _join([(file, places[path]) for path, file in facts.items() if not places[path].skip])
    ordered = _in_order(seen)
    findings = limited([*_card_findings(profile, files), *_layout_findings(profile, ordered)])
    return Inventory(profile.name, tuple(_entry(one, order) for order, one in enumerate(ordered)), skipped, findings)


def holes(numbers: Iterable[int], wraps: int = 0) -> tuple[tuple[int, int], ...]:
    """The gaps (first, last missing number) in a camera's counter.

    A counter that goes back to 1 after ``wraps`` is a circle: its widest gap is the part that is not on the card at
    all, and not a hole.
    """
    present = sorted(set(numbers))
    circle = bool(present) and present[0] >= 1 and present[-1] <= wraps
    if circle:
        present.append(present[0] + wraps)
    gaps = [(one + 1, after - 1) for one, after in pairwise(present)]
    if circle:
        gaps.remove(max(gaps, key=lambda gap: gap[1] - gap[0]))
        return tuple(((one - 1) % wraps + 1, (last - 1) % wraps + 1) for one, last in gaps if one <= last)
    return tuple((one, last) for one, last in gaps if one <= last)


def _join(files: list[tuple[FileFact, Place]]) -> list[_Seen]:
    """Sidecars find their clips, and take over their recording."""
    clips: dict[str, tuple[str, str]] = {}
    for file, place in files:
        if place.role == "footage":
            clips.setdefault(place.key, (file.path, place.recording))
    seen = []
    for file, place in files:
        path, recording = next((clips[key] for key in place.clips if key in clips), ("", place.recording))
        seen.append(_Seen(file, place, recording or next(iter(place.clips), ""), path))
    return seen


def _in_order(seen: list[_Seen]) -> list[_Seen]:
    """Flagged recordings first, then footage, then the rest; the oldest first; a recording stays together, its clips
    by chapter before what belongs to them."""
    rank: dict[str, tuple[int, int]] = {}
    for one in seen:
        kind = 0 if one.place.flagged else 1 if one.place.role == "footage" else 2
        oldest, age = rank.get(one.recording, (2, one.file.mtime_ms))
        rank[one.recording] = min(kind, oldest), min(one.file.mtime_ms, age)

    def key(one: _Seen) -> tuple[Any, ...]:
        chapter = -1 if one.place.chapter is None else one.place.chapter
        return *rank[one.recording], one.recording, one.place.role != "footage", chapter, one.file.path

    return sorted(seen, key=key)


def _entry(one: _Seen, order: int) -> Entry:
    file, place = one.file, one.place
    return Entry(
        path=file.path,
        bytes=file.bytes,
        mtime_ms=file.mtime_ms,
        role=place.role,
        recording=one.recording,
        chapter=place.chapter,
        belongs_to=one.belongs_to,
        flagged=place.flagged,
        order=order,
    )


def _card_findings(profile: Profile, files: Sequence[FileFact]) -> Iterator[Finding]:
    """What the listing itself shows, whatever the files are."""
    count = Counter(file.path for file in files)
    for path, times in count.items():
        if times > 1:
            yield Finding(
                "listed-twice", f"{path} is listed {times} times: the card's directory is damaged", "warning", path
            )
    folded: dict[str, str] = {}
    for path in count:
        other = folded.setdefault(path.casefold(), path)
        if other != path:
            text = f"{path} differs from {other} only in upper and lower case"
            yield Finding("case-collision", text, "warning", path)
    yield from _name_findings(count)
    place = profile.manifest
    if place is not None:
        for missing in (one for one in (place.path, place.chain) if one.casefold() not in folded):
            text = f"this camera signs its footage, but {missing} is not on the card: nothing here is signed"
            yield Finding("manifest-missing", text, "warning", missing)


def _name_findings(names: Iterable[str]) -> Iterator[Finding]:
    for path in names:
        if "%" not in path:  # only what is not printable is escaped
            continue
        try:
            decoded = paths.to_bytes(path).decode("utf-8")
        except UnicodeDecodeError:
            yield Finding("name-not-utf8", f"{path} has a name that is not UTF-8", "notice", path)
            continue
        if not decoded.isprintable():
            yield Finding("name-unprintable", f"{path} has control or invisible characters in its name", "notice", path)


def _layout_findings(profile: Profile, seen: list[_Seen]) -> Iterator[Finding]:
    """What is missing or odd, as far as the profile's rules can tell."""
    for one in seen:
        path = one.file.path
        if one.place.role == "footage" and one.file.bytes == 0:
            yield Finding("empty-clip", f"{path} is listed with 0 bytes: cut off, or the camera lies", "warning", path)
        if one.place.clips and not one.belongs_to:
            text = f"{path} is the {one.place.role} of a clip that is not on the card"
            yield Finding(f"orphan-{one.place.role}", text, "notice", path)
    yield from _chapter_findings(seen)
    yield from _counter_findings(profile, seen)


def _chapter_findings(seen: list[_Seen]) -> Iterator[Finding]:
    takes: dict[str, list[Place]] = {}
    for one in seen:
        if one.place.role == "footage" and one.place.chapter is not None:
            takes.setdefault(one.recording, []).append(one.place)
    for recording, clips in takes.items():
        before_first = min(one.first_chapter for one in clips) - 1
        chapters = [before_first, *(one.chapter for one in clips if one.chapter is not None)]
        for gap in holes(chapters):
            text = f"recording {recording}: {_numbered('chapter', *gap)} not on the card"
            yield Finding("missing-chapter", text, "warning")


def _counter_findings(profile: Profile, seen: list[_Seen]) -> Iterator[Finding]:
    scopes: dict[str, set[int]] = {}
    for one in seen:
        if one.place.counter is not None:
            scopes.setdefault(one.place.counts_in, set()).add(one.place.counter)
    for scope, numbers in scopes.items():
        for gap in holes(numbers, profile.layout.counter_wraps):
            where = f" in {scope}" if scope else ""
            text = f"the camera's counter{where} jumps: {_numbered('number', *gap)} not on the card"
            yield Finding("counter-gap", text, profile.layout.gaps)


def _numbered(what: str, first: int, last: int) -> str:
    return f"{what} {first} is" if first == last else f"{what}s {first} to {last} are"


def limited(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """At most :data:`FINDINGS_EACH` of one code, and one line that counts the rest."""
    total = Counter(one.code for one in findings)
    given: Counter[str] = Counter()
    kept = []
    for one in findings:
        given[one.code] += 1
        if given[one.code] <= FINDINGS_EACH:
            kept.append(one)
        elif given[one.code] == FINDINGS_EACH + 1:
            text = f"and {total[one.code] - FINDINGS_EACH} more of the same kind"
            kept.append(Finding(one.code, text, one.severity))
    return tuple(kept)
