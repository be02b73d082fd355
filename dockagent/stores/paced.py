"""A store that is fed no faster than the station allows, whichever store it is: its sources are read at that pace.

A reader that must wait gives less at once, not later: small pieces keep a socket from stalling until its peer gives
up, and its buffer from being filled in one gush.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from dockagent.clock import Clock
from dockagent.core.uplink.pace import Pace
from dockagent.durable import Reader
from dockagent.stores import Source, Store, Stored
from dockagent.stores.early import EarlyStore, EarlyUpload


class Meter:
    """What all uploads of a dock go through together, from any thread."""

    def __init__(self, rate: int, clock: Clock) -> None:
        """``rate``: bytes a second, more than 0."""
        self._pace, self._clock = Pace(rate), clock
        self._lock = threading.Lock()
        self.piece = self._pace.piece

    def take(self, size: int) -> None:
        """Wait until ``size`` more bytes may go out."""
        with self._lock:
            self._pace, wait_s = self._pace.take(size, self._clock.monotonic())
        if wait_s:
            self._clock.sleep(wait_s)


class PacedReader:
    """A reader whose bytes go out as they are read, unless it is told that they do not."""

    def __init__(self, reader: Reader, meter: Meter) -> None:
        self._reader, self._meter = reader, meter
        self.counts = True

    def read(self, size: int, /) -> bytes:
        if not self.counts:
            return self._reader.read(size)
        data = self._reader.read(min(size, self._meter.piece))
        self._meter.take(len(data))
        return data

    def seek(self, offset: int, /) -> int:
        return self._reader.seek(offset)

    def __enter__(self) -> Self:
        self._reader.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._reader.__exit__(kind, err, tb)


@contextmanager
def not_sent(reader: Reader) -> Iterator[None]:
    """What is read from ``reader`` in the body does not go out (it is only hashed), and is not counted."""
    if not isinstance(reader, PacedReader):
        yield
        return
    before, reader.counts = reader.counts, False
    try:
        yield
    finally:
        reader.counts = before


class PacedStore:
    """``store``, fed through ``meter``. What is small and replaced whole is not counted."""

    def __init__(self, store: Store, meter: Meter) -> None:
        self.url = store.url
        self._store, self._meter = store, meter

    def put(self, key: str, source: Source, progress: Callable[[int], None] | None = None) -> Stored:
        """As :class:`dockagent.stores.Store` says, at the pace."""
        return self._store.put(key, replace(source, open=partial(self._open, source)), progress)

    def _open(self, source: Source) -> Reader:
        return PacedReader(source.open(), self._meter)

    def replace(self, key: str, data: bytes) -> Stored:
        """As :class:`dockagent.stores.Store` says."""
        return self._store.replace(key, data)

    def stat(self, key: str) -> Stored | None:
        """As :class:`dockagent.stores.Store` says."""
        return self._store.stat(key)

    def check(self) -> Sequence[str]:
        """As :class:`dockagent.stores.Store` says."""
        return self._store.check()


class PacedEarlyStore(PacedStore):
    """``store``, which also takes parts early: they go through the same meter."""

    def __init__(self, store: EarlyStore, meter: Meter) -> None:
        super().__init__(store, meter)
        self._takes_early = store

    @property
    def part_size(self) -> int:
        return self._takes_early.part_size

    def early(self, key: str, source: Source, progress: Callable[[int], None]) -> EarlyUpload:
        """As :class:`dockagent.stores.early.EarlyStore` says, at the pace."""
        return self._takes_early.early(key, replace(source, open=partial(self._open, source)), progress)

    def drop_early(self, key: str) -> None:
        """As :class:`dockagent.stores.early.EarlyStore` says."""
        self._takes_early.drop_early(key)


def paced(store: Store, rate: int, clock: Clock) -> Store:
    """``store`` at ``rate`` bytes a second; as it is where that is 0."""
    if not rate:
        return store
    meter = Meter(rate, clock)
    return PacedEarlyStore(store, meter) if isinstance(store, EarlyStore) else PacedStore(store, meter)
