"""What became of showing the ledger to outsiders. Part of ``core/events``, which lists it among all events."""

from dockagent.core.camera.inventory import Finding
from dockagent.core.events.event import Event
from dockagent.core.model import Cosigner, TimeStamp


class Checkpointed(Event, frozen=True, tag="checkpoint"):
    """A checkpoint over the first ``size`` records went round: who of those ``asked`` cosigned it, where ``quorum``
    are needed, and which authority stamped it. ``published``: the store's key of it, or empty. ``retry``: something
    besides a missing cosignature calls for another try."""

    size: int
    root: str
    cosigners: tuple[Cosigner, ...]
    asked: int
    quorum: int
    stamp: TimeStamp | None
    published: str
    findings: tuple[Finding, ...]
    retry: bool = False


class CheckpointFailed(Event, frozen=True, tag="checkpoint.failed"):
    """No checkpoint could go round; ``step`` names who says so."""

    step: str
    reason: str
    retry: bool


OfCheckpoints = Checkpointed | CheckpointFailed
