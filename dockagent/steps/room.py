"""Room in the spool, promised before it is used: several cameras are read at once, and each would find the same free
bytes. A pull starts only if its file fits beside what the others were promised and have not written yet, and beside
the reserve, which is for the ledger, the previews and the records of what is here.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dockagent.durable import Disk, DiskFull

MIB = 1 << 20


@dataclass(slots=True)
class Promise:
    """Room for one file: it may grow to ``size`` bytes; ``written`` of them are on the disk."""

    path: str
    size: int
    written: int


class Room:
    """Who was promised what. One for each dock; any thread may ask."""

    def __init__(self) -> None:
        self._promises: list[Promise] = []
        self._lock = threading.Lock()

    @contextmanager
    def promised(self, disk: Disk, path: str, size: int, written: int, floor: int) -> Iterator[Promise]:
        """Room for a file of ``size`` bytes, ``written`` of which are there, that leaves ``floor`` bytes free. Whoever
        has it keeps ``written`` up to date. Raises DiskFull where there is not so much."""
        promise = Promise(path, size, written)
        with self._lock:
            self._check(disk, promise, size - written, floor)
            self._promises.append(promise)
        try:
            yield promise
        finally:
            with self._lock:
                self._promises.remove(promise)

    def grow(self, disk: Disk, promise: Promise, size: int, floor: int) -> None:
        """The file is longer than was thought: ``size`` bytes at least. Raises DiskFull where that does not fit."""
        if size <= promise.size:
            return
        with self._lock:
            self._check(disk, promise, size - promise.written, floor)
            promise.size = size

    def _check(self, disk: Disk, promise: Promise, more: int, floor: int) -> None:
        others = sum(max(0, one.size - one.written) for one in self._promises if one is not promise)
        have = disk.free()
        if more + others + floor > have:
            beside = f", {others >> 20} MiB are promised to other pulls" if others else ""
            raise DiskFull(
                f"the spool is full: {promise.path} needs {(max(0, more) + floor) >> 20} MiB with the reserve, "
                f"{have >> 20} MiB are free{beside}",
                "it is pulled when the store has taken other clips; or free some space",
            )
