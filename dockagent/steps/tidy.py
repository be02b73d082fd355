"""Tidy: at the start, clear the spool of what a crash left.

Unfinished files go. A whole master that no record speaks of is never removed: after a crash its camera still has it,
but the ledger may also be older than the spool, or another one. It is put aside, and said. Of a sealed clip nothing
stays in the clear, although a power cut may bring back what was removed.
"""

import re
from collections.abc import Iterator

from dockagent.core import plan
from dockagent.core.model import Clip, ClipPhase, State
from dockagent.durable import Disk
from dockagent.steps.seal import in_the_clear

_CLIP = re.compile(r"[0-9a-f]{32}")


def tidy(disk: Disk, state: State) -> list[str]:
    """Remove unfinished files, and put masters aside that the ledger does not know; one line for each of those."""
    told = []
    for path in list(_left_over(disk, state)):
        _, _, rest = path.partition("spool/")
        clip, _, name = rest.partition("/")
        if name == "master" and clip not in state.clips:
            aside = plan.put_aside(clip)
            disk.commit(path, aside)
            told.append(f"no record speaks of clip {clip} in the spool; it is kept as {aside}")
        else:
            disk.remove(path)
    return told


def _left_over(disk: Disk, state: State) -> Iterator[str]:
    yield from (name for name in disk.names("") if name.endswith(".tmp"))
    for folder in ("keys", "ledger", "quarantine", "spool"):
        yield from (path for path in _files(disk, folder) if path.endswith(".tmp"))
    for name in disk.names("spool"):
        clip = state.clips.get(name)
        here = clip is not None and clip.phase is not ClipPhase.DONE
        if _CLIP.fullmatch(name) and not here:
            yield from _files(disk, f"spool/{name}")
        elif here and clip is not None:
            yield from (path for path in _files(disk, f"spool/{name}") if _unfinished(path, clip))
    done = {item for known in state.known.values() for item, clips in known.items() if clips}
    for name in disk.names("spool/parts"):  # of files that were pulled whole since: removed once, and back
        if name.partition(".")[0] in done:
            yield f"spool/parts/{name}"
    for clip in state.clips.values():
        if clip.stripped and clip.seal is not None:
            yield from in_the_clear(disk, clip.id, clip.seal)


def _unfinished(path: str, clip: Clip) -> bool:
    """What a preview or a sealing that was cut short leaves."""
    half_sealed = path.endswith((f"{plan.SEALED}.part", plan.SEALED) if clip.seal is None else f"{plan.SEALED}.part")
    return path.startswith(f"spool/{clip.id}/preview.work") or half_sealed


def _files(disk: Disk, folder: str) -> Iterator[str]:
    for name in disk.names(folder):
        path = f"{folder}/{name}"
        if disk.size(path) is None:
            yield from _files(disk, path)
        else:
            yield path
