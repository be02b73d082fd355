"""What servers and networks say, and what a person then reads."""

import socket
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
from dockagent.core.uplink.trouble import Kind, LinkTrouble
from dockagent.errors import DockError, Permanent
from dockagent.stores.s3_errors import NotS3, named_errors

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


def unknown_name() -> EndpointConnectionError:
    """As urllib3 and botocore wrap it."""
    try:
        try:
            raise socket.gaierror(-2, "Name or service not known")
        except socket.gaierror as inner:
            raise OSError("cannot resolve") from inner
    except OSError as outer:
        return EndpointConnectionError(endpoint_url="http://x", error=outer)


def kind_of(error: DockError) -> Kind | None:
    """What kind of trouble it is; None for an object that will never be taken."""
    if isinstance(error, LinkTrouble):
        return error.kind
    assert type(error) is Permanent
    return None


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
        (500, "InternalError", Kind.STORE, "tried again"),
        (503, "SlowDown", Kind.THROTTLED, "tried again"),
        (429, "TooManyRequests", Kind.THROTTLED, "tried again"),
        (408, "RequestTimeout", Kind.OBJECT, "tried again"),
        (400, "RequestTimeout", Kind.OBJECT, "tried again"),
        (400, "XAmzContentSHA256Mismatch", Kind.OBJECT, "tried again"),
        (400, "BadDigest", Kind.OBJECT, "tried again"),
        (400, "ExpiredToken", Kind.CREDENTIAL, "renew"),
        (403, "InvalidAccessKeyId", Kind.CREDENTIAL, "access key"),
        (403, "SignatureDoesNotMatch", Kind.CREDENTIAL, "access key"),
        (403, "AccessDenied", Kind.CREDENTIAL, "access key"),
        (403, "QuotaExceeded", Kind.FULL, "quota"),
        (507, "InsufficientStorage", Kind.FULL, "quota"),
        (404, "NoSuchBucket", Kind.SETTINGS, "make the bucket"),
        (404, "NoSuchUpload", Kind.OBJECT, "tried again"),
        (301, "PermanentRedirect", Kind.SETTINGS, "region"),
        (400, "AuthorizationHeaderMalformed", Kind.SETTINGS, "region"),
        (412, "PreconditionFailed", Kind.OBJECT, "tried again"),
        (409, "ConditionalRequestConflict", Kind.OBJECT, "tried again"),
        (400, "400", Kind.CREDENTIAL, "access key"),
        (400, "InvalidArgument", None, "ask who runs the store"),
        (400, "KeyTooLongError", None, "ask who runs the store"),
        (302, "302", Kind.PORTAL, "login page"),
        (402, "PaymentRequired", Kind.CREDENTIAL, "paid"),
        (511, "511", Kind.PORTAL, "login page"),
        (503, "ServiceUnavailable", Kind.THROTTLED, "tried again"),
        (502, "502", Kind.STORE, "tried again"),
        (413, "EntityTooLarge", None, "ask who runs the store"),
        (501, "NotImplemented", None, "ask who runs the store"),
    ],
)
def test_answers(status: int, code: str, kind: Kind | None, hint: str) -> None:
    error = told(answer(status, code))
    assert kind_of(error) is kind
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
    assert kind_of(error) is Kind.CLOCK
    assert words in error.what
    assert "NTP" in error.hint


@pytest.mark.parametrize(
    ("err", "kind", "hint"),
    [
        (EndpointConnectionError(endpoint_url="http://x"), Kind.LINK, "network"),
        (unknown_name(), Kind.DNS, "network"),
        (NotS3(status=200, kind="text/html"), Kind.PORTAL, "login page"),
        (ConnectTimeoutError(endpoint_url="http://x"), Kind.LINK, "network"),
        (ReadTimeoutError(endpoint_url="http://x"), Kind.LINK, "network"),
        (SSLError(endpoint_url="https://x", error=OSError("self-signed")), Kind.TLS, "CA file"),
        (NoCredentialsError(), Kind.CREDENTIAL, "secret key"),
        (ParamValidationError(report="bad"), None, "settings"),
        (BotoCoreError(), Kind.LINK, "settings and the network"),
    ],
)
def test_no_answer(err: BotoCoreError, kind: Kind | None, hint: str) -> None:
    error = told(err)
    assert kind_of(error) is kind
    assert hint in error.hint
