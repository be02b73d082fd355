"""A captive portal: it takes every request for one to its own page, and answers 200."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

PAGE = b"<html><head><title>Welcome</title></head><body>Sign in to use this network.</body></html>\n"


class _Host(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _welcome(self) -> None:
        left = int(self.headers.get("Content-Length") or 0)
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        while left and (data := self.rfile.read(min(left, 1 << 16))):
            left -= len(data)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(PAGE)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _welcome  # noqa: N815 (http.server finds them by these names)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Portal:
    """The portal on ``self.port`` of 127.0.0.1, while used as a context manager."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Host)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="portal", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
