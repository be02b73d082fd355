"""What is written beside something that was handed out: the ledger's record of that, and the record's place in it.

So whoever gets a package, an excerpt or a derivative sees that its hand-out is on record, by whom, why and for whom.
"""

import argparse
import os
from collections.abc import Iterable
from pathlib import Path

from dockagent import config
from dockagent.core.acts import Recorded
from dockagent.durable import RealDisk
from dockagent.errors import Retryable, UsageError

SUFFIXES = (".record.json", ".tlog-proof", ".tlog-proof.tsr")


def beside(out: Path) -> tuple[Path, ...]:
    """Where record, proof and time stamp of ``out`` go."""
    return tuple(out.with_name(out.name + suffix) for suffix in SUFFIXES)


def refuse_taken(places: Iterable[Path], hint: str) -> None:
    """Raises UsageError where something lies in one of the places already, with ``hint``."""
    for path in places:
        if os.path.lexists(path):
            raise UsageError(f"{path} is there already, and nothing is overwritten", hint)


def prove(args: argparse.Namespace, recorded: Recorded, out: Path) -> str:
    """Write record and proof of ``recorded``, the hand-out of ``out``, beside it; gives who vouches for the checkpoint
    that the proof leads to. Raises Retryable where no checkpoint is over the record."""
    from dockagent.clock import SystemClock
    from dockagent.core.proof import tlog_proof
    from dockagent.daemon import notary
    from dockagent.disclosure.heads import heads
    from dockagent.ledger.leaves import Leaves

    disk, folder = RealDisk(config.home(args)), RealDisk(out.parent)
    leaves = Leaves(disk, "ledger")
    checkpoints, said = heads(disk, leaves, notary(config.of(args), disk), SystemClock())
    head = next((one for one in checkpoints if one.size > recorded.index), None)
    if head is None:
        raise Retryable(
            f"{out} is whole and on record, but its proof is not there: no checkpoint is over record {recorded.index}",
            "see why in the log of the agent; the record itself is durable",
        )
    entry = next(iter(leaves.read(recorded.index, recorded.index + 1)))
    proof = tlog_proof.of(leaves.hashes(head.size), recorded.index, head.signed).encode()
    files = (entry, proof, *([head.token] if head.token else []))
    for suffix, data in zip(SUFFIXES, files, strict=False):
        folder.create(out.name + suffix, data)
    vouched = ", ".join([*head.cosigners, *(["a time-stamping authority"] if head.token else [])])
    return vouched or ("nobody outside" + (f" ({said[0]})" if said else ""))
