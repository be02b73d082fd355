"""Have a clip's own signatures read and judged by children with next to no rights: what a camera wrote is parsed
nowhere else.

One child looks for messages that sign and for C2PA (:mod:`in_stream_child`); it ends at once where there are none. Only
where C2PA is found, and its validator is installed, a second one asks that (:mod:`c2pa_child`).
"""

import importlib.util
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import cryptography
import msgspec

from dockagent.clock import Clock
from dockagent.core.movie.boxes import Walker
from dockagent.core.movie.movie import is_movie
from dockagent.core.stream.c2pa_verdicts import Validated, c2pa_judged
from dockagent.core.stream.containers import unread_container
from dockagent.core.stream.in_stream import C2PA, InStream, StreamSignature
from dockagent.core.stream.nal_units import is_byte_stream
from dockagent.errors import Refused
from dockagent.media import child

MEMORY = 1 << 30  # bytes of address space
_MEMORY_C2PA = 4 << 30  # its threads reserve theirs
_HERE = Path(__file__).parent
_LEAST_S, _SLOWEST = 60, 8 << 20  # a disk that others use too gives so many bytes a second
_CODE = Path(__file__).parents[2]


def in_stream(file: Path, size: int, roots: Sequence[Path], at_ms: int, clock: Clock) -> InStream:
    """The signatures in ``file``, of ``size`` bytes. ``roots``: PEM files of whom to believe about cameras; ``at_ms``:
    when their certificates have to be good. Raises OSError where the file is not there; never for what it holds."""
    with file.open("rb", buffering=0) as source:
        found = signatures_in(source, size, clock, roots, at_ms)
    signatures = tuple(_validated(one, file, size, roots, clock) for one in found.signatures)
    return msgspec.structs.replace(found, signatures=signatures)


def signatures_in(
    source: child.OpenFile, size: int, clock: Clock, roots: Sequence[Path] = (), at_ms: int = 0
) -> InStream:
    """The same for a file that is open, wherever it stands; nobody is asked to validate C2PA. Raises OSError."""
    if not _may_sign(source, size):
        return unread_container(source, size)
    return _decoded(
        _run("in_stream_child.py", source, size, roots, clock, MEMORY, [cryptography, msgspec], [str(at_ms)])
    )


def _may_sign(source: child.OpenFile, size: int) -> bool:
    """By a few bytes, so that no child is needed for a card of small odd files."""
    try:
        return is_movie(Walker(source, size)) or is_byte_stream(source, size)
    except Refused:
        return False


def _run(
    program: str,
    source: child.OpenFile,
    size: int,
    roots: Sequence[Path],
    clock: Clock,
    memory: int,
    libraries: Iterable[object],
    words: Sequence[str] = (),
) -> child.Outcome:
    seconds = _LEAST_S + size // _SLOWEST
    code = [_CODE, *dict.fromkeys(_home(one) for one in libraries)]
    paths = os.pathsep.join(map(str, code))
    python = [os.path.realpath(sys.executable), "-I", "-S", "-B", str(_HERE / program)]
    return child.run(
        [*python, paths, str(size), *words, *(str(root.absolute()) for root in roots)],
        child.Limits(seconds, seconds, memory, file_bytes=0, open_files=64),
        clock,
        reads=roots,
        source=source,
        folders=[*code, Path(sys.base_prefix) / "lib"],
    )


def _home(library: object) -> Path:
    """The folder that a library lies in."""
    return Path(str(getattr(library, "__file__", ""))).parents[1]


def _decoded(outcome: child.Outcome) -> InStream:
    if not outcome.ok:
        return InStream(why=f"signatures in its stream were not looked for: reading it {outcome.reason}", doubt=True)
    try:
        return msgspec.json.decode(outcome.stdout, type=InStream)
    except msgspec.MsgspecError as err:
        return InStream(why=f"what reads signatures in streams gave no answer: {err}", doubt=True)


def _validated(one: StreamSignature, file: Path, size: int, roots: Sequence[Path], clock: Clock) -> StreamSignature:
    """``one``, or for C2PA what its validator says, where it is installed."""
    found = importlib.util.find_spec("c2pa") if one.format == C2PA else None
    if found is None or found.origin is None:
        return one
    with file.open("rb", buffering=0) as source:
        libraries = [_Found(found.origin), msgspec]
        outcome = _run("c2pa_child.py", source, size, roots, clock, _MEMORY_C2PA, libraries)
    try:
        said = (
            msgspec.json.decode(outcome.stdout, type=Validated)
            if outcome.ok
            else Validated("the library of C2PA", error=outcome.reason)
        )
    except msgspec.MsgspecError as err:
        said = Validated("the library of C2PA", error=f"it gave no answer: {err}")
    return c2pa_judged(said, one.messages)


class _Found:
    """A library that is installed, but not loaded here: it is 29 MB, and parses what strangers wrote."""

    def __init__(self, origin: str) -> None:
        self.__file__ = origin
