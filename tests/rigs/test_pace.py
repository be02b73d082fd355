"""A dock that reads step by step: a camera leaves a folder at its byte, however late the hand looks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.demo.place import Place, fresh
from hil.scenarios.agent import StillAgent
from hil.scenarios.pace import Pace, lacks
from hil.scenarios.play import play
from hil.scenarios.read import read

MIB = 1 << 20
LIMIT_S = 20.0
LOOKS_EVERY = 4 * MIB
"""After so many bytes of a file the dock looks whether its folder is still the same (``transports/folder.py``)."""
READER = """
import subprocess, sys
child = '''
import os, sys
for name in sys.argv[1:]:
    file = os.open(name, os.O_RDONLY)
    while os.read(file, 1 << 20):
        print("+", flush=True)
        sys.stdin.readline()
'''
card = subprocess.Popen([sys.executable, "-c", child, *sys.argv[1:]], stdin=-1, stdout=-1)
while card.stdout.readline():
    card.stdin.write(b"on\\n")
    card.stdin.flush()
"""

pytestmark = pytest.mark.skipif(bool(lacks()), reason=lacks() or "it can be done here")


class _Reading(StillAgent):
    """A program that reads files through a child, a MiB at a time, each when it is asked: as the dock does."""

    __slots__ = ()

    def reads_now(self, *files: Path) -> None:
        self._daemon = subprocess.Popen([sys.executable, "-c", READER, *files])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with fresh(tmp_path / "dock") as found:
        yield found


def _card(place: Place, name: str, mib: int) -> tuple[Path, Path]:
    """A card at home, and the bay in which it will be."""
    home = place.cards / name / "DCIM"
    home.mkdir(parents=True)
    (home / "CLIP.MP4").write_bytes(os.urandom(mib * MIB))
    place.bays.mkdir(exist_ok=True)
    return home.parent, place.bays / name


def _until(given: int, pace: Pace, name: str) -> int:
    """Ask until so much was given; what was."""
    end = time.monotonic() + LIMIT_S
    while (found := pace.given(name)) < given:
        assert time.monotonic() < end, f"{found} bytes were given in {LIMIT_S:g} s"
        time.sleep(0.001)
    return found


def test_it_stands_still_at_the_byte_however_late_one_looks(place: Place) -> None:
    agent = _Reading(place)
    pace = Pace(agent)
    home, bay = _card(place, "bay01", 32)
    pace.watch("alice", home, bay)
    home.rename(bay)
    with agent:
        agent.reads_now(bay / "DCIM" / "CLIP.MP4")
        pace.own()
        assert _until(5 * MIB, pace, "alice") == 5 * MIB
        time.sleep(0.3)  # as long as it takes to read all of it many times
        positions = [position for path, position in agent.open_files() if path.name == "CLIP.MP4"]
        assert positions == [5 * MIB]
        pace.forget("alice")
        assert agent._daemon is not None
        assert agent._daemon.wait(LIMIT_S) == 0  # it went on to the end


def test_it_waits_for_everybody_who_watches(place: Place) -> None:
    """A hand that looks late still finds the byte at which its camera is due, while another one looks all the time."""
    agent = _Reading(place)
    pace = Pace(agent)
    (first, one), (second, two) = _card(place, "bay01", 8), _card(place, "bay02", 8)
    pace.watch("alice", first, one)
    pace.watch("bob", second, two)
    first.rename(one)
    second.rename(two)
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.001):
            pace.given("alice")

    hasty = threading.Thread(target=look)
    with agent:
        agent.reads_now(one / "DCIM" / "CLIP.MP4", two / "DCIM" / "CLIP.MP4")
        pace.own()
        hasty.start()
        try:
            assert _until(3 * MIB, pace, "bob") == 3 * MIB
        finally:
            over.set()
            hasty.join()
        pace.forget_all()
        assert agent._daemon is not None
        assert agent._daemon.wait(LIMIT_S) == 0


def test_one_that_is_held_goes_on_afterwards(place: Place) -> None:
    agent = _Reading(place)
    pace = Pace(agent)
    home, _ = _card(place, "bay01", 256)
    with agent:
        agent.reads_now(home / "DCIM" / "CLIP.MP4")
        with pace.still():
            assert agent.stands_still()
        assert agent._daemon is not None
        assert agent._daemon.wait(LIMIT_S) == 0


@pytest.mark.parametrize("good", [0, 7, 8, 11])
def test_a_camera_leaves_a_folder_at_its_byte(good: int, tmp_path: Path) -> None:
    """As it is written: in the middle of the first MiB of sixteen, of the eighth, the ninth or the twelfth, each of
    which takes a folder a millisecond. It is read MiB by MiB, so the one that is due was read to its end, and nothing
    behind it.

    The dock keeps that MiB too, unless it is a fourth one: behind each fourth its reader looks whether the card is
    still there, and what it read since the last MiB is not handed over if not. Only where the dock's watch was so quick
    that it had closed the card before the reader was asked for the last MiB, that one is lost as well."""
    path = tmp_path / "due.toml"
    path.write_text(
        'about = "A control"\nwhy = "a letter means a byte"\n'
        f'camera.alice = {{ model = "generic-dcf", clip_kib = 16384, sidecars = false, faults = "{"r" * good}U" }}\n'
        'script = """\nplug alice bay01\nwait alice gone\n"""\nexpect = """\nalice not released\n"""\n'
    )
    outcome = play(read(path), "folder", tmp_path / "run")
    assert outcome.good, outcome.why
    due = (good + 1) * MIB
    looked = due % LOOKS_EVERY == 0
    left = [one.words for one in outcome.moments if one.kind == "rig"]
    assert left == [f"alice left its bay by itself after {due} bytes of its files"]
    (failed,) = [one.words for one in outcome.moments if one.kind == "acquire.failed"]
    kept = int(failed.rsplit(";", 1)[1].split()[0])
    if "was closed" in failed:
        assert kept in (due - MIB, due)
    else:
        assert "went away" in failed
        assert kept == (due - MIB if looked else due)
