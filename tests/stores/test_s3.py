"""What is particular to S3, against a real server (Ceph 16): cut lines, lost answers, resuming, rights, clocks.

This server ignores ``x-amz-checksum-*`` and, on versioned buckets and on CompleteMultipartUpload, ``If-None-Match``.
What it does keep is that every body must have the SHA-256 that was signed.
"""

import hashlib
import itertools
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.core.moment import Instant
from dockagent.errors import Permanent, Retryable
from dockagent.stores import PART_SIZE, Conflict, Source, Unseen
from dockagent.stores.s3 import S3Store
from dockagent.stores.s3_pending import Pending, unfinished
from hil.central import rgw
from hil.central.line import Line
from tests.contracts.store_places import Bucket, gateway
from tests.contracts.store_sources import PART, honest, some_bytes

__all__ = ["gateway"]  # a fixture: pytest finds it by its name here

KEY = "clips/BWC-0001/2026/11/22/one/master"
SMALL = some_bytes(300_001)
LARGE = some_bytes(3 * PART + 70_001)  # four parts
_bucket = itertools.count(1)


@pytest.fixture
def bucket(gateway: rgw.Gateway) -> Bucket:
    return Bucket(gateway.endpoint, f"plain-{next(_bucket)}")


@pytest.fixture
def locked(gateway: rgw.Gateway) -> Bucket:
    return Bucket(gateway.endpoint, f"locked-{next(_bucket)}", locked=True)


@pytest.fixture
def line(gateway: rgw.Gateway) -> Iterator[Line]:
    with Line(gateway.port) as running:
        yield running


def over(line: Line, bucket: Bucket, attempts: int = 1) -> S3Store:
    """A client whose every byte goes over ``line``. With one attempt, each fault is seen by us and not by botocore."""
    settings = bucket.settings(f"http://127.0.0.1:{line.port}", attempts=attempts)
    return S3Store(settings, SystemClock(), part_size=PART)


def test_a_cut_line_loses_nothing_and_what_was_accepted_is_not_sent_again(line: Line, bucket: Bucket) -> None:
    line.cut_after(2 * PART + 1_000_000)
    with pytest.raises(Retryable, match="check the network"):
        over(line, bucket).put(KEY, honest(LARGE))
    assert bucket.content(KEY) is None
    line.mend()
    before = line.sent
    told: list[int] = []
    stored = over(line, bucket).put(KEY, honest(LARGE), told.append)
    assert stored.proof == "checksum"
    assert bucket.content(KEY) == LARGE
    assert line.sent - before < len(LARGE) - 2 * PART + 100_000
    assert sum(told) == len(LARGE)
    assert bucket.leftovers() == []


def test_a_server_killed_in_the_middle_goes_on_where_it_was(gateway: rgw.Gateway, line: Line, bucket: Bucket) -> None:
    killed = threading.Event()

    def kill_in_the_third_part(_size: int) -> None:
        if line.sent > 2 * PART + 1_000_000 and not killed.is_set():
            killed.set()
            gateway.kill_rgw()

    with pytest.raises(Retryable):
        over(line, bucket).put(KEY, honest(LARGE), kill_in_the_third_part)
    assert killed.is_set()
    gateway.start_rgw()
    before = line.sent
    over(line, bucket).put(KEY, honest(LARGE))
    assert bucket.content(KEY) == LARGE
    assert line.sent - before < len(LARGE) - 2 * PART + 100_000


def test_a_bit_flipped_on_the_way_is_refused_by_the_server(line: Line, bucket: Bucket) -> None:
    for data, after in ((SMALL, 100_000), (LARGE, 2 * PART)):
        line.flip_after(after)
        with pytest.raises(Retryable, match="SHA256Mismatch"):
            over(line, bucket).put(KEY, honest(data))
        assert bucket.content(KEY) is None
    over(line, bucket).put(KEY, honest(LARGE))
    assert bucket.content(KEY) == LARGE


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_lost_answer_to_a_put_is_settled_by_looking(line: Line, bucket: Bucket, attempts: int) -> None:
    line.lose_answer_to(f"PUT /{bucket.name}/".encode())
    store = over(line, bucket, attempts)
    if attempts == 1:
        with pytest.raises(Retryable):
            store.put(KEY, honest(SMALL))
    assert store.put(KEY, honest(SMALL)).proof in ("re-read", "checksum")  # the second where the server states one
    assert bucket.content(KEY) == SMALL


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_lost_answer_to_complete_leaves_one_object_and_one_version(line: Line, locked: Bucket, attempts: int) -> None:
    line.lose_answer_to(b"<CompleteMultipartUpload")
    store = over(line, locked, attempts)
    if attempts == 1:
        with pytest.raises(Retryable):
            store.put(KEY, honest(LARGE))
    assert store.put(KEY, honest(LARGE)).sha256 == honest(LARGE).sha256
    assert locked.content(KEY) == LARGE
    assert locked.versions() == 1
    assert locked.leftovers() == []


