"""The agent over long hours, in a guest whose clocks run ahead while it has nothing to do.

An idle agent is not free there: it looks for orders four times a second and at its bays once, which costs some
seconds of this machine's time for every hour. So a night is short here, and shifts follow each other at once.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hil.demo.records import read
from hil.rigs.uml.guest import Guest
from tests.rigs.uml.long_hours import BAYS

MIB_IN_KIB = 1024


def lived(share: Path, plan: str) -> dict[str, Any]:
    """Live through a plan; what the guest found out."""
    begun = time.monotonic()
    words = [sys.executable, "-m", "tests.rigs.uml.long_hours", str(share), plan]
    with (share / "said").open("w+b") as said, Guest(words, [share], time_travel=True, output=said) as guest:
        status = guest.wait(280)
        assert status == 0, (share / "said").read_text()
    facts: dict[str, Any] = json.loads((share / "facts.json").read_text())
    print(f"\n{plan}: {facts['hours']:.1f} hours in {time.monotonic() - begun:.1f} s")
    for load in facts["loads"]:
        print(f"  {load}")
    return facts


def nothing_is_lost(facts: dict[str, Any]) -> None:
    assert facts["failures"] == []
    assert {digest: len(keys) for digest, keys in facts["masters"].items()} == dict.fromkeys(facts["filmed"], 1)
    assert facts["verify"][0] == 0, facts["verify"][1]


def nothing_leaks(facts: dict[str, Any]) -> None:
    """Against the first measure, after which everything that is kept on purpose is there."""
    first, last = facts["loads"][0], facts["loads"][-1]
    for count in ("fds", "threads", "mounts", "children", "leftovers"):
        assert last[count] <= first[count], f"{count}: {facts['loads']}"


@pytest.mark.timeout(300)
def test_a_night_in_which_the_clock_is_set_and_summer_time_ends(tmp_path: Path) -> None:
    facts = lived(tmp_path, "night")
    assert facts["hours"] > 3.5
    nothing_is_lost(facts)
    nothing_leaks(facts)
    times = [record.utc for record in read(tmp_path / "entries.jsonl").all]
    assert times != sorted(times), "nobody set the clock back"


@pytest.mark.timeout(300)
def test_shift_after_shift(tmp_path: Path) -> None:
    """What the agent keeps in memory grows with its ledger, by little."""
    facts = lived(tmp_path, "shifts")
    nothing_is_lost(facts)
    nothing_leaks(facts)
    shifts = len(facts["loads"])
    assert len(facts["filmed"]) == shifts * BAYS
    grown = facts["loads"][-1]["rss_kib"] - facts["loads"][1]["rss_kib"]
    assert grown < 4 * MIB_IN_KIB, f"{grown} KiB more after {shifts - 2} shifts: {facts['loads']}"
