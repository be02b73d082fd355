"""The dock of a scenario: the real command, which can be held still while a hand pulls a camera out."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hil.cameras.dialects.amba import PASSWORD
from hil.demo.agent import Agent
from hil.demo.place import Place
from hil.rigs import Rig

PATIENCE = 2.0


class StillAgent(Agent):
    """An agent whose daemon can be stopped for a moment, as a debugger does: it notices nothing but the time."""

    __slots__ = ()

    @contextmanager
    def still(self) -> Iterator[None]:
        """Hold the daemon still. Does nothing for one that does not run. Raises TimeoutError when it goes on."""
        daemon = self._daemon
        if daemon is None or daemon.poll() is not None:
            yield
            return
        daemon.send_signal(signal.SIGSTOP)
        try:
            _until_stopped(daemon.pid)
            yield
        finally:
            daemon.send_signal(signal.SIGCONT)


def _until_stopped(pid: int) -> None:
    """Wait for all threads of a process (proc(5), /proc/pid/stat, the field after the name)."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        stats = [stat.read_text() for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
        if all(text.rpartition(")")[2].split()[0] in "TtZX" for text in stats):
            return
        os.sched_yield()
    raise TimeoutError(f"process {pid} does not stand still")


def configuration(
    place: Place, rig: Rig, changes: Mapping[str, Mapping[str, Any]], console_ms: int
) -> dict[str, dict[str, Any]]:
    """The dock's configuration: the usual one, the rig's bays, and what the scenario wants otherwise. ``console_ms``:
    how long it waits for a camera's console."""
    password = place.root / "camera-password"
    password.write_bytes(PASSWORD + b"\n")
    usual: dict[str, dict[str, Any]] = {
        "dock": {"id": "bench", "site": "scenario", "responsible": "whoever runs the scenario"},
        "bays": {"settle_ms": 250, "console_wait_ms": console_ms, "camera_password_file": str(password), **rig.bays()},
        "limits": {"spool_reserve_mib": 16},
        "preview": {"enabled": False},
        "trust": {"camera_roots": [str(place.maker / "root.pem")]},
    }
    tables = {name: {**usual.get(name, {}), **changes.get(name, {})} for name in {**usual, **changes}}
    ports = tables["bays"].pop("ports", None)
    if ports:
        # A table of its own, whose keys are texts with colons and dashes.
        tables["bays.ports"] = {f'"{port}"': bay for port, bay in ports.items()}
    return tables
