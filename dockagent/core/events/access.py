"""Events of people's access to footage, and of holds. Part of ``core/events``, which lists them among all events."""

from dockagent.core.events.event import PersonsAct


class Accessed(PersonsAct, frozen=True, tag="access"):
    """A person came to footage, or tried to. ``act``: read, show, export, verify, login, or the tag of the event that
    was refused. ``outcome``: done, refused (a rule said no) or failed; ``reason``: why, where it was not done."""

    act: str
    clip_id: str = ""
    outcome: str = "done"
    reason: str = ""


class HoldSet(PersonsAct, frozen=True, tag="hold.set"):
    """From here on nothing of this clip is disposed of, until this hold is cleared. A clip may be under several: each
    is named by the number of this record."""

    clip_id: str


class HoldCleared(PersonsAct, frozen=True, tag="hold.clear"):
    """The hold that record ``hold`` set on this clip is over; others on it stay."""

    clip_id: str
    hold: int


OfAccess = Accessed | HoldSet | HoldCleared
