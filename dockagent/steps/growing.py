"""Which parts of the files that are being pulled are at rest in the spool. A board between two workers: the one that
pulls never waits for the one that sends.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Growing(Protocol):
    """Told by pulls, asked by whoever sends their parts. From any thread."""

    def begin(self, item: str) -> None:
        """A pull of this item begins, with no part known."""
        ...

    def part(self, item: str, sha256: str) -> None:
        """The next part is written, and has this digest (hex). Returns at once."""
        ...

    def end(self, item: str) -> None:
        """The pull is over, however it ended: its part file may be gone."""
        ...

    def known(self, item: str, more_than: int, wait_s: float) -> tuple[str, ...] | None:
        """The digests of the parts that are written, once there are ``more_than`` so many, or after ``wait_s`` seconds;
        None where the item is not being pulled."""
        ...


class Board:
    """The :class:`Growing` of a real dock."""

    def __init__(self) -> None:
        self._parts: dict[str, list[str]] = {}
        self._news = threading.Condition()

    def begin(self, item: str) -> None:
        with self._news:
            self._parts[item] = []

    def part(self, item: str, sha256: str) -> None:
        with self._news:
            self._parts[item].append(sha256)
            self._news.notify_all()

    def end(self, item: str) -> None:
        with self._news:
            self._parts.pop(item, None)
            self._news.notify_all()

    def known(self, item: str, more_than: int, wait_s: float) -> tuple[str, ...] | None:
        with self._news:
            self._news.wait_for(lambda: len(self._parts.get(item, ())) > more_than or item not in self._parts, wait_s)
            found = self._parts.get(item)
            return None if found is None else tuple(found)


@contextmanager
def growing(board: Growing | None, item: str) -> Iterator[None]:
    """While the body runs, the item is being pulled, and its parts may be told to ``board``."""
    if board is None:
        yield
        return
    board.begin(item)
    try:
        yield
    finally:
        board.end(item)
