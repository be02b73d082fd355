"""One writer for one folder: a lock that the kernel lets go when its holder dies, so that none is ever stale."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dockagent.errors import Refused, UsageError


class InUse(Refused):
    """Another process holds the lock now: try again, or let that one do the work."""

    exit_code = 4


def is_held(path: Path) -> bool:
    """Whether a process holds the lock file ``path`` now. Makes nothing. Raises OSError where it cannot be read."""
    try:
        with path.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def locked(path: Path, what: str = "ledger", unit: str = "dockagent") -> Iterator[None]:
    """Hold the lock file ``path`` of ``what`` (made where missing; flock(2)). Raises InUse, naming the holder, where
    it is held, UsageError without the right to it. ``unit``: the service that holds it where it is installed.

    The process id inside is only for that message; the lock itself is the kernel's.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except PermissionError as err:
        raise UsageError(
            f"cannot write the {what} {path.parent}: no right to it", f"run this as the user of {unit}.service"
        ) from err
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise InUse(
                f"the {what} {path.parent} is in use by process {holder}",
                f"stop that one first (`systemctl stop {unit}`), or let it do the work",
            ) from err
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        yield
    finally:
        os.close(fd)
