"""The gateway is killed in each phase of an upload in parts, and the dock with it: each try is a new store object that
knows only what its home kept. In the end: one object, one version, the same bytes, nothing left over."""

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.core.moment import Instant
from dockagent.errors import Retryable
from dockagent.stores import Stored
from dockagent.stores.s3 import S3Store
from dockagent.stores.s3_pending import ORPHANED_MS, PATIENCE_MS, Uploads, unfinished
from hil.central import rgw
from hil.central.line import Line
from hil.central.scripted import Answer, Forward, Request, error, relaying
from tests.contracts.store_places import Bucket, gateway, real_s3_server
from tests.contracts.store_sources import PART, honest, some_bytes

__all__ = ["gateway"]  # a fixture: pytest finds it by its name here

KEY = "clips/BWC-0001/2026/11/22/one/master"
SMALL = some_bytes(300_001)
LARGE = some_bytes(3 * PART + 70_001)  # four parts
COMPLETE, CREATE = b"<CompleteMultipartUpload", b"?uploads"
TRIES, PAUSE_S = 80, 0.25
_bucket = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Scene:
    """A locked bucket, who puts into it, over which line, and the home in which unfinished uploads are remembered."""

    gateway: rgw.Gateway
    bucket: Bucket
    line: Line
    home: Path
    account: rgw.Account

    def put(self, data: bytes = LARGE, heard: Callable[[int], None] | None = None, key: str = KEY) -> Stored:
        """One try, as after a restart of the dock."""
        settings = self.bucket.settings(f"http://127.0.0.1:{self.line.port}", self.account, attempts=1)
        store = S3Store(settings, SystemClock(), part_size=PART, uploads=Uploads(self.home))
        return store.put(key, honest(data), heard)

    def put_until_it_is_there(self, data: bytes = LARGE) -> Stored:
        """Try again as the dock's orders do; a gateway that was killed keeps others out for five seconds."""
        for _ in range(TRIES):
            try:
                return self.put(data)
            except Retryable:
                threading.Event().wait(PAUSE_S)
        return self.put(data)

    def restart(self) -> None:
        """Bring the gateway back."""
        self.gateway.kill_rgw()
        self.gateway.start_rgw()

    def check_one_whole_object(self, data: bytes = LARGE, *, twice: bool = False) -> None:
        """What every fault has to end in. ``twice``: two versions of the same bytes will do."""
        assert self.bucket.content(KEY) == data
        found = self.bucket.client.list_object_versions(Bucket=self.bucket.name)["Versions"]
        assert len(found) <= (2 if twice else 1)
        for one in found:
            got = self.bucket.client.get_object(Bucket=self.bucket.name, Key=one["Key"], VersionId=one["VersionId"])
            assert got["Body"].read() == data
        assert self.bucket.leftovers() == []
        assert unfinished(Uploads(self.home)) == {}


