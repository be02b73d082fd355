"""Progress bars for a person who waits: one for each bay, one for the store."""

import threading
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn


class Bars:
    """A :class:`dockagent.steps.world.Progress` drawn on stderr. ``plan`` sets how much there is in all."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            console=console,
            transient=True,
        )
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._under_way: dict[tuple[str, str], int] = {}
        self._done: dict[str, int] = {}

    def plan(self, what: str, total: int, done: int) -> None:
        """``what``: pull or upload; ``done`` of ``total`` bytes are behind us, without what is under way."""
        with self._lock:
            self._done[what] = done
            self._bars.update(self._task(what), total=total)
            self._draw(what)

    def moved(self, what: str, key: str, done: int, total: int) -> None:
        with self._lock:
            self._under_way[what, key] = 0 if done >= total else done
            self._draw(what)

    def _task(self, what: str) -> TaskID:
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=None)
        return self._tasks[what]

    def _draw(self, what: str) -> None:
        moving = sum(done for (kind, _), done in self._under_way.items() if kind == what)
        self._bars.update(self._task(what), completed=self._done.get(what, 0) + moving)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._bars.stop()
