"""Talking to a witness over the network: one request, one answer, one time limit for the whole of it."""

import http.client
import ssl
from urllib.parse import urlsplit

from dockagent import __version__
from dockagent.errors import Retryable
from dockagent.ledger.ask_witness import Post, Reply, WitnessPeer
from dockagent.ledger.conversation import conversation, no_answer, tls

_MOST_ANSWER = 64 << 10


def post_http(timeout_s: float, ca_file: str = "", client: tuple[str, str] = ("", "")) -> Post:
    """The :data:`Post` over the network; ``timeout_s`` seconds for a whole conversation; ``ca_file``, ``client``:
    see :func:`dockagent.ledger.conversation.tls`. Nothing is redirected. Raises UsageError for files that are none."""
    context = tls(ca_file, "witnesses", client)

    def post(peer: WitnessPeer, body: bytes) -> Reply:
        try:
            return _converse(peer, body, timeout_s, context)
        except (OSError, http.client.HTTPException) as err:
            what = f"witness {peer.name} at {peer.url} does not answer: {no_answer(err)}"
            raise Retryable(what, "check its URL, its machine and the network") from err

    return post


def _converse(peer: WitnessPeer, body: bytes, timeout_s: float, context: ssl.SSLContext) -> Reply:
    parts = urlsplit(peer.url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    with conversation(parts.hostname or "", port, timeout_s, context if secure else None) as connection:
        return _talk(connection, parts.netloc.rpartition("@")[2], parts.path, body)


def _talk(connection: http.client.HTTPConnection, shown: str, path: str, body: bytes) -> Reply:
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
