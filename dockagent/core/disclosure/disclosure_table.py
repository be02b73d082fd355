"""The disclosure table: what may be asked for, and what may be said to have come of it."""

import re

from dockagent.core import events as ev
from dockagent.core.acts import Ask
from dockagent.core.model import State
from dockagent.errors import Refused

OF_DISCLOSURES = (ev.DisclosureAsked, ev.Disclosed, ev.DisclosureFailed)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check(state: State, event: ev.Event) -> None:
    """Raises Refused for a disclosure of clips that nobody knows, or without grounds, and for an end that is not the
    one end of what its own person asked for."""
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
    else:
        _check_end(state, event)
    if isinstance(event, ev.Disclosed) and not _SHA256.fullmatch(event.package_sha256):
        raise Refused("what was disclosed has no digest")


def _check_end(state: State, event: ev.Disclosed | ev.DisclosureFailed) -> None:
    ask = state.asks.get(event.asked)
    if ask is None or (ask.clips, ask.kind) != (event.clips, event.kind):
        raise Refused(f"record {event.asked} did not ask for this disclosure")
    if ask.uid != event.actor.uid:
        raise Refused(f"somebody else asked for the disclosure of record {event.asked}")
    if ask.done and isinstance(event, ev.Disclosed):
        raise Refused(f"what record {event.asked} asked for was handed out already")


def asked(state: State, event: ev.DisclosureAsked, at_ms: int) -> None:
    """From here on its end can be recorded, by the same person."""
    state.asks[state.history.records] = Ask(event.clips, event.kind, event.actor.uid)


def disclosed(state: State, event: ev.Disclosed, at_ms: int) -> None:
    """It may still fail: it has no name on the disk yet."""
    state.asks[event.asked].done = True


def failed(state: State, event: ev.DisclosureFailed, at_ms: int) -> None:
    """That was its end."""
    del state.asks[event.asked]
