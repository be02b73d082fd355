"""A virtual machine: booted once into a snapshot, then restored from it within seconds."""

from __future__ import annotations

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

from hil.rigs.qemu.image import Image, NoImage
from hil.rigs.qemu.line import Line
from hil.rigs.qemu.monitor import Monitor

BOOT_S = 300.0
_SOCKET = "server=on,wait=off"
MACHINE = (
    ("-name", "hil", "-M", "q35", "-cpu", "qemu64", "-m", "1536", "-smp", "1"),
    ("-display", "none", "-nodefaults", "-no-user-config", "-serial", "file:{work}/console.log"),
    ("-qmp", f"unix:{{work}}/qmp.sock,{_SOCKET}"),
    ("-chardev", f"socket,id=rig,path={{work}}/rig.sock,{_SOCKET}", "-mon", "chardev=rig,mode=control"),
    ("-drive", "file={disk},format=qcow2,if=none,id=root", "-device", "virtio-blk-pci,drive=root"),
    ("-device", "virtio-serial-pci", "-device", "virtio-rng-pci", "-device", "qemu-xhci,id=xhci,p2=8,p3=8"),
    ("-chardev", f"socket,id=agent,path={{work}}/agent.sock,{_SOCKET}"),
    ("-device", "virtserialport,chardev=agent,name=hil.agent"),
    ("-chardev", f"socket,id=line,path={{work}}/line.sock,{_SOCKET}"),
    ("-device", "virtserialport,chardev=line,name=hil.monitor"),
    ("-device", "pcie-root-port,id=rp1,chassis=1,slot=1", "-device", "pcie-root-port,id=rp2,chassis=2,slot=2"),
    ("-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"),
    ("-fsdev", "local,id=share,path={share},security_model=none,multidevs=remap"),
    ("-chardev", "socket,id=tpm,path={work}/tpm.sock", "-tpmdev", "emulator,id=tpm0,chardev=tpm"),
    ("-device", "tpm-tis,tpmdev=tpm0"),
)
"""What the guest runs on. A guest's memory is restored only on the machine that it was kept from."""
_QUIET = (
    "console=ttyS0 root=/dev/vda rw systemd.show_status=0 quiet audit=0 apparmor=0 nokaslr mitigations=off "
    "random.trust_cpu=on tsc=reliable no_timer_check cryptomgr.notests"
)


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
        work = self._work = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="dockagent-vm-")))
        disk = work / "root.qcow2"
        _overlay(disk, *((self.image.disk, "raw") if self.fresh else (self.image.booted, "qcow2")))
        shutil.copytree(self.image.tpm, work / "tpm") if not self.fresh else (work / "tpm").mkdir()
        self._spawn(work, ["swtpm", *_tpm(work, startup="clear" if self.fresh else "none")], "swtpm")
        _wait_for(work / "tpm.sock")
        self._spawn(work, ["qemu-system-x86_64", *self._arguments(work, disk)], "qemu")
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
        memory = self._work / "memory.zst"
        self.monitor.run("stop")
        self.monitor.run("migrate", {"uri": f"exec:zstd -q -3 -f -o {memory}"})
        end = time.monotonic() + 120
        while (state := self.monitor.run("query-migrate").get("status")) != "completed":
            if state == "failed" or time.monotonic() > end:
                raise NoImage(f"the guest's memory could not be kept: {state}")
            time.sleep(0.1)
        shutil.copytree(self._work / "tpm", image.tpm, dirs_exist_ok=True)
        shutil.copy(self._work / "root.qcow2", image.booted)
        shutil.move(memory, image.memory)

    def __enter__(self) -> Self:
        self.start()
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
            child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

        def end() -> None:
            child.kill()
            child.wait()

        self._stack.callback(end)
        return child

    def _arguments(self, work: Path, disk: Path) -> list[str]:
        vmlinuz, initrd = self.image.kernel
        places = {"work": work, "disk": disk, "share": self.share.resolve() if self.share else work}
        restore = [] if self.fresh else ["-incoming", f"exec:zstd -dcq {self.image.memory}"]
        flags = Path("/proc/cpuinfo").read_text()
        accelerator = "kvm" if "vmx" in flags or "svm" in flags else "tcg,thread=multi"
        return [
            *(word.format(**places) for words in MACHINE for word in words),
            *("-accel", accelerator, "-kernel", str(vmlinuz), "-initrd", str(initrd), "-append", _QUIET, *restore),
        ]


def keep_booted(image: Image) -> None:
    """Boot a new guest once and keep it as it is then. Raises NoImage."""
    with Vm(image, fresh=True) as vm:
        vm.run("systemctl is-system-running --wait; modprobe -a $(cat /etc/modules-load.d/hil.conf)", BOOT_S)
        vm.run("sync; echo 3 > /proc/sys/vm/drop_caches", 60)
        vm.keep(image)


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
