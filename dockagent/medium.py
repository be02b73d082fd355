"""Reading a file from its medium and not from memory: what a proof of writing needs.

O_DIRECT (open(2)) goes past the page cache, leaves it as it is, and costs no memory; while one block is used the next
is on its way. File systems that have no O_DIRECT (some in memory, some on a network) are read after their cached pages
were given up, which is the best that can be had there.
"""

import errno
import mmap
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

BLOCK = 4 << 20  # bytes of one read; a multiple of every medium's sector
_ALIGNED = 4096


class Reader(Protocol):
    """A file being read from its start. ``read(n)`` gives 1..n bytes, or b"" at the end."""

    def read(self, size: int, /) -> bytes: ...

    def seek(self, offset: int, /) -> int: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None
    ) -> None: ...


def open_cold(path: Path) -> Reader:
    """Open ``path``, whose bytes have been synced. Raises OSError as open(2) does."""
    fd = _open_direct(path)
    if fd is not None:
        return _DirectReader(fd, os.fstat(fd).st_size)
    handle = path.open("rb", buffering=0)
    os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return handle


def _open_direct(path: Path) -> int | None:
    """A descriptor with O_DIRECT, or None where the file system refuses it: some do at open(2), some at read(2)."""
    fd = None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECT)
        with mmap.mmap(-1, _ALIGNED) as block:
            os.preadv(fd, [block], 0)
    except OSError as err:
        if fd is not None:
            os.close(fd)
        if err.errno != errno.EINVAL:
            raise
        return None
    return fd


class _DirectReader:
    """Two blocks: one in use, one being filled by a second thread where the file is long enough for that."""

    def __init__(self, fd: int, size: int) -> None:
        self._fd = fd
        room = min(BLOCK, -(-max(size, 1) // _ALIGNED) * _ALIGNED)
        self._blocks = [mmap.mmap(-1, room), mmap.mmap(-1, room)]
        self._pool = ThreadPoolExecutor(1, "medium") if size > room else None
        self._coming: Future[int] | None = None
        self._next = 0  # where the next block begins in the file
        self._at, self._end = 0, 0  # what is left of the block in use

    def read(self, size: int, /) -> bytes:
        if self._at == self._end:
            self._turn()
        piece = self._blocks[0][self._at : min(self._end, self._at + size)]
        self._at += len(piece)
        return piece

    def seek(self, offset: int, /) -> int:
        if self._coming is not None:
            self._coming.result()
            self._coming = None
        self._next = offset - offset % _ALIGNED
        self._turn()
        self._at = min(self._end, offset % _ALIGNED)
        return offset

    def _turn(self) -> None:
        """Take the block that was being filled into use, and have the other one filled."""
        count = self._coming.result() if self._coming is not None else self._fill(self._blocks[1], self._next)
        self._coming = None
        self._blocks.reverse()
        self._next += count
        self._at, self._end = 0, count
        if self._pool is not None and count == len(self._blocks[0]):
            self._coming = self._pool.submit(self._fill, self._blocks[1], self._next)

    def _fill(self, block: mmap.mmap, offset: int) -> int:
        """Bytes read; less than a block only at the end of the file, behind which nothing may be asked for."""
        return os.preadv(self._fd, [block], offset) if offset % _ALIGNED == 0 else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        os.close(self._fd)
        for block in self._blocks:
            block.close()
