"""Which receipts this custodian has checked, so that a round over a million clips reads none of them twice.

A file of 8 bytes for each: a keyed hash over what was checked, as the store lists it. It is a cache: with an empty one
each receipt is read once more, nothing else. Its key is its own, so that nobody who may write to the store can look for
two receipts with the same hash.
"""

import secrets
from array import array
from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b

from dockagent.durable import Disk

FILE = "checked"
_KEY, _ROW = 16, 8  # bytes
_MOST_LOOSE = 10_000


@dataclass(slots=True)
class Known:
    """``disk``: where it is kept; None: nowhere. It is read when it is first asked. One million take 8 MB."""

    disk: Disk | None = None
    _key: bytes = b""
    _sorted: "array[int]" = field(default_factory=lambda: array("Q"))
    _loose: set[int] = field(default_factory=set)
    _unkept: list[int] = field(default_factory=list)

    def has(self, said: str) -> bool:
        """Whether this was noted. Raises OSError where the file cannot be read."""
        number = self._number(said)
        at = bisect_left(self._sorted, number)
        return number in self._loose or (at < len(self._sorted) and self._sorted[at] == number)

    def note(self, said: str) -> None:
        """Note it; :meth:`keep` keeps it. Raises OSError where the file cannot be read."""
        number = self._number(said)
        self._loose.add(number)
        self._unkept.append(number)
        if len(self._loose) > _MOST_LOOSE:
            self._sorted = array("Q", sorted([*self._sorted, *self._loose]))
            self._loose.clear()

    def keep(self) -> None:
        """Write what was noted since. Raises OSError and Retryable where that cannot be; it is tried again then."""
        if self.disk is None or not self._unkept:
            return
        head = b"" if self.disk.size(FILE) else self._key
        with self.disk.append(FILE, scratch=True) as sink:
            sink.write(head + array("Q", self._unkept).tobytes())
        self._unkept.clear()

    def _number(self, said: str) -> int:
        if not self._key:
            self._read()
        return int.from_bytes(blake2b(said.encode(), digest_size=_ROW, key=self._key).digest())

    def _read(self) -> None:
        """A row that a crash cut off is cut off; a file that is no such file is begun anew."""
        data = b""
        if self.disk is not None:
            with suppress(FileNotFoundError):
                data = self.disk.read(FILE)
            whole = len(data) - (len(data) - _KEY) % _ROW if len(data) >= _KEY else 0
            if whole != len(data):
                self.disk.truncate(FILE, whole)
            data = data[:whole]
        self._key = data[:_KEY] or secrets.token_bytes(_KEY)
        self._sorted = array("Q", sorted(array("Q", data[_KEY:])))
