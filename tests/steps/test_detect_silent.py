"""Bays that are mounts whose server does not answer any more (a real FUSE file system whose server takes requests and
answers none), and the child that looks at them."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from dockagent.transports.reader_child import unburied
from tests.rigs.silent_folder import silent_folder
from tests.steps.watching import APPEARED, GONE, SETTLE_S, bays_of, card_in, watching

HANG_S = 2.0


@pytest.fixture
def bays(tmp_path: Path) -> Path:
    root = tmp_path / "bays"
    (root / "bay1").mkdir(parents=True)
    return root


def _children() -> list[int]:
    lists = Path("/proc/self/task").glob("*/children")
    return [int(pid) for one in lists for pid in one.read_text().split()]


def test_a_folder_that_does_not_answer_costs_its_own_bay(bays: Path, tmp_path: Path) -> None:
    with silent_folder(card_in(tmp_path / "card"), bays / "bay1") as silent:
        with watching(bays_of(bays, HANG_S)) as seen:
            seen.wait(APPEARED)
            silent.fall_silent()
            silent.asked()
            seen.complained("the folder of bay bay1 has not answered for 2 s")
            card_in(bays / "bay2")
            seen.wait(("appeared", "bay2", "folder"))
            shutil.rmtree(bays / "bay2")
            seen.wait(("gone", "bay2", "folder"))  # and bay1 is as it was last seen
            began = time.monotonic()
        assert time.monotonic() - began < 3, "the stop waited for a folder that does not answer"
        assert unburied(), "nobody was held by the kernel: this test shows nothing"
        silent.give_up()
        end = time.monotonic() + 10
        while unburied() and time.monotonic() < end:
            time.sleep(0.02)
        assert not unburied()


def test_a_bay_whose_dead_mount_is_taken_away_is_looked_at_again(bays: Path, tmp_path: Path) -> None:
    with silent_folder(card_in(tmp_path / "card"), bays / "bay1") as silent, watching(bays_of(bays, HANG_S)) as seen:
        seen.wait(APPEARED)
        silent.fall_silent()
        seen.complained("has not answered")
        silent.unmount()  # its server still says nothing, so the first look still hangs
        seen.wait(GONE)
        card_in(bays / "bay1")
        seen.wait(APPEARED)
        assert unburied() == 0


def test_the_bays_folder_itself_may_not_answer(bays: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    card_in(source / "bay1")
    with silent_folder(source, bays) as silent:
        with watching(bays_of(bays, HANG_S)) as seen:
            seen.wait(APPEARED)
            silent.fall_silent()
            seen.complained(f"the bays folder {bays} has not answered for 2 s")
            began = time.monotonic()
        assert time.monotonic() - began < 3
        assert seen.told() == []


def test_a_watch_whose_child_was_killed_goes_on_and_nobody_has_left(bays: Path) -> None:
    card_in(bays / "bay1")
    others = set(_children())
    with watching(bays_of(bays)) as seen:
        seen.wait(APPEARED)
        (child,) = set(_children()) - others
        os.kill(child, signal.SIGKILL)
        seen.complained("the process that watches the bays folder was ended by the signal SIGKILL")
        seen.quiet(2 + 4 * SETTLE_S)
        shutil.rmtree(bays / "bay1")
        seen.wait(GONE)
