"""One run of the guest: boot, a command, halt."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from hil.rigs.uml import kernel

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[2]
GIB = 1 << 30
PASSED_ON = ("CI", "DOCKAGENT_CORPUS", "HOME", "LANG", "PYTEST_ADDOPTS", "PYTHONDEVMODE", "TZ")
KNOCKER = "guest"
KNOCK_S = 1.0
_KNOCK = struct.pack("=III512s", 0xCAFEBABE, 2, 7, b"version")  # arch/um/drivers/mconsole.h: magic, version, length
_BINDING = """
exec 3> >(exec setsid bash -c 'read -r guest && ! read -r over && kill -KILL -- "-$guest" "$guest"' > /dev/null 2>&1)
trap 'kill -KILL -- ${!:+-$! $!} 0' TERM
"$@" 3>&- &
echo $! >&3
wait $!
echo over >&3
"""
_BOUND = ("setpriv", "--pdeathsig", "TERM", "--", "bash", "-c", _BINDING, "guest")
"""Whatever ends us, even SIGKILL, ends it: this shell is told. It ends the guest's whole group, which a User-Mode Linux
makes for itself: killed alone, it leaves processes behind. Should the shell be killed, alone or with its group, whoever
sits at the other end of its pipe, in a session of their own, does the same."""
GRACE = 10.0
"""Seconds that the guest may take to end after it was told to."""


class GuestFailed(Exception):
    """The guest did not come up, or ended without saying how its command ended."""


@dataclass(slots=True)
class Guest:
    """A guest that runs one command as its root, in the checkout. As a context manager it is dead at the end.

    ``shares``: host folders that are the same folders inside, and may be written to. ``memory_mib``: of the guest; what
    it writes outside of ``/run/scratch`` and the shares lives there too. ``scratch``: bytes of the disk at
    ``/run/scratch``, which is ``$TMPDIR``. ``disks``: files of the host that are its disks ``/dev/ubdb``, ``ubdc``, …
    and keep what it writes. ``time_travel``: its clocks run ahead as soon as it has nothing to do. ``rules``: more udev
    rules. ``systemd``: its process 1 is systemd, with a journal and udev and no other unit.
    """

    command: Sequence[str]
    shares: Sequence[Path] = ()
    memory_mib: int = 1024
    scratch: int = 16 * GIB
    time_travel: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    rules: Sequence[Path] = (CHECKOUT / "systemd" / "60-dockagent.rules",)
    arguments: Sequence[str] = ()
    disks: Sequence[Path] = ()
    systemd: bool = False
    output: IO[bytes] | None = None
    _work: Path | None = None
    _process: subprocess.Popen[bytes] | None = None
    _held: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Boot it. Its kernel stays in the cache as long as it runs. Raises kernel.NoKernel where it is not built."""
        program = kernel.built()
        if program is None:
            raise kernel.NoKernel("the rig's kernel is not built; run: make rig-kernel")
        self._held.enter_context(kernel.in_use(program))
        self._work = work = Path(tempfile.mkdtemp(prefix="dockagent-uml-"))
        self._write(work)
        with (work / "kernel.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*_BOUND, program, *self._arguments(work)],
                stdin=subprocess.DEVNULL,
                stdout=self.output,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "TMPDIR": str(work)},
            )
        if not self.time_travel:
            threading.Thread(target=_knock, args=(self._process, work), name="knock", daemon=True).start()

    def wait(self, seconds: float) -> int:
        """The command's exit status. Raises TimeoutError after so many seconds, GuestFailed when there is none."""
        process, work = self._running()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired as err:
            raise TimeoutError(f"the guest was still at work after {seconds:g} s: {shlex.join(self.command)}") from err
        status = work / "status"
        if not status.exists():
            said = (work / "kernel.log").read_text(errors="replace").splitlines()[-8:]
            raise GuestFailed("the guest ended without a status; its kernel said:\n" + "\n".join(said))
        return int(status.read_text())

    def wait_ready(self, seconds: float) -> None:
        """Wait until the command is about to be run. Raises TimeoutError, or GuestFailed when it ended before."""
        process, work = self._running()
        end = time.monotonic() + seconds
        while not (work / "ready").exists():
            if process.poll() is not None:
                raise GuestFailed((work / "kernel.log").read_text(errors="replace")[-2000:])
            if time.monotonic() > end:
                raise TimeoutError(f"the guest was not ready after {seconds:g} s")
            time.sleep(0.05)

    def cut_power(self) -> None:
        """End it as a power cut does: nothing is written any more. No error if it has ended."""
        process, _ = self._running()
        process.terminate()  # the shell: it kills them all
        process.wait(GRACE)

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self.close)
            self.start()
            undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End it, and remove what it worked in. May be repeated."""
        if self._process is not None:
            self.cut_power()
        if self._work is not None:
            shutil.rmtree(self._work, ignore_errors=True)
        self._held.close()

    def _running(self) -> tuple[subprocess.Popen[bytes], Path]:
        if self._process is None or self._work is None:
            raise RuntimeError("the guest was not started")
        return self._process, self._work

    def _arguments(self, work: Path) -> list[str]:
        travel = ["time-travel=inf-cpu"] if self.time_travel else []
        disks = [f"ubd{chr(ord('b') + number)}={disk.resolve()}" for number, disk in enumerate(self.disks)]
        return [
            *(f"mem={self.memory_mib}M", f"ubda={work / 'scratch'}", f"WORK={work}", f"init={work / 'init.sh'}"),
            *("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"),
            *("con=null", "con0=null,fd:1", "console=stderr0", f"uml_dir={work}", f"umid={KNOCKER}"),
            *("dummy_hcd.num=4", "usb-storage.delay_use=0"),
            *travel,
            *disks,
            *self.arguments,
        ]

    def _write(self, work: Path) -> None:
        for name in ("init.sh", "inside.sh", "systemd.sh"):
            shutil.copy(HERE / name, work)
        (work / "init.sh").chmod(0o755)
        if self.systemd:
            (work / "systemd").touch()
        (work / "rules").mkdir()
        for rules in self.rules:
            shutil.copy(rules, work / "rules")
        with (work / "scratch").open("wb") as disk:
            disk.truncate(self.scratch)
        (work / "shares").write_text("".join(f"{share.resolve()}\n" for share in self.shares))
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        exports = {**passed, "TMPDIR": "/run/scratch", "DOCKAGENT_GUEST": "uml", "NO_COLOR": "1", **self.environment}
        lines = [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
        lines += [f"cd {shlex.quote(str(CHECKOUT))}", f"exec {shlex.join(self.command)}"]
        (work / "command.sh").write_text("\n".join(lines) + "\n")


def _knock(process: subprocess.Popen[bytes], work: Path) -> None:
    """Ask the guest's monitor for its version every second until it ends. A User-Mode Linux that has nothing to do was
    seen to sleep through its own timer for minutes; any interrupt wakes it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(work / "knock"))
        line.settimeout(KNOCK_S)
        while process.poll() is None:
            with suppress(OSError):  # it is not up yet, or has just ended
                line.sendto(_KNOCK, str(work / KNOCKER / "mconsole"))
                line.recv(1024)
            time.sleep(KNOCK_S)
