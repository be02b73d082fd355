"""Which family a camera is of, and who it says it is. Pure: the card's listing and the first bytes of a few files are
handed in.

USB ids and volume labels only speak for a profile: one id is shared by a body-worn camera, an action camera and a boot
loader, and a label may be another camera's. What counts is what lies on the card.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from dockagent.core import paths
from dockagent.core.profile import Impostor, Probe, Profile

_IMPOSTOR = "is not this camera but"
_LONGEST = 64  # characters of one identity value


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What is known about a camera before anybody speaks to it.

    ``usb``: ``vvvv:pppp`` in lower-case hex, or empty. ``strings``: its USB or SCSI texts (maker, product, serial).
    ``label``: the volume's label. ``paths``: every file, text form. ``files``: first bytes of the files that
    :func:`wanted_files` asked for.
    """

    usb: str = ""
    strings: tuple[str, ...] = ()
    label: str = ""
    paths: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one profile fits. ``identity`` has ``serial``, ``maker``, ``model``, ``firmware`` where the card says them.
    ``why`` and ``missing`` are lines for a person; a profile that does not fit has at least one ``missing``."""

    profile: str
    fits: bool
    priority: int
    identity: dict[str, str]
    why: tuple[str, ...]
    missing: tuple[str, ...]


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
    tree = _Tree(card.paths)
    found = [_match(profile, card, tree) for profile in profiles]
    return sorted(found, key=lambda one: (not one.fits, -one.priority, -len(one.why), one.profile))


def best(matches: Sequence[Match]) -> Match | None:
    """The match to use, or None where no profile fits."""
    return matches[0] if matches and matches[0].fits else None


def nearest_miss(matches: Sequence[Match]) -> str:
    """Why no profile fits, in a few words: what the camera is taken for and is not, else what the first one misses."""
    for one in matches:
        impostor = next((line for line in one.missing if line.startswith(_IMPOSTOR)), "")
        if impostor:
            return f"{one.profile} says that it {impostor}"
    nearest = max(matches, key=lambda one: (len(one.why), -one.priority), default=None)
    return f"{nearest.profile} {nearest.missing[0]}" if nearest else "there are no profiles"


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
    why = list(_hints(profile, card))
    missing = [f"{_IMPOSTOR} {one.what}" for one in profile.match.impostors if _is(one, card, tree)]
    identity: dict[str, str] = {}
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
    if not either_held:
        missing.extend(either)
    return Match(profile.name, not missing, profile.priority, identity, tuple(why), tuple(missing))


def _hints(profile: Profile, card: CardFacts) -> Iterator[str]:
    if card.usb and any(_usb_fits(one, card.usb) for one in profile.match.usb):
        yield f"USB id {card.usb}"
    for text in card.strings:
        if any(re.search(one, text, re.IGNORECASE) for one in profile.match.strings):
            yield f"says {_shown(text)} over USB"
    if card.label and any(re.fullmatch(one, card.label, re.IGNORECASE) for one in profile.match.label):
        yield f"volume label {_shown(card.label)}"


def _is(impostor: Impostor, card: CardFacts, tree: _Tree) -> bool:
    """Whether everything that is known of the impostor fits this card."""
    usb = not impostor.usb or _usb_fits(impostor.usb, card.usb)
    label = not impostor.label or re.fullmatch(impostor.label, card.label, re.IGNORECASE) is not None
    return usb and label and (not impostor.path or bool(tree.first(impostor.path)))


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
