"""Reading from a Swift container what was delivered to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dockagent.errors import DockError, Missing
from dockagent.stores.keys import checked
from dockagent.stores.shelf import READ_HINT, Absent, Readable
from dockagent.stores.swift_client import Client, Download
from dockagent.stores.swift_errors import NoAnswer, named_errors, refused
from dockagent.stores.swift_settings import SwiftSettings


class SwiftShelf:
    """The container of ``settings``, under its prefix. Nothing is sent until the first call; nothing is ever written.
    Raises UsageError for settings that cannot work."""

    def __init__(self, settings: SwiftSettings) -> None:
        self.url = settings.url
        self._client = Client(settings)
        self._root = f"/{settings.container}" + (f"/{settings.prefix}" if settings.prefix else "")

    def file(self, key: str) -> Path | None:
        """None: a container is no folder."""
        return None

    @contextmanager
    def open(self, key: str) -> Iterator[Readable]:
        """The object, as its bytes come over the network."""
        try:
            with named_errors(f"read {key}", self.url), self._client.download(f"{self._root}/{checked(key)}") as coming:
                if coming.answer.status == 404:
                    raise Absent(f"{self.url} has no {key}", READ_HINT)
                if coming.answer.status != 200:
                    raise refused(coming.answer, f"read {key}", self.url)
                yield _Body(coming, f"{self.url}/{key}")
        except Missing:
            raise
        except DockError as err:
            raise Missing(err.what, err.hint or READ_HINT) from err


class _Body:
    """The body of an answer whose line may break off."""

    def __init__(self, coming: Download, what: str) -> None:
        self._coming, self._what = coming, what

    def read(self, size: int, /) -> bytes:
        try:
            return self._coming.read(size)
        except NoAnswer as err:
            raise Missing(f"{self._what} broke off: {err}", "try again") from err
