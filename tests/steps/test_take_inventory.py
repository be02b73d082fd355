"""Take the inventory: what a card holds, what its camera signed, and what the dock has of it already."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dockagent.core import custody, plan
from dockagent.core import events as ev
from dockagent.core.model import CHUNK, UNLISTED, State
from dockagent.core.moment import Instant
from dockagent.errors import DockError, Gone, Permanent, Retryable
from dockagent.ledger.entries import MAX_ENTRY
from dockagent.steps.take_inventory import MOST_FILES, Task, take_inventory
from dockagent.steps.world import World
from dockagent.transports import FileFact, Footage, FootageReader
from dockagent.transports.folder import FolderFootage
from hil.cameras import card as cards
from hil.cameras import pki
from hil.cameras.card import Shift
from hil.cameras.manifest import ClipEntry, Flaw, Statement, Subject, seal
from hil.cameras.plate import Plate
from tests.core.story import NOW, SETTING
from tests.simulation.memory_disk import MemoryDisk
from tests.simulation.voyage import MAKER
from tests.steps.card import Card as OneFile
from tests.steps.card import CardReader, OneBay, fingerprint, keys, some_bytes, world_over

PLATE = Plate()
IDENTITY = MAKER.identity(PLATE.model, PLATE.serial, pki.Validity(datetime(2020, 1, 1, tzinfo=UTC)))
CREATED = datetime(2026, 11, 1, 16, tzinfo=UTC)
START = datetime(2026, 11, 1, 8, tzinfo=UTC)
CAMERA_SIGN = "\U0001f4f7"  # four bytes of UTF-8
CLIP = b"DCIM/100BWC/BWC0001_20261101T080000Z.MP4"


@dataclass(slots=True)
class Files:
    """A card that lists ``files``; reading one in ``bad`` raises; listing ends in ``trouble``; ``sizes`` and
    ``mtimes``: what the directory says instead of the truth."""

    files: dict[bytes, bytes]
    bad: dict[bytes, DockError] = field(default_factory=dict)
    trouble: DockError | None = None
    here: bool = True
    sizes: dict[bytes, int] = field(default_factory=dict)
    mtimes: dict[bytes, int] = field(default_factory=dict)
    opened: list[bytes] = field(default_factory=list)

    def facts(self) -> Mapping[str, str]:
        if not self.here:
            raise Gone("the camera was taken")
        return {}

    def list(self) -> Iterator[FileFact]:
        for path, data in sorted(self.files.items()):
            yield FileFact(path, self.sizes.get(path, len(data)), self.mtimes.get(path, NOW))
        if self.trouble is not None:
            raise self.trouble

    def open(self, path: bytes) -> FootageReader:
        self.opened.append(path)
        if path not in self.files:
            raise Gone(f"{path!r} went away")
        error = self.bad.get(path)
        return CardReader(OneFile(self.files[path], fails=(0, error) if error else None))

    def close(self) -> None:
        return


def task(known: dict[str, tuple[tuple[str, str, int], ...]] | None = None, last: int | None = None) -> Task:
    return Task("s", "bay-1", PLATE.serial, PLATE.serial, "reference-signed", known or {}, last)


def world(footage: Footage, disk: MemoryDisk | None = None) -> World:
    return world_over(disk or MemoryDisk(Random(0)), OneBay(footage))


def taken(footage: Footage, one: Task | None = None, disk: MemoryDisk | None = None) -> ev.InventoryTaken:
    (event,) = take_inventory(world(footage, disk), one or task())
    assert isinstance(event, ev.InventoryTaken)
    return event


def codes(event: ev.InventoryTaken) -> set[str]:
    return {finding.code for finding in event.findings}


def signed_card(**files: bytes) -> Files:
    """A small signed card in memory."""
    data = {CLIP: b"footage", b"camera.json": b"{}"} | {path.encode(): one for path, one in files.items()}
    subjects = (Subject(CLIP.decode(), hashlib.sha256(data[CLIP]).hexdigest()),)
    claims = (ClipEntry(CLIP.decode(), 1, len(data[CLIP]), START, "UTC"),)
    envelope = seal(Statement(PLATE, 4, CREATED, subjects, claims), IDENTITY)
    return Files({**data, b"manifest.dsse.json": envelope, b"chain.pem": IDENTITY.chain_pem()})


@pytest.fixture
def reference(tmp_path: Path) -> Iterator[FolderFootage]:
    root = tmp_path / "card"
    cards.film_reference(root, PLATE, Shift(clips=3, size=5000, start=START))
    cards.sign(root, IDENTITY, sequence=7, created=CREATED)
    footage = FolderFootage(root)
    yield footage
    footage.close()


# ---- listing and manifest -------------------------------------------------------------------------------------------


def test_a_signed_card_is_taken_whole(reference: FolderFootage) -> None:
    disk = MemoryDisk(Random(0))
    event = taken(reference, disk=disk)
    assert len(event.entries) == 9
    assert {one.path for one in event.skipped} == {"camera.json", "manifest.dsse.json", "chain.pem"}
    assert [one.order for one in event.entries] == list(range(9))
    assert event.findings == ()
    assert event.held == {}
    reading = event.manifest
    assert reading is not None
    assert (reading.signature, reading.signer, reading.serial) == ("pass", "pass", PLATE.serial)
    assert reading.manifest is not None
    assert reading.manifest.sequence == 7


def test_the_manifest_is_kept_byte_for_byte(reference: FolderFootage) -> None:
    disk = MemoryDisk(Random(0))
    event = taken(reference, disk=disk)
    envelope = (reference.root / "manifest.dsse.json").read_bytes()
    assert event.manifest_sha256 == hashlib.sha256(envelope).hexdigest()
    assert disk.read(plan.manifest_file(event.manifest_sha256)) == envelope
    assert disk.read(plan.chain_file(event.manifest_sha256)) == (reference.root / "chain.pem").read_bytes()
    assert taken(reference, disk=disk).manifest_sha256 == event.manifest_sha256
    assert disk.read(plan.manifest_file(event.manifest_sha256)) == envelope


def test_an_unsigned_card_says_that_nothing_is_signed() -> None:
    event = taken(Files({CLIP: b"x", b"camera.json": b"{}"}))
    assert (event.manifest, event.manifest_sha256) == (None, "")
    assert "manifest-missing" in codes(event)
    assert len(event.entries) == 1


def test_a_manifest_without_certificates_proves_nothing_and_stops_nothing() -> None:
    card, disk = signed_card(), MemoryDisk(Random(0))
    del card.files[b"chain.pem"]
    event = taken(card, disk=disk)
    assert event.manifest is not None
    assert event.manifest.signature == "fail"
    assert [one.path for one in event.entries] == [CLIP.decode()]
    assert disk.size(plan.chain_file(event.manifest_sha256)) is None


@pytest.mark.parametrize("garbage", [b"", b"\xff" * 100, b"{}", b"[" * 5000])
@pytest.mark.parametrize("path", [b"manifest.dsse.json", b"chain.pem"])
def test_garbage_instead_of_a_manifest_stops_nothing(path: bytes, garbage: bytes) -> None:
    card = signed_card()
    card.files[path] = garbage
    event = taken(card)
    assert event.manifest is not None
    assert event.manifest.signature == "fail"
    assert len(event.entries) == 1


@pytest.mark.parametrize("flaw", [Flaw.SIGNATURE, Flaw.MISSING, Flaw.UNLISTED, Flaw.COUNTER_GAP, Flaw.PATH])
def test_a_flawed_manifest_is_said_and_the_clips_are_taken_all_the_same(tmp_path: Path, flaw: Flaw) -> None:
    cards.film_reference(tmp_path, PLATE, Shift(clips=3, size=500, start=START))
    cards.sign(tmp_path, IDENTITY, sequence=7, created=CREATED, flaw=flaw)
    footage = FolderFootage(tmp_path)
    try:
        event = taken(footage)
    finally:
        footage.close()
    assert len(event.entries) == 9
    assert event.manifest is not None
    assert event.findings or event.manifest.signature == "fail"


def test_an_older_manifest_than_was_seen_is_said() -> None:
    assert "manifest-replay" in codes(taken(signed_card(), task(last=5)))
    assert "manifest-again" in codes(taken(signed_card(), task(last=4)))
    assert not codes(taken(signed_card(), task(last=3))) & {"manifest-replay", "manifest-again"}


@pytest.mark.parametrize("error", [Retryable("medium error at byte 0"), Permanent("the file system is damaged")])
@pytest.mark.parametrize("path", [b"manifest.dsse.json", b"chain.pem"])
def test_a_manifest_that_cannot_be_read_does_not_keep_the_footage_on_the_card(path: bytes, error: DockError) -> None:
    """One bad sector in the one small file must not cost all the others."""
    card = signed_card()
    card.bad[path] = error
    event = taken(card)
    assert [one.path for one in event.entries] == [CLIP.decode()]
    assert event.findings


def test_a_camera_that_leaves_before_its_manifest_is_read_is_gone() -> None:
    card = signed_card()
    del card.files[b"manifest.dsse.json"]
    card.here = False
    with pytest.raises(Gone, match="taken"):
        taken(card)


# ---- cards that are not well ----------------------------------------------------------------------------------------


def test_what_can_be_listed_is_taken_and_the_camera_kept() -> None:
    event = taken(Files({CLIP: b"x"}, trouble=Permanent("folder X is damaged")))
    assert [one.path for one in event.entries] == [CLIP.decode()]
    (finding,) = [one for one in event.findings if one.code == UNLISTED]
    assert "folder X is damaged" in finding.text


def test_folders_nested_without_end_do_not_hide_the_footage(tmp_path: Path) -> None:
    footage_file = tmp_path / CLIP.decode()
    footage_file.parent.mkdir(parents=True)
    footage_file.write_bytes(b"x")
    here = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=here)
        deeper = os.open("d" * 200, os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    footage = FolderFootage(tmp_path)
    try:
        event = taken(footage)
    finally:
        footage.close()
    assert CLIP.decode() in [one.path for one in event.entries]
    assert UNLISTED in codes(event)


def test_a_camera_that_leaves_while_it_is_listed_is_gone() -> None:
    with pytest.raises(Gone):
        taken(Files({CLIP: b"x"}, trouble=Gone("the camera was taken")))


def _sealed_bytes(event: ev.Event) -> int:
    payload = custody.record(event, 0, Instant(NOW, "boot", 1, "ntp", 5), SETTING, State())
    return len(keys().sign_record(payload))


def test_one_file_too_many_is_left_and_said() -> None:
    files = {b"DCIM/100BWC/%06d.MP4" % number: b"" for number in range(MOST_FILES + 1)}
    event = taken(Files(files))
    assert len(event.entries) == MOST_FILES
    (finding,) = [one for one in event.findings if one.code == UNLISTED]
    assert str(MOST_FILES + 1) in finding.text
    assert _sealed_bytes(event) <= MAX_ENTRY


def test_the_longest_inventory_fits_into_one_record() -> None:
    """Names as long as they may be: else the ledger refuses the record, and the dock stops for a hostile card."""
    files = {f"DCIM/100BWC/{CAMERA_SIGN * 250}{number:06}.MP4".encode(): b"" for number in range(6500)}
    assert _sealed_bytes(taken(Files(files))) <= MAX_ENTRY


def test_the_longest_signed_inventory_fits_into_one_record() -> None:
    paths = [f"DCIM/100BWC/{'n' * 850}-{number:06}.MP4" for number in range(4500)]
    subjects = tuple(Subject(path, "ab" * 32) for path in paths)
    claims = tuple(ClipEntry(path, number + 1, 0, START, "Europe/London") for number, path in enumerate(paths))
    files = {path.encode(): b"" for path in paths}
    files[b"manifest.dsse.json"] = seal(Statement(PLATE, 1, CREATED, subjects, claims), IDENTITY)
    event = taken(Files({**files, b"chain.pem": IDENTITY.chain_pem()}))
    assert _sealed_bytes(event) <= MAX_ENTRY


@pytest.mark.parametrize(("size", "mtime_ms"), [(2**53, NOW), (2**63, NOW), (1, 2**53), (1, -(2**62))])
def test_a_number_that_no_record_can_hold_does_not_keep_the_other_files(size: int, mtime_ms: int) -> None:
    odd = b"DCIM/100BWC/odd.MP4"
    event = taken(Files({CLIP: b"x", odd: b"y"}, sizes={odd: size}, mtimes={odd: mtime_ms}))
    assert CLIP.decode() in [one.path for one in event.entries]
    assert 0 < _sealed_bytes(event) <= MAX_ENTRY


# ---- what the dock has already --------------------------------------------------------------------------------------


def _known(path: bytes, data: bytes, *prints: str) -> dict[str, tuple[tuple[str, str, int], ...]]:
    item = plan.item_id(PLATE.serial, path.decode(), len(data))
    return {item: tuple((f"clip-{number}", one, NOW) for number, one in enumerate(prints))}


def test_a_file_is_held_only_when_its_fingerprint_is_the_same() -> None:
    data = some_bytes(2 * CHUNK)
    item = plan.item_id(PLATE.serial, CLIP.decode(), len(data))
    same, other = fingerprint(data), fingerprint(b"other")
    for prints, held in [((same,), {item: "clip-0"}), ((other,), {}), ((other, same), {item: "clip-1"}), ((), {})]:
        assert taken(Files({CLIP: data}), task(_known(CLIP, data, *prints))).held == held


@pytest.mark.parametrize("at", [0, 2 * CHUNK - 1])
def test_a_file_that_was_written_anew_is_not_held(at: int) -> None:
    data = some_bytes(2 * CHUNK)
    changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    assert taken(Files({CLIP: changed}), task(_known(CLIP, data, fingerprint(data)))).held == {}


def test_unknown_files_are_not_even_opened() -> None:
    card = Files({CLIP: some_bytes(100), b"DCIM/100BWC/new.MP4": b"new"})
    taken(card, task(_known(CLIP, card.files[CLIP], fingerprint(card.files[CLIP]))))
    assert b"DCIM/100BWC/new.MP4" not in card.opened


@pytest.mark.parametrize("error", [Retryable("medium error"), Permanent("damaged"), Gone("this one file went away")])
def test_a_known_file_that_cannot_be_compared_is_pulled(error: DockError) -> None:
    card = Files({CLIP: b"data"}, bad={CLIP: error})
    event = taken(card, task(_known(CLIP, b"data", fingerprint(b"data"))))
    assert event.held == {}
    assert len(event.entries) == 1


def test_a_camera_that_leaves_while_it_is_compared_is_gone() -> None:
    card = Files({CLIP: b"data"}, bad={CLIP: Gone("taken")})
    one = replace(task(_known(CLIP, b"data", fingerprint(b"data"))), profile="generic-dcf")
    card.here = False
    with pytest.raises(Gone):
        taken(card, one)


def test_another_cameras_file_of_the_same_name_is_not_held() -> None:
    data = b"data"
    theirs: Any = {plan.item_id("BWC-0002", CLIP.decode(), len(data)): (("clip-0", fingerprint(data)),)}
    assert taken(Files({CLIP: data}), task(theirs)).held == {}
