"""One HTTP exchange with a time-stamp authority (RFC 3161 section 3.4), with an end to how long and how much."""

import http.client
from urllib.parse import SplitResult, urlsplit

from dockagent.errors import Permanent, Retryable, UsageError
from dockagent.ledger.conversation import conversation, no_answer, tls

QUERY_TYPE, REPLY_TYPE = "application/timestamp-query", "application/timestamp-reply"
_NEVER = frozenset({400, 404, 405, 406, 410, 411, 413, 414, 415, 501})
"""Answers that the same query will get again. The rest may pass: a portal's redirect, a login, a busy server."""


def exchange(url: str, query: bytes, *, most: int, timeout: float, ca_file: str = "") -> bytes:
    """POST ``query`` and return the reply's bytes, at most ``most`` of them. ``timeout``: seconds for everything after
    the name was looked up, however busily the other side sends; ``ca_file``: see :func:`.conversation.tls`.

    Redirects are not followed, and an answer of another type is not read: that is how captive portals look. Raises
    UsageError for an address that is not http or https, Retryable and Permanent.
    """
    where = _address(url)
    if timeout <= 0:
        raise UsageError(f"a time limit of {timeout} s for a time stamp is none")
    secure = where.scheme == "https"
    context = tls(ca_file, "timestamps") if secure else None
    port = where.port or (443 if secure else 80)
    try:
        with conversation(where.hostname or "", port, timeout, context) as connection:
            target = (where.path or "/") + (f"?{where.query}" if where.query else "")
            connection.request("POST", target, query, {"Content-Type": QUERY_TYPE, "Accept": REPLY_TYPE})
            with connection.getresponse() as answer:
                _check(answer, url)
                reply = answer.read(most + 1)
                whole = answer.length in (0, None)
    except (OSError, http.client.HTTPException, UnicodeError) as err:
        what = f"the time-stamp authority {url} cannot be reached: {no_answer(err)}"
        raise Retryable(what, "check its address, its machine and the network") from err
    if len(reply) > most:
        raise Retryable(f"the time-stamp authority {url} answered with more than {most} bytes")
    if not whole:
        raise Retryable(f"the time-stamp authority {url} gave no whole answer: it announced more than came")
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
