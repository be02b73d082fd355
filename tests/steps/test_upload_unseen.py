"""Upload with a credential that may only put: names that are taken, where nobody here may look by what."""

import hashlib
from random import Random

from dockagent.core import events as ev
from dockagent.core.model import Thing
from dockagent.steps.upload import send_master, send_preview
from tests.simulation.actors import MemoryStore
from tests.simulation.memory_disk import MemoryDisk
from tests.steps.card import keys, some_bytes
from tests.steps.test_upload import MASTER, PREFIX, RECORD, SPRITE, delivered, failed, spool, task, world

SEALED = some_bytes(50_000)
KEY_ID, DIGEST = keys().key_id[:8], hashlib.sha256(RECORD).hexdigest()[:8]


class Blind(MemoryStore):
    """It refuses a second write and says no more; ``taken``: what was there before, by others."""

    def __init__(self, *taken: str) -> None:
        super().__init__(Random(0))
        self.blind = True
        self.objects = {f"{PREFIX}/{name}": b"whatever it is" for name in taken}


def test_a_master_whose_name_is_taken_waits_under_its_key() -> None:
    store = Blind("master")
    event = failed(send_master(world(store), task()))
    assert (event.kind, event.retry, event.link, event.lost) == ("unseen", True, False, False)
    assert (event.step, event.key) == ("send-master", f"{PREFIX}/master")
    assert store.objects[f"{PREFIX}/record.json"] == RECORD, "the custodian needs it"


def test_a_preview_whose_name_is_taken_stops_nothing_and_is_said() -> None:
    store = Blind("preview/sprite.jpg")
    (event,) = send_preview(world(store), task())
    assert isinstance(event, ev.Transferred)
    assert [one.key for one in event.receipts] == [f"{PREFIX}/preview/storyboard.vtt"]
    assert [one.text for one in event.findings] == [
        "the store holds something this dock may not look at as preview/sprite.jpg of this clip already; that one stays"
    ]


def test_a_record_whose_name_is_taken_goes_beside_it_under_the_next() -> None:
    names = ["record.json", f"record.json.{KEY_ID}", f"record.json.{KEY_ID}.{DIGEST}"]
    for count in (1, 2):
        store = Blind(*names[:count])
        event = delivered(send_master(world(store), task(manifest_sha256="")))
        assert store.objects[f"{PREFIX}/{names[count]}"] == RECORD
        assert [one.key for one in event.others] == [f"{PREFIX}/{names[count]}"]
        assert "unseen" not in {one.code for one in event.findings}
    event = delivered(send_master(world(Blind(*names)), task(manifest_sha256="")))
    assert event.others == ()
    assert [names[2] in one.text for one in event.findings if one.code == "unseen"] == [True]


def test_a_sealed_master_goes_under_its_other_name() -> None:
    disk = spool(MemoryDisk(Random(1)))
    disk.write("spool/4f/master.age", SEALED)
    sealed = Thing("master.age", len(SEALED), hashlib.sha256(SEALED).hexdigest())
    other = f"master.{sealed.sha256[:8]}.age"
    store = Blind("master.age")
    done = delivered(send_master(world(store, disk), task(master=sealed)))
    assert done.receipt.key == f"{PREFIX}/{other}"
    event = failed(send_master(world(store, disk), task(master=sealed)))
    assert event.key == f"{PREFIX}/{other}", "it is ours: the next try meets it"
    assert MASTER not in store.objects.values()


def test_every_try_goes_as_far_as_the_master_however_often() -> None:
    store = Blind()
    assert isinstance(delivered(send_master(world(store), task())), ev.Delivered)
    for _ in range(4):
        assert failed(send_master(world(store), task())).key == f"{PREFIX}/master"
    assert store.objects[f"{PREFIX}/master"] == MASTER
    assert SPRITE not in store.objects.values()
