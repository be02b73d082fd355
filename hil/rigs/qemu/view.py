"""A guest in which the checkout and this machine's programs are seen, over the guest's own kernel, devices and udev."""

from __future__ import annotations

import base64
import shlex
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from hil.rigs.qemu.image import Image, NoImage
from hil.rigs.qemu.monitor import connect
from hil.rigs.qemu.vm import Vm

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[2]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class View:
    """A restored guest with ``enter.sh`` done. ``share``: a host folder that may be written to."""

    def __init__(self, image: Image, share: Path | None = None) -> None:
        self.share = share
        self.vm = Vm(image, share)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.vm)
            self._see()
            self._lend_monitor(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def run(
        self, command: str, seconds: float, hear: Callable[[str], None], environment: Mapping[str, str] | None = None
    ) -> int:
        """Run a shell command in the checkout, with the shared folder's path in ``$HIL_SHARE``; its status. Raises
        TimeoutError."""
        shared = {"HIL_SHARE": str(self.share.resolve())} if self.share else {}
        given = {**shared, "TMPDIR": "/run/scratch", "DOCKAGENT_GUEST": "qemu", "NO_COLOR": "1", **(environment or {})}
        exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in given.items())
        inner = f"export PATH={PATH} {exports}; cd {CHECKOUT}; {command}"
        return self.vm.run(f"chroot /mnt/view /bin/bash -c {shlex.quote(inner)}", seconds, hear)

    def _see(self) -> None:
        monitor = self.vm.monitor
        for root_port, tag in (("rp1", "host"), ("rp2", "share")):
            monitor.run("device_add", {"driver": "virtio-9p-pci", "fsdev": tag, "mount_tag": tag, "bus": root_port})
        script = base64.b64encode((HERE / "enter.sh").read_bytes()).decode()
        share = str(self.share.resolve()) if self.share else ""
        rules = base64.b64encode((CHECKOUT / "systemd" / "60-dockagent.rules").read_bytes()).decode()
        heard: list[str] = []
        status = self.vm.run(
            "mkdir -p /run/udev/rules.d; "
            f"echo {rules} | base64 -d > /run/udev/rules.d/60-dockagent.rules; udevadm control --reload; "
            "for n in $(seq 100); do grep -qs host /sys/bus/virtio/devices/*/mount_tag && break; sleep 0.1; done; "
            f"echo {script} | base64 -d > /run/enter.sh; bash /run/enter.sh {shlex.quote(share)}",
            60,
            heard.append,
        )
        if status:
            raise NoImage(f"the guest cannot see this machine's files: {''.join(heard)[-1000:]}")

    def _lend_monitor(self, stack: ExitStack) -> None:
        """Join the guest's port with a line of QEMU's own, both ways: :class:`hil.rigs.qemu.wire.Wire` uses it."""
        ends = [connect(self.vm.folder / name, 30) for name in ("line.sock", "rig.sock")]
        for one, other in (ends, ends[::-1]):
            carrier = threading.Thread(target=_carry, args=(one, other), name="monitor for the guest", daemon=True)
            carrier.start()
            stack.callback(_end, one, carrier)


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # the machine has ended
        while data := source.recv(65536):
            target.sendall(data)


def _end(line: socket.socket, carrier: threading.Thread) -> None:
    with suppress(OSError):  # the other side has
        line.shutdown(socket.SHUT_RDWR)
    carrier.join()
    line.close()
