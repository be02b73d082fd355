"""Uploads in parts that were begun and not finished. Each is remembered before its first part goes out, and what was
asked of the store at its end before the asking, so that a kill, a power cut or days without a line lose neither.

A store may finish an upload although nobody heard it say so; some then hold a lock for ten minutes and answer only
errors (Ceph RGW, ``rgw_mp_lock_max_time``). So what was asked once is asked again, and nothing is sent anew before
:data:`PATIENCE_MS` have passed. Nobody waits for that in a step: each try is an order of its own.
"""

import logging
import threading
from collections.abc import ItemsView, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import msgspec

from dockagent.core import strict_json
from dockagent.durable import RealDisk
from dockagent.errors import Refused

FILE = "uploads.json"
PATIENCE_MS = 15 * 60_000
MOST_MADE = 64  # many times what a dock has under way between two of its records
ORPHANED_MS = 14 * 86_400_000  # longer than any outage that a dock should live through

log = logging.getLogger(__name__)


class Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the store answered when it had made the object: its marks of it, and the SHA-256 that it states, each empty
    where it said none."""

    version: str
    etag: str
    checksum: str


class Pending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One unfinished upload: its id, the SHA-256 (hex) of all that goes there, the size of its parts in bytes, and
    when it was last worked on (ms since 1970 UTC). ``asked_ms``: when the store was first asked to make the parts the
    object, 0 for never; ``parts`` are then the ETag and the SHA-256 (hex) of each, in order. ``made``: what it answered
    in the end, for a dock that is killed before its ledger has it, and may not look."""

    upload: str
    sha256: str
    part_size: int
    touched_ms: int
    asked_ms: int = 0
    parts: tuple[tuple[str, str], ...] = ()
    made: Made | None = None

    @property
    def may_be_aborted(self) -> bool:
        """Whether the store was never asked to make an object of it. From then on, its parts may be the object's."""
        return not self.asked_ms and self.made is None

    def is_of(self, sha256: str, part_size: int) -> bool:
        """Whether it is an upload of these bytes in parts of this size."""
        return (self.sha256, self.part_size) == (sha256, part_size)


class Uploads(MutableMapping[str, Pending]):
    """Uploads by bucket and object name, in ``uploads.json`` of the home: the unfinished ones, and the newest
    :data:`MOST_MADE` of which the store said what it made; of older ones the ledger knows. Each change is durable when
    it returns. Several threads may use it: ``items`` is as of one moment, ``pop`` looks and takes at once. A file that
    cannot be read is begun anew, and said: nothing is lost but the parts that were sent."""

    def __init__(self, home: Path) -> None:
        self._home, self._lock = home, threading.RLock()
        self._kept: dict[str, Pending] = {}
        try:
            data = (home / FILE).read_bytes()
            self._kept = msgspec.convert(strict_json.parse(data), dict[str, Pending])
        except FileNotFoundError:
            pass
        except (OSError, Refused, msgspec.ValidationError) as err:
            log.warning("%s cannot be used (%s): uploads that were begun are begun anew", home / FILE, err)

    def __getitem__(self, name: str) -> Pending:
        return self._kept[name]

    def __setitem__(self, name: str, pending: Pending) -> None:
        with self._lock:
            self._kept[name] = pending
            if pending.made is not None:
                self._forget_oldest_made(name)
            self._write()

    def __delitem__(self, name: str) -> None:
        with self._lock:
            del self._kept[name]
            self._write()

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter(list(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    def items(self) -> ItemsView[str, Pending]:
        with self._lock:  # what Mapping has asks for each name anew, after another lane may have dropped it
            return dict(self._kept).items()

    def pop(self, name: str, *default: Any) -> Any:
        with self._lock:  # so does this, between looking and taking
            return super().pop(name, *default)

    def _forget_oldest_made(self, newest: str) -> None:
        """``newest`` is kept in any case: after a clock was set back, its time says nothing."""
        made = [(one.touched_ms, name) for name, one in self._kept.items() if one.made is not None and name != newest]
        for _, name in sorted(made, reverse=True)[MOST_MADE - 1 :]:
            del self._kept[name]

    def _write(self) -> None:
        if self._home.is_dir():
            RealDisk(self._home).write(FILE, strict_json.canonical(msgspec.to_builtins(self._kept)))


def orphaned(uploads: MutableMapping[str, Pending], now_ms: int) -> list[tuple[str, Pending]]:
    """Those that nobody has worked on for so long that nobody will: their clips are gone, or went another way."""
    return [(name, one) for name, one in unfinished(uploads).items() if now_ms - one.touched_ms > ORPHANED_MS]


def unfinished(uploads: Mapping[str, Pending]) -> dict[str, Pending]:
    """Those that the store has not made an object of, as far as it said."""
    return {name: one for name, one in uploads.items() if one.made is None}


def remember_made(uploads: MutableMapping[str, Pending], name: str, pending: Pending, made: Made) -> None:
    """Keep what the store answered, until the ledger has it long since (:class:`Uploads`)."""
    uploads[name] = msgspec.structs.replace(pending, parts=(), made=made)
