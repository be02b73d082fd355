"""A growing ledger read from beside its writer, for proofs and tiles: each record's hash and place are read once and
kept, 40 bytes a record."""

from collections.abc import Iterator

from dockagent.core.proof import merkle
from dockagent.durable import Disk
from dockagent.errors import Refused
from dockagent.ledger import entries
from dockagent.ledger.log import ENTRIES


class Leaves:
    """For one thread at a time, and for no more records than a checkpoint covers.

    ``folder``: where on ``disk`` the ledger lies.
    """

    def __init__(self, disk: Disk, folder: str) -> None:
        self._disk, self._path = disk, f"{folder}/{ENTRIES}"
        self._hashes: list[bytes] = []
        self._ends: list[int] = [0]  # byte offsets: record n lies between the n-th and the next

    def hashes(self, size: int) -> list[bytes]:
        """The leaf hashes of the first ``size`` records. Raises Refused where there are not so many."""
        if len(self._hashes) < size:
            self._read_on(size)
        return self._hashes[:size]

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The entries from ``start`` up to ``end``, without their newlines. Raises Refused as :meth:`hashes`."""
        self.hashes(end)
        with self._disk.reader(self._path) as reader:
            reader.seek(self._ends[start])
            for _, line in zip(range(start, end), entries.lines(reader), strict=False):
                yield line.removesuffix(b"\n")

    def _read_on(self, size: int) -> None:
        with self._disk.reader(self._path) as reader:
            reader.seek(self._ends[-1])
            for line in entries.lines(reader):
                if not line.endswith(b"\n") or len(self._hashes) == size:
                    break
                self._hashes.append(merkle.leaf_hash(line[:-1]))
                self._ends.append(self._ends[-1] + len(line))
        if len(self._hashes) < size:
            raise Refused(f"the ledger has {len(self._hashes)} whole records, its checkpoint is over {size}")
