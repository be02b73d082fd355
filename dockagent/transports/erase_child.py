"""The child that erases: ``python -m dockagent.transports.erase_child ROOT``, told by :mod:`erase` what.

For each file, through one descriptor that stays open until the end: open without following any link, compare its size,
hash every byte, compare the digest, and see that nothing moved meanwhile. Only when all of them are right, and the dock
was told so and still wants it, the first one goes: its folder's descriptor must still lead to that inode; the name is
removed, the folder is synced, and the open descriptor shows that it was this file that lost its name.

On stdin one line of JSON: a list of ``{"path", "size", "sha256"}``, paths in text form; and :data:`LEAVE` in answer to
``{"hashed": count}``. On stdout that, a line now and then as a sign of life, and at the end
``{"gone": [number], "trouble": words, "kind": …, "free": [before, after]}``.
"""

import errno
import hashlib
import json
import os
import stat
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from dockagent.core.paths import to_bytes
from dockagent.durable import remove_name

LEAVE = b"erase\n"
PIECE = 1 << 20
SIGN_EVERY = 16 << 20  # bytes hashed between two signs of life
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Doubt(Exception):
    """Why not. ``kind``: changed, cannot or gone, and nothing was done; unsure, where nobody can tell."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Held:
    """One file that was found to be right: its name and its folder, and the descriptor through which it was hashed."""

    shown: str
    name: bytes
    folder: int
    file: int
    facts: os.stat_result


def main(root: str) -> int:
    """Do what the line on stdin says; the last line on stdout says what was done."""
    work: list[dict[str, Any]] = json.loads(sys.stdin.buffer.readline())
    gone: list[int] = []
    kind = trouble = ""
    free = [-1, -1]
    try:
        top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        free[0] = _free(top)
        _erase_all(top, work, gone)
        free[1] = _free(top)
    except Doubt as err:
        kind, trouble = err.kind, str(err)
    except OSError as err:
        kind, trouble = ("cannot" if err.errno in _NEVER else "gone"), f"the card failed: {err.strerror or err}"
    _say({"gone": gone, "trouble": trouble, "kind": kind, "free": free})
    return 0


def _erase_all(top: int, work: Sequence[dict[str, Any]], gone: list[int]) -> None:
    """Every file is held and found to be right before the first one goes; ``gone`` is told of each that went. An open
    file keeps its blocks: all are closed at the end."""
    with ExitStack() as stack:
        held = [_hold(top, one, stack) for one in work]
        _wait_for_leave(len(held))
        for number, one in enumerate(held):
            _check(one)
            try:
                _erase(one)
            except OSError as err:
                raise Doubt(_UNSURE, f"{one.shown}: the card failed while it went: {err.strerror}") from err
            gone.append(number)
            _say({"went": number})


_NEVER = {errno.EPERM, errno.EACCES, errno.EROFS}
_UNSURE = "unsure"


def _hold(top: int, one: dict[str, Any], stack: ExitStack) -> Held:
    shown, parts = one["path"], to_bytes(one["path"]).split(b"/")
    folder = _walk(top, parts[:-1], shown)
    stack.callback(os.close, folder)
    file = _open(folder, parts[-1], shown)
    stack.callback(os.close, file)
    before = os.fstat(file)
    if before.st_nlink != 1:
        raise Doubt("changed", f"{shown} has {before.st_nlink} names on the card")
    if before.st_size != one["size"]:
        raise Doubt("changed", f"{shown} has {before.st_size} bytes on the card, not {one['size']}")
    digest = _hash(file)
    after = os.fstat(file)
    if digest != one["sha256"]:
        raise Doubt("changed", f"{shown} has the SHA-256 {digest} on the card, not {one['sha256']}")
    if _state(before) != _state(after):
        raise Doubt("changed", f"{shown} was written to while it was read")
    return Held(shown, parts[-1], folder, file, after)


def _walk(top: int, parts: list[bytes], shown: str) -> int:
    folder = os.dup(top)
    try:
        for part in parts:
            deeper = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = deeper
    except FileNotFoundError as err:
        os.close(folder)
        raise Doubt("changed", f"{shown} is not on the card any more") from err
    except OSError:
        os.close(folder)
        raise
    return folder


def _open(folder: int, name: bytes, shown: str) -> int:
    try:
        place = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError as err:
        raise Doubt("changed", f"{shown} is not on the card any more") from err
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise Doubt("changed", f"{shown} is no regular file on the card")
        return os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(place)


def _hash(file: int) -> str:
    """Every byte through this descriptor. What the page cache has is given up first, so that the medium answers."""
    with suppress(OSError):  # advice
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    digest, unsaid = hashlib.sha256(), 0
    while piece := os.read(file, PIECE):
        digest.update(piece)
        unsaid += len(piece)
        if unsaid >= SIGN_EVERY:
            _say({"read": unsaid})
            unsaid = 0
    _say({"read": unsaid})
    return digest.hexdigest()


def _wait_for_leave(count: int) -> None:
    """Hashing takes hours, and whether it may still be done is the dock's to know: it says so, or hangs up."""
    _say({"hashed": count})
    if sys.stdin.buffer.readline() != LEAVE:
        raise Doubt("gone", "the dock does not want it any more")


def _check(one: Held) -> None:
    """The name must lead to the very inode whose bytes were hashed, and nobody wrote to it since."""
    named = os.stat(one.name, dir_fd=one.folder, follow_symlinks=False)
    if (named.st_dev, named.st_ino) != (one.facts.st_dev, one.facts.st_ino):
        raise Doubt("changed", f"{one.shown} was exchanged after it was read")
    if _state(os.fstat(one.file)) != _state(one.facts):
        raise Doubt("changed", f"{one.shown} was written to after it was read")


def _erase(one: Held) -> None:
    """The name goes, durably; the descriptor shows whether it was this file that lost it."""
    remove_name(one.folder, one.name)
    if os.fstat(one.file).st_nlink:
        raise Doubt(_UNSURE, f"{one.shown}: another file than the one that was read lost its name")


def _state(facts: os.stat_result) -> tuple[int, int, int, int]:
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def _free(top: int) -> int:
    room = os.fstatvfs(top)
    return room.f_bfree * room.f_frsize


def _say(said: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
