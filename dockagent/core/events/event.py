"""What all events have in common. The events themselves: ``core/events``, and what it takes in from its kin."""

import msgspec

from dockagent.core.acts import NO_GROUNDS, NOBODY, Actor, Grounds


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """Base of all events."""


class PersonsAct(Event, frozen=True, kw_only=True):
    """Base of what people do; the desk (``dockagent/desk.py``) takes these alone, and fills in ``actor``."""

    actor: Actor = NOBODY
    grounds: Grounds = NO_GROUNDS
