"""Judges what is known of the store's promises: whether somebody had them tried, when, and what came of it."""

from collections.abc import Iterator
from pathlib import Path

from dockagent.core import custody
from dockagent.core import events as ev
from dockagent.core.central import promise as pr
from dockagent.core.moment import Instant, rfc3339
from dockagent.doctor.check import Check, failure, ok, warning
from dockagent.durable import RealDisk
from dockagent.errors import DockError
from dockagent.ledger.keys import read_sets
from dockagent.ledger.keys_lineage import Lineage
from dockagent.ledger.log import ENTRIES, Ledger

OLD_MS = 180 * 86_400_000  # half a year: servers are updated, and policies changed
_TODO = "run `dockagent store check`, better with an administrator's credential"
_NAME = "store promises"
_MARK = b'"type":"store.check"'  # as core/strict_json writes it: the one record in thousands that is read here


def promises(home: Path, url: str, now: Instant) -> Check:
    """The newest check of the store at ``url`` in the ledger of ``home``."""
    try:
        found = _newest(home, url)
    except (DockError, OSError) as err:
        return warning(_NAME, f"whether they were tried cannot be told: {err}", "see what is said of the ledger above")
    if found is None:
        return warning(_NAME, f"nobody has tried what {url} promises", _TODO)
    event, at_ms = found
    when = rfc3339(at_ms)[:10]
    if event.standing == "pretender":
        broken = ", ".join(one.promise for one in event.kept if one.answer == pr.BROKEN)
        return failure(_NAME, f"on {when} the store only pretended: {broken}", "do not rest a case on it: take another")
    if not 0 <= now.utc_ms - at_ms < OLD_MS:
        return warning(_NAME, f"last tried on {when}: {event.standing}", _TODO)
    return ok(_NAME, f"tried on {when}: {event.standing}")


def _newest(home: Path, url: str) -> tuple[ev.StoreChecked, int] | None:
    found = None
    for payload in _payloads(home):
        if _MARK in payload:
            event, at_ms = custody.event_of(payload)
            if isinstance(event, ev.StoreChecked) and event.store == url:
                found = event, at_ms
    return found


def _payloads(home: Path) -> Iterator[bytes]:
    if (home / "ledger" / ENTRIES).exists():
        yield from Ledger.read(RealDisk(home / "ledger"), Lineage(read_sets(RealDisk(home / "keys"))))
