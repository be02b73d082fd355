"""A card read from its device or image without mounting it: no rights are needed but to read the device, the kernel
parses nothing, and nothing can be written.

Meant for a child (:mod:`isolated`), which gives up its rights between opening the device and looking at its bytes.
"""

import encodings.cp437
import encodings.utf_16_le  # noqa: F401
from collections.abc import Callable, Iterator, Mapping, MutableSequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dockagent.core.paths import to_text
from dockagent.errors import DockError, Gone, Missing, Permanent, Refused
from dockagent.transports import FileFact, FootageReader
from dockagent.transports.raw_exfat import ExfatVolume, is_exfat
from dockagent.transports.raw_fat import FatVolume, geometry
from dockagent.transports.raw_medium import Content, Medium
from dockagent.transports.raw_sleuthkit import SleuthkitVolume, is_known, load
from dockagent.transports.raw_volume import FOLDER, Entry, Volume

LONGEST_PATH = 4095  # as a mount would allow
MOST_ENTRIES = 1_000_000
_HEAD = 2048  # bytes that tell which file system it is


class RawCard:
    """:class:`dockagent.transports.Footage` of a block device or an image with FAT, exFAT, ext or NTFS on it.

    ``before_parsing`` is called when the device is open and none of its bytes has been looked at. Raises what
    :class:`raw_medium.Medium` raises, Permanent where there is no file system that can be read this way.
    """

    def __init__(self, device: Path, before_parsing: Callable[[], object] = lambda: None) -> None:
        self._medium = Medium(device)
        self._folders: dict[bytes, dict[bytes, Entry]] = {}
        try:
            tsk = _sleuthkit()
            before_parsing()
            self._volume = _volume(self._medium, tsk)
        except DockError:
            self.close()
            raise

    def facts(self) -> Mapping[str, str]:
        """``filesystem``, ``label``, ``uuid``; ``dirty``: ``yes`` where it was not put to rest; ``readonly``: always;
        ``mounted_by``: ``nobody``."""
        self._medium.check()
        return {**self._volume.facts, "device": self._medium.name, "readonly": "yes", "mounted_by": "nobody"}

    def list(self) -> Iterator[FileFact]:
        """Every file, sorted by raw path, as the contract says. A folder that two names lead to is listed once: a
        damaged card may nest folders in circles."""
        self._medium.check()
        self._folders = {}
        troubles: list[str] = []
        seen: set[int] = set()
        pending: list[tuple[bytes, Entry]] = [(b"", Entry(b"", FOLDER, self._volume.root, 0))]
        listed = 0
        while pending:
            path, entry = pending.pop()
            listed += 1
            if entry.kind != FOLDER:
                yield _fact(path, entry)
            elif self._may_enter(path, entry, seen, troubles):
                entries = self._look(path, entry, troubles)
                inside = [(path + one.name + (b"/" if one.kind == FOLDER else b""), one) for one in entries.values()]
                pending.extend(sorted(inside, key=lambda one: one[0], reverse=True))
            if listed + len(pending) > MOST_ENTRIES:
                troubles.append(f"there are more than {MOST_ENTRIES} names on it")
                pending = []
        if troubles:
            more = f" (and {len(troubles) - 1} more)" if len(troubles) > 1 else ""
            raise Permanent(f"{self._medium.name}: {troubles[0]}{more}", "image the card and look at it")

    def open(self, path: bytes) -> FootageReader:
        parts = path.split(b"/")
        if any(part in (b"", b".", b"..") for part in parts) or b"\0" in path:
            raise Refused(f"{to_text(path)!r} is not a path on the card", "only files that the card lists are read")
        self._medium.check()
        entry = Entry(b"", FOLDER, self._volume.root, 0)
        for number, part in enumerate(parts):
            if entry.kind != FOLDER:
                raise Refused(f"{to_text(path)} leads through what is no folder", "only files that it lists are read")
            inside = self._folder(b"".join(one + b"/" for one in parts[:number]), entry)
            if part not in inside:
                raise Gone(f"{to_text(path)} is not on the card", "list the card again")
            entry = inside[part]
        if entry.kind:
            raise Refused(f"{to_text(path)} is not a regular file", "only files that the card lists are read")
        return _Reader(self._volume.content(entry.node))

    def close(self) -> None:
        self._medium.close()

    def _folder(self, path: bytes, folder: Entry) -> dict[bytes, Entry]:
        """What is in a folder, remembered: files are opened one after the other."""
        if path not in self._folders:
            self._folders[path] = self._look(path, folder, [])
        return self._folders[path]

    def _look(self, path: bytes, folder: Entry, troubles: MutableSequence[str]) -> dict[bytes, Entry]:
        """What is in a folder by name. What cannot be a name, and the second file of a name, is a trouble."""
        where = to_text(path) or "its top folder"
        try:
            entries, trouble = self._volume.entries(folder.node)
        except Gone:
            raise
        except DockError as err:
            troubles.append(f"{where} cannot be read: {err.what}")
            return {}
        if trouble:
            troubles.append(f"{where} is damaged: {trouble}")
        found: dict[bytes, Entry] = {}
        for entry in entries:
            bad = entry.name in (b".", b"..") or b"/" in entry.name or b"\0" in entry.name
            if bad or entry.name in found:
                what = "holds two files of the name" if not bad else "holds the impossible name"
                troubles.append(f"{where} {what} {to_text(entry.name)}")
            else:
                found[entry.name] = entry
        return found

    def _may_enter(self, path: bytes, folder: Entry, seen: set[int], troubles: MutableSequence[str]) -> bool:
        if len(path) > LONGEST_PATH:
            troubles.append(f"folders are nested too deep under {to_text(path[:80])}…")
            return False
        if path and (folder.node.start in seen or folder.node == self._volume.root):
            troubles.append(f"{to_text(path)} is a folder that was listed under another name already")
            return False
        if folder.node.start:  # an empty folder may have no cluster
            seen.add(folder.node.start)
        return True


