"""The store table: what the dock knows of its store's promises, and which check each clip rests on."""

from urllib.parse import urlsplit

from dockagent.core import events as ev
from dockagent.core.central import promise
from dockagent.core.model import State
from dockagent.errors import Refused

_MOST, _LONGEST = 50, 500  # promises of one check; characters of one line about them


def check(state: State, event: ev.Event) -> None:
    """Raises Refused for a check that says nothing, the same twice, or more than a record should hold."""
    if not isinstance(event, ev.StoreChecked):
        return
    if not urlsplit(event.store).scheme:
        raise Refused(f"{event.store[:80]!r} is no store's URL")
    names = [one.promise for one in event.kept]
    if not names or len(names) > _MOST or len(set(names)) != len(names):
        raise Refused("a check of a store answers for each promise once")
    if any(len(text) > _LONGEST for one in event.kept for text in (one.promise, one.how)):
        raise Refused(f"a line about a promise is longer than {_LONGEST} characters")
    if event.standing == "write-once" and promise.BROKEN in [promise.answers(event.kept).get(n) for n in promise.LOCKS]:
        raise Refused("a store whose lock does not hold is not write-once")


def checked(state: State, event: ev.StoreChecked, at_ms: int) -> None:
    """From here on, what goes to this store rests on this check."""
    state.store_checks[event.store] = promise.StoreCheck(state.history.records, at_ms, event.standing, event.kept)


def newest(state: State, url: str) -> int:
    """The number of the newest check of the store at ``url``, or -1."""
    found = state.store_checks.get(url)
    return -1 if found is None else found.record
