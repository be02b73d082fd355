"""The history table: what the dock believes about its own ledger, and when outsiders are asked to vouch for it."""

from dockagent.core import events as ev
from dockagent.core.clip_table import try_again
from dockagent.core.model import History, State
from dockagent.core.review import review
from dockagent.core.uplink.trouble import Trouble

OF_HISTORY = (ev.Checkpointed, ev.CheckpointFailed)
URGENT = (ev.HoldSet,)  # until the custodian reads of it, other docks may get leave to erase the clip
FIRST_MS, LONGEST_MS = 15_000, 300_000
CONTRADICTED = "witness-contradicts"  # the code of a finding: a witness has seen another history


def count(state: State, event: ev.Event) -> None:
    """One more record. Those about checkpoints do not by themselves call for another checkpoint: else there would be
    no end to it."""
    history = state.history
    if not isinstance(event, OF_HISTORY):
        history.newest_other = history.records
    if isinstance(event, URGENT):
        history.urgent = history.records
    history.records += 1


def started(state: State) -> None:
    """A dock that starts asks at once, whatever hindered it before."""
    state.history.trouble = Trouble()


def checkpointed(state: State, event: ev.Checkpointed, at_ms: int) -> None:
    """A checkpoint went round. With too few cosigners it is tried again, over what the ledger is by then."""
    history = state.history
    history.cosigners, history.asked, history.quorum = len(event.cosigners), event.asked, event.quorum
    history.tried_ms = at_ms
    if event.stamp is not None:
        history.stamped, history.stamped_ms = event.size, event.stamp.time_ms
    if len(event.cosigners) >= event.quorum:
        history.witnessed, history.witnessed_ms = event.size, at_ms
        review.witnessed(state, event)
    reasons = [one.text for one in event.findings]
    if event.retry or len(event.cosigners) < event.quorum:
        reason = "; ".join(reasons) or f"{len(event.cosigners)} of {event.quorum} witnesses needed"
        try_again(history.trouble, reason, at_ms, "notary", first_ms=FIRST_MS, longest_ms=LONGEST_MS)
    else:
        history.trouble = Trouble()
        history.settled, history.settled_ms = event.size, at_ms
    history.findings = tuple(reasons)


def checkpoint_failed(state: State, event: ev.CheckpointFailed, at_ms: int) -> None:
    """Nobody could be asked."""
    state.history.findings = (event.reason,)
    try_again(state.history.trouble, event.reason, at_ms, "notary", first_ms=FIRST_MS, longest_ms=LONGEST_MS)


def due(history: History, now_ms: int, every_ms: int, every_records: int) -> bool:
    """Whether a checkpoint is to go round now: something new is in the ledger, and it is long enough ago, or much
    enough, or urgent. A clock that was set back does not stop it."""
    if history.newest_other < history.settled or not history.trouble.due(now_ms):
        return False
    soon = history.urgent >= history.settled or history.trouble.attempts > 0
    if soon or history.records - history.settled >= every_records:
        return True
    return not 0 <= now_ms - history.settled_ms < every_ms
