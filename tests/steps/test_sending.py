"""Whose trouble a failed send is, and of which kind; and that a send ends with the upload hours."""

from random import Random

import pytest

from dockagent.core import events as ev
from dockagent.core.uplink.link import RULES
from dockagent.core.uplink.trouble import Kind, LinkTrouble
from dockagent.durable import DiskFull
from dockagent.errors import DockError, Missing, Permanent, Refused, Retryable
from dockagent.steps.sending import check_hours, failed, kind_of
from dockagent.steps.upload import send_master, send_preview
from dockagent.stores import Conflict, Unseen
from tests.simulation.actors import VirtualClock
from tests.simulation.memory_disk import MemoryDisk
from tests.steps.test_upload import PREFIX, Watched, spool, task, world

ERRORS: list[tuple[DockError | OSError, bool, Kind, bool]] = [
    *((LinkTrouble(kind, "as it happens"), False, kind, True) for kind in Kind),
    (Retryable("the store is away"), False, Kind.LINK, True),
    (DiskFull("no room in the store"), False, Kind.FULL, True),
    (Unseen("clips/x/master", "it may be ours"), False, Kind.UNSEEN, True),
    (Permanent("never"), False, Kind.OBJECT, False),
    (Conflict("other bytes"), False, Kind.OBJECT, False),
    (Missing("nobody knows"), False, Kind.OBJECT, False),
    (Refused("a rule"), False, Kind.OBJECT, False),
    (OSError(5, "Input/output error"), False, Kind.DISK, True),
    (Retryable("cannot read what is to be stored"), True, Kind.DISK, True),
]


@pytest.mark.parametrize(("error", "unread", "kind", "retry"), ERRORS, ids=lambda one: repr(one)[:40])
def test_an_error_says_whose_it_is(error: DockError | OSError, *, unread: bool, kind: Kind, retry: bool) -> None:
    assert kind_of(error, unread=unread) is kind
    event = failed("c1", "send-master", error, unread=unread)
    assert (event.kind, event.retry, event.link, event.reason) == (str(kind), retry, RULES[kind].whole, str(error))


def test_how_long_the_store_asked_us_to_wait_is_recorded() -> None:
    error = LinkTrouble(Kind.THROTTLED, "slow down", after_s=12.5)
    assert failed("c1", "send-master", error, unread=False).after_ms == 12_500
    assert failed("c1", "send-master", Retryable("away"), unread=False).after_ms == 0


@pytest.mark.parametrize("at", ["sprite.jpg", "master"])
def test_a_store_s_word_comes_through_the_whole_step(at: str) -> None:
    store = Watched(LinkTrouble(Kind.CREDENTIAL, "403", "renew the key"), at)
    (event,) = (send_preview if at == "sprite.jpg" else send_master)(world(store), task())
    assert isinstance(event, ev.ClipFailed)
    assert (event.kind, event.link, event.retry) == (Kind.CREDENTIAL, True, True)
    assert event.reason == "403; renew the key"


def test_a_send_ends_with_the_upload_hours_and_is_no_failure_of_anybody() -> None:
    clock, store = VirtualClock(), Watched()
    (event,) = send_master(world(store, spool(MemoryDisk(Random(1)))), task(until_ms=clock.ms - 1))
    assert isinstance(event, ev.ClipFailed)
    assert (event.kind, event.link, event.retry, event.lost, event.record) == ("hours", False, True, False, False)
    assert f"{PREFIX}/master" not in store.objects
    (again,) = send_master(world(store, spool(MemoryDisk(Random(1)))), task(until_ms=clock.ms + 3_600_000))
    assert isinstance(again, ev.Delivered)


def test_hours_without_an_end_are_never_over() -> None:
    clock = VirtualClock()
    check_hours(clock, 0)
    check_hours(clock, clock.ms + 1000)
    with pytest.raises(LinkTrouble, match="upload hours are over"):
        check_hours(clock, clock.ms)
