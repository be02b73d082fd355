"""A relay of HTTP requests whose script decides what each is answered: the server's own answer, one of its own making,
or the server's answer changed."""

import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler

from hil.central.local_server import LocalServer

PATIENCE = 60  # seconds
_OF_THE_LINE = frozenset(("connection", "transfer-encoding", "content-length", "keep-alive", "expect"))


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked: method, path with query, headers (names in lower case), body."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What it is answered. ``size``: of a body that is not sent (HEAD)."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    size: int | None = None

    def saying(self, *headers: tuple[str, str]) -> "Answer":
        """The same with more headers."""
        return replace(self, headers=(*self.headers, *headers))


Forward = Callable[[Request], Answer]
Script = Callable[[Request, Forward], Answer | None]


def error(status: int, code: str, message: str = "as the script says") -> Answer:
    """An S3 error (Amazon S3 API Reference, "Error responses")."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status, (("Content-Type", "application/xml"),), body.encode())


@contextmanager
def relaying(target: int, script: Script) -> Iterator[int]:
    """The port of a relay to ``target`` of 127.0.0.1, on which ``script`` rules. Where it answers None, the line is
    hung up without a word."""

    def forward(request: Request) -> Answer:
        line = http.client.HTTPConnection("127.0.0.1", target, timeout=PATIENCE)
        try:
            line.request(request.method, request.path, request.body, request.headers)
            answer = line.getresponse()
            kept = tuple((name, value) for name, value in answer.getheaders() if name.lower() not in _OF_THE_LINE)
            size = int(answer.getheader("Content-Length") or 0) if request.method == "HEAD" else None
            return Answer(answer.status, kept, answer.read(), size)
        finally:
            line.close()

    def relay(handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items() if name.lower() != "expect"}
        body = handler.rfile.read(int(headers.get("content-length", "0")))
        answer = script(Request(handler.command, handler.path, headers, body), forward)
        if answer is None:
            handler.close_connection = True
            return
        handler.send_response_only(answer.status)
        for name, value in answer.headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body) if answer.size is None else answer.size))
        handler.end_headers()
        handler.wfile.write(answer.body)

    with LocalServer(relay) as server:
        yield server.port
