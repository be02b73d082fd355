"""A store as the custodian sees it, who may list, read and add, but never replaces and never deletes.

Docks write through :class:`dockagent.stores.Store`, with a credential that can do less. What the custodian adds is
written once: of two custodians who write the same key at the same time, one is told that he came second.
"""

import array
import fcntl
import os
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from dockagent.clock import Clock
from dockagent.durable import DiskFull, RealDisk
from dockagent.errors import Missing, Refused, Retryable, UsageError
from dockagent.stores import Conflict
from dockagent.stores.keys import checked
from dockagent.stores.open_store import MARK
from dockagent.stores.s3_settings import S3Settings
from dockagent.stores.shelf import Readable
from dockagent.stores.swift_settings import AXIS, SwiftSettings

_PART = ".part-"  # as the directory store's own: a dock that starts clears what a crash left, whosever it was
_FS_IOC_GETFLAGS, _FS_IMMUTABLE_FL = 0x80086601, 0x10  # linux/fs.h
_FORMS = "file:///DIR, s3://BUCKET/PREFIX or swift://CONTAINER/PREFIX"
_MOUNTED = "check that it is mounted and readable by the custodian"


@dataclass(frozen=True, slots=True)
class Listed:
    """An object in a listing: its key, bytes, and when it was stored (ms since 1970 UTC, by the store's clock)."""

    key: str
    size: int
    modified_ms: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What a store states about an object while it is read. ``mode``: ``COMPLIANCE``, ``GOVERNANCE``, ``IMMUTABLE`` or
    empty; ``until_ms``: the end of its retention, 0 for none stated; ``hold``: ``on``, ``off`` or ``unknown``;
    ``modified_ms``: when it was stored. Times in ms since 1970 UTC."""

    size: int
    version: str = ""
    etag: str = ""
    mode: str = ""
    until_ms: int = 0
    hold: str = "unknown"
    modified_ms: int = 0


class Reading(Protocol):
    """An object that is being read from its start."""

    facts: Facts

    def read(self, size: int, /) -> bytes: ...


class Archive(Protocol):
    """One store, with the keys of :class:`dockagent.stores.Store`. Raises :class:`dockagent.errors.Retryable` where it
    cannot be asked. ``asked`` counts what was asked of it: requests to a server by method, calls on a folder.
    ``knows_holds``: whether there is such a thing as a legal hold there."""

    url: str

    @property
    def asked(self) -> Counter[str]: ...
    @property
    def knows_holds(self) -> bool: ...

    def names(self, prefix: str) -> list[str]:
        """The folders right below ``prefix`` (which ends with a slash), sorted."""
        ...

    def versions(self, key: str) -> list[str]:
        """The ids of all versions of an object, the oldest first, those below a delete marker too; one empty id where
        the store keeps no versions. Empty where there is nothing."""
        ...

    def list(self, prefix: str) -> Iterator[Listed]:
        """Every object whose key begins with ``prefix`` (which ends with a slash); what lies in one folder comes
        together. Nothing is kept in memory but one page."""
        ...

    def open(self, key: str, *, first: bool = False) -> AbstractContextManager[Reading]:
        """The object as it is now; ``first``: the first version that was ever stored under this key. Raises Missing
        where there is none."""
        ...

    def locks(self, key: str, facts: Facts) -> Facts:
        """``facts`` of an object that was read, with what else keeps it from being deleted, where the store had to be
        asked for that."""
        ...

    def held(self, key: str, version: str) -> str:
        """The legal hold on this version of an object: ``on``, ``off``, or ``unknown`` where nobody can tell."""
        ...

    def hold(self, key: str, version: str, *, on: bool) -> None:
        """Set or lift the legal hold on this version of an object. Raises Refused where the store knows none, or this
        credential may not."""
        ...

    def add(self, key: str, data: bytes) -> None:
        """Store a small object where there is none. The same bytes again are no error. Raises Conflict where others
        were there first, also by a moment."""
        ...


@dataclass(slots=True)
class _File:
    """A file that is being read."""

    facts: Facts
    _source: Readable

    def read(self, size: int, /) -> bytes:
        return self._source.read(size)


class FolderArchive:
    """A store in the folder ``root``, which must bear a store's mark: an empty mount point is no empty store.
    ``writer`` as for :func:`open_archive`: the first that it adds clears what a kill left of what it added before. Of
    others' unfinished files nobody can tell whether they are being written now."""

    knows_holds = False

    def __init__(self, url: str, root: Path, writer: str = "") -> None:
        self.url, self._root = url, root
        self._ours = f"{_PART}{writer}-" if writer else ""
        self.asked: Counter[str] = Counter()
        self._disk: RealDisk | None = None

    def names(self, prefix: str) -> list[str]:
        self._there()
        self.asked["list"] += 1
        folder = self._root / prefix
        with self._errors(f"list {prefix}"):
            return sorted(one.name for one in os.scandir(folder) if _is_folder(one)) if folder.is_dir() else []

    def versions(self, key: str) -> list[str]:
        self._there()
        with self._errors(f"look at {key}"):
            return [""] if self._root.joinpath(*checked(key).split("/")).is_file() else []

    def list(self, prefix: str) -> Iterator[Listed]:
        self._there()
        with self._errors(f"list {prefix}"):
            yield from self._below(prefix.rstrip("/"))

    @contextmanager
    def open(self, key: str, *, first: bool = False) -> Iterator[Reading]:
        self.asked["get"] += 1
        file = self._root.joinpath(*checked(key).split("/"))
        try:
            source = file.open("rb", buffering=0)
        except FileNotFoundError as err:
            self._there()
            raise Missing(f"{self.url} has no {key}", "bring it back from a copy") from err
        except OSError as err:
            raise Retryable(f"cannot read {key} in {self.url}: {err.strerror}", _MOUNTED) from err
        with source, self._errors(f"read {key}"):
            mode = "IMMUTABLE" if _immutable(source.fileno()) else ""
            os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
            told = os.fstat(source.fileno())
            facts = Facts(told.st_size, mode=mode, hold="off", modified_ms=told.st_mtime_ns // 1_000_000)
            yield _File(facts, source)

    def locks(self, key: str, facts: Facts) -> Facts:
        return facts

    def held(self, key: str, version: str) -> str:
        return "off"

    def hold(self, key: str, version: str, *, on: bool) -> None:
        raise Refused(f"{self.url} is a folder, which knows no legal hold", "keep people from deleting it there")

    def add(self, key: str, data: bytes) -> None:
        self._there()
        self.asked["put"] += 1
        disk, part = self._writable(), (self._ours or _PART) + secrets.token_hex(8)
        try:
            with self._errors(f"add {checked(key)}"):
                with disk.append(part, scratch=True) as sink:
                    sink.write(data)
                    sink.sync()
                disk.publish(part, key)
        except FileExistsError as err:
            if disk.read(key) != data:
                raise Conflict(f"{self.url} has another {key} already", "nothing was overwritten") from err
        finally:
            disk.remove(part)

    def _below(self, folder: str) -> Iterator[Listed]:
        self.asked["list"] += 1
        where = self._root / folder
        if not where.is_dir():
            return
        for one in sorted(os.scandir(where), key=lambda entry: entry.name):
            if one.name.startswith("."):
                continue
            if _is_folder(one):
                yield from self._below(f"{folder}/{one.name}")
            elif one.is_file(follow_symlinks=False):
                facts = one.stat()
                yield Listed(f"{folder}/{one.name}", facts.st_size, facts.st_mtime_ns // 1_000_000)

    def _there(self) -> None:
        with self._errors("look for the mark"):
            if not (self._root / MARK).is_file():
                raise Retryable(f"{self.url} is away: its mark {MARK} is not there", _MOUNTED)

    def _writable(self) -> RealDisk:
        if self._disk is None:
            disk = RealDisk(self._root)
            with self._errors("tidy up"):
                for name in disk.names("") if self._ours else ():
                    if name.startswith(self._ours):
                        disk.remove(name)
            self._disk = disk
        return self._disk

    @contextmanager
    def _errors(self, act: str) -> Iterator[None]:
        try:
            yield
        except FileExistsError:
            raise
        except DiskFull as err:
            raise DiskFull(f"cannot {act} in {self.url}: {err.what}", err.hint) from err
        except OSError as err:
            raise Retryable(f"cannot {act} in {self.url}: {err.strerror or err}", _MOUNTED) from err


def open_archive(
    url: str, s3: S3Settings, clock: Clock, swift: SwiftSettings | None = None, writer: str = ""
) -> Archive:
    """The store at ``url`` for a custodian. ``s3`` and ``swift`` say how to reach such a store; bucket or container and
    prefix are the URL's. ``writer``: letters and digits that name who adds, of whom there is one at a time; empty for
    one who only reads. Raises UsageError for what is no such store's URL."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return FolderArchive(url, Path(unquote(parts.path)), writer)
    if parts.scheme == "swift":
        from dockagent.stores.archive_swift import SwiftArchive

        return SwiftArchive.at(parts.netloc, parts.path.strip("/"), swift or SwiftSettings(), clock, writer)
    if parts.scheme == AXIS:
        why = "an evidence system has no keys and no listing, and need not show footage again"
        raise UsageError(f"a custodian cannot stand beside {url!r}: {why}", f"have it stand beside {_FORMS}")
    if parts.scheme != "s3":
        raise UsageError(f"a custodian cannot stand beside {url!r}", f"give {_FORMS}")
    try:
        from dockagent.stores.archive_s3 import S3Archive
    except ModuleNotFoundError as err:
        if err.name != "botocore":
            raise
        raise UsageError(f"{url} needs botocore, which is not installed", "run: pip install 'dockagent[s3]'") from err
    return S3Archive.at(parts.netloc, parts.path.strip("/"), s3, clock)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    return not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)


def _immutable(fd: int) -> bool:
    """Whether the file bears the attribute that ``chattr +i`` sets; False where its file system has no such thing."""
    flags = array.array("l", [0])
    try:
        fcntl.ioctl(fd, _FS_IOC_GETFLAGS, flags)
    except OSError:
        return False
    return bool(flags[0] & _FS_IMMUTABLE_FL)
