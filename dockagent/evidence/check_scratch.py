"""What ``store check`` leaves in a store, below ``scratch/<dock>/<16 hex>/``: under a lock it stays for years, and no
record covers it.

Nobody can hide anything there. What is passed over is not a folder but single files, by every byte of them: a sentence
that says where it lies and what is tried, one of two sentences of a Swift check, or a line of zeros. What is free in
them are names alone: of the dock, of the store's prefix in its bucket, of the trial. All else there is a finding as
anywhere: another byte, a longer file, a link, a folder more.
"""

import re
from collections.abc import Iterable
from pathlib import Path

_PLACE = re.compile(r"scratch/[A-Za-z0-9._~-]{1,80}/[0-9a-f]{16}/([a-z-]{1,32})")
_BELOW = re.compile(r"(?:[A-Za-z0-9._~-]{1,80}/){0,4}")  # a store's prefix in its bucket
_SAID = re.compile(rb"dockagent store check ([ -~]{0,900})/[a-z-]{1,32}\n")
_SWIFT = (b"dockagent asks what this store promises\n", b"somebody else writes under the same name\n")
_OTHER_BYTES = "wrong-hash"  # zeros of some length, sent in place of what was signed
_MOST = 1024  # bytes; none is longer
_SHOWN = 5


def is_tried(store: Path, key: str) -> bool:
    """Whether the object ``key`` of the store in the folder ``store`` is one that a store check put there, byte for
    byte. Raises OSError."""
    place, file = _PLACE.fullmatch(key), store / key
    if place is None or file.is_symlink() or not file.is_file():
        return False
    with file.open("rb") as source:
        data = source.read(_MOST + 1)
    said = _SAID.fullmatch(data)
    if said is None:
        zeros = place[1] == _OTHER_BYTES and 0 < len(data) <= _MOST and not any(data)
        return zeros or (place[1].startswith("probe-") and data in _SWIFT)
    if not said[1]:
        return True  # an older second write: it says no place
    prefix = said[1].decode().removesuffix(key.rpartition("/")[0])
    return len(prefix) < len(said[1]) and _BELOW.fullmatch(prefix) is not None


def notes(tried: Iterable[str]) -> tuple[str, ...]:
    """One line for each dock whose store checks left something."""
    counts: dict[str, int] = {}
    for key in tried:
        folder = "/".join(key.split("/")[:2])
        counts[folder] = counts.get(folder, 0) + 1
    told = [
        f"{count} objects below {folder}/ are what `store check` tried there, no evidence"
        for folder, count in counts.items()
    ]
    more = [f"… and so below {len(told) - _SHOWN} more folders"] if len(told) > _SHOWN else []
    return (*told[:_SHOWN], *more)
