"""The agent over long hours, in a guest whose clocks run ahead while it has nothing to do.

An idle agent is not free there: it wakes every five seconds, which costs some of this machine's time for every hour. So
a night is short and shifts follow each other at once, and a month belongs to the long tier.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hil.demo.records import read
from tests.rigs.uml.digests import once_each
from tests.rigs.uml.in_guest import long_tier, run
from tests.rigs.uml.long_hours import BAYS

MIB_IN_KIB = 1024
MONTH_S = 3600
"""Seconds of this machine that a month may take."""


def lived(share: Path, plan: str, seconds: float = 280) -> dict[str, Any]:
    """Live through a plan; what the guest found out."""
    begun = time.monotonic()
    words = [sys.executable, "-m", "tests.rigs.uml.long_hours", str(share), plan]
    status, said = run(words, share, seconds, time_travel=True)
    assert status == 0, said
    facts: dict[str, Any] = json.loads((share / "facts.json").read_text())
    print(f"\n{plan}: {facts['hours']:.1f} hours in {time.monotonic() - begun:.1f} s")
    for load in facts["loads"]:
        print(f"  {load}")
    return facts


def nothing_is_lost(facts: dict[str, Any]) -> None:
    assert facts["failures"] == []
    assert once_each(facts["masters"], set(facts["filmed"]))
    assert facts["verify"][0] == 0, facts["verify"][1]


def nothing_leaks(facts: dict[str, Any]) -> None:
    """Against the first measure, after which everything that is kept on purpose is there."""
    first, last = facts["loads"][0], facts["loads"][-1]
    for count in ("fds", "threads", "mounts", "children", "leftovers"):
        assert last[count] <= first[count], f"{count}: {facts['loads']}"


def hardly_grows(facts: dict[str, Any]) -> None:
    """What the agent keeps in memory grows with its ledger, by little."""
    loads = facts["loads"]
    grown = loads[-1]["rss_kib"] - loads[1]["rss_kib"]
    assert grown < 4 * MIB_IN_KIB, f"{grown} KiB more after {len(loads) - 2} shifts: {loads}"


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
    facts = lived(tmp_path, "shifts")
    nothing_is_lost(facts)
    nothing_leaks(facts)
    assert len(facts["filmed"]) == len(facts["loads"]) * BAYS
    hardly_grows(facts)


@long_tier
@pytest.mark.timeout(2 * MONTH_S)
def test_a_month_of_days_in_which_little_happens(tmp_path: Path) -> None:
    facts = lived(tmp_path, "month", MONTH_S)
    assert facts["hours"] > 30 * 24
    nothing_is_lost(facts)
    nothing_leaks(facts)
    hardly_grows(facts)
