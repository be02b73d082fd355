"""Footage is parsed by children with next to no rights, for whoever checks it as on the dock: a clip that reaches a
verifier may have been made to break him.

What opens here is handed over as standard input, so that an opened sealed clip needs no name.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

from dockagent.clock import Clock, SystemClock
from dockagent.core.movie.boxes import Source
from dockagent.core.movie.clip_samples import Measure
from dockagent.core.stream.in_stream import InStream
from dockagent.media.child import OpenFile
from dockagent.media.in_stream import signatures_in
from dockagent.media.samples import Looked, look_into

_END = 2
_PIECE = 1 << 20


@dataclass(slots=True)
class Footage:
    """One clip's bytes. Nothing is parsed before it is asked for, and then once. Raises OSError where they cannot be
    read; what they hold raises nothing."""

    file: OpenFile
    size: int
    clock: Clock = field(default_factory=SystemClock)
    _looked: Looked | None = None

    def measure(self) -> Measure:
        """Its sample trees."""
        return self._look().measure

    def in_stream(self) -> InStream:
        """The signatures in its stream. Who signed is not asked: nobody gives a verifier roots for cameras."""
        glanced = self._look().signed
        return glanced if glanced is not None else signatures_in(self.file, self.size, self.clock)

    def _look(self) -> Looked:
        if self._looked is None:
            self._looked = look_into(self.file, self.size, self.clock)
        return self._looked


@contextmanager
def footage(source: Source) -> Iterator[Footage]:
    """What ``source`` gives. Where that is no real file, as a copy without a name in the temporary folder."""
    if _is_file(source):
        yield Footage(cast("OpenFile", source), source.seek(0, _END))
        return
    with tempfile.TemporaryFile() as copy:
        source.seek(0)
        while piece := source.read(_PIECE):
            copy.write(piece)
        yield Footage(copy, copy.seek(0, _END))


def _is_file(source: Source) -> bool:
    try:
        return cast("OpenFile", source).fileno() >= 0
    except (AttributeError, OSError):
        return False
