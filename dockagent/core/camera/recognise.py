"""Which family a camera is of, and who it says it is. Pure: the card's listing and the first bytes of a few files are
handed in.

USB ids and volume labels only speak for a profile: one id is shared by a body-worn camera, an action camera and a boot
loader, and a label may be another camera's. What counts is what lies on the card, or that the camera has answered its
maker's dialogue on this port. A device without a card is never called empty: :func:`recovery` says which one is stuck
in a boot ROM or a webcam mode, :func:`dialogues` which ones can be spoken to.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from dockagent.core import paths
from dockagent.core.camera import layout
from dockagent.core.camera.profile import CardIdentity, Impostor, Probe, Profile

_IMPOSTOR = "is not this camera but"
_STUCK = "cannot be read now: this is"
_LONGEST = 64  # characters of one identity value


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What is known about a camera before anybody speaks to it.

    ``usb``: ``vvvv:pppp`` in lower-case hex, or empty. ``strings``: its USB or SCSI texts (maker, product, serial).
    ``label``: the volume's label. ``paths``: every file, text form. ``files``: first bytes of the files that
    :func:`wanted_files` asked for. ``before``: the ids that the same port showed earlier in this stay: a camera that
    changes its mode changes its id. ``answered``: the profile whose dialogue it answered in that time, or empty.
    ``whole``: the card was listed to its end, so that what is not in ``paths`` is not on it.
    """

    usb: str = ""
    strings: tuple[str, ...] = ()
    label: str = ""
    paths: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    answered: str = ""
    whole: bool = False


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one profile fits. ``identity`` has ``serial``, ``maker``, ``model``, ``firmware`` where the card says them.
    ``why``, ``missing`` and ``doubts`` are lines for a person. A profile that does not fit has at least one
    ``missing``; ``doubts`` are what else the camera may be, where nothing but its dialogue can tell."""

    profile: str
    fits: bool
    priority: int
    identity: dict[str, str]
    why: tuple[str, ...]
    missing: tuple[str, ...]
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stuck:
    """A camera that is plugged in and shows no card: the profile that knows it, what it is, what a person does."""

    profile: str
    what: str
    todo: str


def recovery(profiles: Iterable[Profile], usb: str) -> Stuck | None:
    """What the device ``usb`` (``vvvv:pppp``) is, if a profile knows it as a camera in its boot ROM, as a webcam or in
    another mode that shows no card; else None. An id that is named in full goes before one with a ``*``."""
    known = [(one, profile) for profile in profiles for one in profile.match.recovery if _usb_fits(one.usb, usb)]
    known.sort(key=lambda pair: (-len(pair[0].usb.rstrip("*")), -pair[1].priority, pair[1].name))
    return next((Stuck(profile.name, one.what, one.todo) for one, profile in known), None)


def knows_usb(profile: Profile, usb: str) -> bool:
    """Whether the id ``usb`` speaks for the profile, with its card or in its command mode."""
    return any(_usb_fits(one, usb) for one in (*profile.match.usb, *profile.control.usb))


def knows(profiles: Iterable[Profile], usb: str) -> bool:
    """Whether any profile names the device ``usb`` (``vvvv:pppp``): as its camera, in whatever mode."""
    profiles = tuple(profiles)
    return any(knows_usb(one, usb) for one in profiles) or recovery(profiles, usb) is not None


def dialogues(profiles: Iterable[Profile], usb: str) -> tuple[Profile, ...]:
    """The profiles whose dialogue is spoken to the device ``usb``, the one to try first at the front. Each begins with
    a question that harms nobody, so that an impostor with the same id is let alone after it."""
    known = (one for one in profiles if usb in one.control.usb)
    return tuple(sorted(known, key=lambda one: (-one.priority, one.name)))


def wanted_files(profiles: Iterable[Profile], listing: Iterable[str]) -> dict[str, int]:
    """The files whose first bytes :func:`match` needs: path to how many bytes. At most one file for each glob."""
    tree = _Tree(listing)
    wanted: dict[str, int] = {}
    for probe in (one for profile in profiles for one in profile.probe if one.identity):
        for glob in probe.path:
            path = tree.first_file(glob)
            if path:
                wanted[path] = max(wanted.get(path, 0), probe.max_bytes)
    return wanted


def match(profiles: Iterable[Profile], card: CardFacts) -> list[Match]:
    """Every profile, the one to use first: those that fit before those that do not, by priority, then by how much
    speaks for them. Never raises for anything on a card."""
    tree, known = _Tree(card.paths), tuple(profiles)
    stuck = recovery(known, card.usb)
    found = [_stuck(profile, stuck) if stuck else _match(profile, card, tree) for profile in known]
    return sorted(found, key=lambda one: (not one.fits, -one.priority, -len(one.why), one.profile))


def best(matches: Sequence[Match]) -> Match | None:
    """The match to use, or None where no profile fits."""
    return matches[0] if matches and matches[0].fits else None


def nearest_miss(matches: Sequence[Match]) -> str:
    """Why no profile fits, in a few words: which mode the camera is stuck in, or what it is taken for and is not, else
    what the nearest profile misses."""
    for sign in (_STUCK, _IMPOSTOR):
        for one in matches:
            known = next((line for line in one.missing if line.startswith(sign)), "")
            if known:
                return f"{one.profile} says that it {known}"
    near = by_nearness(matches)
    return f"{near[0].profile} {near[0].missing[0]}" if near else "there are no profiles"


def by_nearness(matches: Iterable[Match]) -> list[Match]:
    """Those that do not fit, the nearest first: what the camera is stuck as, then by how much speaks for them and how
    little is missing; of equals the catch-all goes first, since it asks for least."""
    missed = (one for one in matches if not one.fits)
    return sorted(
        missed,
        key=lambda one: (
            not one.missing[0].startswith(_STUCK), -len(one.why), len(one.missing), one.priority, one.profile,
        ),
    )  # fmt: skip


class _Tree:
    """The card's files and folders, to be searched by glob without regard to case (FAT and exFAT have none)."""

    def __init__(self, listing: Iterable[str]) -> None:
        self.files = tuple(listing)
        folders = {path.rpartition("/")[0] for path in self.files}
        above: set[str] = set()
        while folders:
            above |= folders
            folders = {path.rpartition("/")[0] for path in folders} - above
        self.folders = tuple(sorted(above - {""}))

    def first_file(self, glob: str) -> str:
        fits = _glob(glob)
        return next((path for path in self.files if fits.fullmatch(path)), "")

    def first(self, glob: str) -> str:
        fits = _glob(glob)
        return self.first_file(glob) or next((path for path in self.folders if fits.fullmatch(path)), "")


