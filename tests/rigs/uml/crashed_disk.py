"""What is wrong with a dock's disk after a power cut, judged by its ledger as an outsider reads it.

Without root: e2fsck replays the journal of a copy, debugfs takes the files out of it (both of e2fsprogs).
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hil.demo.records import Record, payload
from tests.rigs.uml.digests import sha256

WHOLE = (0, 1)  # e2fsck(8): nothing was wrong, or only what a journal leaves to be tidied


@dataclass(frozen=True, slots=True)
class Found:
    """A disk's files in the folder ``root``; the whole records of its ledger; what is wrong, empty when all is well."""

    root: Path
    records: tuple[Record, ...]
    wrong: tuple[str, ...]


def open_disk(image: Path, to: Path) -> str:
    """Bring an image up as a machine does when it starts, and copy its files to the new folder ``to``. What is wrong
    with the file system itself, or nothing. The image is changed."""
    checked = subprocess.run(["e2fsck", "-fp", image], capture_output=True, text=True, check=False)
    if checked.returncode not in WHOLE:
        return f"the file system is damaged: {checked.stdout}{checked.stderr}"[:2000]
    to.mkdir()
    subprocess.run(["debugfs", "-R", f"rdump / {to}", image], check=True, capture_output=True)
    return ""


def judge(image: Path, to: Path, least: int) -> Found:
    """Open a disk and compare it with its ledger, in which at least so many records must be."""
    damage = open_disk(image, to)
    if damage:
        return Found(to, (), (damage,))
    records = tuple(whole_records(to / "home" / "ledger" / "entries.jsonl"))
    wrong = [] if len(records) >= least else [f"{len(records)} records are there of {least} that were relied on"]
    wrong += [f"record {n} says that it is {one.index}" for n, one in enumerate(records) if one.index != n]
    return Found(to, records, (*wrong, *_at_rest(to, records), *_in_store(to, records)))


def whole_records(entries: Path) -> Iterator[Record]:
    """The ledger's records up to the first line that is not one; behind it lies what was never answered for."""
    if not entries.exists():
        return
    for line in entries.read_bytes().splitlines(keepends=True):
        try:
            raw = json.loads(payload(line))
        except ValueError:
            return
        if not line.endswith(b"\n"):
            return
        yield Record(raw["index"], raw["type"], raw["what"], raw["when"]["utc"], raw["where"]["bay"], line[:-1])


def _at_rest(root: Path, records: tuple[Record, ...]) -> Iterator[str]:
    """A clip that was acquired rests in the spool until the store has proved that it holds it."""
    delivered = {record.what["clip_id"] for record in records if record.type == "receipt"}
    for record in records:
        if record.type == "acquire" and record.what["clip_id"] not in delivered:
            master = root / "home" / "spool" / record.what["clip_id"] / "master"
            if not master.is_file() or sha256(master) != record.what["sha256"]:
                yield f"{record.what['path']} was acquired, and its bytes are not in the spool"


def _in_store(root: Path, records: tuple[Record, ...]) -> Iterator[str]:
    for record in records:
        receipts = [record.what["receipt"], *record.what["others"]] if record.type == "receipt" else []
        for receipt in receipts:
            held = root / "store" / receipt["key"]
            if not held.is_file() or sha256(held) != receipt["sha256"]:
                yield f"there is a receipt for {receipt['key']}, and its bytes are not in the store"


def copied(image: Path, to: Path) -> Path:
    """A copy that keeps the holes."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", image, to], check=True)
    return to


def forget(*paths: Path) -> None:
    """Remove files and folders."""
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
