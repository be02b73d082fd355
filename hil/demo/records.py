"""The custody ledger as an outsider reads it: one DSSE envelope a line, a JSON record in each. No signature is checked
here; `dockagent verify` and openssl do that.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """One custody record. `line`: its envelope as it lies in the ledger, which is what was hashed and signed."""

    index: int
    type: str
    what: dict[str, Any]
    utc: str
    bay: str
    line: bytes

    @property
    def session(self) -> str:
        """The stay of a camera in a bay that it is about, or empty."""
        return str(self.what.get("session", ""))


class Follower:
    """Gives the records of a ledger as they come. `all` holds those given so far."""

    def __init__(self, entries: Path) -> None:
        self.all: list[Record] = []
        self._entries = entries
        self._offset = 0

    def news(self) -> list[Record]:
        """The records since the last call; a line that is not finished yet is left for the next one."""
        try:
            with self._entries.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        found = [_record(line) for line in whole.splitlines()]
        self.all += found
        return found

    def of(self, *types: str) -> Iterator[Record]:
        """Those of these types among all that were given."""
        return (record for record in self.all if record.type in types)


def read(entries: Path) -> Follower:
    """A follower that has given all there is now."""
    follower = Follower(entries)
    follower.news()
    return follower


def payload(line: bytes) -> bytes:
    """The signed bytes in an envelope."""
    return base64.b64decode(json.loads(line)["payload"], validate=True)


def _record(line: bytes) -> Record:
    raw = json.loads(payload(line))
    return Record(raw["index"], raw["type"], raw["what"], raw["when"]["utc"], raw["where"]["bay"], line)
