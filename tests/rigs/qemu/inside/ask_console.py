"""Asks the camera behind the serial adapter in a port what a dock asks, and prints the answers as JSON:
``python -m tests.rigs.qemu.inside.ask_console PORT`` (``4``, of the xHCI controller). Then it waits for the adapter
to be pulled out."""

from __future__ import annotations

import json
import os
import sys
import time

from dockagent.clock import SystemClock
from dockagent.errors import Gone
from dockagent.steps.detect_udev import UdevWatch
from dockagent.transports.serial_port import ReferenceConsole
from hil.rigs.qemu.rig import buses
from tests.steps.watching import watching

LONG_S = 60.0


def main() -> None:
    clock, ports = SystemClock(), {f"{bus}-{sys.argv[1]}": "bay01" for bus in buses()}
    with watching(lambda seen: UdevWatch(ports, seen, seen.errors.append, clock)) as seen:
        (found,) = seen.wait(("appeared", "bay01", "tty"), seconds=LONG_S)
        line = ReferenceConsole(found.address, clock, timeout_ms=10_000)
        nonce = os.urandom(32)
        facts = {
            "sighting": {"port": found.port, "address": found.address, "facts": dict(found.facts)},
            "identity": dict(line.identity()),
            "battery": line.battery(),
            "offset_ms": line.clock().camera_ms - clock.now().utc_ms,
            "nonce": nonce.hex(),
            "proof": line.prove(nonce).hex(),
        }
        line.set_clock(clock.now().utc_ms)
        facts["offset_after_ms"] = line.clock().camera_ms - clock.now().utc_ms
        line.release(True, "you can take it")
        print(json.dumps(facts), flush=True)
        seen.wait(("gone", "bay01", "tty"), seconds=LONG_S)
        print(json.dumps({"after": is_gone(line)}), flush=True)


def is_gone(line: ReferenceConsole) -> str:
    """What a question to a camera that was pulled out ends in."""
    begun = time.monotonic()
    try:
        line.battery()
    except Gone:
        return "gone" if time.monotonic() - begun < LONG_S else "late"
    finally:
        line.close()
    return "answered"


if __name__ == "__main__":
    main()
