"""What every file system that is read without mounting gives: entries of folders, and the content of files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from dockagent.transports.raw_medium import Content

FOLDER = "folder"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Node:
    """Where a file or folder begins: ``start`` is a cluster or an inode. ``size`` in bytes; ``valid``: how many of them
    were ever written; ``contiguous``: its clusters lie one behind the other without a chain. As the card states it."""

    start: int
    size: int = 0
    valid: int = 0
    contiguous: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder. ``kind`` is empty for a regular file, else ``folder`` or as ``FileFact.special``."""

    name: bytes
    kind: str
    node: Node
    mtime_ms: int


class Volume(Protocol):
    """A file system on a medium. ``facts``: ``filesystem``, ``label``, ``uuid``, ``dirty``, where known."""

    facts: Mapping[str, str]
    root: Node

    def entries(self, folder: Node) -> tuple[Sequence[Entry], str]:
        """What is in a folder, deleted names left out, and what is wrong with it, or "". Raises as Medium does."""
        ...

    def content(self, file: Node) -> Content:
        """The bytes of a file. Raises as Medium does."""
        ...


def dos_time_ms(date: int, time: int, hundredths: int = 0, ahead_minutes: int = 0) -> int:
    """Milliseconds since 1970 of a FAT date and time (fatgen103, "Date and Time Formats"), taken as UTC unless the zone
    is so many minutes ahead of it. A date that is none counts as the nearest one."""
    month = min(max(date >> 5 & 15, 1), 12)
    day = datetime(1980 + (date >> 9), month, 1, tzinfo=UTC) + timedelta(days=max(date & 31, 1) - 1)
    since = timedelta(
        hours=time >> 11,
        minutes=(time >> 5 & 63) - ahead_minutes,
        seconds=2 * (time & 31),
        milliseconds=10 * hundredths,
    )
    return (day + since - _EPOCH) // timedelta(milliseconds=1)
