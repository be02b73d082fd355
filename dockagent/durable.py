"""The only door to files that must survive a power cut: fsync, rename, link and unlink happen here and nowhere else.

A :class:`Disk` is a tree of files under one root; paths are relative, with ``/`` between parts. What a crash leaves:

=====================  ==========================================================================================
call                   after a crash in the middle
=====================  ==========================================================================================
``append`` + ``sync``  what was synced before is whole; bytes after the last sync may be there, gone or garbage
``write``              the old file or the new one, whole; perhaps a stray ``.tmp``, which the next start removes
``create``             no file or the whole one
``commit``             the part, the final name, or both; never neither
``publish``            the part, or both names of the same whole file
``remove``             nothing, or the file again: whoever removes must not mind
``publish_folder``     the part or the final name, whole; never both
=====================  ==========================================================================================
"""

import ctypes
import errno
import os
import secrets
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from dockagent.errors import Retryable
from dockagent.medium import Reader, open_cold

__all__ = ["Appender", "Disk", "DiskFull", "Reader", "RealDisk", "publish_folder", "remove_folder"]

WRITE_BACK = 8 << 20  # start write-out of every so many bytes, so that the last fsync is short
_SYNC_FILE_RANGE_WRITE = 2
_SYNC_FILE_RANGE_WRITE_AND_WAIT = 7
_AT_FDCWD, _RENAME_NOREPLACE = -100, 1  # renameat2(2)
_libc = ctypes.CDLL(None, use_errno=True)


class DiskFull(Retryable):
    """No room left on this disk. Nothing that was synced is lost; try again when there is room."""


class Appender(Protocol):
    """A file being written at its end. Use as a context manager; leaving it closes without a sync."""

    def write(self, data: bytes | memoryview) -> None: ...

    def sync(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None
    ) -> None: ...


class Disk(Protocol):
    """Durable files under one root. Every call may be repeated. Raises :class:`DiskFull` where there is no room,
    FileNotFoundError for a missing file unless said otherwise, and OSError for a medium that fails."""

    def read(self, path: str) -> bytes:
        """The whole of a small file."""
        ...

    def reader(self, path: str, *, cold: bool = False) -> Reader:
        """Open for reading. ``cold``: read past the page cache, so that the medium itself answers."""
        ...

    def append(self, path: str, *, scratch: bool = False, forget: bool = False) -> Appender:
        """Open for writing at the end; the file and its folders are made where missing. ``scratch``: nobody misses
        the file after a power cut before it got its final name, so its name is not made durable. ``forget``: nobody
        reads it soon other than cold, so its pages are given up."""
        ...

    def write(self, path: str, data: bytes, mode: int = 0o640) -> None:
        """Replace the whole file at once, durably. No reader ever sees half of it."""
        ...

    def create(self, path: str, data: bytes, mode: int = 0o640) -> None:
        """Like :meth:`write` but raises FileExistsError where there is a file already."""
        ...

    def commit(self, part: str, final: str) -> None:
        """Give a synced file its final name, replacing what has that name, durably."""
        ...

    def publish(self, part: str, final: str) -> None:
        """Give a synced file its final name, durably; FileExistsError where that name is taken. ``part`` is removed."""
        ...

    def truncate(self, path: str, size: int) -> None:
        """Cut a file to ``size`` bytes, durably."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file, and folders that are empty then. A power cut may bring it back. One that is not there is
        removed already."""
        ...

    def size(self, path: str) -> int | None:
        """Bytes of the file, or None where there is none."""
        ...

    def names(self, path: str) -> list[str]:
        """Sorted names in a folder; empty where there is no folder."""
        ...

    def free(self) -> int:
        """Bytes that an ordinary user may still write."""
        ...


