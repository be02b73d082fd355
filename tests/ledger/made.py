"""Docks and ledgers for tests, from fixed seeds."""

import random
from collections.abc import Sequence
from pathlib import Path

from dockagent.core import strict_json
from dockagent.durable import RealDisk
from dockagent.ledger.keys import Keys
from dockagent.ledger.log import Ledger


def keys(folder: Path, dock: str = "dock-7", seed: int = 7) -> Keys:
    """Keys of a dock in ``folder``; the same seed gives the same keys."""
    return Keys.create(RealDisk(folder), dock, random.Random(seed).randbytes)


def record(number: int, word: str = "made") -> bytes:
    return strict_json.canonical({"index": number, "type": word})


def ledger(folder: Path, by: Keys, count: int = 13, pinned: int | None = None) -> Path:
    """A ledger of ``count`` records in ``folder``, its checkpoint over the first ``pinned`` (default: all)."""
    pinned = count if pinned is None else pinned
    with Ledger.open(RealDisk(folder), by) as log:
        log.append([record(number) for number in range(pinned)])
        log.checkpoint()
        log.append([record(number) for number in range(pinned, count)])
    return folder


def entries(folder: Path) -> list[bytes]:
    """The lines without their newlines."""
    return (folder / "entries.jsonl").read_bytes().splitlines()


def write_entries(folder: Path, lines: Sequence[bytes]) -> None:
    (folder / "entries.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


def flip(line: bytes) -> bytes:
    """One bit of the payload changed; the envelope still parses."""
    place = line.index(b'"payload":"') + 20
    return line[:place] + (b"B" if line[place : place + 1] != b"B" else b"C") + line[place + 1 :]
