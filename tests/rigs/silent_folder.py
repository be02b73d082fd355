"""A mounted folder whose server falls silent, as a dead NFS server or a hung FUSE program does.

The server speaks the kernel's FUSE protocol itself (linux/fuse.h, version 7.31), read-only, in a process of its own:
``python -m tests.rigs.silent_folder SOURCE PLACE``. A request that it has taken and does not answer holds who asked in
a sleep that no signal ends, not even SIGKILL, until the connection is gone (fs/fuse/dev.c, request_wait_answer).
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_NEEDED = Path("/dev/fuse")
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MNT_DETACH = 1, 2, 4, 2
_LOOKUP, _GETATTR, _OPEN, _READ, _STATFS, _INIT, _OPENDIR, _READDIR = 1, 3, 14, 15, 17, 26, 27, 28
_SAYS_NOTHING = {2, 36, 42}  # FORGET, INTERRUPT, BATCH_FORGET have no answer
_NEEDS_NOTHING = {18, 25, 29, 38}  # RELEASE, FLUSH, RELEASEDIR, DESTROY
_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Silent:
    """A mounted folder, and its server."""

    place: Path
    server: subprocess.Popen[str]

    def fall_silent(self) -> None:
        """From now on requests are taken, and none is answered."""
        self.server.send_signal(signal.SIGUSR1)
        assert self.server.stdout is not None
        assert self.server.stdout.readline() == "silent\n"

    def asked(self) -> None:
        """Wait until somebody has asked in vain."""
        assert self.server.stdout is not None
        assert self.server.stdout.readline() == "asked\n"

    def unmount(self) -> None:
        """Take it away as ``umount -l`` does: who waits for it still waits. May be repeated."""
        _libc().umount2(os.fsencode(self.place), _MNT_DETACH)

    def give_up(self) -> None:
        """Unmount it and end the server: whoever waits for it gets an error. May be repeated."""
        self.unmount()
        self.server.kill()
        self.server.wait(10)


@contextmanager
def silent_folder(source: Path, place: Path) -> Iterator[Silent]:
    """The files of ``source`` mounted on ``place``. Skips where the kernel or our rights do not allow that."""
    if os.geteuid() != 0 or not _NEEDED.exists():
        pytest.skip(f"needs root and {_NEEDED}")
    words = [sys.executable, "-m", __name__, str(source), str(place)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "mounted\n"
        mounted = Silent(place, server)
        try:
            yield mounted
        finally:
            mounted.give_up()


@dataclass(slots=True)
class _Server:
    """Answers for the tree below ``source``; a node's number is its index."""

    fd: int
    nodes: list[Path]
    silent: bool = False
    complained: bool = False
    answers: dict[int, Callable[[int, bytes], bytes]] = field(default_factory=dict)

    def serve(self) -> None:
        """Until the folder is unmounted."""
        self.answers = {
            _INIT: lambda node, body: struct.pack("=4I2H2I2H8I", 7, 31, 0, 0, 8, 6, 4096, 1, 1, 0, *([0] * 8)),
            _LOOKUP: self._lookup,
            _GETATTR: lambda node, body: struct.pack("=QII", 0, 0, 0) + self._facts(node),
            _OPEN: lambda node, body: bytes(16),
            _OPENDIR: lambda node, body: bytes(16),
            _READ: self._read,
            _READDIR: self._list,
            _STATFS: lambda node, body: struct.pack("=5Q10I", 1, 0, 0, 9, 9, 4096, 255, 4096, *([0] * 7)),
        }
        while True:
            try:
                request = os.read(self.fd, _BUFFER)
            except OSError as err:
                if err.errno in (errno.ENOENT, errno.EINTR):  # fuse: it was interrupted before we read it
                    continue
                return
            self._answer(request)

    def fall_silent(self) -> None:
        self.silent = True
        print("silent", flush=True)

    def _answer(self, request: bytes) -> None:
        _, code, unique, node = struct.unpack_from("=IIQQ", request)
        if code in _SAYS_NOTHING:
            return
        if self.silent:
            if not self.complained:
                self.complained = True
                print("asked", flush=True)
            return
        try:
            body, error = self._body(code, node, request[40:]), 0
        except OSError as err:
            body, error = b"", -(err.errno or errno.EIO)
        os.write(self.fd, struct.pack("=IiQ", 16 + len(body), error, unique) + body)

    def _body(self, code: int, node: int, body: bytes) -> bytes:
        if code in self.answers:
            return self.answers[code](node, body)
        if code in _NEEDS_NOTHING:
            return b""
        raise OSError(errno.ENOSYS, "not served")

    def _lookup(self, node: int, body: bytes) -> bytes:
        path = self.nodes[node] / os.fsdecode(body.rstrip(b"\0"))
        if path not in self.nodes:
            raise FileNotFoundError(errno.ENOENT, "no such file")
        number = self.nodes.index(path)
        return struct.pack("=4QII", number, 0, 0, 0, 0, 0) + self._facts(number)  # to be asked again each time

    def _facts(self, node: int) -> bytes:
        facts = self.nodes[node].stat()
        seconds = [int(facts.st_mtime)] * 3
        numbers = (facts.st_mode & ~0o222, 2 if stat.S_ISDIR(facts.st_mode) else 1, 0, 0, 0, 4096, 0)
        return struct.pack("=6Q10I", node, facts.st_size, facts.st_blocks, *seconds, 0, 0, 0, *numbers)

    def _read(self, node: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("=QQI", body)
        return self.nodes[node].read_bytes()[offset : offset + size]

    def _list(self, node: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("=QQI", body)
        names = [path for path in self.nodes[2:] if path.parent == self.nodes[node]]
        said = b""
        for number, path in enumerate(names[offset:], offset + 1):
            name, kind = os.fsencode(path.name), 4 if path.is_dir() else 8
            entry = struct.pack("=QQII", self.nodes.index(path), number, len(name), kind) + name
            entry += bytes(-len(entry) % 8)
            if len(said) + len(entry) > size:
                break
            said += entry
        return said


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _mounted(source: Path, place: Path) -> _Server:
    """Raises OSError where the kernel refuses."""
    fd = os.open(_NEEDED, os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    flags = _MS_RDONLY | _MS_NOSUID | _MS_NODEV
    if _libc().mount(b"silent", os.fsencode(place), b"fuse.silent", flags, options):
        raise OSError(ctypes.get_errno(), f"cannot mount on {place}")
    return _Server(fd, [source, source, *sorted(source.rglob("*"))])  # the root's number is 1; there is no 0


if __name__ == "__main__":
    made = _mounted(Path(sys.argv[1]), Path(sys.argv[2]))
    signal.signal(signal.SIGUSR1, lambda *_: made.fall_silent())
    print("mounted", flush=True)
    made.serve()
