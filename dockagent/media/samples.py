"""Have the sample trees of a clip made by a child with next to no rights: what a camera wrote is parsed nowhere else.

The child is :mod:`samples_child`. Beside the clip it may read programs: our code, its libraries and Python's.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dockagent.clock import Clock
from dockagent.core.movie.clip_samples import NOT_A_MOVIE, Measure, looks_right
from dockagent.core.stream.in_stream import InStream
from dockagent.media import child

MEMORY = 1 << 30  # bytes of address space; four million samples take half of it
_CHILD = Path(__file__).with_name("samples_child.py")
_LEAST_S, _SLOWEST = 60, 8 << 20  # a disk that others use too gives so many bytes a second


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found in a clip. ``signed``: what a glance at its stream tells of signatures; None: somebody has to look
    closer."""

    measure: Measure
    signed: InStream | None = None


def sample_trees(file: Path, size: int, clock: Clock) -> Measure:
    """The trees alone, see :func:`look_through`."""
    return look_through(file, size, clock).measure


def look_through(file: Path, size: int, clock: Clock) -> Looked:
    """The sample trees of ``file``, of ``size`` bytes, and what a glance at its stream tells. Raises OSError where it
    is not there; never for what it holds: a child that fails is a clip without trees, and the measure says why."""
    with file.open("rb", buffering=0) as source:
        return look_into(source, size, clock)


def look_into(source: child.OpenFile, size: int, clock: Clock) -> Looked:
    """The same for a file that is open, wherever it stands. Raises OSError."""
    if not looks_right(source, size):  # eight bytes, and no child is needed for a card of small odd files
        return Looked(Measure(why=NOT_A_MOVIE))
    seconds = _LEAST_S + size // _SLOWEST
    code = [Path(__file__).parents[2], Path(msgspec.__file__).parents[1]]
    paths = os.pathsep.join(map(str, code))
    outcome = child.run(
        [os.path.realpath(sys.executable), "-I", "-S", "-B", str(_CHILD), paths, str(size)],
        child.Limits(seconds, seconds, MEMORY, file_bytes=0, open_files=16),
        clock,
        source=source,
        folders=[*code, Path(sys.base_prefix) / "lib"],
    )
    said, ended, glanced = outcome.stdout.partition(b"\n")
    if not outcome.ok and not ended:
        return Looked(Measure(why=f"byte tree only: reading its samples {outcome.reason}", doubt=True))
    try:
        measure = msgspec.json.decode(said, type=Measure)
        return Looked(measure, msgspec.json.decode(glanced, type=InStream | None) if outcome.ok else None)
    except msgspec.MsgspecError as err:
        return Looked(Measure(why=f"byte tree only: what reads samples gave no answer: {err}", doubt=True))
