"""An HTTP server on a free port of 127.0.0.1 that leaves every request, whatever its method, to one function."""

import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

Serve = Callable[[BaseHTTPRequestHandler], None]


class LocalServer:
    """``serve`` reads a request's body and answers it, a thread for each conversation, while this is used as a context
    manager. ``tls``: PEM files of its certificate and key. ``port``: where it listens, from the beginning."""

    def __init__(self, serve: Serve, tls: tuple[Path, Path] | None = None) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(serve))
        self._server.daemon_threads = True
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(serve: Serve) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __getattr__(self, name: str) -> Callable[[], None]:
            if name.startswith("do_"):
                return lambda: serve(self)
            raise AttributeError(name)

        def handle(self) -> None:
            with suppress(ConnectionError):  # a client that hangs up in the middle is what tests are about
                super().handle()

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    return Handler
