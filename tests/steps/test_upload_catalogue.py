"""A clip's line in the catalogue goes with it, once; and a store that will not have it stops no evidence."""

import hashlib
from dataclasses import replace
from random import Random

from dockagent.core import events as ev
from dockagent.core.model import ClipPhase
from dockagent.core.review import catalogue
from dockagent.core.review.catalogue import Cataloguer
from dockagent.durable import Disk
from dockagent.errors import Permanent, Retryable
from dockagent.steps.admit import admit
from dockagent.steps.upload import send_master, thing_of
from dockagent.steps.world import World
from tests.core.story import clip_in, one_clip, receipt
from tests.simulation.memory_disk import MemoryDisk
from tests.steps.card import Card, OneBay, world_over
from tests.steps.test_upload import MASTER, Watched, task

DOCK = Cataloguer("dock-7", "station 4", "dockagent.local/dock-7")
KEY = "catalogue/dock-7/2026/11/18/c1.ndjson"


def a_dock(store: Watched, site: str = DOCK.site) -> tuple[World, bytes]:
    """A dock that has admitted a clip, and the clip's record."""
    disk: Disk = MemoryDisk(Random(1))
    world = world_over(disk, OneBay(Card(b"")), store=store, catalogue=replace(DOCK, site=site))
    digest = hashlib.sha256(MASTER).hexdigest()
    admit(world, replace(one_clip(clip_in(ClipPhase.PREVIEWED)), sha256=digest, bytes=len(MASTER)))
    disk.write("spool/c1/master", MASTER)
    return world, disk.read("spool/c1/record.json")


def sent(world: World, record: bytes) -> ev.Event:
    job = task(
        clip="c1",
        folder="spool/c1",
        prefix="clips/c1",
        master=thing_of("master", MASTER),
        preview=(),
        record_sha256=hashlib.sha256(record).hexdigest(),
        manifest_sha256="",
    )
    (event,) = send_master(world, job)
    return event


def test_it_goes_behind_the_record_and_before_the_master_with_a_receipt() -> None:
    store = Watched()
    event = sent(*a_dock(store))
    assert isinstance(event, ev.Delivered)
    assert store.came == ["clips/c1/record.json", KEY, "clips/c1/master"]
    assert [(one.key, one.sha256) for one in event.others[1:]] == [
        (KEY, hashlib.sha256(store.objects[KEY]).hexdigest())
    ]
    assert event.findings == ()


def test_sending_it_again_is_the_same_line() -> None:
    store = Watched()
    world, record = a_dock(store)
    assert sent(world, record) == sent(world, record)
    assert [key for key in store.objects if key.startswith("catalogue/")] == [KEY]


def test_a_record_that_was_signed_again_has_a_line_beside_the_first() -> None:
    store = Watched()
    sent(*a_dock(store, "station 3"))
    world, record = a_dock(store)
    event = sent(world, record)
    listed = catalogue.line(record)
    assert listed is not None
    other = catalogue.again(*listed)
    assert isinstance(event, ev.Delivered)
    assert event.others[-1].key == other
    assert store.objects[other] == listed[1]
    assert b'"station 3"' in store.objects[KEY], "what was there first stays"


def test_a_store_that_will_not_have_it_stops_no_evidence() -> None:
    store = Watched(Permanent("the store's policy names no catalogue/"), ".ndjson")
    event = sent(*a_dock(store))
    assert isinstance(event, ev.Delivered)
    assert "clips/c1/master" in store.objects
    assert [one.code for one in event.findings] == ["catalogue"]
    story = clip_in(ClipPhase.SHOWN)
    story.tell(ev.Delivered("c1", receipt(), (), event.findings))
    assert one_clip(story).findings == list(event.findings)


def test_a_store_that_is_away_is_asked_again() -> None:
    event = sent(*a_dock(Watched(Retryable("away"), ".ndjson")))
    assert isinstance(event, ev.ClipFailed)
    assert event.retry


def test_a_line_that_is_there_and_may_not_be_seen_stops_no_evidence() -> None:
    store = Watched()
    world, record = a_dock(store)
    store.blind = True
    assert isinstance(sent(world, record), ev.Delivered)
    for said in ([], ["catalogue"]):
        del store.objects["clips/c1/master"]
        event = sent(world, record)
        assert isinstance(event, ev.Delivered)
        assert [one.code for one in event.findings if one.code == "catalogue"] == said
    lines = [data for key, data in store.objects.items() if key.startswith("catalogue/")]
    assert (len(lines), len(set(lines))) == (2, 1)
