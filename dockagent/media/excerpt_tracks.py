"""Have an excerpt held against its proof by a child with next to no rights: whoever checks one did not make it.

The child is :mod:`excerpt_tracks_child`. The excerpt is its standard input; the proof, and what the dock signed of the
original's tracks, lie in a file that it may read.
"""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from dockagent.clock import Clock
from dockagent.core.disclosure.excerpt_proof import Proof
from dockagent.core.disclosure.excerpt_tracks import Found
from dockagent.core.movie.clip_samples import Track
from dockagent.media import child

MEMORY = 2 << 30  # bytes of address space, as much as whoever cut it had
_CHILD = Path(__file__).with_name("excerpt_tracks_child.py")
_LEAST_S, _SLOWEST = 60, 8 << 20  # a disk that others use too gives so many bytes a second


def check(
    source: child.OpenFile, size: int, proof: Proof, said: Mapping[int, Track], clock: Clock, memory: int = MEMORY
) -> Found:
    """What :func:`dockagent.core.disclosure.excerpt_tracks.check_tracks` finds in ``source``, of ``size`` bytes. Raises
    nothing for what it holds: where the child fails or needs more ``memory`` (bytes) or time than it has, nobody can
    tell, and ``unread`` says why."""
    seconds = _LEAST_S + size // _SLOWEST
    code = [Path(__file__).parents[2], Path(msgspec.__file__).parents[1]]
    with tempfile.NamedTemporaryFile(prefix="dockagent-excerpt-") as words:
        words.write(msgspec.json.encode({"proof": proof, "said": tuple(said.values())}))
        words.flush()
        argv = [os.path.realpath(sys.executable), "-I", "-S", "-B", str(_CHILD), os.pathsep.join(map(str, code))]
        outcome = child.run(
            [*argv, str(size), words.name],
            child.Limits(seconds, seconds, memory, file_bytes=0, open_files=16),
            clock,
            source=source,
            reads=[Path(words.name)],
            folders=[*code, Path(sys.base_prefix) / "lib"],
        )
    if not outcome.ok:
        return Found(unread=f"reading its samples {outcome.reason}")
    try:
        return msgspec.json.decode(outcome.stdout, type=Found)
    except msgspec.MsgspecError as err:
        return Found(unread=f"what reads samples gave no answer: {err}")
