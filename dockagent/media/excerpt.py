"""Have an excerpt cut by a child with next to no rights, and read again by a stock ffmpeg, which has few more.

The child is :mod:`excerpt_child`: it parses the clip, and copies samples without looking into them. ffmpeg then prints
what it finds in the excerpt, so that nothing leaves the house that an outsider's ffmpeg would not prove.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dockagent import errors
from dockagent.clock import Clock
from dockagent.core.disclosure.excerpt import Span
from dockagent.core.disclosure.excerpt_cut import Cut, NoCut
from dockagent.errors import DockError, Permanent
from dockagent.media import child

MEMORY = 2 << 30  # bytes of address space; four million samples with their leaf hashes take most of it
LISTING = "framehash"
_CHILD = Path(__file__).with_name("excerpt_child.py")
_LEAST_S, _SLOWEST = 60, 8 << 20  # a disk that others use too gives so many bytes a second
_HEAD = 64 << 20  # bytes that an excerpt may have besides its samples
_KINDS: dict[str, type[Cut] | type[NoCut]] = {"Cut": Cut, "NoCut": NoCut}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to cut: of the clip in ``master``, of ``size`` bytes, the tracks that ``tracks`` names (see
    :func:`dockagent.core.disclosure.excerpt.choose`), in the time ``span``."""

    master: Path
    size: int
    tracks: str
    span: Span


def cut(wanted: Wanted, out: Path, clock: Clock) -> Cut:
    """Cut into the new file ``out``. Raises the error of :func:`dockagent.core.disclosure.excerpt_cut.cut` that says
    why there is none, Permanent where the child failed; ``out`` is then worth nothing."""
    seconds = _LEAST_S + wanted.size // _SLOWEST
    code = [Path(__file__).parents[2], Path(msgspec.__file__).parents[1]]
    argv = [os.path.realpath(sys.executable), "-I", "-S", "-B", str(_CHILD), os.pathsep.join(map(str, code))]
    argv += [str(wanted.master.absolute()), str(wanted.size), wanted.tracks]
    argv += [str(wanted.span.from_ms), str(wanted.span.to_ms), str(out.absolute())]
    outcome = child.run(
        argv,
        child.Limits(seconds, seconds, MEMORY, file_bytes=wanted.size + _HEAD, open_files=16),
        clock,
        reads=[wanted.master],
        folders=[*code, Path(sys.base_prefix) / "lib"],
        writes=out.parent,
    )
    if not outcome.ok:
        raise Permanent(f"no excerpt: reading the clip {outcome.reason}", "disclose the whole clip")
    answer = msgspec.json.decode(outcome.stdout)
    found = msgspec.convert(answer["cut"], _KINDS[answer["kind"]])
    if isinstance(found, NoCut):
        kind = getattr(errors, found.error, DockError)
        raise kind(found.what, found.hint)
    return found


def framehash(excerpt: Path, folder: Path, clock: Clock) -> bytes:
    """What a stock ffmpeg prints for ``excerpt``: ``-map 0 -c copy -f framehash -hash sha256``. ``folder`` gets its
    listing. Raises Missing where ffmpeg is not installed, Permanent where it fails."""
    out = folder / LISTING
    argv = [child.program("ffmpeg"), "-nostdin", "-hide_banner", "-v", "error", "-y", *child.open_flags()]
    argv += ["-i", child.url(excerpt), "-map", "0", "-c", "copy", "-f", "framehash", "-hash", "sha256", child.url(out)]
    seconds = _LEAST_S + excerpt.stat().st_size // _SLOWEST
    outcome = child.run(argv, child.Limits(seconds, seconds), clock, reads=[excerpt], writes=folder)
    if not outcome.ok:
        raise Permanent(f"no excerpt: ffmpeg {outcome.reason} on it", "disclose the whole clip")
    return out.read_bytes()