@lru_cache(maxsize=512)
def _glob(glob: str) -> re.Pattern[str]:
    """``*`` and ``?`` stay within one name, ``**/`` is any number of folders, ``[abc]`` a set of characters."""
    translated = ""
    for token in re.findall(r"\*\*/|\*\*|\*|\?|\[[^\]/]+\]|.", glob, re.DOTALL):
        known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(token)
        if known is None:
            is_set = len(token) > 1
            known = f"[{re.escape(token[1:-1])}]".replace(r"\-", "-") if is_set else re.escape(token)
        translated += known
    return re.compile(translated, re.IGNORECASE | re.DOTALL)


def _match(profile: Profile, card: CardFacts, tree: _Tree) -> Match:
    hints = dict(_hints(profile, card))
    alike = [one.what for one in profile.match.impostors if _is(one, card, tree)]
    bare = () if card.paths else tuple(_asked(profile, card))
    if bare:  # nothing tells a camera in its command mode from the others with its id but its answer
        doubts = tuple(f"may also be {what}" for what in alike)
        return Match(profile.name, False, profile.priority, {}, tuple(hints.values()), bare, doubts)
    identity, found, lacks = _probes(profile, card, tree)
    if lacks and _is_emptied(profile, card, hints):
        found, lacks = [*found, "its card was emptied"], []
    if "serial" not in identity:
        identity = dict(_named(profile.identity, card)) | identity
    missing = (*(f"{_IMPOSTOR} {what}" for what in alike), *_needs(profile, hints), *lacks)
    return Match(profile.name, not missing, profile.priority, identity, (*hints.values(), *found), missing)


def _probes(profile: Profile, card: CardFacts, tree: _Tree) -> tuple[dict[str, str], list[str], list[str]]:
    """What all the probes say of the camera, what they found, and what is missing."""
    identity: dict[str, str] = {}
    why: list[str] = []
    missing: list[str] = []
    either: list[str] = []
    either_held = False
    for probe in profile.probe:
        said, path, lacks = _probe(probe, card, tree)
        if lacks:
            {"must": missing, "either": either}.get(probe.counts, []).append(lacks)
            continue
        either_held |= probe.counts == "either"
        why.append(f"has {path}" + "".join(f", {key} {said[key]}" for key in sorted(said)))
        identity = said | identity
    return identity, why, missing if either_held else missing + either


