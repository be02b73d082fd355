"""How fast bytes may go out, as a function of what went out before: the generic cell rate algorithm (ITU-T I.371,
annex A), which is a token bucket without a timer.

One number is kept: when the link will be free again if everything so far goes out at the rate. What was not used is
forgiven up to :data:`BURST_S`, so that a link that was idle is not made up for by a flood.
"""

import re
from dataclasses import dataclass, replace
from typing import Self

BURST_S = 0.25  # of unused time that may be made up for
_PIECE_S = 0.1  # of the rate in one read, so that sockets are fed evenly
LEAST_PIECE, MOST_PIECE = 4 << 10, 256 << 10  # bytes
LEAST_RATE = 1000  # bytes a second; slower, and a store gives up on the request
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?) ?([kMG]?)(bit|B)/s")
_TIMES = {"": 1, "k": 1000, "M": 1_000_000, "G": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Pace:
    """``rate``: bytes a second, more than 0. ``free_s``: when the link is free again, on the caller's clock (s).

    Over any stretch of ``t`` seconds no more goes out than ``rate * (t + BURST_S)`` bytes and one piece.
    """

    rate: int
    free_s: float = 0.0

    @property
    def piece(self) -> int:
        """Bytes to be taken at once, at most."""
        return max(LEAST_PIECE, min(MOST_PIECE, int(self.rate * _PIECE_S)))

    def take(self, size: int, now_s: float) -> tuple[Self, float]:
        """The pace after ``size`` bytes more, and how long to wait before they go out (seconds)."""
        free_s = max(self.free_s, now_s - BURST_S)
        return replace(self, free_s=free_s + size / self.rate), max(0.0, free_s - now_s)


def rate_of(text: str) -> int:
    """``8 Mbit/s``, ``1.5 MB/s`` as bytes a second (k, M, G: powers of 1000); 0 for no text. Raises ValueError."""
    if not text:
        return 0
    found = _RATE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a rate as 8 Mbit/s or 1 MB/s")
    rate = int(float(found[1]) * _TIMES[found[2]] / (8 if found[3] == "bit" else 1))
    if rate < LEAST_RATE:
        raise ValueError(f"{text!r} is less than 8 kbit/s: no store waits so long")
    return rate


def rate_words(rate: int) -> str:
    """A rate in bytes a second for a person, as a line's is given."""
    bits = rate * 8
    for unit, size in (("Gbit/s", 10**9), ("Mbit/s", 10**6), ("kbit/s", 10**3)):
        if bits >= size:
            return f"{bits / size:.3g} {unit}"
    return f"{bits} bit/s"
