"""A run in a guest: the same command there, which gives back what it writes into a folder that both have."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

GUESTS = ("uml", "qemu")
GRACE = 30.0
"""Seconds that a guest may take to go down after it was told to."""
_PLACE = ("--in", "--memory", "--timeout")
_FOLDERS = ("--keep",)


@dataclass(frozen=True, slots=True)
class Guest:
    """Which guest, how many MiB of memory it has, and how many seconds it may take."""

    name: str
    memory: int
    timeout: int


def play(guest: Guest, words: Sequence[str], folder: Path, *, kept: bool) -> int:
    """The same command in the guest, with ``folder`` for its reports; its exit status. ``kept``: those of good runs
    stay too. Raises KeyboardInterrupt as it comes, when the guest is down."""
    inside, place = parted(words)
    inner = [sys.executable, "-m", "hil", "run", *inside, f"--inside={shlex.join(place)}"]
    inner += ["--keep" if kept else "--scratch", str(folder)]
    boot = [sys.executable, "-m", f"hil.rigs.{guest.name}", "--share", str(folder)]
    boot += ["--memory", str(guest.memory), "--timeout", str(guest.timeout)]
    # Whatever ends us, even SIGKILL, ends it; its own SIGTERM takes the guest down.
    bound = ["setpriv", "--pdeathsig", "TERM", "--", *boot, "--", *inner]
    with subprocess.Popen(bound) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:
            child.terminate()  # a terminal's Ctrl-C reached it too, and a second word does no harm
            try:
                child.wait(GRACE)
            except subprocess.TimeoutExpired:
                child.kill()
            raise


def parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words for the command in the guest, and those that say which guest it is; `--keep` is neither. Words as
    argparse takes them, `--in uml` and `--in=uml`."""
    inside: list[str] = []
    place: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, _ = word.partition("=")
        if name not in (*_PLACE, *_FOLDERS):
            inside.append(word)
            continue
        whole = [word] if equals else [word, next(rest)]
        if name in _PLACE:
            place += whole
    return inside, place
