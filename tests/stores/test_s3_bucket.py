"""What a bucket says of itself to a credential that only puts: the one that the documents recommend."""

import itertools
from dataclasses import replace

import pytest

from dockagent.clock import Clock, SystemClock
from dockagent.core.moment import Instant
from dockagent.doctor import of_setting
from dockagent.doctor.check import Check, exit_code
from dockagent.stores import Unasked
from dockagent.stores.s3 import S3Store
from hil.central import rgw
from hil.central.scripted import Answer, Forward, Request, relaying
from tests.contracts.store_places import Bucket, gateway

__all__ = ["gateway"]  # a fixture: pytest finds it by its name here

_number = itertools.count(1)


@pytest.fixture
def bucket(gateway: rgw.Gateway) -> Bucket:
    made = Bucket(gateway.endpoint, f"asked-{next(_number)}", locked=True)
    made.only_writing()
    return made


class Off(SystemClock):
    def now(self) -> Instant:
        true = super().now()
        return Instant(true.utc_ms - 1_200_000, true.boot_id, true.mono_us, true.source, true.uncertainty_ms)


def store(bucket: Bucket, account: rgw.Account = rgw.DOCK, clock: Clock | None = None) -> S3Store:
    return S3Store(bucket.settings(account=account), clock or SystemClock())


def judged(one: S3Store) -> Check:
    return of_setting.store(one.url, lambda: one)


def test_a_dock_that_only_puts_is_told_who_can_tell_and_nothing_fails(bucket: Bucket) -> None:
    (line,) = store(bucket).check()
    assert isinstance(line, Unasked)
    found = judged(store(bucket))
    assert (found.word, exit_code([found])) == ("warning", 0)
    assert "may not ask" in found.what
    assert "dockagent store check" in found.todo
    assert bucket.versions() == 0, "to ask leaves nothing in the store"


def test_its_clock_is_compared_all_the_same(bucket: Bucket) -> None:
    found = judged(store(bucket, clock=Off()))
    assert found.word == "failure"
    assert found.what.startswith("our clock is 1")
    assert "may not ask" in found.what


def test_a_store_that_states_no_time_is_no_fault(bucket: Bucket, gateway: rgw.Gateway) -> None:
    def timeless(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        kept = tuple((name, value) for name, value in answer.headers if name.lower() != "date")
        return replace(answer, headers=kept)

    with relaying(gateway.port, timeless) as port:
        settings = bucket.settings(f"http://127.0.0.1:{port}", rgw.DOCK)
        clock, right = S3Store(settings, SystemClock()).check()
    assert "states no time" in clock
    assert {type(clock), type(right)} == {Unasked}


def test_a_wrong_secret_an_unknown_key_and_no_bucket_still_fail(bucket: Bucket) -> None:
    for wrong in (rgw.Account("x", "NOBODYSKEY", "nobody"), rgw.Account("x", rgw.DOCK.access_key, "another secret")):
        found = judged(store(bucket, wrong))
        assert found.word == "failure"
        assert "check the store's access key" in found.what
    bucket.client.delete_bucket_policy(Bucket=bucket.name)
    bucket.client.delete_bucket(Bucket=bucket.name)
    assert "404" in judged(store(bucket)).what


def test_a_store_that_may_be_asked_is_not_asked_less(gateway: rgw.Gateway) -> None:
    plain = Bucket(gateway.endpoint, f"asked-{next(_number)}")
    found = judged(store(plain, rgw.ADMIN))
    assert found.word == "failure"
    assert "turn on the bucket's versioning" in found.what
