"""What outsiders said about a ledger, kept beside it: ``witnessed/<size>``, the checkpoint with its cosignatures, and
``witnessed/<size>.tsr``, the time-stamp token over the checkpoint as the log signed it (its first five lines)."""

import re
from collections.abc import Iterable

from dockagent.core.proof import note
from dockagent.durable import Disk

FOLDER = "witnessed"
SUFFIX = ".tsr"
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


def stamped_part(checkpoint: bytes) -> bytes:
    """What a time stamp is over: body, blank line and the log's own signature line, without any cosignature. It is the
    same however many witnesses have signed by then: ``head -n 5``."""
    return b"".join(checkpoint.splitlines(keepends=True)[:5])


def with_signatures(checkpoint: bytes, more: Iterable[note.NoteSignature]) -> bytes:
    """The note with further signature lines at its end; none twice."""
    have = set(note.parse(checkpoint).signatures)
    lines = [note.signature_line(one) for one in dict.fromkeys(more) if one not in have]
    return checkpoint + "".join(lines).encode()


def sizes(disk: Disk, folder: str) -> list[int]:
    """The sizes of the checkpoints that are kept in ``folder`` of ``disk``, smallest first."""
    return sorted(int(name) for name in disk.names(f"{folder}/{FOLDER}") if _SIZE.fullmatch(name))


def path_of(folder: str, size: int) -> str:
    """Where the checkpoint over ``size`` records is kept; its token has :data:`SUFFIX` more."""
    return f"{folder}/{FOLDER}/{size}"
