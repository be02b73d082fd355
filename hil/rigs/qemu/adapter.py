"""A USB-to-serial adapter in the guest (QEMU's FTDI FT232BM), at whose other end a camera on this side answers."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from hil.cameras.specimen import Talker
from hil.cameras.usb.pump import Pump
from hil.rigs.qemu.monitor import Refusal, connect
from hil.rigs.qemu.vm import Vm

PATIENCE = 30.0


class Adapter:
    """A camera's line behind an adapter, in ``port`` of the guest's xHCI controller from here to :meth:`unplug`.

    ``serial``: the adapter's own serial number, also its name in QEMU. Raises OSError, or monitor.Refusal where the
    port is taken.
    """

    def __init__(self, vm: Vm, talker: Talker, *, port: str, serial: str) -> None:
        self._monitor, self._talker, self._name = vm.monitor, talker, serial
        path = vm.folder / f"{serial}.sock"
        address = {"type": "unix", "data": {"path": str(path)}}
        backend = {"type": "socket", "data": {"addr": address, "server": True, "wait": False}}
        self._monitor.run("chardev-add", {"id": f"line-{serial}", "backend": backend})
        self._line = connect(path, PATIENCE)
        self._pump = Pump(talker.open(), self._send)
        threading.Thread(target=self._receive, name=f"adapter {serial}", daemon=True).start()
        device = {"driver": "usb-serial", "id": serial, "chardev": f"line-{serial}", "always-plugged": True}
        self._monitor.run("device_add", {**device, "bus": "xhci.0", "port": port, "serial": serial})
        self._there = True

    def unplug(self) -> None:
        """Pull the adapter out, and let the camera's line go. May be repeated."""
        if not self._there:
            return
        self._there = False
        self._monitor.run("device_del", {"id": self._name})
        end = time.monotonic() + PATIENCE
        while not self._let_line_go():
            if time.monotonic() > end:
                raise TimeoutError(f"QEMU still uses the line of {self._name} after {PATIENCE:g} s")
            time.sleep(0.05)
        self._line.close()
        self._pump.close()
        self._talker.hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.unplug()

    def _let_line_go(self) -> bool:
        try:
            self._monitor.run("chardev-remove", {"id": f"line-{self._name}"})
        except Refusal:  # the device that is leaving still has it
            return False
        return True

    def _send(self, data: bytes) -> None:
        with suppress(OSError):  # the adapter is out: what is sent then is lost
            self._line.sendall(data)

    def _receive(self) -> None:
        with suppress(OSError):  # closed under us
            while data := self._line.recv(4096):
                self._pump.put(data)
