"""Derive: have working copies made of a clip that rests in the spool, and put them beside it."""

import shutil

from dockagent.clock import Clock
from dockagent.core import events as ev
from dockagent.core import plan
from dockagent.core.camera.inventory import Finding
from dockagent.core.model import Thing
from dockagent.durable import RealDisk
from dockagent.steps.preview import PreviewLimits, make_preview
from dockagent.steps.world import World


def derive(world: World, clip: str, sha256: str) -> tuple[ev.Event, ...]:
    """Make the previews of one clip. None at all is a finding, never a stop. Where a spool is so full that pulls have
    stopped and half of the reserve is gone as well, evidence goes before comfort."""
    if world.previewer is None:
        return (ev.Previewed(clip, sha256, (), (), "none: previews are switched off"),)
    if world.disk.free() < world.spool_reserve // 2:
        nothing = Finding("preview", "no preview: the spool is full, and the rest is kept for the ledger", "warning")
        return (ev.Previewed(clip, sha256, (), (nothing,), world.previewer.tool),)
    folder = plan.spool_folder(clip)
    things, findings = world.previewer.make(f"{folder}/master", f"{folder}/preview")
    return (ev.Previewed(clip, sha256, things, findings, world.previewer.tool),)


class FfmpegPreviewer:
    """The :class:`dockagent.steps.world.Previewer` that really makes them, with ffmpeg in a child process."""

    def __init__(self, disk: RealDisk, limits: PreviewLimits, clock: Clock, tool: str) -> None:
        """``tool``: ffmpeg's version, for the record."""
        self.tool = tool
        self._disk, self._limits, self._clock = disk, limits, clock

    def make(self, master: str, folder: str) -> tuple[tuple[Thing, ...], tuple[Finding, ...]]:
        work = self._disk.path(f"{folder}.work")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            made = make_preview(self._disk.path(master), work, self._limits, self._clock)
            for file in made.files:
                with self._disk.append(f"{folder}.work/{file.name}") as whole:
                    whole.sync()
                self._disk.commit(f"{folder}.work/{file.name}", f"{folder}/{file.name}")
        finally:
            shutil.rmtree(work, ignore_errors=True)
        findings = [Finding("preview", text, "warning") for text in made.findings]
        findings += [Finding("preview", f"{file.name}: {file.note}", "notice") for file in made.files if file.note]
        return tuple(Thing(file.name, file.bytes, file.sha256) for file in made.files), tuple(findings)
