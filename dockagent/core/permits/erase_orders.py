"""Orders about permits, and which of them comes next in a bay. Part of :mod:`core.orders`."""

from dataclasses import dataclass

from dockagent.core.model import Session, State
from dockagent.core.order import BayOrder, Order
from dockagent.core.permits import permit_table

PERMITS = "permits:0"


class Recall(BayOrder):
    """Keep a camera that was safe to take: footage on it may be erased now."""


@dataclass(frozen=True, slots=True)
class AskErase(BayOrder):
    """Judge a permit for what is on the card, and say what is going to be erased, or why nothing is."""

    permit: str


@dataclass(frozen=True, slots=True)
class Erase(BayOrder):
    """Erase what the record ``asked`` says; nothing else. ``clips``: whose holds wait for the end of this."""

    asked: int
    clips: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LookAfter(BayOrder):
    """See on the card what became of what the record ``asked`` says, and record it."""

    asked: int


@dataclass(frozen=True, slots=True)
class SeekPermits(Order):
    """Ask the custodian for permits for what is on the cards of these sessions. Its lane is its own."""

    sessions: tuple[str, ...]


def next_order(state: State, session: Session, lane: str, now_ms: int) -> BayOrder | None:
    """What permits call for in a bay, or None."""
    act = permit_table.next_act(state, session, now_ms)
    if act is None:
        return None
    if act.act == "recall":
        return Recall(lane, session.id, session.bay)
    if act.act == "ask":
        return AskErase(lane, session.id, session.bay, act.id)
    if act.act == "erase":
        return Erase(lane, session.id, session.bay, act.asked, act.clips)
    return LookAfter(lane, session.id, session.bay, act.asked)
