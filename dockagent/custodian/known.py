"""Which receipts this custodian has checked, so that a round over a million clips reads none of them twice.

A file of 8 bytes for each: a keyed hash over what was checked, as the store lists it. It is a cache: with an empty one
each receipt is read once more, nothing else. Its key is its own, so that nobody who may write to the store can look for
two receipts with the same hash.
"""

import logging
import secrets
import threading
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from hashlib import blake2b

from dockagent.durable import Disk

log = logging.getLogger(__name__)

FILE = "checked"
_KEY, _ROW = 16, 8  # bytes
_MOST_LOOSE = 10_000


@dataclass(slots=True)
class Known:
    """``disk``: where it is kept; None: nowhere. It is read when it is first asked. One million take 8 MB. Several
    threads may ask."""

    disk: Disk | None = None
    _key: bytes = b""
    _sorted: "array[int]" = field(default_factory=lambda: array("Q"))
    _loose: set[int] = field(default_factory=set)
    _unkept: list[int] = field(default_factory=list)
    _anew: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def has(self, said: str) -> bool:
        """Whether this was noted."""
        with self._lock:
            number = self._number(said)
            at = bisect_left(self._sorted, number)
            return number in self._loose or (at < len(self._sorted) and self._sorted[at] == number)

    def note(self, said: str) -> None:
        """Note it; :meth:`keep` keeps it."""
        with self._lock:
            number = self._number(said)
            self._loose.add(number)
            self._unkept.append(number)
            if len(self._loose) > _MOST_LOOSE:
                self._sorted = array("Q", sorted([*self._sorted, *self._loose]))
                self._loose.clear()

    def keep(self) -> None:
        """Write what was noted since. Raises OSError and Retryable where that cannot be; it is tried again then. What a
        try before has left behind the last whole row, on a full disk, is cut off first."""
        if self.disk is None or not self._unkept:
            return
        size = self.disk.size(FILE) or 0
        whole = _whole(size)
        if self._anew or not whole:
            self.disk.write(FILE, self._key + array("Q", [*self._sorted, *self._loose]).tobytes())
        else:
            if whole != size:
                self.disk.truncate(FILE, whole)
            with self.disk.append(FILE, scratch=True) as sink:
                sink.write(array("Q", self._unkept).tobytes())
        self._anew = False
        self._unkept.clear()

    def _number(self, said: str) -> int:
        if not self._key:
            self._read()
        return int.from_bytes(blake2b(said.encode(), digest_size=_ROW, key=self._key).digest())

    def _read(self) -> None:
        """A row that a crash cut off is cut off; a file that is no such file, or cannot be read, is made anew: a cache
        keeps nobody from his work."""
        data = b""
        try:
            if self.disk is not None:
                data = self.disk.read(FILE)
                if (whole := _whole(len(data))) != len(data):
                    self.disk.truncate(FILE, whole)
        except FileNotFoundError:
            pass
        except OSError as err:
            log.warning("what is kept of checked receipts is in trouble, so some or all are read again: %s", err)
            self._anew = True
        data = data[: _whole(len(data))]
        self._key = data[:_KEY] or secrets.token_bytes(_KEY)
        self._sorted = array("Q", sorted(array("Q", data[_KEY:])))


def _whole(size: int) -> int:
    """How many bytes of a file of this size are its key and whole rows; 0 where not even its key is."""
    return size - (size - _KEY) % _ROW if size >= _KEY else 0