@pytest.fixture(params=["a dock that may look", "a dock that only puts"])
def scene(gateway: rgw.Gateway, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    bucket = Bucket(gateway.endpoint, f"kills-{next(_bucket)}", locked=True)
    account = rgw.ADMIN
    if request.param == "a dock that only puts":
        bucket.only_writing()
        account = rgw.DOCK
    with Line(gateway.port) as line:
        yield Scene(gateway, bucket, line, tmp_path, account)


@pytest.mark.parametrize("after_ms", [0, 3, 10, 30, 100])
@pytest.mark.parametrize("marker", [CREATE, COMPLETE], ids=["create", "complete"])
def test_killed_while_it_begins_or_ends_an_upload(scene: Scene, marker: bytes, after_ms: int) -> None:
    """At several moments after the request is through: before, in and after what the gateway makes of it."""
    fell = threading.Event()

    def kill() -> None:
        threading.Event().wait(after_ms / 1000)
        scene.gateway.kill_rgw()
        fell.set()

    scene.line.then(marker, kill)
    try:
        scene.put()
    except Retryable:
        pass
    else:
        assert after_ms >= 10, "it ended before it was killed"
    assert fell.wait(10)
    scene.restart()
    sent = scene.line.sent
    scene.put_until_it_is_there()
    if marker == COMPLETE:
        assert scene.line.sent - sent < PART, "what was accepted was sent again"
    # Ceph 16 has no conditional writes in buckets with versions: what it had made when it was killed, it makes again.
    scene.check_one_whole_object(twice=marker == COMPLETE and scene.gateway.version() < "20")


@pytest.mark.parametrize("at", [PART // 2, PART, 2 * PART + 1_000_000], ids=["part 1", "between", "part 3"])
def test_killed_in_a_part_and_between_parts(scene: Scene, at: int) -> None:
    told, killed = 0, threading.Event()

    def kill_there(more: int) -> None:
        nonlocal told
        told += more
        if told >= at and not killed.is_set():
            killed.set()
            scene.gateway.kill_rgw()

    with pytest.raises(Retryable):
        scene.put(heard=kill_there)
    assert killed.is_set()
    scene.restart()
    scene.put_until_it_is_there()
    scene.check_one_whole_object()


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_an_answer_that_is_lost_makes_no_second_version(scene: Scene, data: bytes) -> None:
    """After Complete, which nobody heard, the dock asks for it again and sends nothing."""
    scene.line.lose_answer_to(COMPLETE if data is LARGE or scene.account is rgw.DOCK else b"PUT /")
    with pytest.raises(Retryable):
        scene.put(data)
    scene.restart()
    sent = scene.line.sent
    assert scene.put(data).sha256 == honest(data).sha256
    assert scene.line.sent - sent < 20_000
    scene.check_one_whole_object(data)


def test_a_dock_that_was_killed_before_its_ledger_had_the_answer_puts_no_second_version(scene: Scene) -> None:
    for data in (SMALL, LARGE):
        first = scene.put(data, key=f"{KEY}-{len(data)}")
        sent = scene.line.sent
        again = scene.put(data, key=f"{KEY}-{len(data)}")
        assert (again.sha256, again.version) == (first.sha256, first.version)
        assert scene.line.sent - sent < 20_000
    assert scene.bucket.versions() == 2


@pytest.fixture
def stopped() -> "Stepped":
    return Stepped()


class Stepped(SystemClock):
    """A clock that tests set forward."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead_ms = 0

    def now(self) -> Instant:
        true = super().now()
        later = true.utc_ms + self.ahead_ms
        return Instant(later, true.boot_id, true.mono_us, true.source, true.uncertainty_ms)


@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (404, "NoSuchUpload")])
def test_the_end_is_asked_for_longer_than_ten_minutes_before_anything_is_sent_again(
    gateway: rgw.Gateway, tmp_path: Path, stopped: Stepped, status: int, code: str
) -> None:
    """A dock that only puts cannot look. It asks for the end alone, until patience is over; then it sends anew."""
    bucket = Bucket(gateway.endpoint, f"patience-{next(_bucket)}", locked=True)
    bucket.only_writing()
    asked: list[str] = []

    def late(request: Request, forward: Forward) -> Answer | None:
        asked.append(f"{request.method} {request.path.partition('?')[2].partition('=')[0]}")
        if COMPLETE in request.body and len(asked) < 100:
            return error(status, code, "This multipart completion is already in progress")
        return forward(request)

    with relaying(gateway.port, late) as port:

        def put() -> Stored:
            settings = bucket.settings(f"http://127.0.0.1:{port}", rgw.DOCK, attempts=1)
            return S3Store(settings, stopped, part_size=PART, uploads=Uploads(tmp_path)).put(KEY, honest(SMALL))

        with pytest.raises(Retryable):
            put()
        del asked[:]
        for _ in range(5):
            stopped.ahead_ms += PATIENCE_MS // 5 - 20_000
            with pytest.raises(Retryable, match=code):
                put()
        assert stopped.ahead_ms > 10 * 60_000
        assert asked == ["POST uploadId"] * 5
        stopped.ahead_ms += 2 * 60_000
        asked.extend(["late"] * 100)
        assert put().sha256 == honest(SMALL).sha256
    assert bucket.content(KEY) == SMALL


def test_uploads_that_nobody_works_on_any_more_are_aborted(
    gateway: rgw.Gateway, tmp_path: Path, stopped: Stepped
) -> None:
    bucket = Bucket(gateway.endpoint, f"orphans-{next(_bucket)}", locked=True)
    bucket.only_writing()
    with Line(gateway.port) as line:
        settings = bucket.settings(f"http://127.0.0.1:{line.port}", rgw.DOCK, attempts=1)
        store = S3Store(settings, stopped, part_size=PART, uploads=Uploads(tmp_path))
        line.cut_after(2 * PART)
        with pytest.raises(Retryable):
            store.put(KEY, honest(LARGE))
        line.mend()
        assert len(bucket.leftovers()) == 1
        store.put(KEY + "-2", honest(SMALL))
        assert len(bucket.leftovers()) == 1
        stopped.ahead_ms = ORPHANED_MS + 60_000
        store.put(KEY + "-3", honest(SMALL))
    assert bucket.leftovers() == []
    assert unfinished(Uploads(tmp_path)) == {}


def test_a_power_cut_of_the_whole_store_in_the_third_part(tmp_path: Path) -> None:
    """Monitor, disk and gateway are killed at once; the parts are on the disk, and the upload goes on."""
    with real_s3_server("bluestore") as gateway, Line(gateway.port) as line:
        bucket = Bucket(gateway.endpoint, "power", locked=True)
        bucket.only_writing()
        scene, cut = Scene(gateway, bucket, line, tmp_path, rgw.DOCK), threading.Event()

        def cut_in_the_third_part(_more: int) -> None:
            if line.sent > 2 * PART + 2_000_000 and not cut.is_set():
                cut.set()
                gateway.cut_power()

        with pytest.raises(Retryable):
            scene.put(heard=cut_in_the_third_part)
        assert cut.is_set()
        gateway.start_again()
        sent = line.sent
        scene.put_until_it_is_there()
        assert line.sent - sent < len(LARGE) - PART, "nothing was resumed"
        scene.check_one_whole_object()
