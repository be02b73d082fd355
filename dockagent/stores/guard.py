"""What a file system can do to keep an object as it is: no right to write, and the immutable flag.

Both show a careless or hasty hand, not root: root takes the flag off again. So a folder is tamper-evident (digests,
ledger and receipts tell), never write-once.
"""

import errno
import fcntl
import os
from pathlib import Path

MODE = 0o440  # who may not enter the store's folder may not read footage either, so not 0444
_GET, _SET = 0x80086601, 0x40086602  # linux/fs.h: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, on 64-bit machines
_IMMUTABLE = 0x10  # linux/fs.h: FS_IMMUTABLE_FL
_CANNOT = (errno.EPERM, errno.EACCES, errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


class Guard:
    """Guards objects below ``root``. ``immutable``: whether to set the flag too, where that is possible; it needs root
    or CAP_LINUX_IMMUTABLE, and takes the folder from its owner until somebody runs ``chattr -R -i`` on it."""

    def __init__(self, root: Path, *, immutable: bool = False) -> None:
        self._root, self.immutable = root, immutable

    def keep(self, key: str) -> bool:
        """Take the rights to write from an object that has its name; True where it bears the flag now. May be repeated.
        Raises OSError for a medium that fails."""
        path = self._root.joinpath(*key.split("/"))
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            flags = _flags(fd)
            if flags is not None and flags & _IMMUTABLE:
                return True
            if os.fstat(fd).st_mode & 0o777 != MODE:
                os.fchmod(fd, MODE)
            return self.immutable and flags is not None and _set(fd, flags | _IMMUTABLE)
        finally:
            os.close(fd)

    def release(self, key: str) -> None:
        """Take the flag off again: only for what a check tried it on."""
        fd = os.open(self._root.joinpath(*key.split("/")), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            flags = _flags(fd)
            if flags is not None and flags & _IMMUTABLE:
                _set(fd, flags & ~_IMMUTABLE)
        finally:
            os.close(fd)


def _flags(fd: int) -> int | None:
    """The inode's flags, or None where this file system has none."""
    try:
        answer = fcntl.ioctl(fd, _GET, (0).to_bytes(8, "little"))
    except OSError as err:
        if err.errno not in _CANNOT:
            raise
        return None
    return int.from_bytes(answer[:4], "little")


def _set(fd: int, flags: int) -> bool:
    """Whether the flags could be set: it takes a right that few have."""
    try:
        fcntl.ioctl(fd, _SET, flags.to_bytes(8, "little"))
    except OSError as err:
        if err.errno not in _CANNOT:
            raise
        return False
    return True
