"""The disclosure table: what may be asked for, and what may be said to have come of it."""

import re

from dockagent.core import events as ev
from dockagent.core.model import State
from dockagent.errors import Refused

OF_DISCLOSURES = (ev.DisclosureAsked, ev.Disclosed, ev.DisclosureFailed)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check(state: State, event: ev.Event) -> None:
    """Raises Refused for a disclosure of clips that nobody knows, or without grounds, and for an end without a
    beginning."""
    if not isinstance(event, OF_DISCLOSURES):
        return
    if not event.clips or len(set(event.clips)) != len(event.clips):
        raise Refused("a disclosure is of one clip or more, each once")
    if isinstance(event, ev.DisclosureAsked):
        grounds = event.grounds
        if not all(one.strip() for one in (grounds.purpose, grounds.basis, grounds.authority, grounds.recipient)):
            raise Refused(
                "a disclosure needs its purpose, basis, authority and recipient",
                "give --purpose, --basis, --authority and --recipient",
            )
        if unknown := [one for one in event.clips if one not in state.clips]:
            raise Refused(f"nobody knows a clip {unknown[0]}", "see `dockagent clips`")
    elif not 0 <= event.asked < state.history.records:
        raise Refused(f"no record {event.asked} asked for this disclosure")
    if isinstance(event, ev.Disclosed) and not _SHA256.fullmatch(event.package_sha256):
        raise Refused("what was disclosed has no digest")


def noted(state: State, event: ev.Event, at_ms: int) -> None:
    """A record for people; it changes nothing that the dock believes."""
