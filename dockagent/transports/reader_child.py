"""Start, kill and bury the child that reads a card (:mod:`reader`) or watches the bays folder (:mod:`bays_child`).
Nothing here waits for it without a limit."""

import fcntl
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from dockagent.errors import Retryable
from dockagent.transports.reader_messages import WINDOW

DEATH_S = 0.5  # a process that was killed and does not wait inside the kernel is gone by then
_OURSELVES = "/proc/self/exe"  # whoever runs us may not be let to the interpreter's path, and an upgrade may replace it
_MODULE = "dockagent.transports.reader"
SURROUNDINGS = {
    "PATH": "/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",  # FAT keeps local time; a mount is told tz=UTC as well
    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),  # the same code as ours
    "MALLOC_MMAP_THRESHOLD_": str(16 << 20),  # malloc(3) keeps freed buffers of a chunk for the next one
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}


class ReaderChild:
    """A running child. ``line`` leads to it; ``window`` is the memory that it fills. Raises Retryable where none can be
    started."""

    def __init__(self, kind: str, address: Path, module: str = _MODULE) -> None:
        bury()
        self.line, its_line = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        its_life, self._life = os.pipe2(os.O_CLOEXEC)
        memory = _sealed_memory()
        fds = (its_line.fileno(), memory, its_life)
        command = [sys.executable, "-P", "-s", "-B", "-m", module, kind, os.fspath(address), *map(str, fds)]
        try:
            self.window = mmap.mmap(memory, 2 * WINDOW, prot=mmap.PROT_READ)
            self._process = subprocess.Popen(
                command,
                executable=_OURSELVES,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=fds,
                env=SURROUNDINGS,
                cwd="/",
                start_new_session=True,  # a Ctrl-C is for the dock
            )
        except OSError as err:
            self.line.close()
            os.close(self._life)
            raise Retryable(f"no process to read a card can be started: {err.strerror}", "look at the memory") from err
        finally:
            its_line.close()
            os.close(its_life)
            os.close(memory)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def end(self, farewell_s: float = 0) -> None:
        """Hang up, and kill it unless it ends by itself within ``farewell_s``. From any thread, also while another one
        waits for an answer, which then gets none. May be repeated."""
        with suppress(OSError):  # hung up already
            self.line.shutdown(socket.SHUT_RDWR)
        if farewell_s:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(farewell_s)
                return
        self._process.kill()
        bury(self._process)

    def release(self) -> None:
        """Give line and memory back, once nobody uses them. May be repeated."""
        self.line.close()
        self.window.close()
        if self._life >= 0:
            os.close(self._life)
            self._life = -1

    def how_it_ended(self) -> str:
        """In words, for one that hung up by itself."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(DEATH_S)
        code = self._process.poll()
        if code is None:
            return "fell silent"
        return f"was ended by the signal {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def _sealed_memory() -> int:
    """A memfd of two windows. Sealed: a child that made it shorter would have the dock die of SIGBUS."""
    fd = os.memfd_create("dockagent-window", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, 2 * WINDOW)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return fd


_unburied: list["subprocess.Popen[bytes]"] = []
_cemetery = threading.Lock()


def bury(dead: "subprocess.Popen[bytes] | None" = None) -> None:
    """Reap ``dead``, or keep it for the next time: whoever waits for a dead device dies only when that is gone."""
    if dead is not None:
        with suppress(subprocess.TimeoutExpired):
            dead.wait(DEATH_S)
    with _cemetery:
        _unburied[:] = [one for one in {*_unburied, *([dead] if dead else [])} if one.poll() is None]


def unburied() -> int:
    """How many killed children the kernel still holds. For tests and the curious."""
    bury()
    return len(_unburied)
