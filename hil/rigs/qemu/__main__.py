"""Run a command in the guest: ``python -m hil.rigs.qemu [--share DIR] [--timeout S] -- COMMAND…``."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from pathlib import Path

from hil.rigs.qemu import image
from hil.rigs.qemu.machine import MEMORY_MIB
from hil.rigs.qemu.view import View
from hil.words import Words

PASSED_ON = ("CI", "DOCKAGENT_CORPUS", "HOME", "LANG", "PYTEST_ADDOPTS", "TZ")


def main(words: list[str] | None = None) -> int:
    """Its exit status is the command's; 4 when the guest could not run it, 124 when the time was over, 130 when it was
    interrupted."""
    parser = Words(prog="python -m hil.rigs.qemu", description="Run a command in a Debian 12 guest.")
    parser.add_argument("--share", type=Path, help="a folder that is writable inside")
    parser.add_argument("--timeout", type=float, default=1200.0, help="seconds (default: 1200)")
    parser.add_argument("--memory", type=int, default=0, help=f"MiB that are needed; the guest has {MEMORY_MIB}")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    given = parser.parse_args(words)
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not command:
        parser.error("no command; write it after --")
    if given.memory > MEMORY_MIB:
        parser.error(f"the guest was kept with {MEMORY_MIB} MiB of memory, and cannot have {given.memory}")
    found = image.built()
    if found is None:
        print("hil: the rig's guest is not made; run: make rig-guest", file=sys.stderr)
        return 4
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the guest and its folder are taken away
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        with View(found, given.share) as view:
            return view.run(shlex.join(command), given.timeout, _print, passed)
    except TimeoutError as err:
        print(f"hil: {err}", file=sys.stderr)
        return 124
    except KeyboardInterrupt:
        print("hil: interrupted; the guest is taken down", file=sys.stderr)
        return 130
    except image.NoImage as err:
        print(f"hil: {err}", file=sys.stderr)
        return 4


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
