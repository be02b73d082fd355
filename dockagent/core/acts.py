"""What people do with footage: who they are, on what grounds, and what a record of it answers.

A person's act is an event like any other (:class:`dockagent.core.events.PersonsAct`): recorded before anyone relies on
it. The software acts for itself; here a person does, so the record names them.
"""

from dataclasses import dataclass

import msgspec


class Actor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who acts. ``name``: the user's name on this machine; ``uid``: its number, -1 where none is known. ``known_by``:
    ``peer credentials`` (the kernel says who opened the desk's socket, unix(7)) or ``own process`` (the command, which
    can open the ledger's keys, says who runs it). ``login``: who logged in before becoming that user (sudo), by the
    kernel's audit login uid (proc(5), ``loginuid``) as the command passed it on; empty where it is the same or unknown.
    """

    name: str = ""
    known_by: str = ""
    uid: int = -1
    login: str = ""


class Grounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a person acts: for what, by what rule or order, by whose authority, and for whom. Empty where not asked."""

    purpose: str = ""
    basis: str = ""
    authority: str = ""
    recipient: str = ""


NOBODY, NO_GROUNDS = Actor(), Grounds()
DONE, REFUSED, FAILED = "done", "refused", "failed"  # outcomes of an act
MOST_TEXT = 2000  # characters of one field that a person filled in


@dataclass(frozen=True, slots=True)
class Recorded:
    """An act is in the ledger, durably: as entry ``index`` (from 0), of ``size`` entries then, at ``at_ms`` (ms since
    1970 UTC)."""

    index: int
    size: int
    at_ms: int


@dataclass(slots=True)
class Ask:
    """A disclosure that a person asked for. ``done``: that it is whole is on record."""

    clips: tuple[str, ...]
    kind: str
    uid: int
    done: bool = False
