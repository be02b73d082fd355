"""A virtual machine: booted once into a snapshot, then restored from it within seconds."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from hil.rigs.qemu import machine
from hil.rigs.qemu.image import Image, NoImage
from hil.rigs.qemu.line import Line
from hil.rigs.qemu.monitor import Monitor

BOOT_S, KEEP_S = 300.0, 120.0


@dataclass(slots=True)
class Vm:
    """One guest, dead at the end of the context. ``share``: a host folder that is the same folder inside the view of
    ``enter.sh``, and may be written to. ``fresh``: boot it instead of restoring it."""

    image: Image
    share: Path | None = None
    fresh: bool = False
    _stack: ExitStack = field(default_factory=ExitStack)
    _work: Path = Path()
    _monitor: Monitor | None = None
    _line: Line | None = None

    def start(self) -> None:
        """Boot or restore it until its agent answers. Raises NoImage when it does not come up."""
        self._stack.enter_context(self.image.in_use())
        work = self._work = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="dockagent-vm-")))
        disk = work / "root.qcow2"
        _overlay(disk, *((self.image.disk, "raw") if self.fresh else (self.image.booted, "qcow2")))
        shutil.copytree(self.image.tpm, work / "tpm") if not self.fresh else (work / "tpm").mkdir()
        self._spawn(work, ["swtpm", *_tpm(work, startup="clear" if self.fresh else "none")], "swtpm")
        _wait_for(work / "tpm.sock")
        self._spawn(work, [machine.PROGRAM, *self._arguments(work, disk)], "qemu")
        try:
            self._monitor = Monitor(work / "qmp.sock")
            if not self.fresh:
                self._until("not inmigrate", lambda status: status != "inmigrate", 60)
                self._monitor.run("cont")
            self._line = Line(work / "agent.sock")
            self._line.ping(BOOT_S if self.fresh else 30)
        except (OSError, TimeoutError) as err:
            raise NoImage(f"the guest did not come up: {err}\n{_tail(work)}") from err
        for one in (self._monitor, self._line):
            self._stack.callback(one.close)
        self.run(f"date -s @{time.time():.0f} > /dev/null", 30)

    @property
    def folder(self) -> Path:
        """Where its sockets and logs lie."""
        return self._work

    @property
    def monitor(self) -> Monitor:
        """QEMU's own line."""
        if self._monitor is None:
            raise RuntimeError("the machine was not started")
        return self._monitor

    def run(self, command: str, seconds: float, hear: Callable[[str], None] = lambda text: None) -> int:
        """Run a shell command in the guest; its status. What it prints is given to ``hear`` as it comes. Raises
        TimeoutError some seconds after the guest should have ended it."""
        if self._line is None:
            raise RuntimeError("the machine was not started")
        return self._line.run(command, seconds, hear)

    def output(self, command: str, seconds: float = 60) -> str:
        """What a command prints. Raises RuntimeError when it fails."""
        heard: list[str] = []
        status = self.run(command, seconds, heard.append)
        text = "".join(heard)
        if status:
            raise RuntimeError(f"{command!r} ended with {status}: {text[-2000:]}")
        return text

    def mount_share(self, place: str) -> None:
        """Mount the shared folder in the guest's own root. Raises RuntimeError when that fails."""
        device = {"driver": "virtio-9p-pci", "fsdev": "share", "mount_tag": "share", "bus": "rp2"}
        self.monitor.run("device_add", device)
        self.output(
            "for n in $(seq 100); do grep -qs share /sys/bus/virtio/devices/*/mount_tag && break; sleep 0.1; done; "
            f"mkdir -p {place} && mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 share {place}"
        )

    def keep(self, image: Image) -> None:
        """Stop it for good, and keep in ``image`` what its disk, its memory and its TPM hold."""
        part, whole = (image.folder / f"memory.{name}" for name in ("part", "whole"))
        pack = f"zstd -q -3 -f -o {_quoted(part)} && mv {_quoted(part)} {_quoted(whole)}"
        self.monitor.run("stop")
        self.monitor.run("migrate", {"uri": f"exec:{pack}"})
        end = time.monotonic() + KEEP_S
        # QEMU has done its part when it has written into the pipe: zstd may still be at work.
        while (state := self.monitor.run("query-migrate").get("status")) != "completed" or not whole.exists():
            if state == "failed" or time.monotonic() > end:
                raise NoImage(f"the guest's memory could not be kept: {state}")
            time.sleep(0.1)
        shutil.copytree(self._work / "tpm", image.tpm, dirs_exist_ok=True)
        shutil.copy(self._work / "root.qcow2", image.booted)
        whole.rename(image.memory)  # the last: a guest that has it is whole

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self._stack.close)
            self.start()
            undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def _until(self, what: str, true: Callable[[str], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not true(self.monitor.run("query-status")["status"]):
            if time.monotonic() > end:
                raise TimeoutError(f"it was never {what}")
            time.sleep(0.02)

    def _spawn(self, work: Path, words: Sequence[str], name: str) -> subprocess.Popen[bytes]:
        with (work / f"{name}.log").open("wb") as log:
            # Whatever ends us, even SIGKILL, ends it.
            bound = ["setpriv", "--pdeathsig", "KILL", "--", *words]
            child = subprocess.Popen(bound, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

        def end() -> None:
            child.kill()
            child.wait()

        self._stack.callback(end)
        return child

    def _arguments(self, work: Path, disk: Path) -> list[str]:
        vmlinuz, initrd = self.image.kernel
        places = {"work": work, "disk": disk, "share": self.share.resolve() if self.share else work}
        restore = [] if self.fresh else ["-incoming", f"exec:zstd -dcq {_quoted(self.image.memory)}"]
        return [
            *(word.format(**places) for words in machine.PARTS for word in words),
            *("-accel", machine.accelerator(), "-kernel", str(vmlinuz), "-initrd", str(initrd)),
            *("-append", machine.QUIET, *restore),
        ]


def keep_booted(image: Image) -> None:
    """Boot a new guest once and keep it as it is then. Raises NoImage."""
    with Vm(image, fresh=True) as vm:
        try:
            vm.output("systemctl is-system-running --wait || { systemctl --failed --no-legend; false; }", BOOT_S)
            vm.output(
                "modprobe -a $(cat /etc/modules-load.d/hil.conf) && sync && echo 3 > /proc/sys/vm/drop_caches", BOOT_S
            )
        except (RuntimeError, TimeoutError) as err:
            raise NoImage(f"the guest did not come up well, and is not kept: {err}") from err
        vm.keep(image)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _overlay(disk: Path, below: Path, kind: str) -> None:
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(below), "-F", kind, str(disk)]
    subprocess.run(words, check=True, timeout=60)


def _tpm(work: Path, startup: str) -> list[str]:
    control = f"type=unixio,path={work / 'tpm.sock'}"
    return ["socket", "--tpm2", "--tpmstate", f"dir={work / 'tpm'}", "--ctrl", control, "--flags", f"startup-{startup}"]


def _wait_for(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        if time.monotonic() > end:
            raise NoImage(f"{path.name} did not appear; is its program installed?")
        time.sleep(0.02)


def _tail(work: Path) -> str:
    texts = [
        (work / name).read_text(errors="replace")[-1500:]
        for name in ("qemu.log", "console.log", "swtpm.log")
        if (work / name).exists()
    ]
    return "\n".join(filter(None, texts))
