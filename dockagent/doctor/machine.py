"""The facts about this computer that the doctor judges: read once, from ``/proc``, ``/sys`` and a few programs."""

import grp
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

RULES = "60-dockagent.rules"
_RULES_FOLDERS = ("etc/udev", "run/udev", "usr/local/lib/udev", "usr/lib/udev", "lib/udev")  # udev(7)
_CAP_SYS_ADMIN = 1 << 21  # linux/capability.h
_ROOT_HUB = re.compile(r"usb(\d+)")
_DEVICE = re.compile(r"(\d+)-[\d.]+")  # an interface has a colon in its name
_PATIENCE_S = 30


@dataclass(frozen=True, slots=True)
class Usb:
    """``buses``: bus number to the controller that it belongs to (a USB 3 controller has two buses). ``devices``:
    the port paths (``1-2.3``) that something stands in, hubs included."""

    buses: dict[int, str]
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """``ffmpeg``, ``ffprobe``: first line of what each says about its version, empty where it cannot be run.
    ``programs``: names of the running processes, cut to 15 characters by the kernel. ``rules``: where our udev rules
    are installed, or None. ``may_mount``: we are allowed to call mount(2). ``watches``, ``instances``: the limits of
    inotify(7) for one user, 0 where nobody knows."""

    python: tuple[int, int, int]
    ffmpeg: str
    ffprobe: str
    programs: frozenset[str]
    udevd: bool
    rules: Path | None
    usb: Usb
    user: int
    groups: frozenset[str]
    may_mount: bool
    watches: int
    instances: int


def look(root: Path = Path("/")) -> Machine:
    """This machine. ``root``: the folder that holds its ``proc``, ``sys``, ``run``, ``etc`` and ``usr``."""
    folders = [root / folder / "rules.d" / RULES for folder in _RULES_FOLDERS]
    return Machine(
        python=(sys.version_info.major, sys.version_info.minor, sys.version_info.micro),
        ffmpeg=_version("ffmpeg"),
        ffprobe=_version("ffprobe"),
        programs=frozenset(_programs(root / "proc")),
        udevd=(root / "run/udev/control").exists(),
        rules=next((path for path in folders if path.is_file()), None),
        usb=_usb(root / "sys/bus/usb/devices"),
        user=os.geteuid(),
        groups=frozenset(_groups()),
        may_mount=bool(_effective(root / "proc/self/status") & _CAP_SYS_ADMIN),
        watches=_number(root / "proc/sys/fs/inotify/max_user_watches"),
        instances=_number(root / "proc/sys/fs/inotify/max_user_instances"),
    )


def _version(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        done = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=_PATIENCE_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return " ".join(done.stdout.split()[:3])


def _programs(proc: Path) -> Iterator[str]:
    for comm in proc.glob("[0-9]*/comm"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended while we looked
            yield comm.read_text(errors="replace").strip()


def _usb(devices: Path) -> Usb:
    buses, ports = {}, []
    for entry in sorted(devices.iterdir()) if devices.is_dir() else ():
        if root_hub := _ROOT_HUB.fullmatch(entry.name):
            buses[int(root_hub[1])] = entry.resolve().parent.name
        elif _DEVICE.fullmatch(entry.name):
            ports.append(entry.name)
    return Usb(buses, tuple(ports))


def _groups() -> Iterator[str]:
    for number in {os.getegid(), *os.getgroups()}:
        with suppress(KeyError):  # a group without a name opens nothing that we look for
            yield grp.getgrgid(number).gr_name


def _effective(status: Path) -> int:
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", status.read_text(errors="replace"), re.MULTILINE)
    return int(found[1], 16) if found else 0


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return 0
