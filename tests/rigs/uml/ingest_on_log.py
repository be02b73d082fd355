"""In the guest: one ingest onto a disk whose every write is logged. ``python -m tests.rigs.uml.ingest_on_log SHARE``.

SHARE holds the folder ``card`` and the files ``data`` and ``log``, which become the disk and its log. Into the log go
the marks ``made`` (the file system is there), ``ack-N`` (the first N ledger records must outlive whatever comes), and
``end``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hil.demo.agent import COMMAND
from hil.demo.records import Follower
from tests.rigs.uml.acknowledged import acknowledged

LOGGED, PLACE = Path("/dev/mapper/logged"), Path("/run/disk")
LIMIT = 60.0
"""Seconds that the ingest may take."""


def tool(*words: str | Path) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def mark(words: str) -> None:
    tool("dmsetup", "message", LOGGED.name, "0", f"mark {words}")


def main(share: Path) -> int:
    data, log = tool("losetup", "-f", "--show", share / "data"), tool("losetup", "-f", "--show", share / "log")
    tool("dmsetup", "create", LOGGED.name, "--table", f"0 {tool('blockdev', '--getsz', data)} log-writes {data} {log}")
    tool("udevadm", "settle")
    tool("mkfs.ext4", "-q", "-F", "-b", "4096", "-J", "size=4", "-E", "nodiscard,lazy_itable_init=0", LOGGED)
    PLACE.mkdir()
    tool("mount", "-o", "nodiscard", LOGGED, PLACE)
    tool("sync")
    mark("made")
    words: list[str | Path] = [
        COMMAND,
        "ingest",
        share / "card",
        "--home",
        PLACE / "home",
        "--store",
        f"file://{PLACE}/store",
    ]
    status = watched([*words, "--config", share / "dockagent.toml", "--json"])
    mark("end")
    tool("umount", PLACE)
    tool("dmsetup", "remove", LOGGED.name)
    for device in (data, log):
        tool("losetup", "-d", device)
    return status


def watched(command: list[str | Path]) -> int:
    """Run the ingest and mark what it relies on."""
    follower, told = Follower(PLACE / "home" / "ledger" / "entries.jsonl"), 0
    ingest = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONFAULTHANDLER": "1"})
    end = time.monotonic() + LIMIT
    while ingest.poll() is None:
        if time.monotonic() > end:
            ingest.send_signal(signal.SIGABRT)  # Python says on stderr where each thread is
        follower.news()
        if acknowledged(follower.all) > told:
            told = acknowledged(follower.all)
            mark(f"ack-{told}")
        time.sleep(0.005)
    return ingest.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
