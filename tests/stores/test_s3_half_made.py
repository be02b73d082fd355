"""A gateway that is killed while it makes objects may leave some that are there and that it denies at first: a dock
that comes back stores none of them twice, and whoever reads gets the bytes."""

import itertools
import threading
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from dockagent.clock import SystemClock
from dockagent.stores.archive_s3 import S3Archive
from dockagent.stores.s3 import S3Store
from dockagent.stores.s3_pending import Uploads
from dockagent.stores.s3_shelf import S3Shelf
from hil.central import rgw
from tests.contracts.store_places import Bucket, gateway
from tests.contracts.store_sources import honest, some_bytes

__all__ = ["gateway"]  # a fixture: pytest finds it by its name here

SMALL = some_bytes(701)
PREFIX = "evidence/dock-7/"
WRITERS, KILLS = 6, 10


def _put_without_an_answer(gateway: rgw.Gateway, bucket: Bucket) -> list[str]:
    """The keys below the prefix whose PUT was under way when the gateway was killed, several times."""
    unanswered: list[str] = []
    over, moving = threading.Event(), threading.Event()

    def write(number: int) -> None:
        for turn in itertools.count():
            if over.is_set():
                return
            key = f"clips/{number}-{turn}/master"
            try:
                bucket.client.put_object(Bucket=bucket.name, Key=PREFIX + key, Body=SMALL)
                moving.set()
            except (ClientError, BotoCoreError):
                unanswered.append(key)
                over.wait(0.05)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        for kill in range(KILLS):
            moving.clear()
            assert moving.wait(30), "nothing was put"
            over.wait(0.05 * kill)  # at other moments of the puts
            gateway.kill_rgw()
            gateway.start_rgw()
    finally:
        over.set()
        for writer in writers:
            writer.join()
    return unanswered


def _versions(bucket: Bucket) -> dict[str, int]:
    """How many versions lie under each key below the prefix."""
    found: dict[str, int] = {}
    for page in bucket.client.get_paginator("list_object_versions").paginate(Bucket=bucket.name):
        for one in page.get("Versions", []):
            key = one["Key"].removeprefix(PREFIX)
            found[key] = found.get(key, 0) + 1
    return found


@pytest.mark.parametrize("who", ["the dock", "the custodian", "the auditor"])
def test_what_a_killed_gateway_denies_at_first_is_there(gateway: rgw.Gateway, tmp_path: Path, who: str) -> None:
    bucket = Bucket(gateway.endpoint, f"denied-{who.split()[1]}", locked=True)
    unanswered = _put_without_an_answer(gateway, bucket)
    before = _versions(bucket)
    there = [key for key in unanswered if key in before]
    assert there, "no kill left anything"
    settings, clock = bucket.settings(), SystemClock()
    for key in there:
        if who == "the dock":
            S3Store(settings, clock, uploads=Uploads(tmp_path)).put(key, honest(SMALL))
        elif who == "the custodian":
            with S3Archive(settings, clock).open(key) as held:
                assert held.read(1000) == SMALL
        else:
            with S3Shelf(settings, clock).open(key) as read:
                assert read.read(1000) == SMALL
    assert _versions(bucket) == before
