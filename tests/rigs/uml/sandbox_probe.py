"""What the agent's service must and must not be able to do, tried from within its sandbox; prints the answers as JSON.

Run as a unit by ``with_systemd``, so it imports nothing of ours.
"""

import ctypes
import errno
import json
import mmap
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

CLONE_NEWUSER = 0x10000000  # sched.h
LIBC = ctypes.CDLL(None, use_errno=True)


def opened(path: str, flags: int) -> None:
    """Open and close."""
    os.close(os.open(path, flags))


def new_user_namespace() -> None:
    """unshare(2)."""
    if LIBC.unshare(CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")


def code_that_is_written() -> None:
    """Memory that is writable and executable at once."""
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


TRIES: dict[str, Callable[[], object]] = {
    "write in its own folder": lambda: Path(os.environ["STATE_DIRECTORY"], "probe").write_text("x"),
    "write in /etc": lambda: Path("/etc/written").write_text("x"),
    "write in /usr": lambda: Path("/usr/written").write_text("x"),
    "write in /var/lib": lambda: Path("/var/lib/written").write_text("x"),
    "write in its program": lambda: Path("/opt/dockagent/bin/written").write_text("x"),
    "look into /home": lambda: [*Path("/home").iterdir()],
    "see process 1": lambda: Path("/proc/1/status").read_text(),
    "change a setting of the kernel": lambda: Path("/proc/sys/vm/drop_caches").write_text("1"),
    "make a control group": lambda: Path("/sys/fs/cgroup/probe").mkdir(),
    "read a disk that it was given": lambda: opened("/dev/ubda", os.O_RDONLY),
    "write a disk that it was given": lambda: opened("/dev/ubda", os.O_RDWR),
    "read a disk of the dock": lambda: opened("/dev/loop0", os.O_RDONLY),
    "open a terminal of the dock": lambda: opened("/dev/tty9", os.O_RDWR | os.O_NOCTTY),
    "open /dev/null": lambda: opened("/dev/null", os.O_RDWR),
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, 1e9),
    "give a file away": lambda: os.chown(Path(os.environ["STATE_DIRECTORY"], "probe"), 0, 0),
    "become root": lambda: os.setuid(0),
    "make a user namespace": new_user_namespace,
    "write code and run it": code_that_is_written,
    "send raw packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "listen to device events": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15).close(),
}


def answer(attempt: Callable[[], object]) -> str:
    """``done``, or the name of the error."""
    try:
        attempt()
    except OSError as err:
        return errno.errorcode.get(err.errno or 0, str(err))
    return "done"


if __name__ == "__main__":
    print(json.dumps({name: answer(attempt) for name, attempt in TRIES.items()}))
