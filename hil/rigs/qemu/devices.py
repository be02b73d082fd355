"""USB devices that QEMU emulates, plugged and pulled over its monitor, from either side of the guest."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from hil.rigs.qemu.monitor import Refusal

PATIENCE = 30.0
CONTROLLER = "xhci.0"


class Qemu(Protocol):
    """Who carries out QEMU's commands: :class:`hil.rigs.qemu.monitor.Monitor` on the host, ``Wire`` in the guest."""

    def run(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Carry out a command; what it returns. Raises Refusal, or TimeoutError when there is no answer."""
        ...


def plug(qemu: Qemu, driver: str, name: str, port: str, **more: Any) -> None:
    """Plug in a device. ``port``: of the controller, ``8.1`` is port 1 of a hub in port 8. Raises Refusal."""
    qemu.run("device_add", {"driver": driver, "id": name, "bus": CONTROLLER, "port": port, **more})


def plug_disk(qemu: Qemu, name: str, port: str, image: Path, *, serial: str = "", rate: int = 0) -> None:
    """Plug in a disk that holds ``image`` and can be written to. ``rate``: bytes in a second; 0: as fast as it goes.
    ``name`` must be new to QEMU. Raises Refusal."""
    node: dict[str, Any] = {"driver": "raw", "file": {"driver": "file", "filename": str(image)}}
    if rate:
        limits = {"bps-total": rate}
        qemu.run("object-add", {"qom-type": "throttle-group", "id": _rate_of(name), "limits": limits})
        node = {"driver": "throttle", "throttle-group": _rate_of(name), "file": node}
    qemu.run("blockdev-add", {**node, "node-name": _medium_of(name)})
    plug(qemu, "usb-storage", name, port, drive=_medium_of(name), serial=serial, removable=True)


def set_rate(qemu: Qemu, name: str, rate: int) -> None:
    """Change the rate of a disk that was plugged in with one; 0: as fast as it goes. Raises Refusal for another."""
    limits = {"path": f"/objects/{_rate_of(name)}", "property": "limits", "value": {"bps-total": rate}}
    qemu.run("qom-set", limits)


def pull(qemu: Qemu, name: str) -> None:
    """Pull a device out. Raises Refusal for one that is not there."""
    qemu.run("device_del", {"id": name})


def pull_disk(qemu: Qemu, name: str) -> None:
    """Pull a disk out and let its image go: what was written is in the file then. Raises Refusal for one that is not
    there, or that QEMU does not let go."""
    nodes = {one["node-name"] for one in qemu.run("query-named-block-nodes", {"flat": True})}
    pull(qemu, name)
    end = time.monotonic() + PATIENCE
    while _medium_of(name) in nodes:
        try:
            qemu.run("blockdev-del", {"node-name": _medium_of(name)})
        except Refusal:  # still in use by the device that is leaving
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
            continue
        break
    if any(one["name"] == _rate_of(name) for one in qemu.run("qom-list", {"path": "/objects"})):
        qemu.run("object-del", {"id": _rate_of(name)})


def bytes_read(qemu: Qemu, name: str) -> int:
    """Bytes that a disk has given since it was plugged in; 0 when it is out."""
    stats = qemu.run("query-blockstats")
    return sum(one["stats"]["rd_bytes"] for one in stats if one.get("node-name") == _medium_of(name))


def _medium_of(name: str) -> str:
    return f"{name}-medium"


def _rate_of(name: str) -> str:
    return f"{name}-rate"
