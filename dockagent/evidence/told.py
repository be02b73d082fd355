"""What a ledger tells against itself: answers of witnesses that had seen another history, which the dock recorded."""

from dataclasses import dataclass, field
from typing import Any

from dockagent.core.history import CONTRADICTED

_SHOWN = 3


@dataclass(slots=True)
class Told:
    """What one pass over the records has met."""

    contradicted: list[str] = field(default_factory=list)
    more: int = 0

    def weigh(self, index: int, record: dict[str, Any]) -> None:
        """Look at one record's payload, whatever it is."""
        what = record.get("what") if record.get("type") == "checkpoint" else None
        found = what.get("findings") if isinstance(what, dict) else None
        for one in found if isinstance(found, list) else []:
            if isinstance(one, dict) and one.get("code") == CONTRADICTED and isinstance(one.get("text"), str):
                self._keep(f"record {index}: {one['text'][:300]}")

    def _keep(self, line: str) -> None:
        if len(self.contradicted) < _SHOWN:
            self.contradicted.append(line)
        else:
            self.more += 1

    def findings(self) -> tuple[str, ...]:
        """In words for a person."""
        return (*self.contradicted, *([f"and {self.more} more records of such answers"] if self.more else []))
