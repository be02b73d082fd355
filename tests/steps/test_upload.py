"""Upload: what goes out, in which order, under which names, and what a store's answer means."""

import hashlib
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.model import Thing
from dockagent.durable import Disk, DiskFull, Reader, RealDisk
from dockagent.errors import DockError, Missing, Permanent, Refused, Retryable
from dockagent.steps.upload import Task, send_master, send_preview, thing_of
from dockagent.steps.world import World
from dockagent.stores import Source, Stored
from dockagent.stores.directory import DirectoryStore
from tests.contracts.disk_files import tree
from tests.simulation.actors import MemoryStore
from tests.simulation.memory_disk import MemoryDisk
from tests.steps.card import Card, OneBay, keys, some_bytes, world_over

MASTER, SPRITE, TEXT = some_bytes(300_000), b"a picture", b"WEBVTT"
RECORD, MANIFEST, CHAIN = b'{"stands":"for a record"}', b'{"stands":"for a manifest"}', b"stands for a chain"
PREFIX = "clips/BWC-0001/2026/11/22/4f"
SIGNED = hashlib.sha256(MANIFEST).hexdigest()
WHOLE = {
    f"{PREFIX}/master": MASTER,
    f"{PREFIX}/record.json": RECORD,
    f"{PREFIX}/manifest.dsse.json": MANIFEST,
    f"{PREFIX}/chain.pem": CHAIN,
    f"{PREFIX}/preview/sprite.jpg": SPRITE,
    f"{PREFIX}/preview/storyboard.vtt": TEXT,
}


class Watched(MemoryStore):
    """A store that keeps the order in which objects came, and may answer one key with an error."""

    def __init__(self, error: DockError | None = None, at: str = "") -> None:
        super().__init__(Random(0))
        self.came: list[str] = []
        self.error, self.at = error, at

    def put(self, key: str, source: Source, progress: Any = None) -> Stored:
        self.came.append(key.removeprefix(f"{PREFIX}/"))
        if self.error is not None and key.endswith(self.at):
            raise self.error
        return super().put(key, source, progress)


def spool(disk: Disk) -> Disk:
    for path, data in {
        "spool/4f/master": MASTER,
        "spool/4f/record.json": RECORD,
        "spool/4f/preview/sprite.jpg": SPRITE,
        "spool/4f/preview/storyboard.vtt": TEXT,
        plan.manifest_file(SIGNED): MANIFEST,
        plan.chain_file(SIGNED): CHAIN,
    }.items():
        disk.write(path, data)
    return disk


def task(**changed: Any) -> Task:
    things = (thing_of("sprite.jpg", SPRITE), thing_of("storyboard.vtt", TEXT))
    facts: dict[str, Any] = {
        "clip": "4f",
        "folder": "spool/4f",
        "prefix": PREFIX,
        "master": thing_of("master", MASTER),
        "preview": things,
        "record_sha256": hashlib.sha256(RECORD).hexdigest(),
        "manifest_sha256": SIGNED,
    }
    return Task(**{**facts, **changed})


def world(store: Any, disk: Disk | None = None) -> World:
    return world_over(disk or spool(MemoryDisk(Random(1))), OneBay(Card(b"")), store=store)


def delivered(events: tuple[ev.Event, ...]) -> ev.Delivered:
    (event,) = events
    assert isinstance(event, ev.Delivered), event
    return event


def failed(events: tuple[ev.Event, ...]) -> ev.ClipFailed:
    (event,) = events
    assert isinstance(event, ev.ClipFailed), event
    assert event.clip_id == "4f"
    assert event.reason
    assert "\n" not in event.reason
    return event


# ---- all well -------------------------------------------------------------------------------------------------------


