"""Run a command in the guest: ``python -m hil.rigs.uml [--share DIR] [--memory MIB] [--timeout S] -- COMMAND…``."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from hil.rigs.uml import kernel
from hil.rigs.uml.guest import Guest, GuestFailed
from hil.words import Words, whole


def main(words: list[str] | None = None) -> int:
    """Its exit status is the command's; 4 when the guest could not run it, 124 when the time was over, 130
    when it was interrupted."""
    parser = Words(prog="python -m hil.rigs.uml", description="Run a command in a guest with USB.")
    parser.add_argument("--share", type=Path, action="append", default=[], help="a folder that is writable inside")
    parser.add_argument("--memory", type=whole("MiB", 64), default=1024, help="MiB (default: 1024)")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds (default: 600)")
    parser.add_argument("--time-travel", action="store_true", help="let its clocks run ahead when it is idle")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    given = parser.parse_args(words)
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not command:
        parser.error("no command; write it after --")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the guest ends with it, as at Ctrl-C
    guest = Guest(command, given.share, given.memory, time_travel=given.time_travel, output=sys.stdout.buffer)
    try:
        with guest:
            return guest.wait(given.timeout)
    except TimeoutError as err:
        print(f"hil: {err}", file=sys.stderr)
        return 124
    except KeyboardInterrupt:
        return 130
    except (kernel.NoKernel, GuestFailed) as err:
        print(f"hil: {err}", file=sys.stderr)
        return 4


if __name__ == "__main__":
    sys.exit(main())
