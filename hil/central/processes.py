"""Servers as child processes: as nobody where we are root, dead with the process that started them, on free ports of
127.0.0.1; what each of them says is in a file of its own.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

NOBODY = 65534


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now; all different."""
    with ExitStack() as at_the_end:
        sockets = [at_the_end.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def listens(port: int) -> bool:
    """Whether somebody takes connections at ``port`` of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def bound(*words: str) -> list[str]:
    """``words`` as a command that ends with this process, and runs as nobody where we are root."""
    drop = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", "--pdeathsig", "KILL", *drop, *words]


def give_to_nobody(paths: Iterable[Path]) -> None:
    """Let a :func:`bound` command write there."""
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, NOBODY, NOBODY)


def until_told() -> None:
    """Wait for SIGINT or SIGTERM. They are held back from here on only: children must not inherit that."""
    ending = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    signal.sigwait(ending)


class Processes:
    """Commands that run in ``folder``, by name; what they say is in ``log/NAME.out`` there. ``patience``: seconds until
    one that does not come up counts as failed."""

    def __init__(self, folder: Path, patience: float) -> None:
        (folder / "log").mkdir()
        self._folder, self._patience = folder, patience
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def launch(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start one. ``environment``: all its variables; None: ours."""
        with (self._folder / "log" / f"{name}.out").open("ab") as out:
            self._running[name] = subprocess.Popen(
                command, env=environment, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def wait(self, name: str, ready: Callable[[], bool]) -> None:
        """Until it is ``ready``. RuntimeError with its last words where it ends before, or takes too long."""
        deadline = time.monotonic() + self._patience
        while not ready():
            if self._running[name].poll() is not None or time.monotonic() > deadline:
                out = (self._folder / "log" / f"{name}.out").read_text(errors="replace")
                raise RuntimeError(f"{name} did not come up: {out.strip()[-400:]}")
            time.sleep(0.05)

    def kill(self, name: str) -> None:
        """End one in the middle of whatever it does. One that does not run is left alone."""
        process = self._running.pop(name, None)
        if process is not None:
            process.kill()
            process.wait()
