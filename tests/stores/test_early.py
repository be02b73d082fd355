"""Parts that go into a bucket while their file is still being read, against a real server: nobody sees an object before
the put, the put uses what is the source's and nothing else, and nothing is sent twice."""

import hashlib
import io
import itertools
from collections.abc import Iterator

import pytest

from dockagent.clock import SystemClock
from dockagent.errors import Permanent, Retryable
from dockagent.stores import Source
from dockagent.stores.early import EarlyStore
from dockagent.stores.paced import paced
from dockagent.stores.s3 import S3Store
from dockagent.stores.s3_pending import Pending
from hil.central import rgw
from hil.central.line import Line
from tests.contracts.store_places import Bucket, gateway
from tests.contracts.store_sources import PART, parts_stated, some_bytes
from tests.simulation.actors import VirtualClock

__all__ = ["gateway"]  # a fixture: pytest finds it by its name here

KEY = "clips/BWC-0001/2026/11/22/one/master"
DATA = some_bytes(3 * PART + 70_001)  # four parts
PARTS = tuple(hashlib.sha256(DATA[at : at + PART]).hexdigest() for at in range(0, len(DATA), PART))
SHA256 = hashlib.sha256(DATA).hexdigest()
_bucket = itertools.count(1)


@pytest.fixture
def bucket(gateway: rgw.Gateway) -> Bucket:
    return Bucket(gateway.endpoint, f"early-{next(_bucket)}")


@pytest.fixture
def line(gateway: rgw.Gateway) -> Iterator[Line]:
    with Line(gateway.port) as running:
        yield running


def over(line: Line, bucket: Bucket) -> S3Store:
    return S3Store(bucket.settings(f"http://127.0.0.1:{line.port}", attempts=1), SystemClock(), part_size=PART)


def read_so_far(count: int) -> Source:
    """What a pull has of the file: its announced size and digest, and ``count`` bytes at rest."""
    return Source(len(DATA), SHA256, lambda: io.BytesIO(DATA[:count]))


def quiet(_size: int) -> None:
    return


def whole() -> Source:
    return Source(len(DATA), SHA256, lambda: io.BytesIO(DATA), PARTS, PART)


def test_parts_that_came_early_are_no_object_and_the_put_sends_only_the_rest(line: Line, bucket: Bucket) -> None:
    store = over(line, bucket)
    assert isinstance(store, EarlyStore)
    told: list[int] = []
    upload = store.early(KEY, read_so_far(2 * PART + 5), told.append)
    assert (upload.send(PARTS[:1]), upload.count) == (1, 1)
    assert (upload.send(PARTS[:2]), upload.count) == (1, 2)
    assert (sum(told), upload.whole) == (2 * PART, False)
    assert store.stat(KEY) is None
    assert bucket.content(KEY) is None
    before = line.sent
    assert store.put(KEY, whole()).proof == "checksum"
    assert line.sent - before < len(DATA) - 2 * PART + 50_000
    assert bucket.content(KEY) == DATA
    assert bucket.leftovers() == []


def test_a_dock_that_was_killed_goes_on_with_the_parts_that_the_store_has(line: Line, bucket: Bucket) -> None:
    over(line, bucket).early(KEY, read_so_far(2 * PART), quiet).send(PARTS[:2])
    before = line.sent
    again = over(line, bucket).early(KEY, read_so_far(3 * PART), quiet)
    assert again.send(PARTS[:1]) == 0  # the second part is there, too, but nobody has read it again yet
    assert again.send(PARTS[:3]) == 1
    over(line, bucket).put(KEY, whole())
    assert line.sent - before < len(DATA) - 2 * PART + 100_000
    assert bucket.content(KEY) == DATA


def test_all_parts_may_be_there_before_the_put(line: Line, bucket: Bucket) -> None:
    store = over(line, bucket)
    upload = store.early(KEY, whole(), quiet)
    assert upload.send(PARTS) == 4
    assert upload.whole
    before = line.sent
    store.put(KEY, whole())
    assert line.sent - before < 50_000
    assert bucket.content(KEY) == DATA


def test_a_part_that_is_not_what_the_pull_hashed_is_refused_and_nothing_is_stored(bucket: Bucket) -> None:
    rotten = bytes([DATA[0] ^ 1]) + DATA[1:]
    upload = bucket.open().early(KEY, Source(len(DATA), SHA256, lambda: io.BytesIO(rotten)), quiet)
    with pytest.raises(Permanent, match="refusing to store"):
        upload.send(PARTS[:1])
    assert upload.count == 0
    assert bucket.content(KEY) is None


def test_a_put_of_other_bytes_uses_no_early_part(bucket: Bucket) -> None:
    bucket.open().early(KEY, read_so_far(2 * PART), quiet).send(PARTS[:2])
    other = some_bytes(len(DATA), seed=9)
    bucket.open().put(KEY, parts_stated(other))
    assert bucket.content(KEY) == other


def test_what_went_another_way_is_dropped_also_after_a_restart(bucket: Bucket) -> None:
    uploads: dict[str, Pending] = {}
    S3Store(bucket.settings(), SystemClock(), part_size=PART, uploads=uploads).early(
        KEY, read_so_far(2 * PART), quiet
    ).send(PARTS[:2])
    assert len(bucket.leftovers()) == 1
    again = S3Store(bucket.settings(), SystemClock(), part_size=PART, uploads=uploads)
    for _ in range(2):
        again.drop_early(KEY)
        assert (bucket.leftovers(), uploads) == ([], {})
    assert bucket.content(KEY) is None


def test_a_cut_line_is_worth_another_try_and_the_rest_goes_on(line: Line, bucket: Bucket) -> None:
    store = over(line, bucket)
    upload = store.early(KEY, whole(), quiet)
    line.cut_after(PART + 1_000_000)
    with pytest.raises(Retryable):
        upload.send(PARTS[:3])
    line.mend()
    assert upload.send(PARTS[:3]) <= 2
    store.put(KEY, whole())
    assert bucket.content(KEY) == DATA


def test_early_parts_keep_to_the_rate(bucket: Bucket) -> None:
    clock = VirtualClock()
    store = paced(bucket.open(), PART, clock)
    assert isinstance(store, EarlyStore)
    started = clock.ms
    store.early(KEY, whole(), quiet).send(PARTS)
    assert clock.ms - started >= 2000  # three parts and a bit, one a second after the first


def test_parts_whose_digests_are_stated_are_neither_read_nor_hashed_before_they_go(bucket: Bucket) -> None:
    passed = 0

    class Counting(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal passed
            data = super().read(size)
            passed += len(data)
            return data

    source = Source(len(DATA), SHA256, lambda: Counting(DATA), PARTS, PART)
    bucket.open().put(KEY, source)
    assert len(DATA) <= passed <= len(DATA) + 2  # and its last byte once, to see that it is all there