class _FileAppender:
    """Has the kernel write out every :data:`WRITE_BACK` bytes as they come; with ``forget`` also gives up the pages of
    the stretch before, so that a long file takes no more memory than two stretches."""

    def __init__(self, fd: int, *, forget: bool) -> None:
        self._fd, self._forget = fd, forget
        self._unsent = 0
        self._offset = os.fstat(fd).st_size

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            with _room():
                done = os.write(self._fd, view)
            view = view[done:]
            self._unsent += done
        if self._unsent >= WRITE_BACK:
            self._write_out(self._offset, self._unsent, _SYNC_FILE_RANGE_WRITE)
            before = max(0, self._offset - WRITE_BACK)
            if self._forget and before < self._offset:
                self._write_out(before, self._offset - before, _SYNC_FILE_RANGE_WRITE_AND_WAIT)
                os.posix_fadvise(self._fd, before, self._offset - before, os.POSIX_FADV_DONTNEED)
            self._offset += self._unsent
            self._unsent = 0

    def _write_out(self, offset: int, count: int, how: int) -> None:
        """sync_file_range(2): advice; the sync at the end is what counts."""
        _libc.sync_file_range(self._fd, ctypes.c_int64(offset), ctypes.c_int64(count), how)

    def sync(self) -> None:
        with _room():
            os.fsync(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        os.close(self._fd)


class RealDisk:
    """A :class:`Disk` on the machine's own file system, under ``root`` (made where missing, mode 0750)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._identity: tuple[int, int] | None = None
        self._folders = threading.Lock()  # held while folders come and go, so that none goes as a file comes to it
        root.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._check_root()

    def path(self, path: str) -> Path:
        """Where a file really lies, for a program that needs a name (ffmpeg). Never leads out of the root."""
        parts = path.split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"not a path inside the disk: {path!r}")
        return self.root.joinpath(*parts)

    def read(self, path: str) -> bytes:
        return self.path(path).read_bytes()

    def reader(self, path: str, *, cold: bool = False) -> Reader:
        if cold:
            return open_cold(self.path(path))
        handle = self.path(path).open("rb", buffering=0)
        os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        return handle

    def append(self, path: str, *, scratch: bool = False, forget: bool = False) -> Appender:
        target = self.path(path)
        known = target.exists()
        with self._folders, _room():
            self._make_folders(target.parent)
            fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
            if not known and not scratch:
                _sync_folder(target.parent)
        return _FileAppender(fd, forget=forget)

    def write(self, path: str, data: bytes, mode: int = 0o640) -> None:
        target = self.path(path)
        temporary = self._write_temporary(target, data, mode)
        try:
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)

    def create(self, path: str, data: bytes, mode: int = 0o640) -> None:
        target = self.path(path)
        temporary = self._write_temporary(target, data, mode)
        try:
            self._link(temporary, target)
        finally:
            temporary.unlink()

    def commit(self, part: str, final: str) -> None:
        source, target = self.path(part), self.path(final)
        source.lstat()  # before folders are made for a file that is not there
        with self._folders, _room():
            self._make_folders(target.parent)
            source.replace(target)
        _sync_folder(target.parent)

    def publish(self, part: str, final: str) -> None:
        source = self.path(part)
        try:
            self._link(source, self.path(final))
        except FileExistsError:
            source.unlink()
            raise
        source.unlink()

    def truncate(self, path: str, size: int) -> None:
        fd = os.open(self.path(path), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(fd, size)
            os.fsync(fd)
        finally:
            os.close(fd)

    def remove(self, path: str) -> None:
        target = self.path(path)
        with self._folders:
            target.unlink(missing_ok=True)
            parent = target.parent
            while parent != self.root and parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
                parent = parent.parent

    def size(self, path: str) -> int | None:
        try:
            facts = self.path(path).stat()
        except FileNotFoundError:
            return None
        return facts.st_size if stat.S_ISREG(facts.st_mode) else None

    def names(self, path: str) -> list[str]:
        folder = self.path(path) if path else self.root
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []

    def free(self) -> int:
        room = os.statvfs(self.root)
        return room.f_bavail * room.f_frsize

    def _check_root(self) -> None:
        """Raises OSError when the root is not the folder that it was: its file system was unmounted, or another one was
        mounted there."""
        facts = self.root.stat()
        if self._identity is None:
            self._identity = (facts.st_dev, facts.st_ino)
        if self._identity != (facts.st_dev, facts.st_ino):
            raise OSError(errno.ESTALE, f"{self.root} is another folder than before: is it still mounted?")

    def _make_folders(self, folder: Path) -> None:
        self._check_root()
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for path in reversed(missing):
            path.mkdir(mode=0o750, exist_ok=True)
            _sync_folder(path.parent)

    def _write_temporary(self, target: Path, data: bytes, mode: int) -> Path:
        temporary = target.with_name(
            f".{secrets.token_hex(8)}.tmp"
        )  # short: the target's name may be as long as can be
        with self._folders, _room():
            self._make_folders(target.parent)
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        whole = False
        try:
            with _room():
                view = memoryview(data)
                while view:
                    view = view[os.write(fd, view) :]
                os.fsync(fd)
            whole = True
        finally:
            os.close(fd)
            if not whole:
                temporary.unlink()
        return temporary

    def _link(self, source: Path, target: Path) -> None:
        source.lstat()  # before folders are made for a file that is not there
        with self._folders, _room():
            self._make_folders(target.parent)
            target.hardlink_to(source)
        _sync_folder(target.parent)


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as err:
        if err.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull("the disk is full", "free some space or let the store catch up") from err
        raise


def publish_folder(part: Path, final: Path) -> None:
    """Give a folder, whose files are all synced, its final name in the same folder, durably. Raises FileExistsError
    where that name is taken; a crash leaves ``part`` or ``final``, each whole."""
    for inner in [one for one in part.rglob("*") if one.is_dir()]:
        _sync_folder(inner)
    _sync_folder(part)
    if _libc.renameat2(_AT_FDCWD, os.fsencode(part), _AT_FDCWD, os.fsencode(final), _RENAME_NOREPLACE):
        code = ctypes.get_errno()
        if code not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(code, os.strerror(code), str(final))
        if os.path.lexists(final):  # a file system that cannot promise it: nothing is replaced but an empty folder
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final))
        part.rename(final)
    _sync_folder(final.parent)


def remove_folder(folder: Path) -> None:
    """Remove a folder and all that is in it; links are removed, never followed. One that is not there is removed
    already."""
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def remove_name(folder: int, name: bytes) -> None:
    """Remove the name of a file in the open folder ``folder``, durably. Raises OSError; the name may be gone even then,
    and a power cut may bring it back."""
    os.unlink(name, dir_fd=folder)
    os.fsync(folder)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
