"""The custody timeline of a package in words: the ledger replayed, and what the shown records tell on the way. Where
the dock's folders and its store are is nothing for outsiders, and is left out."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from dockagent.core import custody
from dockagent.core.disclosure.outward import outward, without_reason
from dockagent.core.model import State
from dockagent.core.narrate import tell
from dockagent.core.proof import dsse
from dockagent.core.session import advance
from dockagent.disclosure.page import Line
from dockagent.disclosure.records import Told, clips_of


def timeline(entries: Iterable[bytes], shown: Sequence[Told], clips: Iterable[str]) -> dict[str, list[Line]]:
    """By clip, what happened to it and during the stays in which it was read. ``entries``: all of the ledger up to the
    last shown record, which need the state before them to be told."""
    wanted = {one.index: one for one in shown}
    last, state = max(wanted, default=-1), State()
    lines: dict[str, list[Line]] = {one: [] for one in clips}
    stays = _stays(shown)
    for index, entry in enumerate(entries):
        if index > last:
            break
        event, at_ms = custody.event_of(dsse.parse(entry).payload, index)
        if told := wanted.get(index):
            words = outward(tell(without_reason(event), state))
            line = Line(index, told.record["when"]["utc"], words, _who(told))
            for clip in set(clips_of(told.record)) or stays[str(told.record["links"].get("session", ""))]:
                lines.setdefault(clip, []).append(line)
        advance(state, event, at_ms)
    return lines


def _stays(shown: Sequence[Told]) -> dict[str, set[str]]:
    """The clips that were read in each stay."""
    found: dict[str, set[str]] = defaultdict(set)
    for one in shown:
        if one.record["type"] == "acquire":
            found[str(one.record["links"]["session"])].update(clips_of(one.record))
    return found


def _who(told: Told) -> str:
    who = told.record["who"]
    return f"{who['id'] or 'somebody unknown'} ({'person' if who['actor'] == 'person' else 'dock'})"
