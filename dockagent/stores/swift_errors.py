"""What a Swift server or the way to it said, as one of the house's errors: what, why, what to do.

The statuses are those of OpenStack's "Object Storage API" reference, and what Axis' body worn integration API adds to
them (README, "Error response descriptions"): 400 means that the destination can never store this recording, 402 that
it has no licence left for a camera or user, 503 that it is busy and wants to be asked again soon, 507 that it is full.
413 with "quota" in its text is Swift's container and account quotas (middleware ``container_quotas``), 422 that
the bytes that arrived do not have the MD5 that was announced, 498 the ``ratelimit`` middleware. That 402, 403 and 404
are worth another try is our reading: somebody can buy, allow or make what is missing, and footage waits for it.
A 400 about our certificate is nginx's, which has no status of its own for it (ngx_http_ssl_module, 495 and 496), and
speaks of the connection, never of footage.
"""

import http.client
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from dockagent.core.uplink.trouble import Kind, LinkTrouble
from dockagent.errors import DockError, Permanent

_AGAIN = "nothing to do: it is tried again"
_ROOM = "make room in the store or raise its quota"
_NOT_SWIFT = "that is no answer of a Swift server: check the address, and what stands before it"
_KNOWN = {
    401: (Kind.CREDENTIAL, "check the store's user and key"),
    402: (Kind.OBJECT, "the store has no licence left for this camera or user: ask who runs it"),
    403: (Kind.CREDENTIAL, "allow this user to write to (and read from) the store's containers"),
    404: (Kind.SETTINGS, "make the container, or correct the store's URL"),
    413: (Kind.FULL, _ROOM),
    422: (Kind.LINK, "the bytes changed on their way: it is tried again"),
    429: (Kind.THROTTLED, _AGAIN),
    498: (Kind.THROTTLED, _AGAIN),
    503: (Kind.THROTTLED, _AGAIN),
    507: (Kind.FULL, _ROOM),
}
_CERTIFICATE = b"SSL certificate"  # nginx: "No required SSL certificate was sent", "The SSL certificate error"
_PASSING = frozenset((408, 409, 412, 499))  # about this one try, not about the object
_LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said: ``headers`` by their lower-case names, ``body`` whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def etag(self) -> str:
        """The MD5 that the server states (hex), without quotes; of a large object the MD5 over its segments' MD5s."""
        return self.headers.get("etag", "").strip('"').lower()

    @property
    def wait_s(self) -> float:
        """How many seconds the server asks us to wait (RFC 9110, Retry-After, its first form), an hour at most."""
        asked = self.headers.get("retry-after", "")
        return min(float(asked), _LONGEST_WAIT_S) if asked.isascii() and asked.isdigit() else 0.0

    @property
    def words(self) -> str:
        """The server's own words for people, one short line without markup."""
        text = re.sub(r"<[^>]*>", " ", self.body[:1000].decode("utf-8", "replace"))
        return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:200] or "no more words"


class NoAnswer(Exception):
    """The request did not get through, or what came back is no answer. The cause is the transport's own error."""


def about_our_certificate(answer: Answer) -> bool:
    """Whether a server before the store does not take the certificate that we showed, or wants one: Swift and Ceph
    themselves put ``X-Trans-Id`` into every answer."""
    return answer.status == 400 and "x-trans-id" not in answer.headers and _CERTIFICATE in answer.body


class NoToken(LinkTrouble):
    """The door where tokens are given out answered ``status`` instead. No answer there is about footage, so none is for
    good."""

    def __init__(self, answer: Answer, url: str) -> None:
        why = refused(answer, "get a token", url)
        kind, hint = Kind.CREDENTIAL, "check the store's address, user and key"
        if isinstance(why, LinkTrouble):
            kind, hint = why.kind, why.hint
        super().__init__(kind, why.what, hint, after_s=answer.wait_s)
        self.status = answer.status


def cannot_look(answer: Answer, act: str, url: str) -> DockError:
    """Why we could not look at an object. No answer to a look is for good: nothing was to be stored. A 400 to HEAD has
    no words, and may be about our certificate."""
    why = refused(answer, act, url)
    if isinstance(why, Permanent):
        hint = "check client_cert_file and client_key_file, and what stands before the store"
        return LinkTrouble(Kind.STORE, why.what, hint, after_s=answer.wait_s)
    return why


def refused(answer: Answer, act: str, url: str) -> DockError:
    """The server answered, and the answer was no: why we could not ``act`` in the store at ``url``."""
    said = f"cannot {act} in {url}: the store answered {answer.status}: {answer.words}"
    if about_our_certificate(answer):
        return LinkTrouble(
            Kind.TLS, said, "check client_cert_file and client_key_file: not there, expired, or another's"
        )
    if 300 <= answer.status < 400:
        return LinkTrouble(Kind.SETTINGS, said, "set the address that the store is at")
    if answer.status == 413 and b"quota" not in answer.body.lower():
        return Permanent(said, "the store takes no object of this size: ask who runs the store")
    if answer.status in _KNOWN:
        kind, hint = _KNOWN[answer.status]
        return LinkTrouble(kind, said, hint, after_s=answer.wait_s)
    if answer.status == 501 or (400 <= answer.status < 500 and answer.status not in _PASSING):
        return Permanent(said, "the store will not take this object as it is: ask who runs the store")
    if 200 <= answer.status < 300:
        return LinkTrouble(Kind.PORTAL, said, _NOT_SWIFT)
    return LinkTrouble(Kind.STORE, said, _AGAIN, after_s=answer.wait_s)


@contextmanager
def named_errors(act: str, url: str) -> Iterator[None]:
    """Turn a :class:`NoAnswer` in the body into LinkTrouble: we could not ``act`` in the store at ``url``."""
    try:
        yield
    except NoAnswer as err:
        raise _no_answer(err, f"cannot {act} in {url}") from err


def _no_answer(err: NoAnswer, what: str) -> LinkTrouble:
    cause = err.__cause__
    said = f"{what}: {' '.join(str(err).split())}"
    if isinstance(cause, ssl.SSLError):
        return LinkTrouble(Kind.TLS, said, "check the store's certificate, ours, and the CA file in the configuration")
    if isinstance(cause, socket.gaierror):
        return LinkTrouble(Kind.DNS, said, "check the store's name, and this dock's name servers")
    if isinstance(cause, http.client.HTTPException) and not isinstance(cause, OSError):
        return LinkTrouble(Kind.PORTAL, said, _NOT_SWIFT)
    return LinkTrouble(Kind.LINK, said, "check the network and the store's address; it is tried again")
