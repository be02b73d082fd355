"""HTTP to a Swift server: a token, requests with it, TLS with our own certificate. The standard library does it all.

A token is asked for with ``GET /auth/v1.0``, ``X-Auth-User`` and ``X-Auth-Key``; the answer has ``X-Auth-Token`` and
``X-Storage-Url`` (OpenStack Swift, "v1 authentication"; Axis body worn integration API, "Access token API", which
writes ``Auth-Key`` once where its example server and Swift itself read ``X-Auth-Key``). A token that is no longer
taken (401) is asked for anew, once for each request.
"""

import http.client
import ssl
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from dockagent.core import mistake
from dockagent.errors import UsageError
from dockagent.stores.swift_errors import Answer, NoAnswer, NoToken
from dockagent.stores.swift_settings import SwiftSettings

MOST_ANSWER = 8 << 20  # bytes of an answer that is no object; a page of a listing is under 1 MiB
MOST_IDLE = 4  # connections that are kept for the next request


@dataclass(frozen=True, slots=True)
class Body:
    """``size`` bytes to be sent; ``pieces`` gives them from the start each time it is called."""

    size: int
    pieces: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class _Token:
    """Who we are for the server, and where our account is."""

    token: str
    base: str


def body_of(data: bytes) -> Body:
    """Few bytes as a body."""
    return Body(len(data), lambda: iter((data,)))


class Download:
    """An object that is coming: ``answer`` (without body), and ``read(n)``: 1..n bytes, b"" at its end.
    Raises NoAnswer where the line breaks or ends before the announced length."""

    def __init__(self, answer: Answer, response: http.client.HTTPResponse) -> None:
        self.answer = answer
        self._response = response

    def read(self, size: int, /) -> bytes:
        try:
            data = self._response.read(size)
            if not data and self._response.length:
                raise http.client.IncompleteRead(b"", self._response.length)
        except (OSError, http.client.HTTPException) as err:
            raise NoAnswer(f"the line broke while it was read: {_why(err)}") from err
        return data


