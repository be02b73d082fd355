"""A TCP line to a camera's server. Every wait ends, and no answer is longer than its caller allows.

A line on which anything went wrong is closed, so that a late answer is never taken for the next one; the next request
opens it again.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from dockagent.clock import Clock
from dockagent.errors import DockError, Gone, Permanent, Retryable, UsageError

SEND_S = 3.0
READ_S = 5.0  # for the next bytes
PATIENCE_S = 20.0  # for a whole answer, however busily the camera says that it is working
_NOBODY = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})


class TcpLine:
    """A line to ``address`` (``host:port``, ``[v6]:port``), opened by the first :meth:`send`. Raises UsageError for
    what is no address."""

    def __init__(self, address: str, clock: Clock) -> None:
        self._address, self._clock = address, clock
        self._host, self._port = _host_and_port(address)
        self._socket: socket.socket | None = None
        self._rest = b""
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the next :meth:`send` goes out on a line that was used before."""
        return self._socket is not None

    def send(self, data: bytes) -> None:
        """Send a request; its answer must be whole :data:`PATIENCE_S` from now. Raises Gone where nobody listens."""
        with self._careful():
            line = self._opened()
            line.settimeout(SEND_S)
            line.sendall(data)
            self._until = self._clock.monotonic() + PATIENCE_S

    def take(self, count: int) -> bytes:
        """Exactly so many bytes. Raises Retryable when they do not come in time, Gone when the camera hangs up."""
        with self._careful():
            while len(self._rest) < count:
                self._more()
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def take_line(self, most: int) -> bytes:
        """The bytes up to a line feed, which is dropped. Raises Permanent for a line longer than ``most`` bytes."""
        with self._careful():
            while b"\n" not in self._rest and len(self._rest) <= most:
                self._more()
        line, _, rest = self._rest.partition(b"\n")
        if len(line) > most:
            raise self.nonsense(f"a line of more than {most} bytes")
        self._rest = rest
        return line

    def nonsense(self, said: str) -> DockError:
        """The error for an answer that is none. The line is closed."""
        self.close()
        return Permanent(
            f"the camera at {self._address} answers with {said}", "check its address, profile and firmware"
        )

    def close(self) -> None:
        """Hang up. May be repeated; the next :meth:`send` opens the line again."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._rest = None, b""

    def _opened(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection((self._host, self._port), SEND_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _more(self) -> None:
        left = self._until - self._clock.monotonic()
        if left <= 0 or self._socket is None:
            raise TimeoutError
        self._socket.settimeout(min(left, READ_S))
        data = self._socket.recv(4096)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "it hung up")
        self._rest += data

    @contextmanager
    def _careful(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as err:
            self.close()
            raise Retryable(f"the camera at {self._address} does not answer in time", "look at its network") from err
        except OSError as err:  # gaierror as well
            self.close()
            nobody = isinstance(err, socket.gaierror) or err.errno in _NOBODY
            what = "nobody listens at" if nobody else "the camera hung up at"
            raise Gone(
                f"{what} {self._address}: {err.strerror}", "put the camera back, or correct its address"
            ) from err


def _host_and_port(address: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port or parts.netloc != address or "@" in address:
        raise UsageError(f"{address} is not the address of a camera", "write it as host:port")
    return host, port
