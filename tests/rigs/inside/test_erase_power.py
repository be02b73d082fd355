"""The power goes while files are erased from a card with FAT or exFAT, at every flush and between any two: each file is
whole or not there, no other file is touched, and what the dock records at the next look is what the card holds.

The kernel's own file systems write, dm-log-writes listens, the kernel reads what is left, and the file systems' own
programs judge it.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.core.events import permit as ev
from dockagent.core.permits.permit import Named
from dockagent.core.permits.permit_state import OpenAsk
from dockagent.durable import RealDisk
from dockagent.steps.erase import FOUND_GONE, Job, erase, look_after
from dockagent.transports.bays import DockBays
from hil.rigs.uml.log_writes import SECTOR, Entry, WriteLog
from tests.rigs.uml.crashed_disk import copied
from tests.steps.card import world_over
from tests.transports import loops, volumes
from tests.transports.fat_judges import damage

LOGGED = Path("/dev/mapper/erased")
MEGABYTES = 40
FOLDER = "DCIM/100BWC"
LEAST_POINTS = 4
pytestmark = pytest.mark.skipif(
    os.environ.get("DOCKAGENT_GUEST") != "uml", reason="needs the guest's kernel (python -m hil.rigs.uml -- pytest …)"
)


@dataclass(frozen=True, slots=True)
class Recording:
    """One erasing, as its card heard it. ``before``: the card's image; ``files``: digest by path of all that was on it;
    ``asked``: the paths that were to go."""

    kind: str
    before: Path
    log: WriteLog
    files: dict[str, str]
    job: Job

    @property
    def asked(self) -> set[str]:
        return {one.path for one in self.job.ask.files}


def _write(root: Path) -> None:
    """Long names, whose entries lie across sectors; and two files whose clusters lie between each other's."""
    folder = root / FOLDER
    folder.mkdir(parents=True)
    for number in range(8):
        name = f"BWC{number:04}_on_the_night_of_the_twenty_second_of_november.MP4"
        (folder / name).write_bytes(os.urandom(90_001 + number))
    with (folder / "WOVEN1.MP4").open("wb") as one, (folder / "WOVEN2.MP4").open("wb") as other:
        for _ in range(8):
            for file in (one, other):
                file.write(os.urandom(33_333))
                file.flush()
                os.fsync(file.fileno())


def _digests(root: Path) -> dict[str, str]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _job(root: Path, files: dict[str, str]) -> Job:
    """Every second file is to go, the woven one among them."""
    named = [
        Named(path, f"clip-{number}", files[path], (root / path).stat().st_size, "00" * 32)
        for number, path in enumerate(sorted(files))
        if number % 2 == 0
    ]
    return Job("s1", "A", 5, OpenAsk("s1", "BWC-1", "permit-1", tuple(named)), "clip-0", 3, 1 << 60)


@pytest.fixture(scope="module", params=["fat32", "exfat"])
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    kind, work = request.param, tmp_path_factory.mktemp("erased")
    card = volumes.make(work / "card", kind, MEGABYTES)
    with volumes.filled(card, kind) as root:
        _write(root)
        files, job = _digests(root), _job(root, _digests(root))
    assert damage(card, kind) == []
    before = copied(card, work / "before")
    with (work / "log").open("wb") as log:
        log.truncate(64 << 20)
    done = _logged(card, work / "log", job)
    assert {one.path for one in done.files} == {one.path for one in job.ask.files}
    assert not done.findings
    log_of = WriteLog(work / "log")
    print(f"\n{kind}: {len(log_of.entries)} entries, {len(log_of.lasting('asked'))} flushes")
    return Recording(kind, before, log_of, files, job)


def _logged(card: Path, log: Path, job: Job) -> ev.Erased:
    """The dock's own step erases from a card whose every write is logged."""
    devices = [loops.run("losetup", "-f", "--show", file).strip() for file in (card, log)]
    try:
        size = loops.run("blockdev", "--getsz", devices[0]).strip()
        loops.run("dmsetup", "create", LOGGED.name, "--table", f"0 {size} log-writes {' '.join(devices)}")
        loops.run("udevadm", "settle")
        loops.run("dmsetup", "message", LOGGED.name, "0", "mark asked")
        with closing(DockBays(SystemClock(), card.parent / "mounts")) as bays:
            bays.came("A", "block", str(LOGGED.resolve()), {})
            (told,) = erase(world_over(RealDisk(card.parent / "home"), bays, eraser=bays), job)
        loops.run("dmsetup", "remove", LOGGED.name)
    finally:
        for device in devices:
            loops.run("losetup", "-d", device)
    assert isinstance(told, ev.Erased), told
    return told


def _sectors(log: WriteLog, entries: list[Entry]) -> Iterator[tuple[int, bytes]]:
    """Start and bytes of every sector that was written: a disk promises no more than one of them at a time."""
    for entry in entries:
        data = log.data(entry)
        for at in range(0, len(data), SECTOR):
            yield entry.start + at, data[at : at + SECTOR]


