"""The way to a custodian: what it has signed about a clip, asked for over HTTP or read where the store can be read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from dockagent import __version__
from dockagent.core.central.custodian_key import CustodianKey
from dockagent.errors import Retryable, UsageError

if TYPE_CHECKING:
    import ssl

Fetch = Callable[[str, str, str, str], bytes | None]
"""``fetch(kind, clip_id, folder, name)``: what lies under ``name`` in the clip's ``folder`` of the store; ``kind``:
``receipts`` or ``permits``. None where there is none yet. Raises Retryable where nobody can be asked."""

_MOST = 4 << 20


@dataclass(frozen=True, slots=True)
class Counterparty:
    """Whose word counts, and how to get it."""

    keys: tuple[CustodianKey, ...]
    fetch: Fetch


def fetch_http(url: str, timeout_s: float, ca_file: str = "", client: tuple[str, str] = ("", "")) -> Fetch:
    """From the custodian's service at ``url``; ``timeout_s`` seconds for a whole conversation; ``ca_file``, ``client``:
    see :func:`dockagent.ledger.conversation.tls`. Nothing is redirected. Raises UsageError for what is no such URL."""
    import http.client  # it and TLS are only for docks that have a custodian to ask

    from dockagent.ledger.conversation import tls

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"not the address of a custodian: {url!r}", "write url = https://HOST in [custodian]")
    context = tls(ca_file, "custodian", client) if parts.scheme == "https" else None
    host, port = parts.hostname, parts.port or (443 if context else 80)
    base = parts.path.rstrip("/")

    def fetch(kind: str, clip_id: str, folder: str, name: str) -> bytes | None:
        target = f"{base}/{kind}/{clip_id}?folder={quote(folder, safe='/')}&name={quote(name)}"
        try:
            status, body = _get(host, port, timeout_s, context, target)
        except (OSError, http.client.HTTPException) as err:
            what = f"the custodian at {url} does not answer: {err or type(err).__name__}"
            raise Retryable(what, "check its address, its machine and the network") from err
        if status == 404:
            return None
        if status != 200 or len(body) > _MOST:
            raise Retryable(f"the custodian at {url} answers {status}: {body[:100]!r}", "ask who runs it")
        return body

    return fetch


def _get(host: str, port: int, timeout_s: float, context: "ssl.SSLContext | None", target: str) -> tuple[int, bytes]:
    from dockagent.ledger.conversation import conversation

    with conversation(host, port, timeout_s, context) as connection:
        connection.request("GET", target, headers={"User-Agent": f"dockagent/{__version__}"})
        answer = connection.getresponse()
        return answer.status, answer.read(_MOST + 1)
