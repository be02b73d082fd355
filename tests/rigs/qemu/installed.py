"""The package as `make install` puts it together, in the guest's own root under its own systemd; and what it says."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from hil.demo.records import Follower, Record, read
from hil.rigs.qemu.view import CHECKOUT
from hil.rigs.qemu.vm import Vm

MOUNTED = "/srv/share"
HOME = "/var/lib/dockagent"
CONFIG = """\
[dock]
id = "rig"
[bays]
ports = { %s }
auto = false
[preview]
enabled = false
"""
DROP_IN = "[Service]\nWatchdogSec={watchdog}\n"
AFTER_FILES = (
    # What `make install` does when the files lie where they belong, in its order.
    "systemd-sysusers /usr/local/lib/sysusers.d/dockagent.conf",
    "systemd-tmpfiles --create /usr/local/lib/tmpfiles.d/dockagent.conf",
    "chgrp dockagent /etc/dockagent/dockagent.toml",
    "udevadm control --reload",
    "systemctl daemon-reload",
)
INSTALL_S, START_S, LIMIT_S = 400, 200, 200


def packed(folder: Path) -> Path:
    """`make install` as a packager runs it, as one archive in ``folder``."""
    root = folder / "root"
    words = ["make", "install", f"DESTDIR={root}", "PYTHON=/usr/bin/python3", "SYSTEM_PACKAGES=skip"]
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=INSTALL_S)
    assert done.returncode == 0, done.stdout + done.stderr
    archive = folder / "root.tar"
    subprocess.run(["tar", "-C", root, "--owner=0", "--group=0", "-cf", archive, "."], check=True, timeout=60)
    shutil.rmtree(root)
    return archive


class Dock:
    """The guest's dock. ``share``: the folder that this side and the guest's own root have in common."""

    def __init__(self, vm: Vm, share: Path) -> None:
        self.vm, self._share = vm, share

    def install(self, archive: Path, ports: dict[str, str], watchdog: int) -> None:
        """Lay out the archive's files, make the user, configure; nothing is started."""
        self.vm.mount_share(MOUNTED)
        self.vm.output(f"tar -C / -xf {MOUNTED}/{archive.name}", LIMIT_S)
        named = ", ".join(f'"{port}" = "{bay}"' for port, bay in ports.items())
        self.write("/etc/dockagent/dockagent.toml", CONFIG % named)
        self.write("/etc/systemd/system/dockagent.service.d/rig.conf", DROP_IN.format(watchdog=watchdog))
        for command in AFTER_FILES:
            self.vm.output(command)

    def write(self, path: str, text: str) -> None:
        """Write a file in the guest's own root."""
        (self._share / "carried").write_text(text)
        self.vm.output(f"mkdir -p $(dirname {path}); cat {MOUNTED}/carried > {path}")

    def shown(self, prop: str) -> str:
        """A property of the service, as systemd tells it."""
        return self.vm.output(f"systemctl show dockagent -p {prop} --value").strip()

    def ledger(self) -> Follower:
        """Its records, all there are now."""
        self.vm.output(f"cp {HOME}/ledger/entries.jsonl {MOUNTED}/")
        return read(self._share / "entries.jsonl")

    def records(self, kind: str) -> list[Record]:
        """Its records of one type."""
        return list(self.ledger().of(kind))

    def masters(self) -> set[str]:
        """Digests of the clips in its store, as coreutils count them."""
        text = self.vm.output(f"find {HOME}/store -name master -exec sha256sum {{}} +")
        return {line.split()[0] for line in text.splitlines()}

    def pulled(self) -> int:
        """Bytes of the file that is being pulled."""
        found = self.vm.output(f"stat -c %s {HOME}/spool/parts/*.part 2> /dev/null || echo 0").split()
        return max(map(int, found))

    def journal(self, lines: int = 20) -> str:
        """The service's last words."""
        return self.vm.output(f"journalctl -o cat --no-pager -u dockagent -n {lines}")

    def until(self, true: Callable[[], bool], what: str) -> float:
        """Wait for something; the seconds it took."""
        begun = time.monotonic()
        while not true():
            waited = time.monotonic() - begun
            assert waited < LIMIT_S, f"not within {LIMIT_S} s: {what}; the journal says:\n{self.journal()}"
            time.sleep(0.2)
        return time.monotonic() - begun
