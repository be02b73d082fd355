"""One round of witnesses at a time, whose outcome lies beside the ledger before anybody gets it (``witnessed/<size>``).

The daemon sends its checkpoint round, and whoever hands footage out does. The seed of a sample is the first checkpoint
behind its request that a quorum cosigned (docs/review.md): one that is handed out and not kept would be passed over by
an honest draw, and with two of them a person could choose the sample. So who cannot keep what witnesses say does not
ask them; and who comes second at the same size takes the cosignatures that are there, and asks for no others.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dockagent.clock import Clock
from dockagent.core.proof import cosignature, note
from dockagent.durable import Disk, RealDisk
from dockagent.errors import Refused, Retryable, UsageError
from dockagent.ledger import witnessed
from dockagent.ledger.ask_witness import WitnessPeer
from dockagent.ledger.lock import InUse, locked

LOCK = "witnessed.lock"
PATIENCE_S = 60.0  # for a round of somebody else: a few witnesses, ten seconds each
_POLL_S = 0.05


@contextmanager
def alone(disk: Disk, folder: str, clock: Clock, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """While entered, nobody else asks witnesses about the ledger in ``folder`` of ``disk``. Raises UsageError for who
    may not write there, Retryable where somebody else was at it for ``patience_s`` seconds."""
    if not isinstance(disk, RealDisk):  # only a real folder has other processes
        yield
        return
    end = clock.monotonic() + patience_s
    with ExitStack() as held:
        while True:
            try:
                with _as_owner(disk.path(folder)):
                    held.enter_context(locked(disk.path(f"{folder}/{LOCK}"), "round of witnesses of"))
                break
            except InUse as err:
                if clock.monotonic() >= end:
                    raise Retryable(f"witnesses are not asked: {err.what}", "try again when that is done") from err
                clock.sleep(_POLL_S)
        yield


def with_kept(disk: Disk, folder: str, signed: bytes, peers: Sequence[WitnessPeer]) -> bytes:
    """The ledger's checkpoint ``signed`` with the cosignatures of ``peers`` that are kept for it. Raises Refused where
    another tree of its size is kept."""
    path = witnessed.path_of(folder, note.parse_checkpoint(note.parse(signed)).size)
    if disk.size(path) is None:
        return signed
    kept = note.parse(disk.read(path))
    if kept.text != note.parse(signed).text:
        size = note.parse_checkpoint(kept).size
        raise Refused(
            f"{path} is of another tree of {size} records: this ledger was rewritten", "keep this folder as it is"
        )
    good, _ = cosignature.good(kept, [peer.key for peer in peers])
    names = {(one.witness.name, one.witness.key_hash) for one in good}
    return witnessed.with_signatures(signed, [one for one in kept.signatures if (one.name, one.key_hash) in names])


def keep(disk: Disk, folder: str, signed: bytes, token: bytes) -> None:
    """Keep a checkpoint and its time stamp (empty: none) durably, as the ledger's owner whoever runs this; the token
    first, so that a checkpoint that is kept has its token too. Only for who is :func:`alone`. Raises as it does."""
    path = witnessed.path_of(folder, note.parse_checkpoint(note.parse(signed)).size)
    with ExitStack() as held:
        if isinstance(disk, RealDisk):
            held.enter_context(_as_owner(disk.path(folder)))
        if token:
            disk.write(path + witnessed.SUFFIX, token)
        disk.write(path, signed)


@contextmanager
def _as_owner(folder: Path) -> Iterator[None]:
    """What is written meanwhile belongs to the owner of ``folder``, also where root writes it: a file of root's own the
    dock could not read. Of the whole process, so only for moments."""
    facts, me, group = folder.stat(), os.geteuid(), os.getegid()
    if facts.st_uid == me:
        yield
        return
    if me != 0:
        raise UsageError(
            f"witnesses are not asked: only the owner of {folder} may keep what they say",
            "run this as the dock's user",
        )
    os.setegid(facts.st_gid)
    try:
        os.seteuid(facts.st_uid)
        yield
    finally:
        os.seteuid(me)
        os.setegid(group)
