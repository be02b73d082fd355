"""Measure: the trees over a clip's samples, by which parts of it can be proved later, and the signatures that its
camera put into the stream itself. A clip without either is still whole, and its record says why; a clip that its own
stream's signatures refute goes to quarantine."""

from collections.abc import Sequence
from pathlib import Path

from dockagent.clock import Clock
from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.movie.clip_samples import Measure
from dockagent.core.stream.in_stream import InStream
from dockagent.durable import RealDisk
from dockagent.media.in_stream import in_stream
from dockagent.media.samples import look_through
from dockagent.steps.world import World


def measure(world: World, clip: str, sha256: str, size: int) -> tuple[ev.Event, ...]:
    """Have one clip's trees made, and its stream's signatures read."""
    master = f"{plan.spool_folder(clip)}/master"
    made, signed = Measure(why="byte tree only: samples are not read here"), None
    if world.measurer is not None:
        made, signed = world.measurer.measure(master, size)
    return (ev.Measured(clip, sha256, made, signed),)


class ChildMeasurer:
    """The :class:`dockagent.steps.world.Measurer` that really does it, in child processes. ``roots``: PEM files of whom
    to believe about cameras, by the dock's clock."""

    def __init__(self, disk: RealDisk, clock: Clock, roots: Sequence[Path]) -> None:
        self._disk, self._clock, self._roots = disk, clock, roots

    def measure(self, master: str, size: int) -> tuple[Measure, InStream]:
        file = self._disk.path(master)
        looked = look_through(file, size, self._clock)
        if looked.signed is not None:  # as with most clips, which need no second child
            return looked.measure, looked.signed
        return looked.measure, in_stream(file, size, self._roots, self._clock.now().utc_ms, self._clock)
