"""Measure: the trees over a clip's samples, by which parts of it can be proved later. It stops nothing: a clip without
trees is still whole, and its record says why it has none."""

from dockagent.clock import Clock
from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.clip_samples import Measure
from dockagent.durable import RealDisk
from dockagent.media.samples import sample_trees
from dockagent.steps.world import World


def measure(world: World, clip: str, sha256: str, size: int) -> tuple[ev.Event, ...]:
    """Have one clip's trees made."""
    if world.measurer is None:
        return (ev.Measured(clip, sha256, Measure(why="byte tree only: samples are not read here")),)
    return (ev.Measured(clip, sha256, world.measurer.measure(f"{plan.spool_folder(clip)}/master", size)),)


class ChildMeasurer:
    """The :class:`dockagent.steps.world.Measurer` that really makes them, in a child process."""

    def __init__(self, disk: RealDisk, clock: Clock) -> None:
        self._disk, self._clock = disk, clock

    def measure(self, master: str, size: int) -> Measure:
        return sample_trees(self._disk.path(master), size, self._clock)
