"""One writer for one ledger: a lock that the kernel lets go when its holder dies, so that none is ever stale."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dockagent.errors import Refused, UsageError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` (made where missing; flock(2)). Raises Refused, naming the holder, where it is held,
    UsageError without the right to it.

    The process id inside is only for that message; the lock itself is the kernel's.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except PermissionError as err:
        raise UsageError(
            f"cannot write the ledger {path.parent}: no right to it", "run this as the dock's user"
        ) from err
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise Refused(
                f"the ledger {path.parent} is in use by process {holder}",
                "stop that one first (`systemctl stop dockagent`), or let it do the work",
            ) from err
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        yield
    finally:
        os.close(fd)
