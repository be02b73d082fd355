"""Tidy: at the start, remove from the spool what a crash left and nobody will ask for again.

All of it can go because a camera is never erased: bytes that no record speaks of are still where they came from.
"""

import re
from collections.abc import Iterator

from dockagent.core.model import ClipPhase, State
from dockagent.durable import Disk

_CLIP = re.compile(r"[0-9a-f]{32}")


def tidy(disk: Disk, state: State) -> list[str]:
    """Remove unfinished files and folders of clips that are not in the spool by the ledger; their paths."""
    gone = list(_left_over(disk, state))
    for path in gone:
        disk.remove(path)
    return gone


def _left_over(disk: Disk, state: State) -> Iterator[str]:
    for folder in ("keys", "ledger", "quarantine", "spool"):
        yield from (path for path in _files(disk, folder) if path.endswith(".tmp"))
    for name in disk.names("spool"):
        clip = state.clips.get(name)
        here = clip is not None and clip.phase is not ClipPhase.DONE
        if _CLIP.fullmatch(name) and not here:
            yield from _files(disk, f"spool/{name}")
        elif here:
            yield from (path for path in _files(disk, f"spool/{name}") if path.startswith(f"spool/{name}/preview.work"))


def _files(disk: Disk, folder: str) -> Iterator[str]:
    for name in disk.names(folder):
        path = f"{folder}/{name}"
        if disk.size(path) is None:
            yield from _files(disk, path)
        else:
            yield path
