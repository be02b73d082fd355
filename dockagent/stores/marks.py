"""By what a dock knows a folder again that served it as a store: a mount point without its mount is not it."""

from collections.abc import Iterator, MutableMapping
from pathlib import Path

from dockagent.core import strict_json
from dockagent.durable import RealDisk

FILE = "stores.json"


class StoreMarks(MutableMapping[str, str]):
    """The marks of folders that served as stores, kept in ``stores.json`` of the home. Losing it loses nothing but the
    guard against a mount that is missing."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._marks: dict[str, str] = {}
        if self._path.is_file():
            self._marks = strict_json.parse(self._path.read_bytes())

    def __getitem__(self, url: str) -> str:
        return self._marks[url]

    def __setitem__(self, url: str, mark: str) -> None:
        self._marks[url] = mark
        if self._path.parent.is_dir():
            RealDisk(self._path.parent).write(FILE, strict_json.canonical(self._marks))

    def __delitem__(self, url: str) -> None:
        del self._marks[url]

    def __iter__(self) -> Iterator[str]:
        return iter(self._marks)

    def __len__(self) -> int:
        return len(self._marks)
