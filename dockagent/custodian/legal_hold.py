"""The store's legal hold on an object, over all of its versions.

A dock's credential may put other bytes over what lies there, and a bucket under lock keeps both. Which version is the
evidence nobody can tell by looking at the newest one, so whoever asks about a hold asks about each.
"""

from dockagent.core.central.hold_note import Held
from dockagent.core.central.store_receipt import OFF, ON, UNKNOWN
from dockagent.custodian.folders import ClipFolder
from dockagent.errors import Refused
from dockagent.stores.archive import Archive

MOST_VERSIONS = 64
"""Of one object, the oldest first. Whoever may put could put thousands, and the work of a round must have an end."""


def on_masters(archive: Archive, folder: ClipFolder) -> str:
    """The legal hold on a clip's masters: ``on`` where any version of one has it, ``off`` where the store says so of
    every version, else ``unknown``: also where the store shows no master. Raises Retryable."""
    found = [_state(archive, folder.key(name)) for name in folder.masters]
    if ON in found:
        return ON
    return OFF if found and set(found) == {OFF} else UNKNOWN


def _state(archive: Archive, key: str) -> str:
    versions = archive.versions(key)
    found = {archive.held(key, one) for one in versions[:MOST_VERSIONS]}
    if ON in found:
        return ON
    return OFF if found == {OFF} and len(versions) <= MOST_VERSIONS else UNKNOWN


def turn(archive: Archive, key: str, name: str, version: str, *, on: bool) -> Held:
    """Have the legal hold on this version of an object so, and see that it is. Raises Refused where that cannot be,
    and Retryable."""
    before = archive.held(key, version)
    wanted, now = ON if on else OFF, before
    if before != wanted:
        archive.hold(key, version, on=on)
        now = archive.held(key, version)
    if now != wanted:
        why = f"the store took its legal hold for {key} and does not say that it is {wanted}"
        raise Refused(why, "try it with `dockagent store check`, and ask who runs the store")
    return Held(name, version, before, now)
