"""Erase files from a card: the only door through which a camera's medium is written to, and only for a permit.

The card is written to by a child (:mod:`erase_child`), with a limit on how long it may stay silent; a child that hangs
in the kernel is left to it. A device is mounted read-write for this act alone, on a private folder, and let go of
before anyone reads it again: every reading mounts it read-only, as always.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dockagent.core.paths import to_text
from dockagent.errors import Gone, Permanent, Refused, Retryable
from dockagent.transports.erase_child import LEAVE
from dockagent.transports.isolated import Hung
from dockagent.transports.mass_storage import mounted_at, mounted_for_writing, run_program
from dockagent.transports.reader_child import SURROUNDINGS, bury

UNLINKED = "unlinked"  # its blocks are free, not overwritten
_OPTIONS = "rw,nodev,nosuid,noexec,noatime"
_OF_FILESYSTEM = {
    "vfat": "utf8=1,tz=UTC,uid={uid},gid={gid}",
    "exfat": "iocharset=utf8,uid={uid},gid={gid}",
    "ext4": "",
    "ext3": "",
    "ext2": "",
}
_MODULE = "dockagent.transports.erase_child"
_EXT_SUPERBLOCK, _EXT_INCOMPAT, _EXT_RECOVER = 1024, 96, 4  # fs/ext4/ext4.h: s_feature_incompat, INCOMPAT_RECOVER


Leave = Callable[[], None]
"""Called when every file was found to be right and none is gone yet; what it raises is the end of it."""


class Changed(Refused):
    """What is on the card is not what is to be erased. Nothing was erased."""


class CannotErase(Permanent):
    """This card cannot be written to, or must not be. Nothing was erased."""


class Unsure(Retryable):
    """Something went wrong when files were already going: the card has to be looked at."""


@dataclass(frozen=True, slots=True)
class Target:
    """A file that is to go: raw ``path`` below the card's root, its bytes, and the SHA-256 (hex) of all of them."""

    path: bytes
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was done: the ``gone`` paths, in order; why the rest is still there (``trouble``); bytes free on the card
    before and after, and how."""

    gone: tuple[bytes, ...]
    trouble: str
    free_before: int
    free_after: int
    method: str


def erase_below(
    root: Path, targets: Sequence[Target], leave: Leave, patience_s: float, method: str = UNLINKED
) -> Erasure:
    """Erase files of the card whose root is the folder ``root``, after every one of them was hashed again. All are
    looked at, and ``leave`` is asked for, before the first goes.

    Raises Changed where one is not what it should be, CannotErase, Gone where the card went away before anything was
    done; Hung or Unsure where nobody can tell what was done; and what ``leave`` raises. The child is ended when it says
    nothing for ``patience_s`` seconds.
    """
    work = [{"path": to_text(one.path), "size": one.size, "sha256": one.sha256} for one in targets]
    child = _start(root)
    try:
        said = _converse(child, json.dumps(work).encode() + b"\n", leave, patience_s, root)
    finally:
        child.kill()
        bury(child)
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # what could not be told to it is still in the buffer
                    pipe.close()
    gone = tuple(targets[number].path for number in said["gone"])
    if not gone and said["trouble"]:
        kind: type[Refused | Permanent | Retryable] = _KINDS.get(said["kind"], Unsure)
        raise kind(said["trouble"])
    return Erasure(gone, said["trouble"], said["free"][0], said["free"][1], method)


_KINDS: dict[str, type[Refused | Permanent | Retryable]] = {"changed": Changed, "cannot": CannotErase, "gone": Gone}


def _start(root: Path) -> "subprocess.Popen[bytes]":
    command = (sys.executable, "-P", "-s", "-B", "-m", _MODULE, os.fspath(root))
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=SURROUNDINGS,
            cwd="/",
            start_new_session=True,
        )
    except OSError as err:
        raise Retryable(f"no process to erase with can be started: {err.strerror}", "look at the memory") from err


def _converse(
    child: "subprocess.Popen[bytes]", work: bytes, leave: Leave, patience_s: float, root: Path
) -> dict[str, Any]:
    """The child's last word. Nothing goes before it was told to, so nothing goes when we are gone by then."""
    if child.stdin is None or child.stdout is None:
        raise Retryable("the process that erases has no pipes")
    _tell(child.stdin, work)
    pending = b""
    while True:
        if not select.select([child.stdout], [], [], patience_s)[0]:
            words = f"{root}: the camera has not answered for {patience_s:g} s while files were being erased"
            raise Hung(words, "unplug the camera; what became of it is looked at when it comes back")
        piece = os.read(child.stdout.fileno(), 1 << 16)
        if not piece:
            raise Unsure("the process that erases ended by itself", "what became of it is looked at on the card")
        *lines, pending = (pending + piece).split(b"\n")
        for line in lines:
            said: dict[str, Any] = json.loads(line)
            if "gone" in said:
                return said
            if "hashed" in said:
                leave()
                _tell(child.stdin, LEAVE)


def _tell(child: IO[bytes], line: bytes) -> None:
    try:
        child.write(line)
        child.flush()
    except BrokenPipeError as err:
        raise Retryable("the process that erases ended before it was told to") from err


def erase_on(device: Path, targets: Sequence[Target], leave: Leave, under: Path, patience_s: float) -> Erasure:
    """Erase files of the file system on a block device, which nobody has mounted: it is mounted read-write on a new
    folder below ``under`` for that, and unmounted before this returns. Errors as :func:`erase_below`; CannotErase too
    for an image, a device that is write-protected or mounted by another program, a file system that we do not write
    to, and a journal that would have to be replayed first."""
    filesystem = _may_write(device, patience_s)
    options = ",".join(filter(None, (_OPTIONS, _OF_FILESYSTEM[filesystem])))
    options = options.format(uid=os.geteuid(), gid=os.getegid())
    with mounted_for_writing(device, filesystem, options, under, patience_s) as place:
        method = f"{UNLINKED} on {filesystem}, mounted read-write for this alone"
        return erase_below(place, targets, leave, patience_s, method)


def _may_write(device: Path, patience_s: float) -> str:
    """The file system on a device that may be written to. Raises CannotErase, Gone, and what probing raises."""
    if not device.is_block_device():
        if not device.exists():
            raise Gone(f"{device} went away", "put the camera back")
        raise CannotErase(f"{device} is an image, not a camera: it is never changed")
    other = mounted_at(device)
    if other is not None:
        where = to_text(other.point)
        raise CannotErase(f"another program has mounted {device} on {where}", "switch its automounter off")
    code, text = run_program(("blockdev", "--getro", str(device)), patience_s)
    if code != 0 or text.strip() != "0":
        raise CannotErase(f"{device} is write-protected", "nothing can be erased from it")
    code, text = run_program(("blkid", "-p", "-o", "value", "-s", "TYPE", "--", str(device)), patience_s)
    filesystem = text.strip() if code == 0 else ""
    if filesystem not in _OF_FILESYSTEM:
        raise CannotErase(f"{device} holds {filesystem or 'no known file system'}, which is not written to")
    if filesystem.startswith("ext") and _needs_recovery(device):
        raise CannotErase(f"the journal of {device} has to be replayed first", "have the camera start once")
    return filesystem


def _needs_recovery(device: Path) -> bool:
    """Whether mounting it would change more than what the permit names (fs/ext4/super.c replays the journal)."""
    with device.open("rb", buffering=0) as raw:
        raw.seek(_EXT_SUPERBLOCK)
        block = raw.read(1024)
    features = int.from_bytes(block[_EXT_INCOMPAT : _EXT_INCOMPAT + 4], "little")
    return bool(features & _EXT_RECOVER)
