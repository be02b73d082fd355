"""What is known of the central store itself. Part of ``core/events``, which lists it among all events."""

from typing import Literal

from dockagent.core.central.promise import Kept
from dockagent.core.events.event import PersonsAct

StoreKind = Literal["folder", "s3", "swift", "sftp"]
Standing = Literal["write-once", "honest", "tamper-evident", "pretender", "unknown"]


class StoreChecked(PersonsAct, frozen=True, tag="store.check"):
    """Somebody had the promises of the store at ``store`` (URL) tried. ``server``: what it calls itself, which proves
    nothing. ``standing``: ``write-once`` (its lock was tried with an administrator's rights, and held), ``honest`` (it
    refuses a wrong secret and wrong bytes, and the first object outlasts a second), ``tamper-evident`` (a folder:
    changes are found, not hindered), ``pretender`` (it took what it must refuse, or named a lock that does not hold),
    ``unknown`` (it did not answer enough). What was tried lies under ``scratch`` in the store, and stays there where a
    lock holds it."""

    store: str
    kind: StoreKind
    standing: Standing
    kept: tuple[Kept, ...]
    server: str = ""
    scratch: str = ""
