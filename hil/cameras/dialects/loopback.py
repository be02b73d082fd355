"""A camera's server on this machine: one client at a time, on a port that the kernel chooses."""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from contextlib import suppress

_CUT = (OSError, EOFError)


class Server(ABC):
    """Listens between :meth:`open` and :meth:`hang_up`; both may be repeated. ``clients``: how many have called."""

    def __init__(self) -> None:
        self.clients = 0
        self._listener: socket.socket | None = None
        self._client: socket.socket | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def open(self) -> str:
        """Begin to listen; the address (``127.0.0.1:port``)."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self._thread = threading.Thread(target=self._run, args=(self._listener,), daemon=True)
            self._thread.start()
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def hang_up(self) -> None:
        """Stop listening, and cut the line to whoever is on it."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # close() alone leaves the thread in accept()
        listener.close()
        self.drop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def drop(self) -> None:
        """Cut the line to the client, and go on listening."""
        with self._lock, suppress(OSError):
            if self._client is not None:
                self._client.shutdown(socket.SHUT_RDWR)

    @abstractmethod
    def serve(self, client: socket.socket) -> None:
        """Answer one client until it is gone. OSError and EOFError end it as well."""

    def _run(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # hung up
                return
            with client:
                self.clients += 1
                with self._lock:
                    self._client = client
                with suppress(*_CUT):
                    self.serve(client)
                with self._lock:
                    self._client = None


def take(client: socket.socket, count: int) -> bytes:
    """Exactly so many bytes. Raises EOFError when the client has gone."""
    data = b""
    while len(data) < count:
        part = client.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data
