"""One IN endpoint as the host meets it: packets that wait until they are asked for.

A request of the host (an URB) is filled from what was sent until it is full, until a packet is shorter than the
endpoint's largest, or until the endpoint is halted (USB 2.0, 5.8.3). So several transfers may fill one request, and
one transfer several.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

STALLED = -32  # EPIPE, as Linux reports a halted endpoint (Documentation/driver-api/usb/error-codes.rst)

Answer = Callable[[int, int, bytes], None]
"""Takes the number of a request, its status and its data."""


@dataclass(slots=True)
class _Transfer:
    """What is left of one transfer. ``short``: its last packet is not a full one; ``zero``: an empty one follows."""

    rest: memoryview
    short: bool
    zero: bool


@dataclass(slots=True)
class _Asked:
    """A request that waits: how much it takes, and what it has got."""

    number: int
    room: int
    parts: list[memoryview]

    @property
    def data(self) -> bytes:
        return b"".join(self.parts)


class Pipe:
    """The device calls it with its lock held. ``size``: bytes of the largest packet."""

    def __init__(self, size: int, answer: Answer) -> None:
        self._size, self._answer = size, answer
        self._sent: deque[_Transfer | None] = deque()  # None: the endpoint halts here
        self._asked: deque[_Asked] = deque()

    @property
    def halted(self) -> bool:
        """Whether the host meets a halt now."""
        return bool(self._sent) and self._sent[0] is None

    def send(self, data: bytes, zero: bool) -> None:
        """Add a transfer. Without data it is an empty packet."""
        short = not data or len(data) % self._size != 0
        self._sent.append(_Transfer(memoryview(data), short, zero and not short))
        self._serve()

    def stall(self) -> None:
        """Halt behind what was sent."""
        self._sent.append(None)
        self._serve()

    def clear(self) -> None:
        """The host clears the halt; without one, it drops what waits."""
        if self.halted:
            self._sent.popleft()
        else:
            self._sent.clear()
        self._serve()

    def reset(self) -> None:
        """Forget everything that was sent."""
        self._sent.clear()

    def plugged(self) -> None:
        """Another host, or the same again: it has asked for nothing yet."""
        self._sent.clear()
        self._asked.clear()

    def ask(self, number: int, length: int) -> None:
        """The host asks for at most ``length`` bytes."""
        self._asked.append(_Asked(number, length, []))
        self._serve()

    def forget(self, number: int) -> bool:
        """The host takes a request back, and what it has got with it; False if it is answered already."""
        for asked in self._asked:
            if asked.number == number:
                self._asked.remove(asked)
                return True
        return False

    def _serve(self) -> None:
        while self._asked and self._sent:
            transfer, asked = self._sent[0], self._asked[0]
            if transfer is None:
                self._finish(STALLED)
            elif self._fill(transfer, asked):
                self._finish(0)

    def _fill(self, transfer: _Transfer, asked: _Asked) -> bool:
        """Give what fits; whether the request is done."""
        taken = transfer.rest[: asked.room]
        asked.parts.append(taken)
        asked.room -= len(taken)
        transfer.rest = transfer.rest[len(taken) :]
        if transfer.rest:
            return True
        if transfer.zero and not asked.room:
            # A request that is exactly full does not take the empty packet: that answers the next one.
            transfer.zero, transfer.short = False, True
            return True
        self._sent.popleft()
        return transfer.short or transfer.zero or not asked.room

    def _finish(self, status: int) -> None:
        asked = self._asked.popleft()
        self._answer(asked.number, status, asked.data)
