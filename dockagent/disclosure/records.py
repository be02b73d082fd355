"""Which custody records go into a disclosure package, and which of them are shown.

In it are the records that name a disclosed clip, and those of the stays in a dock in which it was read. Records of the
same stay that are about another clip stay out, and so do failures to read another file. A record that speaks of a
disclosed clip *and* of what is not disclosed is withheld: its leaf hash and its proof are given, not its text, so that
everybody sees that there is one and where. A leaf hash gives nothing away: an envelope holds an ECDSA signature, which
nobody can guess.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dockagent.core import strict_json
from dockagent.core.proof import dsse

INVENTORY = "camera.inventory"


@dataclass(frozen=True, slots=True)
class Told:
    """A custody record of the package. ``entry``: its envelope, the leaf's very bytes; ``record``: its payload taken
    apart. ``withheld``: why its text stays here, or empty."""

    index: int
    entry: bytes
    record: Mapping[str, Any]
    withheld: str = ""

    @property
    def name(self) -> str:
        """What its files are called, without a suffix."""
        return f"{self.index:08d}-{self.record['type']}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is disclosed: the clips' ids, and the paths that they have on their cards. ``listing``: whether to show the
    card's listing although it names other files."""

    clips: frozenset[str]
    paths: frozenset[str]
    listing: bool = False


def select(entries: Callable[[], Iterable[bytes]], wanted: Wanted) -> list[Told]:
    """The records to be told, in order. ``entries`` gives all envelopes of the ledger, one from each line; it is asked
    twice: a camera's stay begins before anybody knows which of its clips will be wanted."""
    clips = [one.encode() for one in wanted.clips]
    stays = {
        str(record["links"]["session"])
        for _, _, record in _about(entries(), clips)
        if record["type"] == "acquire" and record["links"]["clip"] in wanted.clips
    }
    sessions = [strict_json.canonical(one) for one in stays]
    told = (_told(*one, stays, wanted) for one in _about(entries(), [*clips, *sessions]))
    return [one for one in told if one is not None]


def _about(entries: Iterable[bytes], words: Collection[bytes]) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    """Those records, with number and envelope, that have one of these words anywhere."""
    for index, entry in enumerate(entries):
        payload = dsse.parse(entry).payload
        if any(one in payload for one in words):
            yield index, entry, strict_json.parse(payload)


def _told(index: int, entry: bytes, record: dict[str, Any], stays: set[str], wanted: Wanted) -> Told | None:
    named = set(clips_of(record))
    if named & wanted.clips:
        others = len(named - wanted.clips)
        why = f"it also names {others} clips that are not disclosed here" if others else ""
        return Told(index, entry, record, why)
    if named or str(record["links"].get("session", "")) not in stays:
        return None
    return _of_stay(Told(index, entry, record), wanted)


def clips_of(record: Mapping[str, Any]) -> Iterator[str]:
    """The ids of the clips that a record is about."""
    what = record["what"]
    if "clip" in record["links"]:
        yield str(record["links"]["clip"])
    clips = what.get("clips", ())
    yield from (str(one) for one in clips) if isinstance(clips, list) else ()


def _of_stay(told: Told, wanted: Wanted) -> Told | None:
    """A record about a stay and no clip; it may speak of other files."""
    what = told.record["what"]
    if "path" in what and what["path"] not in wanted.paths:
        return None
    if told.record["type"] == INVENTORY and not wanted.listing:
        others = sum(entry["path"] not in wanted.paths for entry in what["entries"]) + len(what["skipped"])
        if others:
            return replace(told, withheld=f"it lists {others} other files of the card")
    return told