class Client:
    """Requests to one account, by any number of threads. Nothing is sent until the first. ``asked`` counts them by
    method. Raises UsageError for settings that cannot work."""

    def __init__(self, settings: SwiftSettings) -> None:
        _need_settings(settings)
        self.asked: Counter[str] = Counter()
        self._settings = settings
        self._tls = _tls(settings)
        self._lock = threading.Lock()
        self._token: _Token | None = None
        self._idle: list[tuple[str, http.client.HTTPConnection]] = []
        weakref.finalize(self, _close_all, self._idle)

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        query: str = "",
    ) -> Answer:
        """Send one request to ``/CONTAINER/OBJECT`` of the account, and return the whole answer, whatever it says.
        Raises NoAnswer where none comes, DockError where no token is given, and what ``body`` raises."""
        with self._exchange(method, path, headers or {}, body, query) as (answer, response):
            return Answer(answer.status, answer.headers, _whole(response))

    @contextmanager
    def download(self, path: str, query: str = "") -> Iterator[Download]:
        """The object at ``path``, as its bytes come; ``query`` may name a version of it. Raises NoAnswer, and DockError
        where no token is given."""
        with self._exchange("GET", path, {}, None, query) as (answer, response):
            said = b"" if answer.status == http.client.OK else _whole(response)
            yield Download(Answer(answer.status, answer.headers, said), response)

    def ask_host(self, path: str) -> Answer:
        """``GET`` a path of the server itself (``/info``), beside all accounts. Raises NoAnswer and DockError."""
        parts = urlsplit(self._known_token().base)
        with self._send("GET", f"{parts.scheme}://{parts.netloc}{path}", {}, None) as (answer, response):
            return Answer(answer.status, answer.headers, _whole(response))

    def renew(self) -> Answer:
        """Ask for a new token, also where the old one is good. Raises as :meth:`ask`. The answer's ``Date`` is the
        server's clock."""
        answer, token = self._new_token()
        with self._lock:
            self._token = token
        return answer

    @contextmanager
    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: Body | None, query: str
    ) -> "Iterator[tuple[Answer, http.client.HTTPResponse]]":
        target = quote(path, safe="/~") + (f"?{query}" if query else "")
        for may_renew in (True, False):
            token = self._known_token()
            asked = {**headers, "X-Auth-Token": token.token}
            with self._send(method, token.base + target, asked, body) as (answer, response):
                if answer.status != http.client.UNAUTHORIZED or not may_renew:
                    yield answer, response
                    return
            self._forget(token)

    def _known_token(self) -> _Token:
        with self._lock:
            token = self._token
        if token is None:
            self.renew()
            return self._known_token()
        return token

    def _forget(self, token: _Token) -> None:
        with self._lock:
            if self._token == token:
                self._token = None

    def _new_token(self) -> tuple[Answer, _Token]:
        """From the first address that answers. The last one's trouble is told when none does."""
        *others, last = self._settings.auth_urls
        for url in others:
            with suppress(NoAnswer):
                return self._token_from(url)
        return self._token_from(last)

    def _token_from(self, url: str) -> tuple[Answer, _Token]:
        headers = {"X-Auth-User": self._settings.user, "X-Auth-Key": self._settings.key}
        with self._send("GET", url, headers, None) as (head, response):
            answer = Answer(head.status, head.headers, _whole(response))
        token, base = answer.headers.get("x-auth-token", ""), answer.headers.get("x-storage-url", "")
        if answer.status not in (200, 204) or not token or not base:
            raise NoToken(answer, self._settings.url)
        _need_good_base(url, base)
        return answer, _Token(token, base.rstrip("/"))

    @contextmanager
    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None
    ) -> "Iterator[tuple[Answer, http.client.HTTPResponse]]":
        """One request and the head of its answer. A kept connection that the server had closed meanwhile is replaced;
        every request of ours may reach the server twice. Whatever goes wrong until the end is NoAnswer."""
        parts = urlsplit(url)
        with self._lock:
            self.asked[method] += 1
        place = f"{parts.scheme}://{parts.netloc}"
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        kept = self._take(place)
        try:
            connection, response = self._first_answer(kept, place, method, target, headers, body)
        except (OSError, http.client.HTTPException) as err:
            raise NoAnswer(_why(err)) from err
        answer = Answer(response.status, {name.lower(): value for name, value in response.headers.items()})
        kept_to_the_end = False
        try:
            yield answer, response
            kept_to_the_end = True
        except (OSError, http.client.HTTPException) as err:
            raise NoAnswer(_why(err)) from err
        finally:
            if not kept_to_the_end:
                connection.close()
        self._give_back(place, connection, response)

    def _first_answer(
        self,
        kept: http.client.HTTPConnection | None,
        place: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body | None,
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        if kept is not None:
            try:
                return kept, _request(kept, method, target, headers, body)
            except (ConnectionError, http.client.BadStatusLine):
                pass  # it was closed while nobody used it: once more, on a new one
        connection = self._connect(place)
        return connection, _request(connection, method, target, headers, body)

    def _connect(self, place: str) -> http.client.HTTPConnection:
        parts = urlsplit(place)
        limit = self._settings.connect_timeout
        if parts.scheme == "https":
            made: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname or "", parts.port, timeout=limit, context=self._tls
            )
        else:
            made = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=limit)
        made.connect()
        made.sock.settimeout(self._settings.read_timeout)
        return made

    def _take(self, place: str) -> http.client.HTTPConnection | None:
        with self._lock:
            for at, (where, connection) in enumerate(self._idle):
                if where == place:
                    del self._idle[at]
                    return connection
        return None

    def _give_back(
        self, place: str, connection: http.client.HTTPConnection, response: http.client.HTTPResponse
    ) -> None:
        """Keep a connection whose answer was read to its end."""
        with self._lock:
            if response.isclosed() and not response.will_close and len(self._idle) < MOST_IDLE:
                self._idle.append((place, connection))
                return
        connection.close()


