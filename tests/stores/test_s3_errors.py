"""What servers and networks say, and what a person then reads."""

from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    SSLError,
)

from dockagent.core.moment import Instant
from dockagent.errors import DockError, Permanent, Retryable
from dockagent.stores.s3_errors import named_errors

NOON_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z


class StoppedClock:
    """A clock that stands still at noon."""

    def now(self) -> Instant:
        return Instant(NOON_MS, "boot", 0, "ntp", 1)

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nobody waits here, least of all {seconds} s")


def answer(status: int, code: str, message: str = "words\nof the server", date: str = "") -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {"date": date} if date else {}},
    }
    return ClientError(response, "PutObject")


def told(err: Exception) -> DockError:
    with pytest.raises(DockError) as failed, named_errors("store clips/x", "s3://bucket", StoppedClock()):
        raise err
    assert failed.value.__cause__ is err
    assert "\n" not in str(failed.value)
    assert failed.value.what.startswith("cannot store clips/x in s3://bucket: ")
    assert failed.value.hint
    return failed.value


@pytest.mark.parametrize(
    ("status", "code", "kind", "hint"),
    [
        (500, "InternalError", Retryable, "tried again"),
        (503, "SlowDown", Retryable, "tried again"),
        (429, "TooManyRequests", Retryable, "tried again"),
        (408, "RequestTimeout", Retryable, "tried again"),
        (400, "RequestTimeout", Retryable, "tried again"),
        (400, "XAmzContentSHA256Mismatch", Retryable, "tried again"),
        (400, "BadDigest", Retryable, "tried again"),
        (400, "ExpiredToken", Retryable, "renew"),
        (403, "InvalidAccessKeyId", Retryable, "access key"),
        (403, "SignatureDoesNotMatch", Retryable, "access key"),
        (403, "AccessDenied", Retryable, "access key"),
        (403, "QuotaExceeded", Retryable, "quota"),
        (507, "InsufficientStorage", Retryable, "quota"),
        (404, "NoSuchBucket", Retryable, "make the bucket"),
        (404, "NoSuchUpload", Retryable, "tried again"),
        (301, "PermanentRedirect", Retryable, "region"),
        (400, "AuthorizationHeaderMalformed", Retryable, "region"),
        (412, "PreconditionFailed", Retryable, "tried again"),
        (409, "ConditionalRequestConflict", Retryable, "tried again"),
        (400, "400", Retryable, "access key"),
        (400, "InvalidArgument", Permanent, "ask who runs the store"),
        (400, "KeyTooLongError", Permanent, "ask who runs the store"),
        (413, "EntityTooLarge", Permanent, "ask who runs the store"),
        (501, "NotImplemented", Permanent, "ask who runs the store"),
    ],
)
def test_answers(status: int, code: str, kind: type[DockError], hint: str) -> None:
    error = told(answer(status, code))
    assert type(error) is kind
    assert hint in error.hint
    assert f"the store answered {status} {code}: words of the server" in error.what


@pytest.mark.parametrize(
    ("date", "words"),
    [
        ("Sun, 22 Nov 2026 11:40:00 GMT", "our clock is 1200 s ahead of the store's"),
        ("Sun, 22 Nov 2026 13:00:05 GMT", "our clock is 3605 s behind the store's"),
        ("", "our clock and the store's differ too much"),
        ("garbage", "our clock and the store's differ too much"),
    ],
)
def test_a_clock_that_is_off_is_told_by_how_much(date: str, words: str) -> None:
    error = told(answer(403, "RequestTimeTooSkewed", date=date))
    assert type(error) is Retryable
    assert words in error.what
    assert "NTP" in error.hint


@pytest.mark.parametrize(
    ("err", "kind", "hint"),
    [
        (EndpointConnectionError(endpoint_url="http://x"), Retryable, "network"),
        (ConnectTimeoutError(endpoint_url="http://x"), Retryable, "network"),
        (ReadTimeoutError(endpoint_url="http://x"), Retryable, "network"),
        (SSLError(endpoint_url="https://x", error=OSError("self-signed")), Retryable, "CA file"),
        (NoCredentialsError(), Retryable, "secret key"),
        (ParamValidationError(report="bad"), Permanent, "settings"),
        (BotoCoreError(), Retryable, "settings and the network"),
    ],
)
def test_no_answer(err: BotoCoreError, kind: type[DockError], hint: str) -> None:
    error = told(err)
    assert type(error) is kind
    assert hint in error.hint
