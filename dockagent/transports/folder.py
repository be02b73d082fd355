"""A camera's card as a folder: mounted, or lying on any disk. Lists and reads it, never writes, never leaves it.

Every path is walked from the card's root one part at a time and no link is followed on the way (openat(2) with
O_NOFOLLOW), so that a hostile card cannot point at the dock's own files. Only regular files are opened: a FIFO or a
device node on a card would block the reader or act on the dock. File times are left alone (O_NOATIME) where we may.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping, MutableSequence, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from dockagent.core.paths import to_text
from dockagent.errors import DockError, Gone, Permanent, Refused, Retryable, UsageError
from dockagent.transports import FileFact, FootageReader
from dockagent.transports.mountinfo import card_of, mount_of

CHECK_EVERY = 4 << 20  # bytes read before we look again whether the card is still there
LONGEST_PATH = 4095  # PATH_MAX less its NUL; a damaged card can nest folders without end
_SPECIAL = {stat.S_IFLNK: "link", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
_HEX = re.compile(rb"\\x([0-9a-f]{2})")  # how udev writes a byte that a file name should not have
_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_AWAY = {errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN, errno.ENOMEDIUM}
_DAMAGED = {errno.EUCLEAN, errno.EBADMSG}
_OFF_THE_CARD = {errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG}


class FolderFootage:
    """:class:`dockagent.transports.Footage` over the folder ``root`` (itself followed when it is a link).

    The root is held open until :meth:`close`, so that its inode cannot come back as another folder. Raises Gone when
    it is not there, UsageError when it is no folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._fd = -1
        try:
            self._fd = os.open(self.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except NotADirectoryError as err:
            raise UsageError(f"{self._name()} is not a folder", "name the folder that holds the card") from err
        except OSError as err:
            raise Gone(f"{self._name()} cannot be opened: {err.strerror}", "put the camera back") from err
        facts = os.fstat(self._fd)
        self._identity = (facts.st_dev, facts.st_ino)
        node = Path(f"/sys/dev/block/{os.major(facts.st_dev)}:{os.minor(facts.st_dev)}")
        self._node = node if node.exists() else None

    def facts(self) -> Mapping[str, str]:
        """``filesystem`` and ``readonly``; for the top of a mounted card also ``device``, ``label`` and ``uuid``.
        Where the kernel does not show the mount, as below a changed root (chroot(2)), the first two are ``unknown`` and
        ``no``."""
        self.check()
        mount = mount_of(self._fd)
        if mount is None:
            return {"filesystem": "unknown", "readonly": "no"}
        facts = {"filesystem": mount.filesystem, "readonly": "yes" if mount.readonly else "no"}
        card = card_of(self._fd)
        if card is not None and card.source.startswith(b"/"):
            facts["device"] = to_text(card.source)
            facts |= _disk_names(Path(os.fsdecode(card.source)))
        return facts

    def list(self) -> Iterator[FileFact]:
        """Every regular file, by raw path in the order of its bytes.

        A folder or file that cannot be looked at does not hide the others: its error is raised after the last file.
        """
        troubles: list[DockError] = []
        pending: list[FileFact | bytes] = [b""]  # a folder is its path with the ``/`` behind it, which sorts it right
        while pending:
            entry = pending.pop()
            if isinstance(entry, FileFact):
                yield entry
                continue
            try:
                pending.extend(reversed(self._entries(entry, troubles)))
            except DockError as err:
                self.check()
                troubles.append(err)
        self.check()
        if troubles:
            raise troubles[0]

    def open(self, path: bytes) -> FootageReader:
        parts = _parts(path)
        try:
            return _Reader(self, path, parts, self._open_regular(path, parts))
        except OSError as err:
            raise self.error(err, "open", path) from err

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def check(self) -> None:
        """Raises Gone unless the root's path still leads to the folder that was opened, on a device that is there."""
        try:
            now = self.root.stat() if self._fd >= 0 else None
        except OSError as err:
            raise Gone(f"{self._name()} went away: {err.strerror}", "put the camera back") from err
        if now is None:
            raise Gone(f"{self._name()} was closed")
        if (now.st_dev, now.st_ino) != self._identity:
            raise Gone(f"{self._name()} is another card now", "start a new session for it")
        if self._node is not None and not self._node.exists():
            raise Gone(f"the device under {self._name()} went away", "put the camera back")

    def check_file(self, path: bytes, parts: tuple[bytes, ...], identity: tuple[int, int]) -> None:
        """Raises Gone unless ``path`` still leads to the file with this (device, inode)."""
        self.check()
        try:
            fd = self._walk(parts, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as err:
            raise Gone(f"{to_text(path)} went away: {err.strerror}", "put the camera back") from err
        try:
            now = os.fstat(fd)
        finally:
            os.close(fd)
        if (now.st_dev, now.st_ino) != identity:
            raise Gone(f"{to_text(path)} is another file now", "list the card again")

    def error(self, err: OSError, act: str, path: bytes, where: str = "") -> DockError:
        """What an operating system's error on this card means to us. A card that is away explains any error."""
        try:
            self.check()
        except Gone as gone:
            return gone
        what = f"cannot {act} {to_text(path) or 'the card'}{where}: {err.strerror}"
        if err.errno in _AWAY or err.errno == errno.ENOENT:
            return Gone(what, "put the camera back")
        if err.errno in _OFF_THE_CARD:
            return Refused(what, "only files that the card lists are read")
        if err.errno in _DAMAGED:
            return Permanent(f"{what} (its file system is damaged)", "keep the card and image it")
        if err.errno in (errno.EACCES, errno.EPERM):
            return Permanent(what, "let the dock's user read the card")
        if err.errno in (errno.EIO, errno.ENODATA):  # the second past the page cache (block/blk-core.c)
            return Retryable(f"medium error{where} of {to_text(path) or 'the card'}", "try another bay, then image it")
        return Retryable(what)

    def _entries(self, folder: bytes, troubles: MutableSequence[DockError]) -> Sequence[FileFact | bytes]:
        """The regular files and folders in ``folder`` (``b""``: the root), sorted by raw path."""
        if len(folder) > LONGEST_PATH:
            raise Permanent(f"folders are nested too deep under {to_text(folder[:80])}…", "check the file system")
        found: list[FileFact | bytes] = []
        try:
            fd = self._walk(tuple(folder.split(b"/")[:-1]), os.O_RDONLY | _FOLDER)
            try:
                with os.scandir(fd) as entries:
                    for entry in entries:
                        found.extend(self._entry(folder, entry, troubles))
            finally:
                os.close(fd)
        except OSError as err:
            raise self.error(err, "list", folder) from err
        return sorted(found, key=lambda one: one if isinstance(one, bytes) else one.path)

    def _entry(
        self, folder: bytes, entry: os.DirEntry[str], troubles: MutableSequence[DockError]
    ) -> Iterator[FileFact | bytes]:
        path = folder + os.fsencode(entry.name)
        try:
            facts = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return  # removed since the folder was read: not on the card
        except OSError as err:
            troubles.append(self.error(err, "look at", path))
            return
        if stat.S_ISDIR(facts.st_mode):
            yield path + b"/"
        elif stat.S_ISREG(facts.st_mode):
            yield FileFact(path, facts.st_size, facts.st_mtime_ns // 1_000_000)
        else:
            yield FileFact(path, 0, 0, _SPECIAL.get(stat.S_IFMT(facts.st_mode), "device"))

    def _open_regular(self, path: bytes, parts: tuple[bytes, ...]) -> int:
        """A descriptor for reading. O_PATH first: looking at a device node that way does not wake its driver."""
        place = self._walk(parts, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(place).st_mode):
                raise Refused(f"{to_text(path)} is not a regular file", "only files that the card lists are read")
            return _open_quietly(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(place)

    def _walk(self, parts: tuple[bytes, ...], flags: int) -> int:
        """Open ``parts`` beneath the root with ``flags``, following no link on the way. Raises OSError."""
        folder = os.dup(self._fd)
        try:
            for part in parts[:-1]:
                deeper = os.open(part, os.O_PATH | _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = deeper
            return _open_quietly(parts[-1] if parts else b".", flags, folder)
        finally:
            os.close(folder)

    def _name(self) -> str:
        return to_text(os.fsencode(self.root))


class _Reader:
    """A :class:`FootageReader`. An open file outlives its unplugged card in the page cache, hence the checks."""

    def __init__(self, card: FolderFootage, path: bytes, parts: tuple[bytes, ...], fd: int) -> None:
        self._card, self._path, self._parts, self._fd = card, path, parts, fd
        facts = os.fstat(fd)
        self._identity = (facts.st_dev, facts.st_ino)
        self._unchecked = 0
        with suppress(OSError):  # only advice; some file systems take none
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)

    def read(self, size: int, /) -> bytes:
        try:
            data = os.read(self._fd, min(size, CHECK_EVERY))
        except OSError as err:
            raise self._error(err) from err
        self._count(len(data))
        return data

    def read_into(self, room: memoryview, /) -> int:
        """As ``read``, into memory that is there already (:class:`dockagent.transports.Filler`)."""
        try:
            count = os.readv(self._fd, [room[:CHECK_EVERY]])
        except OSError as err:
            raise self._error(err) from err
        self._count(count)
        return count

    def _count(self, got: int) -> None:
        self._unchecked += got
        if not got or self._unchecked >= CHECK_EVERY:
            self._card.check_file(self._path, self._parts, self._identity)
            self._forget()

    def _error(self, err: OSError) -> DockError:
        return self._card.error(err, "read", self._path, f" at byte {os.lseek(self._fd, 0, os.SEEK_CUR)}")

    def _forget(self) -> None:
        """A card is read once: give up the pages that lie behind us."""
        here = os.lseek(self._fd, 0, os.SEEK_CUR)
        with suppress(OSError):
            os.posix_fadvise(self._fd, max(0, here - self._unchecked), self._unchecked, os.POSIX_FADV_DONTNEED)
        self._unchecked = 0

    def seek(self, offset: int, /) -> int:
        return os.lseek(self._fd, offset, os.SEEK_SET)

    def size(self) -> int:
        try:
            return os.fstat(self._fd).st_size
        except OSError as err:
            raise self._card.error(err, "look at", self._path) from err

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        os.close(self._fd)


def _parts(path: bytes) -> tuple[bytes, ...]:
    parts = tuple(path.split(b"/"))
    if any(part in (b"", b".", b"..") for part in parts) or b"\0" in path:
        raise Refused(f"{to_text(path)!r} is not a path on the card", "only files that the card lists are read")
    return parts


def _open_quietly(path: str | bytes, flags: int, folder: int | None = None) -> int:
    """open(2) without touching the access time where we may (the owner or CAP_FOWNER: inode(7))."""
    if not flags & os.O_PATH:
        with suppress(PermissionError):
            return os.open(path, flags | os.O_NOATIME, dir_fd=folder)
    return os.open(path, flags, dir_fd=folder)


def _disk_names(device: Path) -> dict[str, str]:
    """``label`` and ``uuid`` of a device as udev names it under /dev/disk, where there is udev."""
    names = {}
    for fact, folder in (("label", Path("/dev/disk/by-label")), ("uuid", Path("/dev/disk/by-uuid"))):
        links = sorted(folder.iterdir()) if folder.is_dir() else []
        here = [link.name for link in links if link.resolve() == device.resolve()]
        if here:
            names[fact] = to_text(_HEX.sub(lambda match: bytes([int(match[1], 16)]), os.fsencode(here[0])))
    return names