def _apply(image: Path, sectors: list[tuple[int, bytes]]) -> None:
    with image.open("r+b") as file:
        for start, data in sectors:
            file.seek(start)
            file.write(data)


@dataclass(frozen=True, slots=True)
class Left:
    """What a power cut left: digest by path as the kernel reads it, and what is wrong."""

    files: dict[str, str]
    wrong: tuple[str, ...]


def _judge(recording: Recording, image: Path) -> Left:
    """Mount it read-only as any machine does, and compare."""
    wrong = damage(image, recording.kind)
    place = image.with_suffix(".ro")
    place.mkdir()
    name = {"fat32": "vfat"}.get(recording.kind, recording.kind)
    loops.run("mount", "-t", name, "-o", "ro,loop", image, place)
    try:
        there = _digests(place)
    except OSError as err:
        return Left({}, (*wrong, f"not all can be read: {err}"))
    finally:
        loops.run("umount", place)
        place.rmdir()
    for path, digest in recording.files.items():
        if path not in there and path not in recording.asked:
            wrong.append(f"{path} is gone, and nobody asked for that")
        if path in there and there[path] != digest:
            wrong.append(f"{path} has other bytes")
    known = {recording.files[path] for path in recording.asked}
    strange = [path for path in there.keys() - recording.files.keys() if there[path] not in known]
    return Left(there, (*wrong, *(f"{path} was never there, nor its bytes" for path in strange)))


def _agrees(recording: Recording, image: Path, left: Left, work: Path) -> None:
    """What the dock will have in its ledger when the card comes again is what the card holds."""
    gone = sorted(recording.asked - left.files.keys())
    with loops.loop_device() as loop, closing(DockBays(SystemClock(), work / "mounts")) as bays:
        loop.insert(image)
        bays.came("A", "block", str(loop.node), {})
        (told,) = look_after(world_over(RealDisk(work / "home"), bays), recording.job)
    if not gone:
        assert isinstance(told, ev.EraseFailed)
        assert (told.retry, told.unsure) == (True, False)
        return
    assert isinstance(told, ev.Erased)
    assert told.method == FOUND_GONE
    assert sorted(one.path for one in told.files) == gone
    assert sorted(told.left) == sorted(recording.asked & left.files.keys())


def _cuts(recording: Recording) -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
    """What is on the medium when the power goes: at each flush all that was written before it; and behind each some of
    what was not flushed yet, three times, drawn from a seed."""
    log, entries = recording.log, list(recording.log.entries)
    begin = next(number for number, entry in enumerate(entries) if entry.mark == "asked")
    points = [begin, *log.lasting("asked"), len(entries) - 1]
    for point, following in zip(points, [*points[1:], points[-1]], strict=True):
        firm = list(_sectors(log, entries[: point + 1]))
        yield f"at entry {point}", firm
        loose = list(_sectors(log, entries[point + 1 : following + 1]))
        for seed in range(3 if loose else 0):
            draw = random.Random(f"{point}/{seed}")
            yield f"behind entry {point}, draw {seed}", [*firm, *(one for one in loose if draw.random() < 0.5)]


def test_each_file_is_whole_or_gone(recording: Recording, tmp_path: Path) -> None:
    judged, told, seen = 0, set[frozenset[str]](), set[str]()
    assert len(recording.log.lasting("asked")) >= LEAST_POINTS
    for words, sectors in _cuts(recording):
        image = copied(recording.before, tmp_path / "image")
        _apply(image, sectors)
        digest = loops.sha256(image)
        if digest in seen:
            continue
        seen.add(digest)
        left = _judge(recording, image)
        assert not left.wrong, f"power cut {words}: {left.wrong}"
        outcome = frozenset(recording.asked & left.files.keys())
        if outcome not in told:
            told.add(outcome)
            _agrees(recording, image, left, tmp_path)
        judged += 1
    assert {frozenset(), frozenset(recording.asked)} < told, "neither the beginning nor the end was among them"
    print(f"{recording.kind}: {judged} different cards after a power cut, {len(told)} different outcomes")


def test_a_write_that_was_left_out_is_found_out(recording: Recording, tmp_path: Path) -> None:
    """Each sector of the names' removal, as if the disk had never written it while it freed what they led to: the
    judges above can fail. A sector with a part of a long FAT name alone is nobody's loss."""
    sectors = list(_sectors(recording.log, list(recording.log.entries)))
    noticed = 0
    for start in sorted(_folder_sectors(recording) & {start for start, _ in sectors}):
        image = copied(recording.before, tmp_path / "image")
        _apply(image, [one for one in sectors if one[0] != start])
        noticed += bool(_judge(recording, image).wrong)
    assert noticed > 1, "nobody noticed names of files whose bytes are free"


def _folder_sectors(recording: Recording) -> set[int]:
    """Where the card has the names of its clips: in FAT the end of a short one, with its attribute."""
    part = {"fat32": b"MP4 ", "exfat": "BWC0".encode("utf-16-le")}[recording.kind]
    data = recording.before.read_bytes()
    return {at for at in range(0, len(data), SECTOR) if part in data[at : at + SECTOR]}