def _request(
    connection: http.client.HTTPConnection, method: str, target: str, headers: Mapping[str, str], body: Body | None
) -> http.client.HTTPResponse:
    """Send it and wait for the head of the answer. A server that refuses may say so before it has read everything."""
    with ExitStack() as at_failure:
        at_failure.callback(connection.close)
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None or method in ("PUT", "POST"):
            connection.putheader("Content-Length", str(body.size if body else 0))
        connection.endheaders()
        whole = body is None or _send_body(connection, body)
        response = connection.getresponse()
        at_failure.pop_all()
    response.will_close = response.will_close or not whole
    return response


def _send_body(connection: http.client.HTTPConnection, body: Body) -> bool:
    """Whether all of it went out. A server that hangs up meanwhile has perhaps said why."""
    sent = 0
    for piece in body.pieces():
        try:
            connection.send(piece)
        except (BrokenPipeError, ConnectionResetError):
            return False
        sent += len(piece)
    if sent != body.size:
        raise http.client.HTTPException(f"{sent} of {body.size} bytes were to be sent")
    return True


def _whole(response: http.client.HTTPResponse) -> bytes:
    """An answer's body. Raises HTTPException for half of one, and for one that is too long."""
    data = bytearray()
    while piece := response.read(64 << 10):
        data += piece
        if len(data) > MOST_ANSWER:
            raise http.client.HTTPException(f"an answer of more than {MOST_ANSWER} bytes")
    if response.length:
        raise http.client.IncompleteRead(bytes(data), response.length)
    return bytes(data)


def _why(err: Exception) -> str:
    """An error of the transport in a few words."""
    if isinstance(err, TimeoutError):
        return "no answer in time"
    if isinstance(err, OSError):
        return err.strerror or str(err) or type(err).__name__
    return str(err) or type(err).__name__


def _tls(settings: SwiftSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None, cadata=settings.ca_data or None)
        if settings.ca_data:  # a certificate that was handed over is trusted, also where it is no authority's
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if settings.client_cert_file:
            context.load_cert_chain(settings.client_cert_file, settings.client_key_file)
    except (OSError, ssl.SSLError) as err:
        raise UsageError(
            f"{settings.url}: its certificates cannot be read: {mistake.in_system(err)}", "correct the store's settings"
        ) from err
    context.set_alpn_protocols(["http/1.1"])
    return context


def _need_settings(settings: SwiftSettings) -> None:
    if not settings.auth_urls or not settings.user or not settings.key:
        raise UsageError(f"{settings.url} has no address, user or key", "set auth_url, user and key_file in [swift]")
    for url in settings.auth_urls:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise UsageError(f"not an address for tokens: {url!r}", "set auth_url in [swift]: https://HOST/auth/v1.0")
    if bool(settings.client_cert_file) != bool(settings.client_key_file):
        raise UsageError(f"{settings.url} has a client certificate or its key alone", "give both files")
    for name in (settings.ca_file, settings.client_cert_file, settings.client_key_file):
        if name and not Path(name).is_file():
            raise UsageError(
                f"{settings.url} needs the file {name}, which is not there", "correct the store's settings"
            )


def _need_good_base(auth_url: str, base: str) -> None:
    """Raises NoAnswer for a storage address that no token may go to: none, or plain HTTP after TLS."""
    scheme = urlsplit(base).scheme
    if scheme not in ("http", "https") or not urlsplit(base).hostname:
        raise NoAnswer(f"the store's address for footage is no URL: {base[:100]!r}")
    if urlsplit(auth_url).scheme == "https" and scheme != "https":
        raise NoAnswer(f"the store wants footage and token without TLS at {base[:100]!r}, which is refused")


def _close_all(idle: list[tuple[str, http.client.HTTPConnection]]) -> None:
    for _, connection in idle:
        with suppress(OSError):
            connection.close()
