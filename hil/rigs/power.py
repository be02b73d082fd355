"""The power of a camera's USB port on a bench: switched by uhubctl, by the kernel, or by a person's hand.

No way works on every hub. Some hubs cut the power and the kernel is not told; some ports can only be disabled, which
ends the talk but not the current; and on some only the device itself can be locked out. :class:`Switched` tries them
in order and believes none of them: it looks whether the device is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, Protocol

from hil.rigs.usb_tree import Changes, UsbTree, read

State = Literal["on", "off", "unknown"]
STAYS_S = 1.5
"""For so long a device that went must stay away before it is believed."""
_TIMES = 2  # each way is tried so often: the kernel powers a port again once

_STATES: dict[str, State] = {"0": "on", "1": "off"}  # of a port's `disable`
_LOCKS: dict[str, State] = {"0": "off", "1": "on"}  # of a device's `authorized`


class PowerError(RuntimeError):
    """A port's power could not be switched, or switching it did nothing. One line: what, why, what to do."""


class PowerPort(Protocol):
    """The power of the port ``port`` (a port path). Both calls may be repeated, and raise PowerError."""

    @property
    def port(self) -> str: ...

    def on(self) -> None:
        """Give it power. Returns when that is done, not when a device there has answered."""
        ...

    def off(self) -> None:
        """Take its power away."""
        ...

    def state(self) -> State:
        """What the hub or the kernel says; a way that cannot tell says ``unknown``."""
        ...


class SysfsPort:
    """Switched by the kernel: the file ``disable`` of the port (Linux 6.0; ABI/testing/sysfs-bus-usb). It ends the
    talk at once; whether it cuts the current too is the hub's affair."""

    def __init__(self, port: str, tree: UsbTree | None = None) -> None:
        self._port, self._tree = port, tree or UsbTree()

    @property
    def port(self) -> str:
        return self._port

    def on(self) -> None:
        if read(self._attribute()) == "1":
            _write(self._attribute(), "0")

    def off(self) -> None:
        _write(self._attribute(), "1")

    def state(self) -> State:
        folder = self._tree.switch(self._port)
        return _STATES.get(read(folder / "disable") if folder is not None else "", "unknown")

    def _attribute(self) -> Path:
        folder = self._tree.switch(self._port)
        if folder is None:
            raise PowerError(f"there is no port {self._port}; plug its hub in, or correct [bays]")
        if not (folder / "disable").exists():
            raise PowerError(f"port {self._port} cannot be disabled; use Linux 6.0 or later, or power = 'uhubctl'")
        return folder / "disable"


class LockedDevice:
    """The last resort: the device keeps its power, but the kernel lets nobody speak to it (its file ``authorized``).
    It speaks about the device that is there now, not about the port."""

    def __init__(self, port: str, tree: UsbTree | None = None) -> None:
        self._port, self._tree = port, tree or UsbTree()

    @property
    def port(self) -> str:
        return self._port

    def on(self) -> None:
        if self.state() == "off":
            _write(self._attribute, "1")

    def off(self) -> None:
        if not self._attribute.exists():
            raise PowerError(f"nothing is plugged in at port {self._port}, so there is no device to lock out")
        _write(self._attribute, "0")

    def state(self) -> State:
        return _LOCKS.get(read(self._attribute), "unknown")

    @property
    def _attribute(self) -> Path:
        return self._tree.sysfs / "bus" / "usb" / "devices" / self._port / "authorized"


def _write(attribute: Path, value: str) -> None:
    """Without O_CREAT: a name that is not there must not become a file."""
    try:
        with attribute.open("r+") as file:
            file.write(value)
    except OSError as err:
        raise PowerError(f"cannot write {value} to {attribute}: {err.strerror}; run as root") from err


class Hand:
    """A person pulls and plugs; ``ask`` tells them to, and the port is watched until they have, or ``limit_s``."""

    def __init__(
        self,
        port: str,
        bay: str,
        tree: UsbTree | None = None,
        *,
        ask: Callable[[str], None] = print,
        limit_s: float = 120,
    ) -> None:
        self._port, self._bay, self._tree, self._ask, self._limit_s = port, bay, tree or UsbTree(), ask, limit_s

    @property
    def port(self) -> str:
        return self._port

    def on(self) -> None:
        self._until(lambda: not self._tree.silent(self._port), "Plug the camera into", "nothing was plugged in")

    def off(self) -> None:
        self._until(lambda: self._tree.silent(self._port), "Pull the camera out of", "nobody pulled it")

    def state(self) -> State:
        return "unknown" if self._tree.silent(self._port) else "on"

    def _until(self, done: Callable[[], bool], request: str, failure: str) -> None:
        with Changes() as changes:
            if done():
                return
            self._ask(f"{request} bay {self._bay} (port {self._port}), within {self._limit_s:g} s.")
            if not changes.wait(done, self._limit_s):
                raise PowerError(
                    f"bay {self._bay}: {failure} within {self._limit_s:g} s; start again when you are ready"
                )


class Switched:
    """Several ways to switch one port, tried in order until the device is really gone, each with a limit."""

    def __init__(
        self, ways: Sequence[PowerPort], tree: UsbTree | None = None, *, limit_s: float = 5.0, stays_s: float = STAYS_S
    ) -> None:
        if not ways or len({way.port for way in ways}) != 1:
            raise ValueError("the ways to switch a port must be ways to switch the same port")
        self._ways, self._tree, self._limit_s, self._stays_s = tuple(ways), tree or UsbTree(), limit_s, stays_s

    @property
    def port(self) -> str:
        return self._ways[0].port

    def on(self) -> None:
        """Undo every way, the last first: an earlier run may have used any of them."""
        troubles = _troubles(reversed(self._ways), lambda way: way.on())
        if len(troubles) == len(self._ways):
            raise PowerError("; ".join(troubles))

    def off(self) -> None:
        troubles: list[str] = []
        for way in [way for way in self._ways for _ in range(_TIMES)]:
            with Changes() as changes:
                failed = _troubles([way], lambda way: way.off())
                troubles += failed
                if not failed and self._went(way, changes):
                    return
        troubles.append(f"the device on port {self.port} is still there; unplug it, and use a hub that can switch")
        raise PowerError("; ".join(troubles))

    def _went(self, way: PowerPort, changes: Changes) -> bool:
        """Whether the device goes in time, and stays away."""
        if not changes.wait(lambda: self._gone(way), self._limit_s):
            return False
        return not changes.wait(lambda: not self._gone(way), self._stays_s)

    def _gone(self, way: PowerPort) -> bool:
        """Whether nothing speaks there, and the port is still off. A kernel that misses a device which it was not told
        of resets its port, and so powers it again, as does one that hears too late of a port which it has switched off
        itself (Linux 6.1, hub_port_connect): then the device is away for some tenths of a second only."""
        return self._tree.silent(self.port) and way.state() != "on"

    def state(self) -> State:
        states = [way.state() for way in self._ways]
        return "off" if "off" in states else "on" if "on" in states else "unknown"


def _troubles(ways: Iterable[PowerPort], act: Callable[[PowerPort], None]) -> list[str]:
    found = []
    for way in ways:
        try:
            act(way)
        except PowerError as err:
            found.append(str(err))
    return found
