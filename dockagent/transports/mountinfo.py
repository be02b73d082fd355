"""The kernel's list of mounts (proc_pid_mountinfo(5)): which file system a path lies on, and who mounted it how."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ESCAPE = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount.

    ``device`` is ``major:minor``; ``root`` the part of the file system that is mounted (``/``: all of it); ``point``
    where; ``source`` what was mounted (a device node, for a card); ``readonly`` as the kernel holds it.
    """

    ident: int
    device: str
    root: bytes
    point: bytes
    filesystem: str
    source: bytes
    readonly: bool


def mounts() -> Iterator[Mount]:
    """Every mount that this process sees, oldest first."""
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        yield _mount(line)


def mount_of(fd: int) -> Mount | None:
    """The mount that an open file or folder lies on (fdinfo's ``mnt_id``), or None for one that is unmounted."""
    info = Path(f"/proc/self/fdinfo/{fd}").read_text()
    ident = int(re.findall(r"^mnt_id:\s*(\d+)", info, re.MULTILINE)[0])
    return next((mount for mount in mounts() if mount.ident == ident), None)


def card_of(fd: int) -> Mount | None:
    """The mount whose top folder is the open folder ``fd`` and which shows a whole file system, or None: an ordinary
    folder says nothing about a card by the disk that it happens to lie on."""
    mount = mount_of(fd)
    if mount is None or mount.root != b"/":
        return None
    return mount if Path(f"/proc/self/fd/{fd}").readlink() == Path(os.fsdecode(mount.point)) else None


def _mount(line: bytes) -> Mount:
    fields, _, tail = line.partition(b" - ")
    ident, _parent, device, root, point, options = fields.split(b" ")[:6]
    filesystem, source, super_options = tail.split(b" ", 2)
    readonly = b"ro" in options.split(b",") or b"ro" in super_options.split(b",")
    return Mount(
        int(ident), device.decode(), _plain(root), _plain(point), filesystem.decode(), _plain(source), readonly
    )


def _plain(field: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), field)
