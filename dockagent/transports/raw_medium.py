"""A card as bytes: a block device or an image, opened once for reading; and files as the extents that they lie in."""

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dockagent.core.paths import to_text
from dockagent.errors import DockError, Gone, Missing, Permanent, Retryable, UsageError

_AWAY = {errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOMEDIUM, errno.ENOENT}
_PUT_BACK = "put the camera back"
HOLE = -1  # where an extent lies that is zeros by definition


class Medium:
    """An open card. ``size`` is in bytes. Raises Gone when it is not there, Missing when we may not read it,
    UsageError when it is no card."""

    def __init__(self, device: Path) -> None:
        self.name = to_text(os.fsencode(device))
        try:
            self._fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as err:
            raise self._open_error(err) from err
        kind = os.fstat(self._fd).st_mode
        if not (stat.S_ISBLK(kind) or stat.S_ISREG(kind)):
            self.close()
            raise UsageError(f"{self.name} is no block device and no image", "name a block device or an image")
        self.size = os.lseek(self._fd, 0, os.SEEK_END)

    def read(self, offset: int, size: int) -> bytes:
        """``size`` bytes at ``offset``. Raises Gone, Retryable for a medium error, Permanent behind the end."""
        pieces: list[bytes] = []
        while size > 0:
            try:
                piece = os.pread(self._fd, size, offset)
            except OSError as err:
                raise self._error(err, offset) from err
            if not piece:
                raise self._ends_early(offset)
            pieces.append(piece)
            offset, size = offset + len(piece), size - len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read_into(self, room: memoryview, offset: int) -> None:
        """Fill ``room`` from ``offset``. Raises as :meth:`read`."""
        while room:
            try:
                count = os.preadv(self._fd, [room], offset)
            except OSError as err:
                raise self._error(err, offset) from err
            if not count:
                raise self._ends_early(offset)
            room, offset = room[count:], offset + count

    def check(self) -> None:
        """Raises Gone when the card is closed or was taken: the kernel makes a dead device empty."""
        if self._fd < 0:
            raise Gone(f"{self.name} was closed")
        if os.lseek(self._fd, 0, os.SEEK_END) == 0 < self.size:
            raise Gone(f"{self.name} went away", _PUT_BACK)

    def close(self) -> None:
        """Let it go. May be repeated."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _ends_early(self, offset: int) -> DockError:
        self.check()
        return Permanent(
            f"{self.name} ends before byte {offset}", "its file system is larger than the medium: image it"
        )

    def _error(self, err: OSError, offset: int) -> DockError:
        if self._fd >= 0 and err.errno not in _AWAY:
            self.check()
            return Retryable(f"medium error at byte {offset} of {self.name}", "try another bay, then image it")
        return Gone(f"{self.name} went away: {err.strerror}", _PUT_BACK)

    def _open_error(self, err: OSError) -> DockError:
        what = f"cannot read {self.name}: {err.strerror}"
        if err.errno in (errno.EACCES, errno.EPERM):
            return Missing(what, "let the dock's user read it (the group disk, or a udev rule)")
        return Gone(what, _PUT_BACK) if err.errno in _AWAY else Retryable(what, _PUT_BACK)


@dataclass(frozen=True, slots=True)
class Extent:
    """``length`` bytes of a file from its byte ``at`` on, which lie at byte ``where`` of the medium, or are a HOLE."""

    at: int
    where: int
    length: int


class Content(Protocol):
    """The bytes of one file."""

    size: int

    def read_into(self, room: memoryview, offset: int) -> int:
        """Fill ``room`` from ``offset``, at most to the file's end; the count of bytes. Raises as Medium does."""
        ...


class ExtentContent:
    """A file by its extents, in order and without a gap. Where they end before ``size``, ``short`` says why."""

    def __init__(self, medium: Medium, size: int, extents: Sequence[Extent], short: str) -> None:
        self.size = size
        self._medium, self._extents, self._short = medium, extents, short
        self._last = 0  # where we found the byte that was asked for before

    def read_into(self, room: memoryview, offset: int) -> int:
        if offset >= self.size:
            self._medium.check()
            return 0
        extent = self._extent(offset)
        if extent is None:
            raise Permanent(f"there is nothing behind byte {offset}: {self._short}", "image the card and look at it")
        into = offset - extent.at
        room = room[: min(extent.length - into, self.size - offset)]
        if extent.where == HOLE:
            room[:] = bytes(len(room))
        else:
            self._medium.read_into(room, extent.where + into)
        return len(room)

    def _extent(self, offset: int) -> Extent | None:
        """The extent that holds a byte. Reading goes on where it was, so the search begins there."""
        if self._last >= len(self._extents) or self._extents[self._last].at > offset:
            self._last = 0
        while self._last < len(self._extents):
            extent = self._extents[self._last]
            if extent.at <= offset < extent.at + extent.length:
                return extent
            self._last += 1
        return None
