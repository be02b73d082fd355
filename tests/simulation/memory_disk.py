"""A :class:`dockagent.durable.Disk` in memory that forgets, at a crash, whatever was not synced.

Every durable call is a point at which the machine may lose its power: just before the call took effect, or just after.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Self

from dockagent.durable import Appender, DiskFull, Reader


class PowerCut(BaseException):
    """The machine is off. Not an Exception: nothing in the agent may catch it."""


@dataclass(slots=True)
class Inode:
    """``data`` is what a reader sees now; ``safe`` is what a power cut leaves for sure."""

    data: bytearray = field(default_factory=bytearray)
    safe: bytes = b""
    scratch: bool = False


class MemoryDisk:
    """``cut_at``: the number of the durable call at which the power goes, or 0 for never. ``lies``: a disk whose sync
    does nothing (for negative controls)."""

    def __init__(self, random: Random, room: int = 1 << 40, *, lies: bool = False) -> None:
        self.random, self.room, self.lies = random, room, lies
        self.files: dict[str, Inode] = {}
        self.removed: dict[str, Inode] = {}  # since the last power cut; it may bring them back
        self.calls = 0
        self.cut_at = 0
        self.on = True

    def power_cut(self) -> None:
        """What the machine finds when it comes back: synced bytes, and perhaps some of the rest, perhaps garbage; and
        some of what was removed."""
        for path, inode in self.removed.items():
            if path not in self.files and self.random.random() < 0.3:
                self.files[path] = inode
        self.removed.clear()
        for path in [path for path, inode in self.files.items() if inode.scratch and self.random.random() < 0.3]:
            del self.files[path]
        for inode in self.files.values():
            tail = inode.data[len(inode.safe) :] if inode.data.startswith(inode.safe) else bytearray()
            kept = bytearray(tail[: self.random.randint(0, len(tail))])
            if kept and self.random.random() < 0.5:
                at = self.random.randrange(len(kept))
                kept[at:] = bytes(len(kept) - at)
            inode.data = bytearray(inode.safe) + kept
            inode.safe = bytes(inode.data)
        self.cut_at, self.on = 0, True

    def _point(self) -> bool:
        """Count a durable call. True when the power goes after it took effect; raises when it goes before."""
        if not self.on:
            raise PowerCut
        self.calls += 1
        if self.calls != self.cut_at:
            return False
        self.on = False
        if self.random.random() < 0.5:
            raise PowerCut
        return True

    def _after(self, cut: bool) -> None:
        if cut:
            raise PowerCut

    def elsewhere(self, act: Callable[[], None]) -> None:
        """Something durable that is done on another medium: the power may go before it and after it."""
        cut = self._point()
        act()
        self._after(cut)

    def _make_safe(self, inode: Inode) -> None:
        if not self.lies:
            inode.safe = bytes(inode.data)

    def read(self, path: str) -> bytes:
        return bytes(self._inode(path).data)

    def reader(self, path: str, *, cold: bool = False) -> Reader:
        return io.BytesIO(bytes(self._inode(path).data))

    def append(self, path: str, *, scratch: bool = False, forget: bool = False) -> Appender:
        _inside(path)
        cut = self._point() if path not in self.files and not scratch else False
        inode = self.files.setdefault(path, Inode(scratch=scratch))
        self._after(cut)
        return _Appender(self, inode)

    def write(self, path: str, data: bytes, mode: int = 0o640) -> None:
        _inside(path)
        self._check_room(len(data))
        cut = self._point()
        self.files[path] = self._whole(data)
        self._after(cut)

    def create(self, path: str, data: bytes, mode: int = 0o640) -> None:
        if path in self.files:
            raise FileExistsError(path)
        self.write(path, data, mode)

    def commit(self, part: str, final: str) -> None:
        inode = self._inode(part)
        _inside(final)
        cut = self._point()
        inode.scratch = False
        self.files[final] = inode
        del self.files[part]
        self._after(cut)

    def publish(self, part: str, final: str) -> None:
        inode = self._inode(part)
        _inside(final)
        if final in self.files:
            self.remove(part)
            raise FileExistsError(final)
        cut = self._point()
        inode.scratch = False
        self.files[final] = inode
        self._after(cut)
        self.remove(part)

    def truncate(self, path: str, size: int) -> None:
        inode = self._inode(path)
        cut = self._point()
        del inode.data[size:]
        self._make_safe(inode)
        self._after(cut)

    def remove(self, path: str) -> None:
        _inside(path)
        if path in self.files:
            self.removed[path] = self.files.pop(path)

    def size(self, path: str) -> int | None:
        _inside(path)
        inode = self.files.get(path)
        return len(inode.data) if inode else None

    def names(self, path: str) -> list[str]:
        if path:
            _inside(path)
        start = f"{path}/" if path else ""
        return sorted({name[len(start) :].split("/")[0] for name in self.files if name.startswith(start)})

    def free(self) -> int:
        return self.room - sum(len(inode.data) for inode in self.files.values())

    def _whole(self, data: bytes) -> Inode:
        inode = Inode(bytearray(data))
        self._make_safe(inode)
        return inode

    def _inode(self, path: str) -> Inode:
        _inside(path)
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def _check_room(self, more: int) -> None:
        if more > self.free():
            raise DiskFull("the disk is full", "simulated")


def _inside(path: str) -> None:
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError(f"not a path inside the disk: {path!r}")


class _Appender:
    def __init__(self, disk: MemoryDisk, inode: Inode) -> None:
        self._disk, self._inode = disk, inode

    def write(self, data: bytes | memoryview) -> None:
        self._disk._check_room(len(data))
        self._inode.data += data

    def sync(self) -> None:
        cut = self._disk._point()
        self._disk._make_safe(self._inode)
        self._disk._after(cut)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        return


class SubDisk:
    """A folder of a :class:`MemoryDisk` as a disk of its own, as ``ledger/`` and ``keys/`` of the home are."""

    def __init__(self, disk: MemoryDisk, folder: str) -> None:
        self._disk, self._folder = disk, folder

    def read(self, path: str) -> bytes:
        return self._disk.read(f"{self._folder}/{path}")

    def reader(self, path: str, *, cold: bool = False) -> Reader:
        return self._disk.reader(f"{self._folder}/{path}", cold=cold)

    def append(self, path: str, *, scratch: bool = False, forget: bool = False) -> Appender:
        return self._disk.append(f"{self._folder}/{path}", scratch=scratch)

    def write(self, path: str, data: bytes, mode: int = 0o640) -> None:
        self._disk.write(f"{self._folder}/{path}", data, mode)

    def create(self, path: str, data: bytes, mode: int = 0o640) -> None:
        self._disk.create(f"{self._folder}/{path}", data, mode)

    def commit(self, part: str, final: str) -> None:
        self._disk.commit(f"{self._folder}/{part}", f"{self._folder}/{final}")

    def publish(self, part: str, final: str) -> None:
        self._disk.publish(f"{self._folder}/{part}", f"{self._folder}/{final}")

    def truncate(self, path: str, size: int) -> None:
        self._disk.truncate(f"{self._folder}/{path}", size)

    def remove(self, path: str) -> None:
        self._disk.remove(f"{self._folder}/{path}")

    def size(self, path: str) -> int | None:
        return self._disk.size(f"{self._folder}/{path}")

    def names(self, path: str) -> list[str]:
        return self._disk.names(f"{self._folder}/{path}" if path else self._folder)

    def free(self) -> int:
        return self._disk.free()
