"""What one file on a card is, by its profile's rules. The rules are data; this page only applies them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dockagent.core.camera.profile import FileRule, Profile, Role, SidecarRule, SkipRule, pattern

# What computers leave behind is the same on every card, so it is written once, here, and not in each profile.
OS_JUNK = (
    SkipRule(
        "os-junk",
        r"(\.Spotlight-V100|\.fseventsd|\.Trashes|\.Trash-\d+|\.TemporaryItems|\.DocumentRevisions-V100"
        r"|System Volume Information|\$RECYCLE\.BIN|RECYCLER|RECYCLED|LOST\.DIR|lost\+found)(/.*)?",
        "a computer's own folder (index, trash bin or repair), not written by the camera",
    ),
    SkipRule(
        "os-junk",
        r"(.*/)?(\._[^/]*|\.DS_Store|\.apdisk|\.VolumeIcon\.icns|\.metadata_never_index|Thumbs\.db|ehthumbs\.db|desktop\.ini)",
        "a computer's note about a folder or file, not written by the camera",
    ),
)


@dataclass(frozen=True, slots=True)
class Place:
    """What a rule says about one file.

    ``skip``: why it is not pulled, or empty. ``recording``: the take it belongs to. ``key``: what sidecars call a clip
    by; ``clips``: the keys under which a sidecar looks for its clip, in this order. ``counter`` counts in the scope
    ``counts_in``. Numbers are None where the rule gives none.
    """

    role: Role
    skip: str = ""
    recording: str = ""
    key: str = ""
    clips: tuple[str, ...] = ()
    chapter: int | None = None
    first_chapter: int = 1
    counter: int | None = None
    counts_in: str = ""
    flagged: bool = False


Rule = SkipRule | SidecarRule | FileRule


def reader(profile: Profile) -> Callable[[str], Place]:
    """A function from a card path (text form) to its :class:`Place`. The first rule that fits wins: junk of computers,
    ``layout.skip``, ``sidecars``, ``layout.file``; a file that no rule names is ``other`` and stands for itself."""
    fold = profile.layout.ignore_case
    named: tuple[Rule, ...] = (*profile.layout.skip, *profile.sidecars, *profile.layout.file)
    rules: list[tuple[re.Pattern[str], Rule]] = [(pattern(rule.path, True), rule) for rule in OS_JUNK]
    rules.extend((pattern(rule.path, fold), rule) for rule in named)

    def place(path: str) -> Place:
        for regex, rule in rules:
            match = regex.fullmatch(path)
            if match is not None:
                return _place(rule, _words(path, match), fold)
        return Place("other", recording=path)

    return place


def _words(path: str, match: re.Match[str]) -> Mapping[str, str]:
    folder, _, name = path.rpartition("/")
    stem = name.rpartition(".")[0] or name
    return {"dir": folder, "stem": stem, **match.groupdict(default="")}


def _place(rule: Rule, words: Mapping[str, str], fold: bool) -> Place:
    if isinstance(rule, SkipRule):
        return Place(rule.role, rule.why)
    recording = _fill(rule.recording, words, fold)
    if isinstance(rule, SidecarRule):
        return Place(rule.role, recording=recording, clips=tuple(_fill(one, words, fold) for one in rule.clip))
    return Place(
        rule.role,
        recording=recording,
        key=_fill(rule.key, words, fold),
        chapter=_number(rule.chapter, words),
        first_chapter=rule.first_chapter,
        counter=_number(rule.counter, words),
        counts_in=_fill(rule.counts_in, words, fold),
        flagged=rule.flagged,
    )


def _fill(template: str, words: Mapping[str, str], fold: bool) -> str:
    filled = template.format_map(words)
    return filled.upper() if fold else filled


def _number(template: str, words: Mapping[str, str]) -> int | None:
    filled = template.format_map(words)
    return int(filled) if filled.isascii() and filled.isdigit() and len(filled) <= 15 else None
