"""Release: say whether the camera may be taken; and free the spool of what the store has proved to hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.orders import Release
from dockagent.core.paths import to_text
from dockagent.errors import DockError
from dockagent.steps.listing import list_card
from dockagent.steps.world import World


@dataclass(frozen=True, slots=True)
class Task:
    """``profile`` is empty for a camera without a console. ``expected``: path to bytes of all that was pulled, or None
    for a camera that is not safe anyway; ``left_out``: the paths that are on the card and stay there."""

    order: Release
    profile: str
    expected: Mapping[str, int] | None
    left_out: frozenset[str]


def release(world: World, task: Task) -> tuple[ev.Event, ...]:
    """Look once more whether the card is still as it was listed, unmount it, tell the camera's console, and
    open the bay's latch.

    A camera that cannot be told is released all the same: the dock's screen says it.
    """
    order, safe, words = task.order, task.order.safe, task.order.words
    if task.expected is not None and _differs(world, task, task.expected):
        if order.recheck:
            return (ev.CameraChanged(order.session, again=True),)
        safe, words = False, "files on the card are still being written; keep the camera"
    if safe:
        world.bays.rest(order.bay)
    told = _tell(world, order.bay, task.profile, safe, words)
    latch = _unlock(world, order.bay) if safe else ""
    return (ev.Released(order.session, safe, words, "; ".join(filter(None, (told, latch)))),)


def _differs(world: World, task: Task, expected: Mapping[str, int]) -> bool:
    files, _ = list_card(world.bays.footage(task.order.bay))
    now = {to_text(fact.path): fact.size for fact in files if not fact.special}
    return any(expected.get(path) != size for path, size in now.items() if path not in task.left_out)


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


def _unlock(world: World, bay: str) -> str:
    """Open the bay's latch, where it has one; what came of it in words."""
    try:
        return world.cradles.unlock(bay) if world.cradles is not None else ""
    except DockError as err:
        return f"its latch did not open: {err}"


def dispose(world: World, clip: str, paths: Sequence[str], authority: str, method: str) -> tuple[ev.Event, ...]:
    """Remove the dock's copy of a delivered clip, and one that a crash had left before its record.

    ``authority``: the key under which the store proved to hold it; ``method``: what removing it comes to.
    """
    for path in paths:
        world.disk.remove(path)
    world.disk.remove(plan.put_aside(clip))
    return (ev.Disposed(clip, "the dock's copy", authority, method),)
