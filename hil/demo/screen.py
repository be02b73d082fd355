"""What the person sees: scenes with lines, and one moving line for each camera while the dock works."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hil.demo.tally import CameraTally
from hil.demo.telling import size

STYLES = {"plain": "", "good": "green", "odd": "yellow", "bad": "bold red", "faint": "dim"}
PLAIN_EVERY = 5.0
"""Seconds between two lines of progress where the output is no terminal."""
LONG = 1 << 20
"""Bytes from which on a file can be seen while it is read."""
NARROWEST = 100
"""Columns of a line where nobody says how wide the output is."""


class Screen:
    """Prints on stdout. As a context manager it leaves the terminal as it found it."""

    def __init__(self) -> None:
        console = Console(highlight=False)
        self.console = console if console.is_terminal else Console(highlight=False, width=NARROWEST)
        self._live: Live | None = None
        self._scenes = 0
        self._last = (time.monotonic(), "")

    def scene(self, title: str, about: str) -> None:
        """Begin another scene; `about` says what is to be seen in it."""
        self.still()
        self._scenes += 1
        self.console.print()
        self.console.rule(Text(f" {self._scenes}  {title} ", style="bold"), align="left", style="dim")
        self.say(about, "faint")

    def say(self, words: str, tone: str = "plain", indent: int = 0) -> None:
        """A line, above the moving ones; `tone` is a key of STYLES. One that is too long goes on below, indented."""
        hanging = " " * indent
        whole = textwrap.fill(words, self.console.width, subsequent_indent=hanging, drop_whitespace=True)
        self.console.print(Text(whole, style=STYLES[tone]))

    def check(self, words: str) -> None:
        """A line for something that was claimed and holds."""
        self.console.print(Text.assemble(("  ✓ ", "bold green"), words))

    def table(self, table: Table) -> None:
        """A table, as it is."""
        self.console.print(table)

    def cameras(self, cameras: Sequence[CameraTally], in_parts: int) -> None:
        """Draw the moving lines anew; `in_parts`: bytes of files that are being read now."""
        if not self.console.is_terminal:
            self._plain(cameras)
            return
        if self._live is None:
            self._live = Live(console=self.console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(_moving(cameras, in_parts), refresh=True)

    def still(self) -> None:
        """Take the moving lines away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.still()

    def _plain(self, cameras: Sequence[CameraTally]) -> None:
        """A line now and then, when something has changed."""
        then, before = self._last
        text = "  ".join(f"{one.serial} {len(one.stored)}/{len(one.listed)}" for one in cameras if one.listed)
        if text and text != before and time.monotonic() > then + PLAIN_EVERY:
            self._last = (time.monotonic(), text)
            self.console.print(f"  … in the store: {text}", soft_wrap=True)


def _moving(cameras: Sequence[CameraTally], in_parts: int) -> Table:
    grid = Table.grid(padding=(0, 1))
    for one in cameras:
        # Only one card holds a file that is big enough to be seen while it is read: the long one is its.
        under_way = in_parts if LONG <= in_parts <= one.listed_bytes - one.read_bytes else 0
        bar = ProgressBar(total=max(one.listed_bytes, 1), completed=one.read_bytes + under_way, width=24)
        amount = f"{size(one.read_bytes + under_way):>9} of {size(one.listed_bytes):<9}"
        stored = f"{len(one.stored)} of {len(one.listed)} stored"
        grid.add_row(Text(f"  {one.bay or '—':<6}"), one.serial, bar, amount, Text(stored), _word(one))
    return grid


def _word(camera: CameraTally) -> Text:
    if not camera.bay:
        return Text("not docked", style="dim")
    if camera.released:
        return Text("SAFE TO TAKE", style="bold green")
    return Text("reading" if camera.read_bytes < camera.listed_bytes else "previews, delivery", style="yellow")