def test_putting_again_makes_no_second_version_where_the_server_ignores_if_none_match(locked: Bucket) -> None:
    for data in (SMALL, LARGE):
        key = f"{KEY}-{len(data)}"
        first = locked.open().put(key, honest(data))
        assert first.version
        assert locked.open().put(key, honest(data)).version == first.version
        with pytest.raises(Conflict):
            locked.open().put(key, honest(data[:-1] + b"!"))
    assert locked.versions() == 2


@pytest.mark.parametrize("remembered", [True, False])
def test_an_unfinished_upload_of_other_bytes_is_not_joined(line: Line, bucket: Bucket, remembered: bool) -> None:
    """It is cleared away only by the dock that began it and never asked for its end: see the test after this."""
    uploads: dict[str, Pending] = {}
    settings = bucket.settings(f"http://127.0.0.1:{line.port}", attempts=1)
    line.cut_after(2 * PART + 5)
    with pytest.raises(Retryable):
        S3Store(settings, SystemClock(), part_size=PART, uploads=uploads).put(KEY, honest(some_bytes(len(LARGE), 9)))
    line.mend()
    assert len(bucket.leftovers()) == 1
    S3Store(settings, SystemClock(), part_size=PART, uploads=uploads if remembered else {}).put(KEY, honest(LARGE))
    assert bucket.content(KEY) == LARGE
    assert len(bucket.leftovers()) == (0 if remembered else 1)
    seen = bucket.open().stat(KEY)
    assert seen is not None
    assert seen.sha256 == honest(LARGE).sha256


def test_an_upload_beside_its_own_object_is_never_aborted(gateway: rgw.Gateway, line: Line) -> None:
    """A gateway killed in Complete can leave both, with the same parts. Whoever aborts the upload loses the object, so
    that the end is asked for again instead, also by a dock that sees the object there. In a bucket without versions
    that loses it as well, once the server collects what it takes for garbage: docs/stores.md."""
    bucket = Bucket(gateway.endpoint, "beside", locked=True)
    uploads: dict[str, Pending] = {}
    settings = bucket.settings(f"http://127.0.0.1:{line.port}", attempts=1)

    def store() -> S3Store:
        return S3Store(settings, SystemClock(), part_size=PART, uploads=uploads)

    for number, after_ms in enumerate((8, 12, 20, 30, 50)):
        dead = threading.Event()

        def kill(after_ms: int = after_ms, dead: threading.Event = dead) -> None:
            threading.Event().wait(after_ms / 1000)
            gateway.kill_rgw()
            dead.set()

        line.then(b"<CompleteMultipartUpload", kill)
        with suppress(Retryable):
            store().put(f"{KEY}-{number}", honest(LARGE))
        assert dead.wait(10)
        gateway.start_rgw()
        for _ in range(80):
            with suppress(Retryable):
                store().put(f"{KEY}-{number}", honest(LARGE))
                break
            threading.Event().wait(0.25)
        bucket.open().put(f"{KEY}-{number}", honest(LARGE))  # another dock, which knows nothing of all this
        gateway.admin("gc", "process", "--include-all")
        assert bucket.content(f"{KEY}-{number}") == LARGE


def test_a_source_that_changes_while_it_is_sent_does_not_become_an_object(bucket: Bucket) -> None:
    """The first part is read once to be hashed and once to be sent; the medium answers differently the second time."""

    class Changing:
        def __init__(self) -> None:
            self._at = self._passed = 0

        def read(self, size: int, /) -> bytes:
            data = LARGE[self._at : self._at + size]
            self._at += len(data)
            self._passed += len(data)
            return data if self._passed <= PART else bytes(len(data))

        def seek(self, offset: int, /) -> int:
            self._at = offset
            return offset

        def __enter__(self) -> "Changing":
            return self

        def __exit__(self, *failure: object) -> None:
            self._at = 0

    changing = Source(len(LARGE), hashlib.sha256(LARGE).hexdigest(), Changing)
    with pytest.raises(Permanent, match="refusing to store"):
        bucket.open().put(KEY, changing)
    assert bucket.content(KEY) is None
    assert bucket.leftovers() == []


def test_parts_of_the_fixed_size_go_out_under_the_digests_that_were_computed_before(bucket: Bucket) -> None:
    data = some_bytes(PART_SIZE + 1_000_001)
    parts = tuple(hashlib.sha256(data[at : at + PART_SIZE]).hexdigest() for at in (0, PART_SIZE))
    source = honest(data)
    store = S3Store(bucket.settings(), SystemClock())
    wrong = Source(source.size, source.sha256, source.open, (parts[0], parts[0]))
    with pytest.raises(Permanent, match=f"bytes {PART_SIZE} to {len(data)} hash to {parts[1]}, not {parts[0]}"):
        store.put(KEY, wrong)
    assert bucket.content(KEY) is None
    assert bucket.leftovers() == []
    assert store.put(KEY, Source(source.size, source.sha256, source.open, parts)).proof == "checksum"
    assert bucket.content(KEY) == data


