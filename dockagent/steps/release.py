"""Release: say whether the camera may be taken; and free the spool of what the store has proved to hold."""

from dockagent.core import events as ev
from dockagent.core.model import Thing
from dockagent.errors import DockError
from dockagent.steps.world import World


def release(world: World, session: str, bay: str, profile: str, safe: bool, words: str) -> tuple[ev.Event, ...]:
    """Tell the camera's console. A camera that cannot be told is released all the same: the dock's screen says it.

    ``profile`` is empty for a camera that has no console.
    """
    return (ev.Released(session, safe, words, _tell(world, bay, profile, safe, words)),)


def _tell(world: World, bay: str, profile: str, safe: bool, words: str) -> str:
    if not profile:
        return "no console"
    try:
        control = world.bays.control(bay, world.profile(profile).control, 0)
        if control is None:
            return "its console is gone"
        control.release(safe, words)
    except DockError as err:
        return f"could not be told: {err}"
    return "told"


def dispose(world: World, clip: str, folder: str, preview: tuple[Thing, ...], authority: str) -> tuple[ev.Event, ...]:
    """Remove the dock's copy of a delivered clip. ``authority``: the key under which the store proved to hold it."""
    for name in (*(f"preview/{thing.name}" for thing in preview), "record.json", "master"):
        world.disk.remove(f"{folder}/{name}")
    return (ev.Disposed(clip, "the dock's copy", authority),)
