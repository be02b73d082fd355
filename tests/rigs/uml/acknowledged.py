"""Which ledger records the agent has relied on, told from the records alone.

A record that is in the file need not be on the medium yet. But the agent acts on a record only after it is durable,
and what a clip's step found is recorded only after the step: so once a clip's next record is seen, the one before it,
and all that stand before that one, must outlive any power cut.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from hil.demo.records import Record


def acknowledged(records: Sequence[Record]) -> int:
    """How many of the ledger's first records were certainly durable when the last of these was written."""
    last: dict[str, int] = {}
    count = 0
    for record in records:
        clip = record.what.get("clip_id", "")
        if clip in last:
            count = max(count, last[clip] + 1)
        if clip:
            last[clip] = record.index
    return count


def digest(lines: Sequence[bytes]) -> str:
    """SHA-256 over ledger lines, without their newlines."""
    return hashlib.sha256(b"\n".join(lines)).hexdigest()
