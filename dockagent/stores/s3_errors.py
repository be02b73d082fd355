"""What an S3 server or the way to it said, as one of the house's errors: what, why, what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime

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
from dockagent.errors import DockError, Permanent, Retryable

_AGAIN = "nothing to do: it is tried again"
_KEYS = "check the store's access key and what it is allowed to do"
_REGION = "set the region and address that the bucket is in"
_HINTS = {
    "NoSuchBucket": "make the bucket, or correct the store's URL",
    "NoSuchUpload": _AGAIN,
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "QuotaExceeded": "make room in the store or raise its quota",
    "ExpiredToken": "renew the store's credentials",
    "TokenRefreshRequired": "renew the store's credentials",
    "InvalidToken": "renew the store's credentials",
}
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


@contextmanager
def named_errors(act: str, url: str, clock: Clock) -> Iterator[None]:
    """Turn boto3's errors in the body into Retryable or Permanent, saying that we could not ``act`` in ``url``."""
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
    if name == "RequestTimeTooSkewed":
        return _skewed(err, what, clock)
    if name in _HINTS:
        return Retryable(said, _HINTS[name])
    if number in (301, 307):
        return Retryable(said, _REGION)
    if number in (401, 403) or name == "400":  # an answer to HEAD has no words: an expired token looks like this
        return Retryable(said, _KEYS)
    if number == 507:
        return Retryable(said, _HINTS["QuotaExceeded"])
    if number == 501 or (400 <= number < 500 and number not in (404, 408, 409, 412, 429) and name not in _PASSING):
        return Permanent(said, "the store will not take this object as it is: ask who runs the store")
    return Retryable(said, _AGAIN)


def _skewed(err: ClientError, what: str, clock: Clock) -> Retryable:
    date = err.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        off = f"our clock is {skew_words(skew_ms(date, clock))}"
    except ValueError:
        off = "our clock and the store's differ too much"
    return Retryable(f"{what}: {off}", "set this dock's clock (NTP), or the store's")


def _no_answer(err: BotoCoreError, what: str) -> DockError:
    """The request did not get through, or could not be made."""
    said = f"{what}: {' '.join(str(err).split())}"
    if isinstance(err, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError):
        return Retryable(said, "give the store's access key and secret key in the configuration")
    if isinstance(err, SSLError):
        return Retryable(said, "check the store's certificate and the CA file in the configuration")
    if isinstance(err, ConnectionError | HTTPClientError):
        return Retryable(said, "check the network and the store's address; it is tried again")
    if isinstance(err, ParamValidationError):
        return Permanent(said, "correct the store's settings")
    return Retryable(said, "check the store's settings and the network; it is tried again")
