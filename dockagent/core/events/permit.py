"""Permits, and what is erased from a camera under them. Part of :mod:`core.events`."""

from dockagent.core.camera.inventory import Finding
from dockagent.core.events.event import Event, PersonsAct
from dockagent.core.permits.permit import Named, Permit
from dockagent.core.permits.permit_state import Tombstone


class PermitSeen(Event, frozen=True, tag="permit"):
    """The custodian's permit for a clip, signed by a key that this dock believes. ``envelope``: its DSSE envelope, so
    that the ledger alone shows what the dock went by. It was not judged yet."""

    clip_id: str
    permit: Permit
    envelope: str


class PermitHandedIn(PersonsAct, frozen=True, tag="permit.handed"):
    """A person brought a permit. ``documents``: its DSSE envelope, alone in the list."""

    clip_id: str
    permit: Permit
    documents: tuple[str, ...]


class PermitRefused(Event, frozen=True, tag="permit.refused"):
    """A permit, or what lies in its place, is not followed. ``sha256``: of its envelope (hex); ``ground``: one of
    ``core/permits/erasing.Ground``; ``permit``: its id where it has one that could be read."""

    clip_id: str
    sha256: str
    ground: str
    reason: str
    permit: str = ""
    session: str = ""


class PermitsSought(Event, frozen=True, tag="permit.sought"):
    """Permits for so many clips of these sessions' cards were asked for; ``reason``: what stood in the way."""

    sessions: tuple[str, ...]
    asked: int
    found: int
    reason: str = ""


class CameraRecalled(Event, frozen=True, tag="camera.recall"):
    """A camera that was safe to take is not any more: footage on it may be erased now. Its card is listed again
    first."""

    session: str
    told: str


class EraseAsked(Event, frozen=True, tag="erase.ask"):
    """The dock is about to erase these files under a permit. Recorded before the card is touched: what has no end in
    the ledger is looked for on the card."""

    session: str
    clip_id: str
    permit: str
    files: tuple[Named, ...]


class Erased(Event, frozen=True, tag="erase"):
    """The tombstone. ``asked``: the number of the record that said so before; ``authority``: the permit, and the record
    that has it; ``method``: how; ``left``: what was asked for and is still there; ``free_before``, ``free_after``:
    bytes free on the card, -1 where nobody looked. ``files`` without digests were found gone after an interruption."""

    session: str
    asked: int
    clip_id: str
    permit: str
    authority: str
    method: str
    files: tuple[Tombstone, ...]
    left: tuple[str, ...]
    free_before: int
    free_after: int
    findings: tuple[Finding, ...] = ()


class EraseFailed(Event, frozen=True, tag="erase.failed"):
    """Nothing was erased. ``unsure``: nobody can tell, and the card has to be asked; ``retry``: it may work later."""

    session: str
    asked: int
    clip_id: str
    ground: str
    reason: str
    retry: bool
    unsure: bool = False


OfPermits = (
    PermitSeen | PermitHandedIn | PermitRefused | PermitsSought | CameraRecalled | EraseAsked | Erased | EraseFailed
)
