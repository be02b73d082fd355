"""A network of the guest's own: an adapter on USB, and behind it this machine's loopback as 10.0.2.2 (QEMU's user-mode
network). It can be pulled out like any other device."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from hil.rigs.qemu import devices
from hil.rigs.qemu.vm import Vm

HOST = "10.0.2.2"
_NAME, _MAC, _ADDRESS = "network", "52:54:00:12:34:56", "10.0.2.15/24"
_COME_S = 60.0


class Network:
    """The adapter in ``port`` of the guest's xHCI controller, until :meth:`unplug`. ``interface``: its name in the
    guest. Raises monitor.Refusal where the port is taken, TimeoutError when the guest does not see it."""

    def __init__(self, vm: Vm, port: str) -> None:
        self._vm = vm
        # Two drivers know this adapter, and whichever is loaded first has it; the other would give it no address.
        vm.output("modprobe cdc_ether")
        vm.monitor.run("netdev_add", {"type": "user", "id": f"{_NAME}-line", "ipv6": False})
        devices.plug(vm.monitor, "usb-net", _NAME, port, netdev=f"{_NAME}-line", mac=_MAC)
        self._there = True
        self.interface = self._come()
        vm.output(f"ip address add {_ADDRESS} dev {self.interface} && ip link set {self.interface} up")

    def unplug(self) -> None:
        """Pull it out. May be repeated."""
        if self._there:
            self._there = False
            devices.pull(self._vm.monitor, _NAME)
            self._vm.monitor.run("netdev_del", {"id": f"{_NAME}-line"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.unplug()

    def _come(self) -> str:
        """Its name, when udevd has given it one: a name that the kernel gave may be changed at any moment."""
        find = f"grep -lix {_MAC} /sys/class/net/*/address | cut -d/ -f5; true"
        end = time.monotonic() + _COME_S
        while time.monotonic() < end:
            name = self._vm.output(f"udevadm settle; {find}").strip()
            if name:
                return name
            time.sleep(0.1)
        raise TimeoutError(f"the guest saw no network adapter within {_COME_S:g} s")
