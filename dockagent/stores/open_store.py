"""From a store's URL to the store. A client is loaded only for a store that needs it."""

import errno
import secrets
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dockagent.clock import Clock, SystemClock
from dockagent.durable import RealDisk
from dockagent.errors import UsageError
from dockagent.stores import Store
from dockagent.stores.away import AwayStore
from dockagent.stores.directory import DirectoryStore
from dockagent.stores.guard import Guard
from dockagent.stores.s3_pending import Pending
from dockagent.stores.s3_settings import S3Settings
from dockagent.stores.swift_settings import AXIS, SwiftSettings

MARK = ".dockagent-store"  # names a folder as one store; no key begins with a dot
_FORMS = "give file:///DIR, s3://BUCKET/PREFIX, swift://CONTAINER/PREFIX or swift+axis:///FILE"


def open_store(
    url: str,
    s3: S3Settings | None = None,
    clock: Clock | None = None,
    known: MutableMapping[str, str] | None = None,
    uploads: MutableMapping[str, Pending] | None = None,
    *,
    immutable: bool = False,
    swift: SwiftSettings | None = None,
) -> Store:
    """The store at ``url``: ``file:///DIR`` (made where missing), ``s3://BUCKET/PREFIX``, ``swift://CONTAINER/PREFIX``,
    or ``swift+axis:///FILE`` (an evidence system by its connection file).

    ``s3`` and ``swift`` say how to reach such a store; bucket or container and prefix are taken from ``url``. Raises
    UsageError for any other URL and where the S3 client is not installed. A folder that cannot be used now is looked
    for again later. ``known`` keeps the mark of each folder that was used, so that a mount point without its mount is
    not taken for it; ``uploads`` what was begun in an S3 store and is not finished. ``immutable``: objects in a folder
    get the immutable flag where that is possible.
    """
    try:
        parts = urlsplit(url)
    except ValueError as err:
        raise UsageError(f"not a store URL: {url!r}: {err}", _FORMS) from err
    if parts.query or parts.fragment:
        raise UsageError(f"not a store URL: {url!r} has a '?' or '#'", _FORMS)
    if parts.scheme == "file":
        return _open_directory(url, parts.netloc, unquote(parts.path), known, immutable=immutable)
    if parts.scheme == "s3":
        settings = replace(s3 or S3Settings(), bucket=parts.netloc, prefix=parts.path.strip("/"))
        return _open_s3(settings, clock or SystemClock(), uploads)
    if parts.scheme == "swift":
        from dockagent.stores.swift import SwiftStore

        ours = replace(swift or SwiftSettings(), container=parts.netloc, prefix=parts.path.strip("/"))
        return SwiftStore(ours, clock or SystemClock())
    if parts.scheme == AXIS:
        from dockagent.stores.swift_open import open_axis

        return open_axis(
            url,
            swift or SwiftSettings(),
            clock or SystemClock(),
            known,
            lambda beside: open_store(beside, s3, clock, known, uploads, immutable=immutable, swift=swift),
        )
    raise UsageError(f"not a store URL: {url!r}", _FORMS)


def _open_directory(
    url: str, host: str, path: str, known: MutableMapping[str, str] | None, *, immutable: bool
) -> Store:
    if host not in ("", "localhost") or not path.startswith("/") or path.strip("/") == "":
        raise UsageError(f"not a store folder: {url!r}", "give an absolute folder with three slashes: file:///DIR")

    def open_it() -> Store:
        folder = Path(path)
        guard = Guard(folder, immutable=immutable)
        if known is None:
            return DirectoryStore(RealDisk(folder), url, guard=guard)
        return DirectoryStore(_marked(folder, url, known), url, MARK, guard)

    try:
        return open_it()
    except OSError:
        return AwayStore(url, open_it)  # it says why at every put, and cameras are drained meanwhile


def _marked(folder: Path, url: str, known: MutableMapping[str, str]) -> RealDisk:
    """The folder as a disk, once it bears the mark that this dock knows it by. Raises OSError where it does not: a
    share that is not mounted leaves an empty folder behind, and footage must not go below it."""
    mark = folder / MARK
    if url in known and not mark.is_file():
        raise OSError(errno.ESTALE, f"its mark {mark} is not there: is it mounted? A new store needs another folder")
    disk = RealDisk(folder)
    if not mark.is_file():
        with suppress(FileExistsError):  # two docks that begin at once
            disk.create(MARK, secrets.token_hex(16).encode() + b"\n", 0o644)
    found = mark.read_text(encoding="ascii", errors="replace").strip()
    if known.setdefault(url, found) != found:
        raise OSError(errno.ESTALE, f"its mark {mark} is another store's")
    return disk


def _open_s3(settings: S3Settings, clock: Clock, uploads: MutableMapping[str, Pending] | None) -> Store:
    try:
        from dockagent.stores.s3 import S3Store
    except ModuleNotFoundError as err:
        if err.name != "botocore":
            raise
        raise UsageError(
            f"{settings.url} needs botocore, which is not installed", "run: pip install 'dockagent[s3]'"
        ) from err
    return S3Store(settings, clock, uploads=uploads)
