"""One HTTP exchange with a time-stamp authority (RFC 3161 section 3.4), with an end to how long and how much."""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import SplitResult, urlsplit

from dockagent.errors import Permanent, Retryable, UsageError

QUERY_TYPE, REPLY_TYPE = "application/timestamp-query", "application/timestamp-reply"
_NEVER = frozenset({400, 404, 405, 406, 410, 411, 413, 414, 415, 501})
"""Answers that the same query will get again. The rest may pass: a portal's redirect, a login, a busy server."""


def exchange(url: str, query: bytes, *, most: int, timeout: float) -> bytes:
    """POST ``query`` and return the reply's bytes, at most ``most`` of them. ``timeout``: seconds for everything after
    the name was looked up, however busily the other side sends.

    Redirects are not followed, and an answer of another type is not read: that is how captive portals look. Raises
    UsageError for an address that is not http or https, Retryable and Permanent.
    """
    where = _address(url)
    if timeout <= 0:
        raise UsageError(f"a time limit of {timeout} s for a time stamp is none")
    over = threading.Event()
    try:
        with _connected(where, timeout, over) as connection:
            target = (where.path or "/") + (f"?{where.query}" if where.query else "")
            connection.request("POST", target, query, {"Content-Type": QUERY_TYPE, "Accept": REPLY_TYPE})
            with connection.getresponse() as answer:
                _check(answer, url)
                reply = answer.read(most + 1)
                whole = answer.length in (0, None)
    except (OSError, http.client.HTTPException, UnicodeError) as err:
        why = f"no whole answer in {timeout:g} s" if over.is_set() else f"{type(err).__name__}: {err}"
        raise Retryable(f"the time-stamp authority {url} cannot be reached: {why}") from err
    if len(reply) > most:
        raise Retryable(f"the time-stamp authority {url} answered with more than {most} bytes")
    if over.is_set() or not whole:
        raise Retryable(f"the time-stamp authority {url} gave no whole answer in {timeout:g} s")
    return reply


def _address(url: str) -> SplitResult:
    try:
        where = urlsplit(url)
        known = where.scheme in {"http", "https"} and bool(where.hostname) and where.port != 0
    except ValueError as err:
        raise UsageError(f"not the address of a time-stamp authority: {url!r}: {err}") from err
    if not known or where.username is not None or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(f"not the address of a time-stamp authority: {url!r}; it reads http(s)://HOST[:PORT]/PATH")
    return where


@contextmanager
def _connected(where: SplitResult, timeout: float, over: threading.Event) -> Iterator[http.client.HTTPConnection]:
    """A connection that is shut down, and ``over`` set, when the time is over: a socket's own time limit starts anew
    with each byte."""
    secure = where.scheme == "https"
    address = (where.hostname or "", where.port or (443 if secure else 80))
    line = socket.create_connection(address, timeout)
    with line.dup() as guard, line:

        def end() -> None:
            over.set()
            with suppress(OSError):
                guard.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(timeout, end)
        timer.daemon = True
        timer.start()
        try:
            connection = http.client.HTTPConnection(*address)
            connection.sock = _secured(line, address[0]) if secure else line
            try:
                yield connection
            finally:
                connection.close()
        finally:
            timer.cancel()
            timer.join()


def _secured(line: socket.socket, host: str) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context.wrap_socket(line, server_hostname=host)


def _check(answer: http.client.HTTPResponse, url: str) -> None:
    kind = answer.headers.get_content_type()
    if answer.status in _NEVER:
        raise Permanent(
            f"the time-stamp authority {url} refused the query: HTTP {answer.status} {answer.reason}",
            "check its address",
        )
    if answer.status != 200 or kind != REPLY_TYPE:
        raise Retryable(
            f"{url} did not answer as a time-stamp authority: HTTP {answer.status}, {kind}",
            "check its address, and that no portal or proxy stands between",
        )