def test_everything_arrives_and_the_master_comes_last() -> None:
    store = Watched()
    (shown,) = send_preview(world(store), task())
    assert isinstance(shown, ev.Transferred)
    event = delivered(send_master(world(store), task()))
    assert store.objects == WHOLE
    assert store.came == [
        "preview/sprite.jpg", "preview/storyboard.vtt", "manifest.dsse.json", "chain.pem", "record.json", "master",
    ]  # fmt: skip
    assert (event.receipt.key, event.receipt.bytes) == (f"{PREFIX}/master", len(MASTER))
    assert event.receipt.sha256 == hashlib.sha256(MASTER).hexdigest()
    assert event.receipt.store == store.url
    for receipt in (*event.others, *shown.receipts):
        assert receipt.sha256 == hashlib.sha256(WHOLE[receipt.key]).hexdigest()
        assert receipt.bytes == len(WHOLE[receipt.key])
    assert {receipt.key for receipt in (*event.others, *shown.receipts, event.receipt)} == set(WHOLE)


def test_a_real_folder_proves_it_by_reading_back(tmp_path: Path) -> None:
    place = RealDisk(tmp_path / "store")
    store = DirectoryStore(place, "file:///store")
    for _ in range(2):  # every put may be repeated
        assert isinstance(send_preview(world(store), task())[0], ev.Transferred)
        assert delivered(send_master(world(store), task())).receipt.proof == "re-read"
    assert tree(place) == WHOLE


def test_an_unsigned_clip_goes_without_a_manifest() -> None:
    store = Watched()
    event = delivered(send_master(world(store), task(manifest_sha256="")))
    assert store.came == ["record.json", "master"]
    assert [receipt.key for receipt in event.others] == [f"{PREFIX}/record.json"]


def test_a_manifest_without_certificates_goes_alone() -> None:
    store, disk = Watched(), spool(MemoryDisk(Random(1)))
    disk.remove(plan.chain_file(SIGNED))
    delivered(send_master(world(store, disk), task()))
    assert store.came == ["manifest.dsse.json", "record.json", "master"]


def test_progress_adds_up_to_each_objects_size() -> None:
    seen: list[tuple[str, str, int, int]] = []

    class Eyes:
        def moved(self, what: str, key: str, done: int, total: int) -> None:
            seen.append((what, key, done, total))

    bench = world_over(spool(MemoryDisk(Random(1))), OneBay(Card(b"")), store=Watched(), progress=Eyes())
    send_master(bench, task())
    assert seen[-1] == ("upload", "4f", len(MASTER), len(MASTER))
    assert all(done <= total for _, _, done, total in seen)


# ---- somebody was there before --------------------------------------------------------------------------------------


def test_another_docks_preview_stays_and_is_said() -> None:
    store = Watched()
    store.objects[f"{PREFIX}/preview/sprite.jpg"] = b"another dock's picture"
    (event,) = send_preview(world(store), task())
    assert isinstance(event, ev.Transferred)
    assert [receipt.key for receipt in event.receipts] == [f"{PREFIX}/preview/storyboard.vtt"]
    (finding,) = event.findings
    assert "sprite.jpg" in finding.text
    assert store.objects[f"{PREFIX}/preview/sprite.jpg"] == b"another dock's picture"


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("record.json", f"record.json.{keys().key_id[:8]}"),
        ("manifest.dsse.json", f"manifest.dsse.json.{SIGNED[:8]}"),
        ("chain.pem", f"chain.pem.{SIGNED[:8]}"),
    ],
)
def test_what_speaks_for_the_master_goes_beside_another_docks(name: str, ours: str) -> None:
    store = Watched()
    store.objects[f"{PREFIX}/{name}"] = b"another dock's"
    event = delivered(send_master(world(store), task()))
    assert store.objects == {k: v for k, v in WHOLE.items() if "preview" not in k} | {
        f"{PREFIX}/{name}": b"another dock's",
        f"{PREFIX}/{ours}": WHOLE[f"{PREFIX}/{name}"],
    }
    assert f"{PREFIX}/{ours}" in [receipt.key for receipt in event.others]


@pytest.mark.parametrize("other", [b"", MASTER + b"x", b"x" + MASTER[1:]])
def test_other_bytes_as_the_master_are_an_alarm_and_the_first_stay(other: bytes) -> None:
    store = Watched()
    store.objects[f"{PREFIX}/master"] = other
    event = failed(send_master(world(store), task()))
    assert "ALARM" in event.reason
    assert (event.step, event.retry, event.link) == ("send-master", False, False)
    assert store.objects[f"{PREFIX}/master"] == other


