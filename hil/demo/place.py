"""Where everything of one dock lies, for a demonstration or a test: one folder that may be thrown away."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

Settings = Mapping[str, Mapping[str, bool | int | str | list[str]]]


@dataclass(frozen=True, slots=True)
class Place:
    """The folder `root` and what is where in it. Cards and bays share it, since plugging is a rename."""

    root: Path

    @property
    def home(self) -> Path:
        """The dock's own folder: keys, ledger, spool, quarantine."""
        return self.root / "home"

    @property
    def store(self) -> Path:
        """The central store, a folder here."""
        return self.root / "store"

    @property
    def bays(self) -> Path:
        """The dock's bays."""
        return self.root / "bays"

    @property
    def cards(self) -> Path:
        """The cards of cameras that are in no bay."""
        return self.root / "cards"

    @property
    def maker(self) -> Path:
        """The camera maker's keys; its root.pem is what a dock is given."""
        return self.root / "maker"

    @property
    def config(self) -> Path:
        """The dock's configuration."""
        return self.root / "dockagent.toml"

    @property
    def log(self) -> Path:
        """What the agent says on stderr."""
        return self.root / "agent.log"

    @property
    def entries(self) -> Path:
        """The ledger's records, one signed envelope a line."""
        return self.home / "ledger" / "entries.jsonl"

    @property
    def parts(self) -> Path:
        """Where the files lie that are being pulled."""
        return self.home / "spool" / "parts"

    def in_parts(self) -> int:
        """Bytes of the files that are being pulled, or were when their camera left."""
        total = 0
        for path in self.parts.glob("*.part"):
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue  # it got its final name just now
        return total

    def configure(self, settings: Settings) -> None:
        """Write the configuration: the tables of `settings`, each a table of keys."""
        lines: list[str] = []
        for table, keys in settings.items():
            lines.append(f"[{table}]")
            # JSON writes whole numbers, true, texts and lists of texts as TOML does.
            lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
        self.config.write_text("\n".join(lines) + "\n")


@contextmanager
def fresh(root: Path) -> Iterator[Place]:
    """An emptied `root`, ours alone. Raises BlockingIOError when another demonstration has it, OSError as it comes."""
    root.mkdir(exist_ok=True)
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for path in root.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        place = Place(root)
        for made in (place.bays, place.cards, place.store):
            made.mkdir()
        yield place
    finally:
        os.close(folder)