def test_a_dock_that_may_only_write_gets_the_proof_and_says_when_it_cannot_tell(locked: Bucket, line: Line) -> None:
    locked.only_writing()
    settings = locked.settings(f"http://127.0.0.1:{line.port}", rgw.DOCK, attempts=1)
    uploads: dict[str, Pending] = {}
    store = S3Store(settings, SystemClock(), part_size=PART, uploads=uploads)
    assert store.put(KEY, honest(SMALL)).proof == "checksum"
    with pytest.raises(Retryable, match="access key"):
        store.stat(KEY)
    line.cut_after(2 * PART + 1_000_000)
    with pytest.raises(Retryable):
        store.put(KEY + "-large", honest(LARGE))
    line.mend()
    assert list(unfinished(uploads)) == [f"{locked.name}/evidence/dock-7/{KEY}-large"]
    before = line.sent
    assert store.put(KEY + "-large", honest(LARGE)).proof == "checksum"
    assert line.sent - before < len(LARGE) - 2 * PART + 100_000
    assert unfinished(uploads) == {}
    assert locked.content(KEY + "-large") == LARGE


def test_a_taken_key_that_may_not_be_looked_at_is_not_called_a_success(gateway: rgw.Gateway, locked: Bucket) -> None:
    """Where the server refuses the second write, that is said; where it ignores the condition, the first version stays,
    which is why a dock that only puts needs a bucket with versions."""
    locked.only_writing()

    def another_dock() -> S3Store:
        return S3Store(locked.settings(account=rgw.DOCK), SystemClock(), part_size=PART)

    first = another_dock().put(KEY, honest(SMALL))
    if gateway.version() >= "20":
        for data in (SMALL, SMALL + b"!"):
            with pytest.raises(Unseen, match=r"may not look at; .*custodian's receipt"):
                another_dock().put(KEY, honest(data))
        assert locked.versions() == 1
        return
    second = another_dock().put(KEY, honest(SMALL + b"!"))
    assert second.version != first.version
    name = f"evidence/dock-7/{KEY}"
    kept = locked.client.get_object(Bucket=locked.name, Key=name, VersionId=first.version)["Body"].read()
    assert kept == SMALL


def test_wrong_credentials_and_a_missing_bucket_say_what_to_do(gateway: rgw.Gateway, bucket: Bucket) -> None:
    stranger = S3Store(bucket.settings(account=rgw.Account("x", "NOBODYSKEY", "nobodyssecret")), SystemClock())
    with pytest.raises(Retryable, match=r"InvalidAccessKeyId.*check the store's access key"):
        stranger.put(KEY, honest(SMALL))
    (fault,) = stranger.check()
    assert "check the store's access key" in fault
    bucket.client.delete_bucket(Bucket=bucket.name)
    with pytest.raises(Retryable, match=r"NoSuchBucket.*make the bucket"):
        bucket.open().put(KEY, honest(SMALL))
    (fault,) = bucket.open().check()
    assert "404" in fault


def test_check_is_content_with_a_bucket_that_keeps_and_names_what_is_missing(bucket: Bucket, locked: Bucket) -> None:
    assert locked.open().check() == []
    versions, retention = bucket.open().check()
    assert "turn on the bucket's versioning" in versions
    assert "set an Object Lock rule" in retention


@pytest.mark.parametrize(("off_s", "words"), [(1200, "ahead of"), (-1200, "behind")])
def test_check_tells_a_clock_that_is_off_before_the_store_refuses_it(locked: Bucket, off_s: int, words: str) -> None:
    class Off(SystemClock):
        def now(self) -> Instant:
            true = super().now()
            return Instant(true.utc_ms + off_s * 1000, true.boot_id, true.mono_us, true.source, true.uncertainty_ms)

    (fault,) = S3Store(locked.settings(), Off()).check()
    told = re.match(rf"our clock is (\d+) s {words} the store's, {locked.open().url}; set this dock's clock", fault)
    assert told is not None
    assert abs(int(told[1]) - 1200) <= 3


def test_the_memory_needed_does_not_grow_with_the_object(bucket: Bucket, tmp_path: Path) -> None:
    """Nobody ever asks a source for more than a buffer, so that no part is held in memory."""
    asked: list[int] = []

    class Watching:
        def __init__(self) -> None:
            self._at = 0

        def read(self, size: int, /) -> bytes:
            asked.append(size)
            data = LARGE[self._at : self._at + size]
            self._at += len(data)
            return data

        def seek(self, offset: int, /) -> int:
            self._at = offset
            return offset

        def __enter__(self) -> "Watching":
            return self

        def __exit__(self, *failure: object) -> None:
            self._at = 0

    bucket.open().put(KEY, Source(len(LARGE), hashlib.sha256(LARGE).hexdigest(), Watching))
    assert max(asked) <= 1 << 20