def test_a_conflict_over_a_record_is_not_called_one_over_the_master() -> None:
    """Both names of the record are taken, as after a ledger that was lost twice."""
    store = Watched()
    store.objects[f"{PREFIX}/record.json"] = b"the first"
    store.objects[f"{PREFIX}/record.json.{keys().key_id[:8]}"] = b"the second"
    (event,) = send_master(world(store), task())
    assert not isinstance(event, ev.ClipFailed) or "as the master" not in event.reason


# ---- a store that does not take it ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "retry"),
    [
        (Retryable("the store is away"), True),
        (DiskFull("no room in the store"), True),
        (Permanent("the store rejects this"), False),
        (Refused("against the rules"), False),
        (Missing("no such bucket"), False),
    ],
)
@pytest.mark.parametrize(
    ("send", "at", "step"),
    [
        (send_master, "manifest.dsse.json", "send-master"),
        (send_master, "record.json", "send-master"),
        (send_master, "master", "send-master"),
    ],
)
def test_a_stores_error_becomes_the_clips_with_its_kind(
    error: DockError, retry: bool, send: Any, at: str, step: str
) -> None:
    store = Watched(error, at)
    event = failed(send(world(store), task()))
    assert (event.step, event.reason, event.retry, event.link) == (step, str(error), retry, retry)
    assert f"{PREFIX}/{at}" not in store.objects
    store.error = None
    send(world(store), task())
    assert store.objects[f"{PREFIX}/{at}"] == WHOLE[f"{PREFIX}/{at}"]


def test_a_store_that_is_away_keeps_a_preview_waiting() -> None:
    event = failed(send_preview(world(Watched(Retryable("away"), "preview/storyboard.vtt")), task()))
    assert (event.step, event.reason, event.retry, event.link) == ("send-preview", "away", True, True)


@pytest.mark.parametrize("error", [Permanent("the store rejects this"), Refused("against the rules")])
def test_a_preview_that_is_refused_for_good_does_not_stop_the_master(error: DockError) -> None:
    """Evidence before comfort."""
    (event,) = send_preview(world(Watched(error, "preview/storyboard.vtt")), task())
    assert isinstance(event, ev.Transferred)
    assert [str(error) in finding.text for finding in event.findings] == [True]


def test_a_master_is_never_sent_before_what_speaks_for_it() -> None:
    store = Watched(Retryable("away"), "record.json")
    failed(send_master(world(store), task()))
    assert "master" not in store.came


# ---- a spool that is not what it was --------------------------------------------------------------------------------


@pytest.mark.parametrize("rot", [MASTER[:-1], MASTER + b"x", b"x" + MASTER[1:], b""])
def test_a_rotten_spool_copy_is_never_stored(tmp_path: Path, rot: bytes) -> None:
    place, disk = RealDisk(tmp_path / "store"), spool(MemoryDisk(Random(1)))
    disk.write("spool/4f/master", rot)
    event = failed(send_master(world(DirectoryStore(place, "file:///store"), disk), task()))
    assert (event.retry, event.link, event.lost) == (True, False, True)
    assert "altered at rest" in event.reason
    assert f"{PREFIX}/master" not in tree(place)
    assert disk.read("quarantine/4f.damaged/master") == rot


class Scratched(MemoryDisk):
    """A disk with a bad sector in the master."""

    def reader(self, path: str, *, cold: bool = False) -> Reader:
        if path.endswith("/master"):
            raise OSError(5, "Input/output error")
        return super().reader(path, cold=cold)


def test_a_spool_that_cannot_be_read_is_not_the_stores_fault(tmp_path: Path) -> None:
    """Else one bad sector of ours would keep every other clip from going out."""
    store = DirectoryStore(RealDisk(tmp_path), "file:///store")
    event = failed(send_master(world(store, spool(Scratched(Random(1)))), task()))
    assert event.retry
    assert not event.link


def test_a_small_objects_thing_is_what_it_is() -> None:
    assert thing_of("n", b"abc") == Thing("n", 3, hashlib.sha256(b"abc").hexdigest())
