"""How long somebody who looks again and again rests between two looks.

Where nothing tells of a change, it must be looked for; and whoever looks takes the processor from the dock that is
looked at. On an emulated one, which is twenty times slower, looks every few milliseconds would leave it next to none.
"""

from __future__ import annotations

SHARE = 4
"""A rest is so many times as long as the look before it: looking takes a fifth of a processor at most."""
LONGEST_S = 0.5


def rest(took_s: float, least_s: float) -> float:
    """Seconds to wait after a look that took ``took_s``; ``least_s`` where looks are quick."""
    return max(least_s, min(SHARE * took_s, LONGEST_S))