def _hints(profile: Profile, card: CardFacts) -> Iterator[tuple[str, str]]:
    """What speaks for the profile: which of its hints, and how a person is told."""
    if card.usb and any(_usb_fits(one, card.usb) for one in profile.match.usb):
        yield "usb", f"USB id {card.usb}"
    texts = [text for text in card.strings if any(re.search(one, text, re.I) for one in profile.match.strings)]
    if texts:
        yield "strings", f"says {', '.join(map(_shown, texts))} over USB"
    if card.label and any(re.fullmatch(one, card.label, re.IGNORECASE) for one in profile.match.label):
        yield "label", f"volume label {_shown(card.label)}"
    spoken = [one for one in card.before if one in profile.control.usb]
    if card.answered == profile.name:
        yield "control", f"answered its dialogue {profile.control.kind} on this port before"
    elif spoken and not card.answered:
        yield "control", f"was {spoken[-1]} on this port before, the id of its dialogue {profile.control.kind}"
    elif card.usb in profile.control.usb:
        yield "asked", f"USB id {card.usb}, under which it speaks {profile.control.kind}"


def _needs(profile: Profile, hints: Mapping[str, str]) -> Iterator[str]:
    wanted = {
        "usb": f"has none of the USB ids {', '.join(profile.match.usb)}",
        "strings": "says none of the texts of match.strings over USB",
        "label": f"has no volume label like {', '.join(profile.match.label)}",
        "control": f"was not {' or '.join(profile.control.usb)} on this port before its card came",
    }
    yield from (wanted[need] for need in profile.match.needs if need not in hints)


def _is_emptied(profile: Profile, card: CardFacts, hints: Mapping[str, str]) -> bool:
    """Whether nothing but the camera's own files, and computers', is left on the card, and its other hints are enough
    for this profile: footage that its probes look for may have been erased."""
    enough = profile.match.emptied
    if not (card.whole and enough and all(one in hints for one in enough)):
        return False
    place = layout.reader(profile)
    return all(place(path).role in _NO_FOOTAGE for path in card.paths)


_NO_FOOTAGE = ("camera-owned", "os-junk", "private")


def _stuck(profile: Profile, stuck: Stuck) -> Match:
    """No profile fits: no camera in such a mode shows files, so what shows some under its id is not what it says."""
    told = f"{_STUCK} {stuck.what}; {stuck.todo}"
    line = told if profile.name == stuck.profile else f"{stuck.profile} knows the USB id as {stuck.what}"
    return Match(profile.name, False, profile.priority, {}, (), (line,))


def _asked(profile: Profile, card: CardFacts) -> Iterator[str]:
    if card.usb in profile.control.usb:
        asks = "asks it to become a disk" if profile.control.storage else "asks who it is"
        secret = ", with the password of its configuration" if profile.control.needs_password else ""
        yield f"shows no card yet; the dock {asks}{secret}"


def _is(impostor: Impostor, card: CardFacts, tree: _Tree) -> bool:
    """Whether everything that is known of the impostor fits this card."""
    usb = not impostor.usb or _usb_fits(impostor.usb, card.usb)
    text = not impostor.strings or any(re.search(impostor.strings, one, re.IGNORECASE) for one in card.strings)
    label = not impostor.label or re.fullmatch(impostor.label, card.label, re.IGNORECASE) is not None
    return usb and text and label and (not impostor.path or bool(tree.first(impostor.path)))


def _named(rule: CardIdentity, card: CardFacts) -> Iterator[tuple[str, str]]:
    """Who the camera is by its volume label, and, going before it, by the names of its files."""
    for regex, names in ((rule.label, (card.label,)), (rule.path, card.paths)):
        found = (re.fullmatch(regex, name, re.IGNORECASE) for name in names if regex)
        first = next(filter(None, found), None)
        yield from ((key, _shown(value)) for key, value in (first.groupdict() if first else {}).items() if value)


def _usb_fits(pattern: str, usb: str) -> bool:
    return usb == pattern or (pattern.endswith("*") and usb.startswith(pattern[:-1]))


def _probe(probe: Probe, card: CardFacts, tree: _Tree) -> tuple[dict[str, str], str, str]:
    """What the probe's file says of the camera, what was found, and what is missing (empty: the probe holds)."""
    search = tree.first_file if probe.identity else tree.first
    path = next(filter(None, map(search, probe.path)), "")
    if not path:
        named = ", ".join(probe.path[:3]) + (f" or {len(probe.path) - 3} others" if len(probe.path) > 3 else "")
        return {}, "", f"has no {named}"
    if not probe.identity:
        return {}, path, ""
    head = card.files.get(path)
    if head is None:
        return {}, path, f"{path} was not read"
    said: dict[str, str] = {}
    for regex in probe.identity:
        found = re.search(regex.encode(), head[: probe.max_bytes])
        if found is None:
            return {}, path, f"{path} does not say what {regex!r} looks for"
        said |= {key: _shown(paths.to_text(value)) for key, value in found.groupdict().items() if value is not None}
    return said, path, ""


def _shown(text: str) -> str:
    """``text`` from a camera, short and safe to show: printable characters only, no spaces around."""
    return "".join(char if char.isprintable() else "?" for char in text[:_LONGEST]).strip()
