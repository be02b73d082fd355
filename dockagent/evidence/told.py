"""What a ledger tells against itself: answers of witnesses that had seen another history, and times of outsiders that
its own clock contradicts, both as the dock recorded them."""

import re
from dataclasses import dataclass, field
from typing import Any

from dockagent.core.history import CONTRADICTED
from dockagent.core.moment import parse_rfc3339, rfc3339

_SHOWN = 3
_NUMBERS = re.compile(r"[0-9a-f]{8,}|[0-9]+")
_LATEST_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
_BEHIND_MS, _AHEAD_MS = 300_000, 3_600_000  # a round of witnesses may take its time; nobody signs in the future


@dataclass(slots=True)
class _Answers:
    """The same answer, round after round. ``first``: in words."""

    first: str
    last: int
    count: int = 0

    @property
    def words(self) -> str:
        more = self.count - 1
        return self.first + (f"; {more} more such answers, up to record {self.last}" if more else "")


@dataclass(slots=True)
class Told:
    """What one pass over the records has met."""

    contradicted: dict[str, "_Answers"] = field(default_factory=dict)  # by what is the same in all of them
    clock: str = ""  # the widest that the dock's clock and an outsider's were apart, in words
    _apart_ms: int = 0

    def weigh(self, index: int, record: dict[str, Any]) -> None:
        """Look at one record's payload, whatever it is."""
        what = record.get("what") if record.get("type") == "checkpoint" else None
        found = what.get("findings") if isinstance(what, dict) else None
        for one in found if isinstance(found, list) else []:
            if isinstance(one, dict) and one.get("code") == CONTRADICTED and isinstance(one.get("text"), str):
                self._keep(index, record.get("when"), one["text"][:300])
        if isinstance(what, dict):
            self._compare_clocks(index, record.get("when"), what)

    def _compare_clocks(self, index: int, when: object, what: dict[str, Any]) -> None:
        """A ``checkpoint`` record is made right after outsiders vouched for the checkpoint: by its own clock it must
        not be earlier, nor much later than the last of them says."""
        said = _ms(when.get("utc")) if isinstance(when, dict) else None
        outside = max(_outside(what), default=None)
        if said is None or outside is None:
            return
        apart = said - outside
        if not -_BEHIND_MS <= apart <= _AHEAD_MS and abs(apart) > abs(self._apart_ms):
            way = "ahead of" if apart > 0 else "behind"
            self._apart_ms = apart
            self.clock = (
                f"the dock's clock was wrong, or all of theirs: record {index} says {rfc3339(said)}, those who vouch"
                f" for its checkpoint {rfc3339(outside)}; it was {abs(apart) // 1000} s {way} them"
            )

    def _keep(self, index: int, when: object, text: str) -> None:
        """A witness answers each round anew, with other sizes: one fork is one answer, since its first record."""
        ms = _ms(when.get("utc")) if isinstance(when, dict) else None
        first = _Answers(f"record {index}{'' if ms is None else f' ({rfc3339(ms)[:19]}Z)'}: {text}", index)
        known = self.contradicted.setdefault(_NUMBERS.sub("#", text), first)
        known.count, known.last = known.count + 1, index

    def findings(self) -> tuple[str, ...]:
        """In words for a person."""
        clock = [self.clock] if self.clock else []
        answers = list(self.contradicted.values())
        more = sum(one.count for one in answers[_SHOWN:])
        left = [f"and {more} more such answers of others"] if more else []
        return (*clock, *(one.words for one in answers[:_SHOWN]), *left)


def _outside(what: dict[str, Any]) -> list[int]:
    """The times (ms) at which outsiders vouched, as a ``checkpoint`` record has them."""
    cosigners, stamp = what.get("cosigners"), what.get("stamp")
    parts = [*(cosigners if isinstance(cosigners, list) else []), stamp]
    times = [part.get("time_ms") for part in parts if isinstance(part, dict)]
    return [one for one in times if isinstance(one, int) and 0 <= one <= _LATEST_MS]


def _ms(text: object) -> int | None:
    try:
        return parse_rfc3339(str(text))
    except ValueError:
        return None
