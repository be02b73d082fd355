"""The power of a port, switched by the program uhubctl: it asks the hub itself (USB 2.0, 11.24.2: PORT_POWER).

uhubctl is a program of its own (GPL-2) that is run, never linked or copied. What it prints is read as version 2.5.0
prints it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Literal

from hil.rigs.power import PowerError, State
from hil.rigs.usb_tree import hub_of, number_of

_UHUBCTL_S = 20.0
_HUB_LINE = re.compile(r"(?:Current|New) status for hub (\S+) \[(.*), (\d+) ports, (\w+)\]")
_PORT_LINE = re.compile(r"  Port (\d+): ([0-9a-f]{4})((?: [\w.]+)*)(?: \[.*)?")


@dataclass(frozen=True, slots=True)
class PortStatus:
    """One port as uhubctl shows it. ``bits``: wPortStatus (USB 2.0, table 11-21)."""

    number: int
    bits: int
    powered: bool
    connected: bool


@dataclass(frozen=True, slots=True)
class HubStatus:
    """One hub as uhubctl shows it. ``location`` as uhubctl names it: a root hub by its bus alone. ``switching``:
    ``ppps`` (each port alone), ``ganged`` (all at once) or ``nops`` (not at all)."""

    location: str
    description: str
    switching: str
    ports: tuple[PortStatus, ...]


def read_status(output: str) -> tuple[HubStatus, ...]:
    """The hubs in uhubctl's output; of one that is shown before and after switching, only the latter."""
    found: dict[str, HubStatus] = {}
    location = ""
    for line in output.splitlines():
        if match := _HUB_LINE.match(line):
            location = match[1]
            found[location] = HubStatus(location, match[2], match[4], ())
        elif (match := _PORT_LINE.fullmatch(line)) and location:
            words = match[3].split()
            port = PortStatus(int(match[1]), int(match[2], 16), "power" in words, "connect" in words)
            hub = found[location]
            found[location] = HubStatus(hub.location, hub.description, hub.switching, (*hub.ports, port))
    return tuple(found.values())


class Uhubctl:
    """A port that uhubctl switches.

    A USB 3 hub is two hubs in one box, and its port has power until both halves are off. uhubctl finds the other half
    by itself where the hub has a container id; where it has not, ``twin`` names the port path on the other half.
    """

    def __init__(self, port: str, *, twin: str = "", program: str = "uhubctl") -> None:
        self._port, self._program = port, program
        self._ports = (port, twin) if twin else (port,)

    @property
    def port(self) -> str:
        return self._port

    def on(self) -> None:
        for port in self._ports:
            self._switch(port, "on")

    def off(self) -> None:
        for port in self._ports:
            self._switch(port, "off")

    def state(self) -> State:
        powered = [self.status(port).powered for port in self._ports]
        return "on" if any(powered) else "off"

    def hub(self, port: str = "") -> HubStatus:
        """What uhubctl says of the hub. Raises PowerError if it does not know it."""
        location = _location(port or self._port)
        output = self._run("-l", location, "-e", "-N", "-f")
        for hub in read_status(output):
            if hub.location == location:
                return hub
        raise PowerError(f"uhubctl does not show hub {location}: {_last(output)}; check [bays] and the hub's cable")

    def status(self, port: str = "") -> PortStatus:
        """What uhubctl says of the port. Raises PowerError if it does not know it."""
        wanted = number_of(port or self._port)
        for status in self.hub(port).ports:
            if status.number == wanted:
                return status
        raise PowerError(f"hub {_location(port or self._port)} has no port {wanted}; check [bays]")

    def _switch(self, port: str, action: Literal["on", "off"]) -> None:
        # With twins each half is named exactly; otherwise uhubctl may look for the other half by itself. -f: a root
        # hub, and many a hub that switches well, is not on uhubctl's list of those that say so.
        exact = ("-e",) if len(self._ports) > 1 else ()
        output = self._run("-l", _location(port), "-p", str(number_of(port)), "-a", action, "-N", "-f", *exact)
        after = _port_in(output, port)
        if after is None:
            raise PowerError(f"uhubctl does not show port {port}: {_last(output)}; check [bays] and the hub's cable")
        if after.powered != (action == "on"):
            raise PowerError(f"port {port} did not go {action}: its hub takes the order and does nothing; use another")

    def _run(self, *options: str) -> str:
        if shutil.which(self._program) is None:
            raise PowerError(f"{self._program} is not installed; apt-get install uhubctl, or set power = 'sysfs'")
        command = [self._program, *options]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_UHUBCTL_S, check=False)
        except subprocess.TimeoutExpired as err:
            raise PowerError(f"{' '.join(command)} did not end within {_UHUBCTL_S:g} s; unplug the hub once") from err
        if done.returncode:
            raise PowerError(
                f"{' '.join(command)} failed: {_last(done.stderr or done.stdout)}; check the hub, run as root"
            )
        return done.stdout


def _port_in(output: str, port: str) -> PortStatus | None:
    """What an output says of a port at its end."""
    hubs = (hub for hub in read_status(output) if hub.location == _location(port))
    return next((status for hub in hubs for status in hub.ports if status.number == number_of(port)), None)


def _location(port: str) -> str:
    """The hub of a port in uhubctl's words, which names a root hub by its bus alone."""
    return hub_of(port).removeprefix("usb")


def _last(output: str) -> str:
    """The last line of what a program printed: the one that says what was wrong."""
    return next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "no word")
