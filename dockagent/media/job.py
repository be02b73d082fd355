"""One file being looked into: where it lies, what it states, where results go, and how much time is left."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ffmpeg

from dockagent.clock import Clock
from dockagent.media import child
from dockagent.media.probe import MediaFacts


@dataclass(frozen=True, slots=True)
class Job:
    """``folder`` gets what is made, ``scratch`` (inside it) what is not kept. ``deadline``: seconds of
    ``clock.monotonic()`` at which everything must have ended. ``limits.seconds`` does not count here."""

    source: Path
    facts: MediaFacts
    folder: Path
    scratch: Path
    limits: child.Limits
    deadline: float
    clock: Clock

    @property
    def left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.deadline - self.clock.monotonic())

    def open(self, **options: object) -> Any:
        """The source as an ffmpeg-python input. One thread: many previews share the dock, not one all of it."""
        return ffmpeg.input(child.url(self.source), threads=1, **child.OPEN, **options)

    def ffmpeg(self, graph: Any, *flags: str, seconds: float | None = None) -> child.Outcome:
        """Run an ffmpeg-python output graph for at most ``seconds`` (never past the deadline)."""
        start = [child.program("ffmpeg"), "-nostdin", "-hide_banner", "-v", "error", "-y", *flags]
        allowed = self.left if seconds is None else min(seconds, self.left)
        outcome = child.run(
            graph.compile(cmd=start),
            replace(self.limits, seconds=allowed, cpu_seconds=min(self.limits.cpu_seconds, int(allowed) + 2)),
            self.clock,
            reads=[self.source],
            writes=self.folder,
        )
        words = outcome.reason.replace(f"{child.url(self.source)}: ", "")
        return replace(outcome, reason=words)
