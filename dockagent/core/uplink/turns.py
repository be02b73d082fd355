"""In which order footage goes to the store, and why what waits waits.

Previews go before masters, flagged footage before ordinary, older before newer. So that nobody is put off for ever by
those who come later, every :data:`SHARE`-th send is the oldest clip that has waited longer than ``overdue_ms``,
whatever it is. A clip's age counts from its record in the ledger, not from a camera's clock, so that no camera can
push in by a wrong date.

Flagged is what the camera marked as evidence, what has one of the configured categories, and what is on hold.

While the link is in trouble one clip alone is tried: of those that were tried least, the smallest. The small objects
of a clip go first, so that a link that is still down costs a few packets, not a master.
"""

import heapq
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from dockagent.core.model import Clip, ClipPhase, State
from dockagent.core.uplink import link
from dockagent.core.uplink.hours import UploadHours

Always = Literal["flagged", "preview"]
SHARE = 8  # of so many sends, one is for the oldest that is overdue
TIRED = 3  # a clip that failed so often by itself goes behind those that did not


@dataclass(frozen=True, slots=True)
class Terms:
    """What the station allows. ``hours``: when footage may go out; ``always``: what may go at any time; ``categories``:
    which of the cameras' categories count as flagged, in lower case; ``rate``: bytes a second for all uploads together,
    0 for no limit; ``overdue_ms``: see this module."""

    hours: UploadHours = field(default_factory=UploadHours)
    always: frozenset[Always] = frozenset()
    categories: frozenset[str] = frozenset()
    rate: int = 0
    overdue_ms: int = 24 * link.HOUR

    def flagged(self, clip: Clip) -> bool:
        """Whether this clip goes before ordinary ones."""
        return clip.about.marked or bool(clip.holds) or clip.about.category.lower() in self.categories

    def at_any_hour(self) -> "Terms":
        """The same without hours: for a person who waits for one card."""
        return replace(self, hours=UploadHours())

    def exempt(self, clip: Clip) -> bool:
        """Whether what is next of this clip may go at any hour."""
        is_preview = clip.phase is ClipPhase.ADMITTED
        return ("preview" in self.always and is_preview) or ("flagged" in self.always and self.flagged(clip))

    def until_ms(self, clip: Clip, now_ms: int) -> int:
        """When a send of this clip that begins now has to stop (ms since 1970 UTC), or 0."""
        return 0 if self.exempt(clip) or not self.hours.open(now_ms) else self.hours.changes_ms(now_ms)


def choose(state: State, now_ms: int, terms: Terms, at_work: Collection[str], busy: int, free: int) -> list[str]:
    """The clips to send next, best first, at most ``free`` of them. ``at_work``: clips that somebody works on;
    ``busy``: how many sends are under way."""
    trouble = state.uplink.trouble
    if not free or not trouble.due(now_ms) or (trouble.attempts and busy):
        return []
    ready = list(_ready(state, now_ms, terms, at_work))
    if trouble.attempts:
        return [clip.id for clip in heapq.nsmallest(1, ready, key=_probe)]
    found = []
    for turn in range(state.uplink.sent + busy, state.uplink.sent + busy + free):
        if not ready:
            break
        clip = _next(ready, turn, now_ms, terms)
        ready.remove(clip)
        found.append(clip.id)
    return found


def _ready(state: State, now_ms: int, terms: Terms, at_work: Collection[str]) -> Iterator[Clip]:
    opened = terms.hours.open(now_ms)
    if not opened and not terms.always:
        return
    for phase in link.SENDS:
        for clip_id in state.queues[phase]:
            clip = state.clips[clip_id]
            if clip_id not in at_work and clip.trouble.due(now_ms) and (opened or terms.exempt(clip)):
                yield clip


def _next(ready: list[Clip], turn: int, now_ms: int, terms: Terms) -> Clip:
    if turn % SHARE == SHARE - 1:
        overdue = [clip for clip in ready if now_ms - clip.acquired_ms >= terms.overdue_ms]
        if overdue:
            return min(overdue, key=_age)
    return min(ready, key=lambda one: (_tired(one), one.phase is ClipPhase.SHOWN, not terms.flagged(one), *_age(one)))


def _age(clip: Clip) -> tuple[int, str]:
    return clip.acquired_ms, clip.id


def _tired(clip: Clip) -> bool:
    trouble = clip.trouble
    return trouble.attempts >= TIRED and not link.rule(trouble.kind, whole=False).whole


def _probe(clip: Clip) -> tuple[int, int, int, str]:
    master, previews = clip.stored
    size = sum(one.bytes for one in previews) if clip.phase is ClipPhase.ADMITTED else master.bytes
    return clip.trouble.attempts, size, *_age(clip)
