"""What an S3 server or the way to it said, as one of the house's errors: what, why, what to do.

Statuses and codes are those of the Amazon S3 API Reference, "Error responses"; 511 is RFC 6585, 6.
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSLError,
)

from dockagent.clock import Clock
from dockagent.core.uplink.trouble import Kind, LinkTrouble
from dockagent.errors import DockError, Permanent

_AGAIN = "nothing to do: it is tried again"
_KEYS = "check the store's access key and what it is allowed to do"
_REGION = "set the region and address that the bucket is in"
_ROOM = "make room in the store or raise its quota"
_RENEW = "renew the store's credentials"
_NOT_S3 = "that is no answer of an S3 store: check the address, and what stands before it (a login page?)"
_OF_S3 = ("x-amz-request-id", "x-amzn-requestid", "x-amz-id-2")  # every answer of a store has one of these
_LONGEST_WAIT_S = 3600.0
_NAMED = {
    "NoSuchBucket": (Kind.SETTINGS, "make the bucket, or correct the store's URL"),
    "NoSuchUpload": (Kind.OBJECT, _AGAIN),
    "PermanentRedirect": (Kind.SETTINGS, _REGION),
    "AuthorizationHeaderMalformed": (Kind.SETTINGS, _REGION),
    "IllegalLocationConstraintException": (Kind.SETTINGS, _REGION),
    "QuotaExceeded": (Kind.FULL, _ROOM),
    "ExpiredToken": (Kind.CREDENTIAL, _RENEW),
    "TokenRefreshRequired": (Kind.CREDENTIAL, _RENEW),
    "InvalidToken": (Kind.CREDENTIAL, _RENEW),
    "SlowDown": (Kind.THROTTLED, _AGAIN),
}
_BY_STATUS = {
    301: (Kind.SETTINGS, _REGION),
    302: (Kind.PORTAL, _NOT_S3),
    303: (Kind.PORTAL, _NOT_S3),
    307: (Kind.SETTINGS, _REGION),
    401: (Kind.CREDENTIAL, _KEYS),
    402: (Kind.CREDENTIAL, "the store wants to be paid: ask who runs it"),
    403: (Kind.CREDENTIAL, _KEYS),
    429: (Kind.THROTTLED, _AGAIN),
    503: (Kind.THROTTLED, _AGAIN),
    507: (Kind.FULL, _ROOM),
    511: (Kind.PORTAL, _NOT_S3),
}
_ABOUT_THIS_TRY = frozenset((404, 408, 409, 412))
# Answers with status 400 that are about this one try, not about the object.
_PASSING = frozenset(
    ("BadDigest", "IncompleteBody", "InvalidDigest", "InvalidPart", "RequestTimeout", "XAmzContentSHA256Mismatch")
)


def code(err: ClientError) -> str:
    """The server's error code (``NoSuchUpload``), or the status as text where it sent no body (HEAD)."""
    return str(err.response.get("Error", {}).get("Code", ""))


def status(err: ClientError) -> int:
    """The HTTP status of the answer, 0 where there was none."""
    return int(err.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


class NotS3(BotoCoreError):
    """Something answered, and it was no S3 store."""

    fmt = "something else answered in the store's place: {status}, {kind}"


def must_be_s3(http_response: Any, **_event: object) -> None:
    """A hook (``after-call``): a good answer without a store's request id is not believed. Raises NotS3."""
    headers = http_response.headers
    if http_response.status_code < 300 and not any(name in headers for name in _OF_S3):
        raise NotS3(status=http_response.status_code, kind=headers.get("content-type", "no content type"))


@contextmanager
def named_errors(act: str, url: str, clock: Clock) -> Iterator[None]:
    """Turn botocore's errors in the body into Retryable or Permanent, saying that we could not ``act`` in ``url``."""
    try:
        yield
    except ClientError as err:
        raise _refused(err, f"cannot {act} in {url}", clock) from err
    except BotoCoreError as err:
        raise _no_answer(err, f"cannot {act} in {url}") from err


def skew_ms(date: str, clock: Clock) -> int:
    """How far our clock is ahead of a server's ``Date`` header, milliseconds. Raises ValueError for no such date."""
    return clock.now().utc_ms - int(parsedate_to_datetime(date).timestamp() * 1000)


def skew_words(skew: int) -> str:
    """``skew`` milliseconds for a person."""
    return f"{abs(skew) // 1000} s {'ahead of' if skew > 0 else 'behind'} the store's"


def _refused(err: ClientError, what: str, clock: Clock) -> DockError:
    """The server answered, and the answer was no."""
    name, number = code(err), status(err)
    message = " ".join(str(err.response.get("Error", {}).get("Message") or "no more words").split())
    said = f"{what}: the store answered {number} {name}: {message}"
    headers = err.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if name == "RequestTimeTooSkewed":
        return _skewed(headers, what, clock)
    found = _NAMED.get(name) or _BY_STATUS.get(number)
    if name == "400":  # an answer to HEAD has no words: an expired token looks like this
        found = Kind.CREDENTIAL, _KEYS
    if found is not None:
        return LinkTrouble(found[0], said, found[1], after_s=_wait_s(headers))
    if number in _ABOUT_THIS_TRY or name in _PASSING:
        return LinkTrouble(Kind.OBJECT, said, _AGAIN)
    if number == 501 or 400 <= number < 500:
        return Permanent(said, "the store will not take this object as it is: ask who runs the store")
    return LinkTrouble(Kind.STORE, said, _AGAIN, after_s=_wait_s(headers))


def _wait_s(headers: Mapping[str, str]) -> float:
    """Seconds that the server asks us to wait (RFC 9110, Retry-After, its first form), an hour at most."""
    asked = headers.get("retry-after", "")
    return min(float(asked), _LONGEST_WAIT_S) if asked.isascii() and asked.isdigit() else 0.0


def _skewed(headers: Mapping[str, str], what: str, clock: Clock) -> LinkTrouble:
    try:
        off = f"our clock is {skew_words(skew_ms(headers.get('date', ''), clock))}"
    except ValueError:
        off = "our clock and the store's differ too much"
    return LinkTrouble(Kind.CLOCK, f"{what}: {off}", "set this dock's clock (NTP), or the store's")


def _no_answer(err: BotoCoreError, what: str) -> DockError:
    """The request did not get through, or could not be made."""
    said = f"{what}: {' '.join(str(err).split())}"
    if isinstance(err, NotS3):
        return LinkTrouble(Kind.PORTAL, said, _NOT_S3)
    if isinstance(err, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError):
        return LinkTrouble(Kind.CREDENTIAL, said, "give the store's access key and secret key in the configuration")
    if isinstance(err, SSLError):
        return LinkTrouble(Kind.TLS, said, "check the store's certificate and the CA file in the configuration")
    if isinstance(err, ConnectionError | HTTPClientError):
        kind = Kind.DNS if _has_no_name(err) else Kind.LINK
        return LinkTrouble(kind, said, "check the network and the store's address; it is tried again")
    if isinstance(err, ParamValidationError):
        return Permanent(said, "correct the store's settings")
    return LinkTrouble(Kind.LINK, said, "check the store's settings and the network; it is tried again")


def _has_no_name(err: BaseException) -> bool:
    """Whether the store's name led nowhere. urllib3 wraps what the resolver said, and botocore wraps that."""
    seen: BaseException | None = err.kwargs.get("error") if isinstance(err, BotoCoreError) else None
    while seen is not None and not isinstance(seen, socket.gaierror):
        seen = seen.__cause__ or seen.__context__
    return seen is not None
