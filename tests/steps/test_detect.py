"""Detection with the real kernel: inotify, mounts, loop devices, uevents, and udevd where it can be had."""

import os
import shutil
import time
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.errors import UsageError
from dockagent.steps.detect import Reporter, Sighting
from dockagent.steps.detect_bays import BaysFolderWatch
from dockagent.transports.bay_folder import identity_of
from tests.steps.watching import (
    APPEARED,
    CHANGED,
    GONE,
    SETTLE_S,
    Seen,
    bays_of,
    card_in,
    devices_of,
    standing,
    watching,
)
from tests.transports import loops


@pytest.fixture
def bays(tmp_path: Path) -> Path:
    root = tmp_path / "bays"
    root.mkdir()
    return root


def test_what_differs_between_two_looks_is_reported() -> None:
    seen = Seen()
    reporter = Reporter(seen)
    one = Sighting("appeared", "bay1", "1-1", "block", "/dev/sda1", {"label": "A"})
    two = Sighting("appeared", "bay1", "1-1", "block", "/dev/sda1", {"label": "B"})
    looks: list[dict[object, Sighting]] = [{1: one}, {1: one}, {1: two}, {2: two}, {}]
    for look in looks:
        reporter.look(look)
    assert [(one.action, one.facts["label"]) for one in seen.sightings] == [
        ("appeared", "A"), ("changed", "B"), ("gone", "B"), ("appeared", "B"), ("gone", "B"),
    ]  # fmt: skip


def test_what_is_there_at_the_start_is_reported(bays: Path) -> None:
    card_in(bays / "bay1")
    (bays / "bay2").mkdir()
    (bays / ".hidden").mkdir()
    card_in(bays / ".hidden/x")
    (bays / "README").touch()
    (bays / "linked").symlink_to(bays / "bay1")
    with watching(bays_of(bays)) as seen:
        (found,) = seen.wait(APPEARED)
        assert (found.port, found.address) == ("folder:bay1", str(bays / "bay1"))
        assert found.facts["readonly"] == "no"
        seen.quiet(2 * SETTLE_S)


def test_a_folder_renamed_into_the_bays_comes_and_goes(bays: Path, tmp_path: Path) -> None:
    with watching(bays_of(bays)) as seen:
        started = time.monotonic()
        card_in(tmp_path / "camera").rename(bays / "bay1")
        seen.wait(APPEARED)
        assert time.monotonic() - started >= SETTLE_S
        started = time.monotonic()
        (bays / "bay1").rename(tmp_path / "pulled")
        seen.wait(GONE)
        assert time.monotonic() - started < 1


def test_a_slow_copy_is_reported_once_when_it_is_done(bays: Path) -> None:
    with watching(bays_of(bays)) as seen:
        card_in(bays / "bay1")
        with (bays / "bay1/DCIM/100BWC/BWC0002.MP4").open("wb", buffering=0) as clip:
            for _ in range(12):
                clip.write(bytes(1000))
                time.sleep(SETTLE_S / 3)
        assert seen.told() == []
        seen.wait(APPEARED)


def test_an_empty_folder_is_an_empty_bay(bays: Path) -> None:
    (bays / "bay1").mkdir()
    with watching(bays_of(bays)) as seen:
        seen.quiet(3 * SETTLE_S)
        (bays / "bay1/camera.json").write_text("{}")
        seen.wait(APPEARED)
        (bays / "bay1/camera.json").unlink()
        seen.wait(GONE)


def test_a_settled_card_that_changes_is_told_once(bays: Path) -> None:
    card_in(bays / "bay1")
    with watching(bays_of(bays)) as seen:
        seen.wait(APPEARED)
        for number in range(5):
            (bays / f"bay1/DCIM/100BWC/BWC100{number}.MP4").write_bytes(b"new")
            time.sleep(SETTLE_S / 3)
        seen.wait(CHANGED)
        (bays / "bay1/DCIM/101BWC").mkdir()
        (bays / "bay1/DCIM/101BWC/BWC2000.MP4").write_bytes(b"new")
        seen.wait(CHANGED)


def test_reading_a_card_is_no_change(bays: Path) -> None:
    card_in(bays / "bay1")
    with watching(bays_of(bays)) as seen:
        seen.wait(APPEARED)
        for _ in range(10):
            (bays / "bay1/DCIM/100BWC/BWC0001.MP4").read_bytes()
        seen.quiet(4 * SETTLE_S)


def test_a_camera_plugged_again_at_once_is_gone_and_appeared(bays: Path, tmp_path: Path) -> None:
    card_in(bays / "bay1")
    card_in(tmp_path / "next")
    with watching(bays_of(bays)) as seen:
        seen.wait(APPEARED)
        (bays / "bay1").rename(tmp_path / "pulled")
        (tmp_path / "next").rename(bays / "bay1")
        seen.wait(GONE, APPEARED)


