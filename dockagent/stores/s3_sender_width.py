"""How many parts go out side by side: as many as the line rewards.

A long or lossy line gives one connection only a share of what it can carry; a short one is filled by one, and then more
of them only mean more half-sent parts to send again after a cut. So one part goes alone first. After each round one
more is tried, kept where the round was faster by :data:`GAIN`, and given up where it was not.
"""

from dataclasses import dataclass

MOST = 8
GAIN = 1.15
ROUND_PARTS, ROUND_MS = 4, 10_000  # a round ends after so many parts, or with the first that ends after so long


@dataclass(frozen=True, slots=True)
class Width:
    """``now`` parts side by side. ``rate``: bytes a millisecond of the best round with ``settled`` parts at a time;
    ``parts`` and ``size`` (bytes) ended in this round, which began at ``since_ms``. Times are any clock's ms."""

    now: int = 1
    settled: int = 0
    rate: float = 0.0
    parts: int = 0
    size: int = 0
    since_ms: int = 0

    def begun(self, at_ms: int) -> "Width":
        """Sending begins, or begins again: what was learned stays, the round is a new one."""
        return Width(self.now, self.settled, self.rate, since_ms=at_ms)

    def ended(self, size: int, at_ms: int) -> "Width":
        """A part of ``size`` bytes is through."""
        parts, total, took = self.parts + 1, self.size + size, max(1, at_ms - self.since_ms)
        if parts < max(ROUND_PARTS, self.now) and took < ROUND_MS:
            return Width(self.now, self.settled, self.rate, parts, total, self.since_ms)
        rate = total / took
        if self.now > self.settled:  # an attempt with one more
            if rate < self.rate * GAIN:
                return Width(self.settled, MOST, self.rate, since_ms=at_ms)
            return Width(min(MOST, self.now + 1), self.now, rate, since_ms=at_ms)
        return Width(self.now, self.settled, rate, since_ms=at_ms)

    def failed(self) -> "Width":
        """The line broke: what was learned is worth nothing on the next one."""
        return Width()
