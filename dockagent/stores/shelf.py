"""Reading from a store what was delivered to it: for disclosure and review. The docks' way in is ``stores/__init__``.

A dock's credential may be one that only writes. Then nothing can be read back with it, and that is said.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from dockagent.clock import Clock, SystemClock
from dockagent.errors import Missing, UsageError
from dockagent.stores.keys import checked
from dockagent.stores.s3_settings import S3Settings
from dockagent.stores.swift_settings import AXIS, SwiftSettings

READ_HINT = "use a credential that may read this store, or run this where it can be read"


class Absent(Missing):
    """A server says that it has no such object."""


class Readable(Protocol):
    """Anything that gives 1..n bytes, or b"" at the end."""

    def read(self, size: int, /) -> bytes: ...


class Shelf(Protocol):
    """A store that is read. Keys are those of :class:`dockagent.stores.Store`."""

    url: str

    def file(self, key: str) -> Path | None:
        """Where the object lies as a file, or None where it lies on no file system that we see."""
        ...

    def open(self, key: str) -> AbstractContextManager[Readable]:
        """The object's bytes from the start. Raises Missing where it is not there or may not be read, which is Absent
        where a server says that there is none."""
        ...


class FolderShelf:
    """A store in a folder; nothing is made or changed in it."""

    def __init__(self, url: str, root: Path) -> None:
        self.url, self._root = url, root

    def file(self, key: str) -> Path:
        return self._root.joinpath(*checked(key).split("/"))

    @contextmanager
    def open(self, key: str) -> Iterator[Readable]:
        file = self.file(key)
        try:
            source = file.open("rb", buffering=0)
        except OSError as err:
            raise Missing(f"{file} cannot be read: {err.strerror or err}", READ_HINT) from err
        with source:
            yield source


def open_shelf(url: str, s3: S3Settings, clock: Clock | None = None, swift: SwiftSettings | None = None) -> Shelf:
    """The store at ``url`` for reading. ``s3`` and ``swift`` say how to reach such a store; bucket or container and
    prefix are the URL's. What was delivered into an evidence system is read there; here, what lies in the store beside
    it. Raises UsageError for what is no store's URL."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return FolderShelf(url, Path(unquote(parts.path)))
    if parts.scheme == AXIS and swift is not None and not swift.beside.startswith(f"{AXIS}:"):
        return open_shelf(swift.beside, s3, clock, swift)
    if parts.scheme == "swift":
        from dockagent.stores.swift_shelf import SwiftShelf

        return SwiftShelf(replace(swift or SwiftSettings(), container=parts.netloc, prefix=parts.path.strip("/")))
    if parts.scheme != "s3":
        raise UsageError(
            f"not a store URL: {url!r}", "give file:///DIR, s3://BUCKET/PREFIX or swift://CONTAINER/PREFIX"
        )
    try:
        from dockagent.stores.s3_shelf import S3Shelf
    except ModuleNotFoundError as err:
        if err.name != "botocore":
            raise
        raise UsageError(f"{url} needs botocore, which is not installed", "run: pip install 'dockagent[s3]'") from err
    settings = replace(s3, bucket=parts.netloc, prefix=parts.path.strip("/"))
    return S3Shelf(settings, clock or SystemClock())