def test_a_folder_with_the_inode_number_of_the_one_before_is_another(bays: Path) -> None:
    numbers, identities = set(), set()
    for _ in range(20):
        card_in(bays / "bay1")
        numbers.add((bays / "bay1").stat().st_ino)
        identities.add(identity_of(bays / "bay1"))
        shutil.rmtree(bays / "bay1")
    if len(numbers) == 20:
        pytest.skip("this file system did not give a number twice")
    assert len(identities) == 20


def test_many_bays_come_and_go_in_a_hurry(bays: Path, tmp_path: Path) -> None:
    with watching(bays_of(bays)) as seen:
        for number in range(200):
            card_in(bays / f"bay{number % 8}-{number}")
            if number >= 8:
                shutil.rmtree(bays / f"bay{number % 8}-{number - 8}")
        left = {f"bay{number % 8}-{number}" for number in range(192, 200)}
        deadline = time.monotonic() + 10
        while standing(seen.sightings) != left and time.monotonic() < deadline:
            time.sleep(0.05)
        assert standing(seen.sightings) == left
        assert seen.errors == []


def test_the_bays_folder_itself_may_go_and_come_back(bays: Path, tmp_path: Path) -> None:
    card_in(bays / "bay1")
    with watching(bays_of(bays)) as seen:
        seen.wait(APPEARED)
        bays.rename(tmp_path / "away")
        seen.wait(GONE)
        (tmp_path / "away").rename(bays)
        seen.wait(APPEARED)
        assert [words for words in seen.errors if "cannot be read" in words] == seen.errors
        (bays / "bay1/new").touch()
        seen.wait(CHANGED)


def test_a_bay_that_cannot_be_shown_is_told_of(bays: Path) -> None:
    Path(os.fsdecode(os.fsencode(bays) + b"/bay\xff")).mkdir()
    with watching(bays_of(bays)) as seen:
        seen.quiet(SETTLE_S)
        assert seen.errors == ["the bay bay%FF has a name that cannot be shown; rename it"]


def test_without_a_bays_folder_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not there"):
        BaysFolderWatch(tmp_path / "none", Seen(), print, SystemClock()).start()


def test_a_console_beside_the_bay(bays: Path) -> None:
    master, slave = os.openpty()
    path = os.ttyname(slave)
    with watching(bays_of(bays)) as seen:
        (bays / "bay1.tty").symlink_to(path)
        (found,) = seen.wait(("appeared", "bay1", "tty"))
        assert (found.address, found.port) == (path, "folder:bay1")
        os.close(slave)
        os.close(master)  # the link dangles now, and inotify says nothing
        seen.wait(("gone", "bay1", "tty"))
        (bays / "bay1.tty").unlink()
        (bays / "bay1.tty").symlink_to("bay1.tty")
        seen.quiet(SETTLE_S)


def test_a_mount_on_a_bay_comes_changes_and_goes(bays: Path) -> None:
    loops.needs_root("mount")
    (bays / "bay1").mkdir()
    with watching(bays_of(bays)) as seen:
        loops.run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", bays / "bay1")
        try:
            seen.quiet(2 * SETTLE_S)
            card_in(bays / "bay1")
            (found,) = seen.wait(APPEARED)
            assert found.facts["filesystem"] == "tmpfs"
            (bays / "bay1/DCIM/new.MP4").touch()
            seen.wait(CHANGED)
        finally:
            loops.run("umount", "--lazy", bays / "bay1")
        seen.wait(GONE)


def test_a_bind_mount_on_a_bay_is_seen_though_inotify_is_silent(bays: Path, tmp_path: Path) -> None:
    loops.needs_root("mount")
    card_in(tmp_path / "camera")
    (bays / "bay1").mkdir()
    with watching(bays_of(bays)) as seen:
        for _ in range(2):
            loops.run("mount", "--bind", tmp_path / "camera", bays / "bay1")
            try:
                seen.wait(APPEARED)
            finally:
                loops.run("umount", "--lazy", bays / "bay1")
            seen.wait(GONE)


def test_a_stop_is_quick_and_may_be_repeated(bays: Path) -> None:
    seen = Seen()
    for make in (bays_of(bays), devices_of({}, auto=True)):
        watch = make(seen)
        watch.start()
        started = time.monotonic()
        watch.stop()
        watch.stop()
        watch.wake()
        assert time.monotonic() - started < 2
    assert seen.errors == []


def test_no_descriptor_is_left_open(bays: Path) -> None:
    def one() -> None:
        for make in (bays_of(bays), devices_of({})):
            with watching(make):
                card_in(bays / "bay1")
            shutil.rmtree(bays / "bay1")

    one()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(3):
        one()
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208
