"""The way to a custodian: what it has signed about a clip, asked for over HTTP or read where the store can be read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from dockagent import __version__
from dockagent.core.central.custodian_key import CustodianKey
from dockagent.core.permits.permit import NONE_YET, WITHHELD
from dockagent.core.plain import plain
from dockagent.errors import Refused, Retryable, UsageError

if TYPE_CHECKING:
    import ssl

Fetch = Callable[[str, str, str, str], bytes | None]
"""``fetch(kind, clip_id, folder, name)``: what lies under ``name`` in the clip's ``folder`` of the store; ``kind``:
``receipts``, ``permits``, or ``holds``: the notes on one, which ``name`` begins with and which lie in no clip's folder.
None where there is none yet. Raises Retryable where nobody can be asked, Withheld where the custodian gives no permit
for a reason."""

_MOST = 4 << 20


class Withheld(Refused):
    """The custodian hands out no permit for a clip now: it is on hold, or nobody can tell."""


@dataclass(frozen=True, slots=True)
class Counterparty:
    """Whose word counts, and how to get it. ``door``: whether he answers himself, or what lies in the store is read."""

    keys: tuple[CustodianKey, ...]
    fetch: Fetch
    door: bool = False


def fetch_http(url: str, timeout_s: float, ca_file: str = "", client: tuple[str, str] = ("", "")) -> Fetch:
    """From the custodian's service at ``url``; ``timeout_s`` seconds for a whole conversation; ``ca_file``, ``client``:
    see :func:`dockagent.ledger.conversation.tls`. Nothing is redirected. Raises UsageError for what is no such URL."""
    import http.client  # it and TLS are only for docks that have a custodian to ask

    from dockagent.ledger.conversation import no_answer, tls

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
            what = f"the custodian at {url} does not answer: {no_answer(err)}"
            raise Retryable(what, "check its address, its machine and the network") from err
        if status == 404:
            if kind == "permits" and body.startswith(WITHHELD.encode()):
                raise Withheld(f"the custodian gives no permit for it now: {_words(body[len(WITHHELD) :])}")
            if kind != "permits" or body.strip() == NONE_YET.encode():
                return None
        if status != 200 or len(body) > _MOST:
            raise _not_given(url, status, body)
        return body

    return fetch


def _not_given(url: str, status: int, body: bytes) -> Retryable:
    """The error for an answer that is neither what was asked for nor that there is none."""
    if status == 200:
        return Retryable(f"the custodian at {url} answers with more than {_MOST} bytes", "check url in [custodian]")
    from http.client import responses

    said = _words(body)
    what = f"the custodian at {url} answers {status} {responses.get(status, '')}".rstrip()
    what = f"{what}: {said}" if said else what
    if 300 <= status < 400:
        return Retryable(what, "nothing is followed elsewhere: write its own address as url in [custodian]")
    return Retryable(what, "ask who runs it")


def _words(body: bytes) -> str:
    """What an answer says, for a person."""
    return plain(" ".join(body[:200].decode("utf-8", "replace").split()))


def _get(host: str, port: int, timeout_s: float, context: "ssl.SSLContext | None", target: str) -> tuple[int, bytes]:
    from dockagent.ledger.conversation import conversation

    with conversation(host, port, timeout_s, context) as connection:
        connection.request("GET", target, headers={"User-Agent": f"dockagent/{__version__}"})
        answer = connection.getresponse()
        return answer.status, answer.read(_MOST + 1)
