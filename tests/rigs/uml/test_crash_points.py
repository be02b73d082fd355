"""The power goes at every single flush of one ingest, and between any two: what the ledger says is there."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from hil.cameras import card
from hil.cameras.card import Shift
from hil.cameras.plate import Plate
from hil.demo import agent
from hil.rigs.uml.guest import Guest
from hil.rigs.uml.log_writes import WriteLog
from tests.rigs.uml.crashed_disk import Found, copied, forget, judge
from tests.rigs.uml.digests import footage, masters, once_each

pytestmark = pytest.mark.xdist_group("crash points")  # one recording serves all
MIB = 1 << 20
CAMERA = Plate("C3441", "GoPro", "HERO10 Black", "H21")
EVERY = 20
"""Every so many crash points the agent itself is started over what is left."""
LATE = 24
"""So many flushes a disk that lies is behind what it has answered for."""


@dataclass(slots=True)
class Recording:
    """One ingest, as its disk heard it; ``acks``: how many records must be there behind the entry of that number."""

    share: Path
    log: WriteLog
    points: list[int]

    def acknowledged(self, number: int) -> int:
        """How many records must be on the medium when the power goes at an entry."""
        marks = [one.mark for one in self.log.entries[:number] if one.mark.startswith("ack-")]
        return int(marks[-1].removeprefix("ack-")) if marks else 0

    @property
    def card(self) -> Path:
        return self.share / "card"

    @property
    def config(self) -> Path:
        return self.share / "dockagent.toml"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    share = tmp_path_factory.mktemp("log")
    card.film_gopro(share / "card", CAMERA, Shift(3, size=300_000, sidecars=False), chapters=1)
    (share / "dockagent.toml").write_text("[preview]\nenabled = false\n[limits]\nspool_reserve_mib = 1\n")
    for name, size in (("data", 64 * MIB), ("log", 256 * MIB)):
        with (share / name).open("wb") as file:
            file.truncate(size)
    begun = time.monotonic()
    with Guest([sys.executable, "-m", "tests.rigs.uml.ingest_on_log", str(share)], [share]) as guest:
        assert guest.wait(150) == 0
    log = WriteLog(share / "log")
    points = log.lasting("made")
    print(f"\nrecorded in {time.monotonic() - begun:.1f} s: {len(log.entries)} entries, {len(points)} crash points")
    return Recording(share, log, points)


def disks(recording: Recording, work: Path, points: Sequence[int]) -> Iterator[tuple[int, Path]]:
    """The disk as it is when the power goes at each of these entries. Work on a copy."""
    image = work / "growing"
    with image.open("wb") as file:
        file.truncate(64 * MIB)
    done = 0
    for point in points:
        recording.log.apply(recording.log.entries[done : point + 1], image)
        done = point + 1
        yield point, image


def test_at_every_flush(recording: Recording, tmp_path: Path) -> None:
    begun, known = time.monotonic(), 0
    assert len(recording.points) > 40
    assert recording.acknowledged(len(recording.log.entries)) > 10
    finished = 0
    for number, (point, image) in enumerate(disks(recording, tmp_path, recording.points)):
        found = judge(copied(image, tmp_path / f"image-{number}"), tmp_path / f"files-{number}", known)
        assert not found.wrong, f"power cut at entry {point}: {found.wrong}"
        assert len(found.records) >= recording.acknowledged(point)
        known = len(found.records)  # what was on the medium at one flush is there at the next
        if number % EVERY == 0:
            ends_well(recording, found)
            finished += 1
        forget(tmp_path / f"image-{number}", tmp_path / f"files-{number}")
    assert known > recording.acknowledged(len(recording.log.entries)) > 0
    print(f"{len(recording.points)} crash points, {finished} ingests finished, {time.monotonic() - begun:.1f} s")


def test_between_flushes_in_any_order(recording: Recording, tmp_path: Path) -> None:
    """A disk may write what was not flushed yet in any order: some of it, drawn from a seed, is there as well."""
    for number, (point, image) in enumerate(disks(recording, tmp_path, recording.points[:-1])):
        after = recording.log.entries[point + 1 : recording.points[number + 1]]
        some = [entry for entry in after if entry.size and random.Random(f"{point}/{entry.at}").random() < 0.5]
        if not some:
            continue
        torn = copied(image, tmp_path / f"image-{number}")
        recording.log.apply(some, torn)
        found = judge(torn, tmp_path / f"files-{number}", recording.acknowledged(point))
        assert not found.wrong, f"power cut behind entry {point}, {len(some)} of {len(after)} there: {found.wrong}"
        forget(torn, *[found.root] if found.root.exists() else [])


def test_a_disk_that_does_not_flush_is_found_out(recording: Recording, tmp_path: Path) -> None:
    """It answers each flush long before it carries it out: what was relied on is missing."""
    late = [recording.points[max(0, number - LATE)] for number in range(len(recording.points))]
    wrong = 0
    for number, (_, image) in enumerate(disks(recording, tmp_path, late)):
        point = recording.points[number]
        least = recording.acknowledged(point)
        if least > recording.acknowledged(late[number]):
            found = judge(copied(image, tmp_path / f"image-{number}"), tmp_path / f"files-{number}", least)
            wrong += bool(found.wrong)
    assert wrong, "no check noticed that the disk lost what it had answered for"


def test_a_write_that_was_left_out_is_found_out(recording: Recording, tmp_path: Path) -> None:
    """Each clip's bytes in the store, one at a time, as if the disk had never written them."""
    entries = recording.log.entries
    for clip in card.clips(recording.card):
        head = (recording.card / clip.name).read_bytes()[:4096]
        holding = [number for number, entry in enumerate(entries) if head in recording.log.data(entry)]
        assert len(holding) >= 2, "one in the spool, one in the store"
        image = tmp_path / "left-out"
        with image.open("wb") as file:
            file.truncate(64 * MIB)
        recording.log.apply([entry for number, entry in enumerate(entries) if number != holding[-1]], image)
        found = judge(image, tmp_path / "files", 0)
        assert any("not in the store" in words for words in found.wrong), (clip.name, found.wrong)
        forget(image, tmp_path / "files")


def ends_well(recording: Recording, found: Found) -> None:
    """The agent's own start over what a power cut left, and the rest of the ingest."""
    home, store = found.root / "home", found.root / "store"
    where: tuple[str | Path, ...] = ("--home", home, "--store", store.as_uri(), "--config", recording.config)
    done = agent.run("ingest", recording.card, *where, "--json")
    assert done.code == 0, done.err
    assert once_each(masters(store), footage(recording.card))
    trust = found.root / "trust.json"
    trust.write_text(agent.run("keys", "show", "--json", "--home", home).out)
    done = agent.run("verify", home, store, "--trust", trust)
    assert done.code == 0, done.out
    held = list(home.rglob("master"))
    assert not held, f"footage is left in the dock: {held}"
