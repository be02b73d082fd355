"""A USB cable without a kernel: the dock's pipe on one end, a function of an emulated device on the other."""

import threading
from collections import deque
from collections.abc import Callable

from dockagent.errors import Gone, Permanent
from hil.cameras.usb import Function


class Cable:
    """A :class:`dockagent.transports.usb_bulk.Pipe` and a :class:`hil.cameras.usb.Host`. A read that finds nothing
    waits for nothing, so that tests are fast: the device answers before ``write`` returns. ``clock``: told how long a
    read would have waited."""

    def __init__(self, function: Function, waited: Callable[[float], None] = lambda seconds: None) -> None:
        self._function, self._waited = function, waited
        self._sent: deque[bytes] = deque()
        self._stalled = self.closed = self.pulled = False
        self.written: list[bytes] = []
        self._lock = threading.Lock()
        function.attached(self, 0)

    def write(self, data: bytes, timeout_ms: int) -> None:
        self._alive()
        self.written.append(data)
        self._function.received(0, data)

    def read(self, timeout_ms: int) -> bytes:
        self._alive()
        with self._lock:
            if self._sent:
                return self._sent.popleft()
        if self._stalled:
            raise Permanent("the endpoint is halted")
        self._waited(timeout_ms / 1000)
        return b""

    def close(self) -> None:
        self.closed = True

    def send(self, endpoint: int, data: bytes, *, zero: bool = False) -> None:
        assert endpoint == 1
        with self._lock:
            self._sent.append(data)

    def stall(self, endpoint: int) -> None:
        self._stalled = True

    def leave(self) -> None:
        self.pulled = True

    def _alive(self) -> None:
        if self.pulled:
            raise Gone("the cable was pulled")
