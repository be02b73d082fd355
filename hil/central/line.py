"""A network line with faults on demand: a relay on 127.0.0.1 between a client and a server.

It counts what passes, and can be told to be cut, to flip a bit, or to lose the answer to one request. It knows nothing
of HTTP but that ``HTTP/1.1 100`` is not yet the answer.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

CHUNK = 64 * 1024


class Line:
    """A relay to ``port`` of 127.0.0.1, listening on ``self.port`` while used as a context manager.

    ``listener``: where it listens, such as the far end of a wire; else a new port of 127.0.0.1.
    ``sent``: bytes that went from clients to the server so far.
    """

    def __init__(self, port: int, listener: socket.socket | None = None) -> None:
        self.sent = 0
        self._target = port
        self._cut_at: int | None = None
        self._flip_at: int | None = None
        self._lose_after: bytes | None = None
        self._then: tuple[bytes, Callable[[], None]] | None = None
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._ended = False
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def cut_after(self, count: int) -> None:
        """Break every connection once ``count`` more bytes went out, and every new one, until :meth:`mend`."""
        self._cut_at = self.sent + count

    def lead_to(self, port: int) -> None:
        """From now on be the way to another server; whoever is connected is hung up on."""
        self._target = port
        _hang_up(*self._open)

    def mend(self) -> None:
        """Be a good line again."""
        self._cut_at = None

    def flip_after(self, count: int) -> None:
        """Flip one bit of the byte that follows ``count`` more bytes; once."""
        self._flip_at = self.sent + count

    def lose_answer_to(self, marker: bytes) -> None:
        """The next request with ``marker`` in it reaches the server, but its answer does not come back; once."""
        self._lose_after = marker

    def then(self, marker: bytes, act: Callable[[], None]) -> None:
        """Once the next request with ``marker`` in it has been passed on, ``act``; once, and the relay waits for it."""
        self._then = marker, act

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._ended = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        _hang_up(*self._open)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed: the end
            while True:
                client, _ = self._listener.accept()
                self._start(self._relay, client)

    def _relay(self, client: socket.socket) -> None:
        """One connection, until either side or a fault ends it."""
        losing = threading.Event()
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as server:
            self._open |= {client, server}
            if not self._ended and not self._is_cut():
                downward = threading.Thread(target=self._downward, args=(client, server, losing))
                downward.start()
                self._upward(client, server, losing)
                downward.join()
            self._open -= {client, server}

    def _upward(self, client: socket.socket, server: socket.socket, losing: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(CHUNK):
                server.sendall(self._passing(data, losing))
                if self._then is not None and self._then[0] in data:
                    act, self._then = self._then[1], None
                    act()
                if self._is_cut():
                    break
        _hang_up(client, server)

    def _downward(self, client: socket.socket, server: socket.socket, losing: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(CHUNK):
                if losing.is_set() and not data.startswith(b"HTTP/1.1 100"):
                    break
                client.sendall(data)
        _hang_up(client, server)

    def _passing(self, data: bytes, losing: threading.Event) -> bytes:
        """What leaves of what came in, with the faults that fall into it."""
        with self._lock:
            if self._lose_after is not None and self._lose_after in data:
                losing.set()
                self._lose_after = None
            if self._cut_at is not None:
                data = data[: max(0, self._cut_at - self.sent)]
            if self._flip_at is not None and self._flip_at < self.sent + len(data):
                at = self._flip_at - self.sent
                data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                self._flip_at = None
            self.sent += len(data)
        return data

    def _is_cut(self) -> bool:
        return self._cut_at is not None and self.sent >= self._cut_at

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args)
        self._threads.append(thread)
        thread.start()


def _hang_up(*sockets: socket.socket) -> None:
    """End both directions; who waits for them is woken."""
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
