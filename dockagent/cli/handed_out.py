"""What was handed out of a clip, for ``dockagent show``: each ask, and what became of it."""

from collections.abc import Iterator
from typing import Any

import msgspec

from dockagent.core import events as ev
from dockagent.core.plain import plain

Row = dict[str, Any]


class HandedOut:
    """The disclosures and excerpts of the clips whose ids begin so. Show it every event of a ledger, in order."""

    def __init__(self, begins: str) -> None:
        self._begins = begins
        self._asks: dict[int, Row] = {}

    def take(self, event: ev.Event, index: int, utc: str) -> None:
        """Take note of record ``index``, of the time ``utc``."""
        if isinstance(event, ev.DisclosureAsked) and any(one.startswith(self._begins) for one in event.clips):
            grounds = msgspec.to_builtins(event.grounds)
            about = {"asked": index, "utc": utc, "kind": event.kind, "by": event.actor.name, **grounds}
            outcome = {"outcome": "not finished", "record": None, "sha256": "", "reason": ""}
            self._asks[index] = {**about, **outcome, "ranges": list(event.ranges), "clips": list(event.clips)}
        elif isinstance(event, ev.Disclosed) and event.asked in self._asks:
            parts = {"ranges": list(event.ranges), "tracks": list(event.tracks)}
            self._asks[event.asked] |= {
                "outcome": "handed out",
                "record": index,
                "sha256": event.package_sha256,
                **parts,
            }
        elif isinstance(event, ev.DisclosureFailed) and event.asked in self._asks:
            self._asks[event.asked] |= {"outcome": "failed", "record": index, "reason": event.reason}

    def rows(self, clip_id: str) -> list[Row]:
        """Those of one clip, oldest first."""
        return [one for one in self._asks.values() if clip_id in one["clips"]]


def lines(rows: list[Row]) -> Iterator[str]:
    """The same for a person, a line each."""
    if not rows:
        yield "nothing"
    for one in rows:
        part = f" of {', '.join(one['ranges'])}" if one["ranges"] else ""
        others = f" with {len(one['clips']) - 1} more clips" if len(one["clips"]) > 1 else ""
        what = f"{one['kind']}{part}{others} for {one['recipient']}, by {one['by']}: {one['purpose']}"
        by = f" by record {one['record']}" if one["record"] is not None else ""
        why = f": {one['reason']}" if one["reason"] else ""
        yield plain(f"{one['utc']}  #{one['asked']:<6} {what}; {one['outcome']}{by}{why}")
