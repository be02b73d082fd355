"""The dock of a scenario: the real command, whose daemon can be held still while a hand pulls a camera out."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hil.cameras.dialects.amba import PASSWORD
from hil.demo.agent import Agent
from hil.demo.place import Place
from hil.rigs import Rig

_PROC = Path("/proc")
DOCK = {"id": "bench", "site": "scenario", "responsible": "whoever runs the scenario"}


class StillAgent(Agent):
    """An agent whose daemon can be stopped and looked at, as a debugger does: it notices nothing but the time."""

    __slots__ = ()

    @property
    def pid(self) -> int:
        """The daemon's process id; 0 where none runs."""
        return self._daemon.pid if self._daemon is not None and self.alive() else 0

    def send(self, number: signal.Signals) -> None:
        """Send the daemon a signal. Does nothing where none runs."""
        if self._daemon is not None:
            self._daemon.send_signal(number)

    def heeds(self, number: signal.Signals) -> bool:
        """Whether the daemon has come so far that it does something of its own at a signal. Before that one ends it as
        it ends any program (proc(5), /proc/pid/status, SigCgt: a mask of the signals that are caught)."""
        status = (_PROC / str(self.pid) / "status").read_text() if self.pid else ""
        caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
        return bool(int(caught, 16) >> (number - 1) & 1)

    def children(self) -> list[int]:
        """The process ids of the daemon's children, such as one that reads a card, and of theirs."""
        return _children(self.pid) if self.pid else []

    def stands_still(self) -> bool:
        """Whether all threads of the daemon are stopped."""
        return bool(self.pid) and all(state in "TtZX" for state in _states(self.pid))

    def reads(self) -> bool:
        """Whether a child of the daemon is doing something at this moment."""
        return any(state in "RD" for child in self.children() for state in _states(child))

    def open_files(self) -> Iterator[tuple[Path, int]]:
        """Each file that a child of the daemon has open, and how far it has read it."""
        for child in self.children():
            try:
                for number in (_PROC / str(child) / "fd").iterdir():
                    facts = (_PROC / str(child) / "fdinfo" / number.name).read_text()
                    yield number.readlink(), int(facts.split()[1])  # proc(5): its first line is "pos:"
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended, or has closed the file


def _states(pid: int) -> list[str]:
    """The state of each thread of a process (proc(5), /proc/pid/stat, the field after the name)."""
    found: list[str] = []
    for stat in (_PROC / str(pid) / "task").glob("*/stat"):
        try:
            found.append(stat.read_text().rpartition(")")[2].split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue  # this thread has ended
    return found


def _children(pid: int) -> list[int]:
    """The children of a process, and theirs."""
    found: list[int] = []
    for listed in (_PROC / str(pid) / "task").glob("*/children"):
        try:
            found += [int(word) for word in listed.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found + [below for child in found for below in _children(child)]


def configuration(
    place: Place, rig: Rig, changes: Mapping[str, Mapping[str, Any]], console_ms: int
) -> dict[str, dict[str, Any]]:
    """The dock's configuration: the usual one, the rig's bays, and what the scenario wants otherwise. ``console_ms``:
    how long it waits for a camera's console."""
    password = place.root / "camera-password"
    password.write_bytes(PASSWORD + b"\n")
    usual: dict[str, dict[str, Any]] = {
        "dock": dict(DOCK),
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
