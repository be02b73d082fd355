"""A front that stands before an HTTP server on 127.0.0.1 and answers in its place where it was told to.

It forwards everything else, whole requests at a time. By that a client meets the answers that a healthy server does not
give when one asks: 402, 503, 507, a page of a captive portal, half a body.
"""

import http.client
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from hil.central.local_server import LocalServer

_OURS = frozenset(("connection", "transfer-encoding", "date", "server", "content-length"))


@dataclass(frozen=True, slots=True)
class Said:
    """What the front answers. ``cut``: how many bytes of the body are kept back, while the length promises them."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0


class Front(LocalServer):
    """A front for the server at ``port``, listening on ``self.port`` while used as a context manager.

    ``asked``: method and path of every request, in order, also of those that it answered itself.
    """

    def __init__(self, port: int) -> None:
        super().__init__(self._serve)
        self.asked: list[str] = []
        self._target = port
        self._rules: list[tuple[str, Said, bool]] = []
        self._lock = threading.Lock()

    def answer(self, marker: str, said: Said, *, always: bool = False) -> None:
        """Answer the next request (or every one) whose "METHOD PATH" has ``marker`` in it."""
        with self._lock:
            self._rules.append((marker, said, always))

    def mend(self) -> None:
        """Forward everything again."""
        with self._lock:
            self._rules.clear()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        said = self._ruled(f"{handler.command} {handler.path}") or self._forwarded(handler, body)
        shown = said.body[: len(said.body) - said.cut]
        handler.send_response(said.status)
        for name, value in said.headers.items():
            if name.lower() not in _OURS:
                handler.send_header(name, value)
        length = said.headers.get("Content-Length") if handler.command == "HEAD" else None
        if length is not None or said.status != http.client.NO_CONTENT:
            handler.send_header("Content-Length", length or str(len(said.body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(shown)
        handler.close_connection = bool(said.cut)

    def _ruled(self, request: str) -> Said | None:
        with self._lock:
            self.asked.append(request)
            for at, (marker, said, always) in enumerate(self._rules):
                if marker in request:
                    if not always:
                        del self._rules[at]
                    return said
        return None

    def _forwarded(self, handler: BaseHTTPRequestHandler, body: bytes) -> Said:
        connection = http.client.HTTPConnection("127.0.0.1", self._target, timeout=60)
        try:
            connection.request(handler.command, handler.path, body, dict(handler.headers.items()))
            answer = connection.getresponse()
            return Said(answer.status, answer.read(), dict(answer.headers.items()))
        finally:
            connection.close()