class _Reader:
    """A :class:`dockagent.transports.FootageReader` that is also a Filler."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._at = 0

    def read(self, size: int, /) -> bytes:
        room = bytearray(min(size, 4 << 20))
        return bytes(memoryview(room)[: self.read_into(memoryview(room))])

    def read_into(self, room: memoryview, /) -> int:
        count = self._content.read_into(room, self._at)
        self._at += count
        return count

    def seek(self, offset: int, /) -> int:
        self._at = offset
        return offset

    def size(self) -> int:
        return self._content.size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        """Nothing is held open for one file."""


def _fact(path: bytes, entry: Entry) -> FileFact:
    return FileFact(path, 0, 0, entry.kind) if entry.kind else FileFact(path, entry.node.size, entry.mtime_ms)


def _sleuthkit() -> Any:
    """The library, or None: FAT and exFAT, what cameras write, are read without it."""
    with suppress(Missing):
        return load()
    return None


def _volume(medium: Medium, sleuthkit: Any) -> Volume:
    head = medium.read(0, min(_HEAD, medium.size)).ljust(_HEAD, b"\0")
    if is_exfat(head):
        return ExfatVolume(medium, head)
    if is_known(head):
        return SleuthkitVolume(sleuthkit or load(), medium, head)
    if said := geometry(head):
        return FatVolume(medium, head, said)
    if _has_partitions(head):
        raise Permanent(f"{medium.name} holds a partition table, not a file system", "name one of its partitions")
    what = f"{medium.name} holds no file system that can be read without mounting it"
    raise Permanent(what, "do not format it; image it and look at the image")


def _has_partitions(head: bytes) -> bool:
    """Whether the first sector is that of a partitioned disk; with GPT it says so too."""
    parts = [head[at : at + 16] for at in range(446, 510, 16)]
    return (
        head[510:512] == b"\x55\xaa" and any(part[4] for part in parts) and all(part[0] in (0, 128) for part in parts)
    )
