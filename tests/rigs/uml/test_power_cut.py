"""The dock's power is cut, again and again, while it drains cameras: nothing that anybody relied on is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hil.cameras import card
from hil.cameras.card import Shift
from hil.cameras.plate import Plate
from hil.demo.records import read
from hil.rigs.uml.guest import Guest
from tests.rigs.uml.acknowledged import digest
from tests.rigs.uml.digests import footage, once_each

MIB = 1 << 20
MODULE = (sys.executable, "-m", "tests.rigs.uml.dock_on_disk")
CUTS = ("acquired", "pulling", "uploading")


def cards_in(folder: Path) -> set[str]:
    """Two cameras with two clips each, as bays' folders; the clips' digests."""
    for seed, serial in enumerate(("BWC-1", "BWC-2"), 1):
        card.film_reference(folder / serial, Plate(serial), Shift(2, size=8 * MIB + seed, seed=seed, sidecars=False))
    return footage(folder)


def blank(disk: Path) -> Path:
    """An empty ext4 file system in a file."""
    with disk.open("wb") as file:
        file.truncate(384 * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=1", disk], check=True)
    return disk


def run_until(moment: str, share: Path, disk: Path, said: Path) -> dict[int, str]:
    """Boot, wait for the moment and cut the power there and then, or let it end; what the guest had acknowledged."""
    with (
        said.open("w+b") as output,
        Guest([*MODULE, str(share), moment], [share], disks=[disk], output=output) as guest,
    ):
        if moment == "end":
            assert guest.wait(150) == 0, said.read_text()
        else:
            until_said(said, f"AT {moment}", 100)
            guest.cut_power()
    lines = [line.split() for line in said.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return {int(words[1]): words[2] for words in lines if words[:1] == ["ACK"] and len(words) == 3}


def until_said(said: Path, words: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while words not in (text := said.read_text()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {words}\n{text}"
        assert "Traceback" not in text, text
        time.sleep(0.01)


@pytest.mark.timeout(500)
def test_nothing_acknowledged_is_lost_and_all_is_delivered_once(tmp_path: Path) -> None:
    share = tmp_path / "share"
    filmed = cards_in(share / "cards")
    disk = blank(tmp_path / "disk")
    acknowledged: dict[int, str] = {}
    for moment in (*CUTS, "end"):
        begun = time.monotonic()
        news = run_until(moment, share, disk, tmp_path / f"{moment}.out")
        print(f"{moment}: {time.monotonic() - begun:.1f} s, {max(news, default=0)} records acknowledged")
        for count in acknowledged.keys() & news.keys():
            assert acknowledged[count] == news[count], f"the first {count} records are others than before the power cut"
        acknowledged |= news
    facts = json.loads((share / "facts.json").read_text())
    assert facts["verify"][0] == 0, facts["verify"][1]
    assert once_each(facts["masters"], filmed)
    assert facts["held"] == []
    ledger = read(share / "entries.jsonl")
    assert [record.what["after"] for record in ledger.of("dock.start")] == ["first start", *["crash or power cut"] * 3]
    receipts = [record.what["clip_id"] for record in ledger.of("receipt")]
    assert len(receipts) == len(set(receipts)) == len(filmed)
    lines = [record.line for record in ledger.all]
    assert acknowledged
    for count, told in acknowledged.items():
        assert digest(lines[:count]) == told, f"of {count} acknowledged records, not all are there"
