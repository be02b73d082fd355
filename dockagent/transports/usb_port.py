"""Switch a USB port off and on, as if the camera had been taken out and put back: it frees whoever hangs on it.

The kernel's port ``disable`` file (sysfs-bus-usb, since Linux 6.0) also takes the power away where the hub can; the
older ``authorized`` file of the device only takes its drivers away. Run as a program (``python -m
dockagent.transports.usb_port 1-2.3``) by whoever must not wait for a kernel that hangs.
"""

import re
import sys
from pathlib import Path

from dockagent.clock import Clock, SystemClock
from dockagent.core.paths import to_text
from dockagent.errors import DockError, Gone, Missing, Permanent, UsageError

DEVICES = Path("/sys/bus/usb/devices")
OFF_S = 2.0  # long enough for a camera's own capacitors
_PORT = re.compile(r"(\d+)-(?:(\d+(?:\.\d+)*)\.)?(\d+)")
_UNPLUG = "unplug the camera and put it back"


def cycle(port: str, clock: Clock, devices: Path = DEVICES, off_s: float = OFF_S) -> str:
    """Switch the port off for ``off_s`` seconds. ``port`` is the kernel's name: ``5-1`` is port 1 of bus 5's root hub,
    ``1-2.3`` port 3 of the hub in port 2 of bus 1. Gives the file that did it.

    Raises UsageError for what is no port, Gone where it has neither switch nor device, Missing where we may not use
    the switch, Permanent where the kernel refuses.
    """
    match = _PORT.fullmatch(port)
    if match is None:
        raise UsageError(f"{to_text(port.encode())} is no USB port", "name it as the kernel does: 1-2.3")
    bus, path, number = match.groups()
    hub, name = (f"{bus}-{path}", f"{bus}-{path}") if path else (f"{bus}-0", f"usb{bus}")
    switches = [(one, "1", "0") for one in sorted(devices.glob(f"{hub}:*/{name}-port{number}/disable"))]
    switches.append((devices / port / "authorized", "0", "1"))
    refused: DockError | None = None
    for switch, off, on in switches:
        try:
            _switch(switch, off)
        except DockError as err:
            refused = refused if refused is not None and not isinstance(refused, Gone) else err
            continue
        clock.sleep(off_s)
        _switch(switch, on)
        return str(switch)
    raise refused or Gone(f"USB port {port} is not there", _UNPLUG)


def _switch(switch: Path, value: str) -> None:
    try:
        switch.write_text(value)
    except FileNotFoundError as err:
        raise Gone(f"there is no {switch}", _UNPLUG) from err
    except PermissionError as err:
        hint = f"let the dock's user write it (udev rule), or {_UNPLUG}"
        raise Missing(f"we may not write {switch}", hint) from err
    except OSError as err:
        raise Permanent(f"the kernel refuses {value} for {switch}: {err.strerror}", _UNPLUG) from err


def main(port: str) -> int:
    """Print what was done, or why not."""
    try:
        print(f"switched off and on by {cycle(port, SystemClock())}")
    except DockError as err:
        print(err)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
