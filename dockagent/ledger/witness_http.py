"""Talking to a witness over the network: one request, one answer, one time limit for the whole of it."""

import http.client
import socket
import ssl
from urllib.parse import urlsplit

from dockagent import __version__
from dockagent.errors import Retryable
from dockagent.ledger.ask_witness import Post, Reply, WitnessPeer
from dockagent.ledger.deadline import deadline

_MOST_ANSWER = 64 << 10


def post_http(timeout_s: float) -> Post:
    """The :data:`Post` over the network; ``timeout_s`` seconds for a whole conversation. Nothing is redirected."""

    def post(peer: WitnessPeer, body: bytes) -> Reply:
        try:
            return _converse(peer, body, timeout_s)
        except (OSError, http.client.HTTPException) as err:
            what = f"witness {peer.name} at {peer.url} does not answer: {err or type(err).__name__}"
            raise Retryable(what, "check its URL, its machine and the network") from err

    return post


def _converse(peer: WitnessPeer, body: bytes, timeout_s: float) -> Reply:
    parts = urlsplit(peer.url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    address = (host, parts.port or (443 if secure else 80))
    with socket.create_connection(address, timeout_s) as line, deadline(line, timeout_s) as over:
        try:
            reply = _talk(line, host, parts.netloc.rpartition("@")[2], parts.path, body, secure=secure)
        except (OSError, http.client.HTTPException) as err:
            if over.is_set():
                raise TimeoutError(f"nothing whole within {timeout_s:g} s") from err
            raise
    if over.is_set():  # an answer without a length looks whole when its line is shut
        raise TimeoutError(f"nothing whole within {timeout_s:g} s")
    return reply


def _talk(line: socket.socket, host: str, shown: str, path: str, body: bytes, *, secure: bool) -> Reply:
    connection = http.client.HTTPConnection(host)
    connection.sock = ssl.create_default_context().wrap_socket(line, server_hostname=host) if secure else line
    headers = {"Host": shown, "Content-Type": "text/plain; charset=utf-8", "Connection": "close"}
    headers["User-Agent"] = f"dockagent/{__version__}"
    connection.request("POST", f"{path}/add-checkpoint", body, headers)
    answer = connection.getresponse()
    data = answer.read(_MOST_ANSWER + 1)
    if len(data) > _MOST_ANSWER:
        raise http.client.HTTPException(f"more than {_MOST_ANSWER} bytes of answer")
    if answer.length:  # it announced more than came
        raise http.client.IncompleteRead(data, answer.length)
    return Reply(answer.status, data)
