"""Trying a store's promises on the live store, in a folder of its own (``scratch/…``).

The values and names are in :mod:`dockagent.core.central.promise`, so that records can hold them. A store that can be
asked has ``prove``; what it leaves is a few bytes, and where a lock holds them they stay until their retention ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from dockagent.core.central.promise import (
    BROKEN,
    HONEST,
    KEEPS_VERSIONS,
    KEPT,
    LOCK_AS_STATED,
    LOCKS,
    REFUSES_SECOND_WRITE,
    Kept,
    answers,
)
from dockagent.core.events.store import Standing, StoreChecked, StoreKind


@dataclass(frozen=True, slots=True)
class Proof:
    """What trying found: see :class:`dockagent.core.events.store.StoreChecked`, which is its record."""

    store: str
    kind: StoreKind
    kept: tuple[Kept, ...]
    server: str = ""
    scratch: str = ""

    @property
    def standing(self) -> Standing:
        """What this store may be called, by what it did."""
        return standing(self.kept, folder=self.kind == "folder")

    def event(self) -> StoreChecked:
        """The record of it."""
        return StoreChecked(self.store, self.kind, self.standing, self.kept, self.server, self.scratch)


@dataclass(frozen=True, slots=True)
class Credential:
    """Somebody's way in: the name and the secret."""

    name: str
    secret: str = field(repr=False)


@runtime_checkable
class Prover(Protocol):
    """A store whose promises can be tried. ``scratch``: a prefix of keys that nobody else uses."""

    def prove(self, scratch: str, admin: Credential | None = None) -> Proof:
        """Try every promise; with ``admin``, also those that only an administrator could break. Raises
        :class:`dockagent.errors.DockError` where the store cannot be asked at all; a promise that cannot be tried is
        ``not asked``, with the reason."""
        ...


def standing(found: Sequence[Kept], *, folder: bool = False) -> Standing:
    """What a store with these answers may be called.

    A pretender took a wrong secret or wrong bytes, let go of what it called locked, or let a second write destroy the
    first. What none of this is known of is ``unknown``, unless it is a folder. Write-once needs a lock that an
    administrator could not break, and that was tried. ``honest`` says nothing of the other promises.
    """
    said = answers(found)
    outlasts = {said.get(REFUSES_SECOND_WRITE), said.get(KEEPS_VERSIONS)}  # either leaves the first object
    if outlasts == {BROKEN} or any(said.get(one) == BROKEN for one in (*HONEST, LOCK_AS_STATED)):
        return "pretender"
    if folder:
        return "tamper-evident"
    if KEPT not in outlasts or not all(said.get(one) == KEPT for one in HONEST):
        return "unknown"
    return "write-once" if all(said.get(one) == KEPT for one in LOCKS) else "honest"
