"""The folder of a run's reports: the one that was asked for, or one of our own that is gone when nobody needs it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hil.scenarios.read import Mistake


@dataclass(slots=True)
class Reports:
    """``folder``: where they go, a folder for each scenario; ``asked``: a person named it, and all of them stay.
    ``told``: those that a person was told of."""

    folder: Path
    asked: bool
    told: set[Path] = field(default_factory=set)

    def tell(self, folder: Path) -> None:
        """A person is told of what lies in there: it stays."""
        self.told.add(folder)

    def drop(self, folder: Path) -> None:
        """Remove a folder that nobody needs."""
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def reports(keep: str | None, scratch: str | None = None) -> Iterator[Reports]:
    """The folder ``keep`` that a person asked for; ``scratch``: one that somebody else made for us; else one of our
    own. Where nobody asked, only what a person was told of is there afterwards, however the run ends.

    Raises Mistake for a folder that cannot be made.
    """
    given = keep or scratch
    found = Reports(_made(keep) if keep else Path(scratch or tempfile.mkdtemp(prefix="hil-")).absolute(), bool(keep))
    try:
        yield found
    finally:
        if not found.asked:
            for path in found.folder.iterdir():
                if path not in found.told:
                    found.drop(path)
            if not given and not any(found.folder.iterdir()):
                found.folder.rmdir()


def _made(keep: str) -> Path:
    folder = Path(keep).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        why = error.strerror or error
        raise Mistake(f"--keep {keep}: nothing can be written there: {why}; name a folder that is yours") from error
