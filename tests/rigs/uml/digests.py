"""What footage is and where it came to, by its digests."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from hil.scenarios.stage import sha256

__all__ = ("footage", "masters", "once_each", "sha256")


def footage(folder: Path) -> set[str]:
    """SHA-256 of every clip below a folder."""
    return {sha256(path) for path in folder.rglob("*.MP4")}


def masters(store: Path) -> dict[str, list[str]]:
    """SHA-256 to the keys of all masters in a store."""
    found: dict[str, list[str]] = {}
    for path in sorted(store.rglob("master")):
        found.setdefault(sha256(path), []).append(path.relative_to(store).as_posix())
    return found


def once_each(stored: dict[str, list[str]], filmed: Set[str]) -> bool:
    """Whether these clips are in the store, each under one key, and nothing else."""
    return stored.keys() == filmed and all(len(keys) == 1 for keys in stored.values())
