"""Whatever the store, no more goes out than the station allows: by a clock that only moves when somebody waits, and by
the real one."""

import hashlib
import io
import threading
from pathlib import Path
from typing import Self

import pytest

from dockagent.clock import SystemClock
from dockagent.core.moment import Instant
from dockagent.core.uplink.pace import BURST_S
from dockagent.durable import RealDisk
from dockagent.stores import Source
from dockagent.stores.directory import DirectoryStore
from dockagent.stores.paced import Meter, PacedReader, PacedStore, not_sent, paced
from tests.contracts.store_sources import honest, some_bytes


class StillClock:
    """Time passes only while somebody waits."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> Instant:
        raise AssertionError("a pace needs no wall clock")

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Counted(io.BytesIO):
    """A reader that notes the largest read, and whether it was closed."""

    largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.largest = max(self.largest, size or 0)
        return super().read(size)

    def __enter__(self) -> Self:
        return self


def _folder(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(RealDisk(tmp_path / "store"), (tmp_path / "store").as_uri())


def test_an_upload_takes_as_long_as_its_bytes_at_the_rate(tmp_path: Path) -> None:
    clock = StillClock()
    store = PacedStore(_folder(tmp_path), Meter(100_000, clock))
    store.put("clips/a/master", honest(some_bytes(1_000_000)))
    assert clock.seconds - 100.0 == pytest.approx(10 - BURST_S, rel=0.02)
    assert (tmp_path / "store/clips/a/master").read_bytes() == some_bytes(1_000_000)


def test_a_wait_is_never_so_long_that_a_server_gives_up(tmp_path: Path) -> None:
    class Patient(StillClock):
        longest = 0.0

        def sleep(self, seconds: float) -> None:
            self.longest = max(self.longest, seconds)
            super().sleep(seconds)

    clock = Patient()
    PacedStore(_folder(tmp_path), Meter(1000, clock)).put("clips/a/master", honest(some_bytes(100_000)))
    assert 0 < clock.longest < 6


def test_reads_are_cut_into_pieces_and_what_is_only_hashed_is_not_counted() -> None:
    clock, inside = StillClock(), Counted(some_bytes(300_000))
    with PacedReader(inside, Meter(100_000, clock)) as reader:
        with not_sent(reader):
            assert reader.read(300_000) == some_bytes(300_000)
        assert clock.seconds == 100.0
        assert reader.seek(0) == 0
        assert len(reader.read(300_000)) == 10_000  # a tenth of a second
        reader.read(300_000)
        reader.read(300_000)
        reader.read(300_000)
    assert clock.seconds > 100.0
    assert inside.closed


def test_not_counting_is_over_when_hashing_fails() -> None:
    reader = PacedReader(io.BytesIO(b"x"), Meter(1000, StillClock()))
    with pytest.raises(ZeroDivisionError), not_sent(reader):
        raise ZeroDivisionError
    assert reader.counts
    with not_sent(io.BytesIO(b"x")) as nothing:  # a reader without a pace is none of its business
        assert nothing is None


def test_two_uploads_share_the_rate_by_the_real_clock(tmp_path: Path) -> None:
    clock = SystemClock()
    store = PacedStore(_folder(tmp_path), Meter(1_000_000, clock))
    began = clock.monotonic()
    pair = [
        threading.Thread(target=store.put, args=(f"clips/{name}/master", honest(some_bytes(400_000, seed))))
        for seed, name in enumerate("ab")
    ]
    for one in pair:
        one.start()
    for one in pair:
        one.join(30)
    took = clock.monotonic() - began
    assert took >= 0.8 - BURST_S - 0.1 - 0.01  # 800 kB; the last piece needs no wait behind it
    assert all((tmp_path / f"store/clips/{name}/master").is_file() for name in "ab")


def test_all_else_of_a_source_and_of_a_store_stays_as_it_is(tmp_path: Path) -> None:
    inner = _folder(tmp_path)
    store = paced(inner, 1_000_000, StillClock())
    data = b"note"
    assert paced(inner, 0, StillClock()) is inner
    assert store.url == inner.url
    source = Source(4, hashlib.sha256(data).hexdigest(), lambda: io.BytesIO(data), ("ab" * 32,))
    told: list[int] = []
    assert store.put("clips/a/record.json", source, told.append).sha256 == source.sha256
    assert sum(told) == 4
    assert store.stat("clips/a/record.json") == inner.stat("clips/a/record.json")
    assert store.replace("ledgers/dock/checkpoint", data).size == 4
    assert list(store.check()) == []
