"""What a bucket says of itself: whether it keeps what it is given, as far as this credential may ask."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dockagent.clock import Clock
from dockagent.stores import Unasked
from dockagent.stores.s3_errors import code, skew_ms, skew_words, status
from dockagent.stores.s3_settings import S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_SKEW = 5 * 60_000  # ms; servers refuse 15 minutes, so there is time left to act
_UNKNOWN = "unknown"
_UNASKED = "{} answers, and this credential may not ask it more; `dockagent store check` tries what it takes and keeps"


def faults(client: "S3Client", settings: S3Settings, clock: Clock) -> list[str]:
    """What is wrong with the bucket of ``settings``, a line each; an :class:`Unasked` line for a credential that only
    puts. Raises botocore's errors where it does not answer, or not to this credential."""
    try:
        answer: Any = client.head_bucket(Bucket=settings.bucket)
    except ClientError as err:
        if status(err) != 403 or not _may_not_list(client, settings.bucket):
            raise
        return [*_clock_faults(err.response, settings.url, clock), Unasked(_UNASKED.format(settings.url))]
    return [*_clock_faults(answer, settings.url, clock), *_keeping_faults(client, settings)]


def _may_not_list(client: "S3Client", bucket: str) -> bool:
    """Whether a HEAD was refused for want of the right alone. It has no words, so the same right is asked for once
    more by a request whose answer has some. Raises ClientError where they say that it is the key, or the clock."""
    try:
        client.list_objects_v2(Bucket=bucket, MaxKeys=1)
    except ClientError as err:
        if code(err) != "AccessDenied":
            raise
        return True
    return False


def _clock_faults(answer: Any, url: str, clock: Clock) -> Iterator[str]:
    try:
        skew = skew_ms(answer["ResponseMetadata"]["HTTPHeaders"].get("date", ""), clock)
    except ValueError:
        yield Unasked(f"{url} states no time, so its clock cannot be compared with ours")
        return
    if abs(skew) > MAX_SKEW:
        yield f"our clock is {skew_words(skew)}, {url}; set this dock's clock (NTP), or the store's"


def _keeping_faults(client: "S3Client", settings: S3Settings) -> Iterator[str]:
    bucket, url = settings.bucket, settings.url
    versioning = _asked(lambda: client.get_bucket_versioning(Bucket=bucket).get("Status", "off"))
    if versioning not in ("Enabled", _UNKNOWN):
        yield f"{url} keeps no versions, so an overwrite is final; turn on the bucket's versioning"
    if _asked(lambda: _default_retention(client, bucket)) == "":
        yield f"{url} has no default retention, so anyone with the right may delete; set an Object Lock rule"


def _default_retention(client: "S3Client", bucket: str) -> str:
    try:
        answer = client.get_object_lock_configuration(Bucket=bucket)
    except ClientError as err:
        if code(err) != "ObjectLockConfigurationNotFoundError":
            raise
        return ""
    rule = answer["ObjectLockConfiguration"].get("Rule", {})
    return str(rule.get("DefaultRetention", {}).get("Mode", ""))


def _asked(question: Callable[[], str]) -> str:
    try:
        return question()
    except ClientError as err:
        if status(err) not in (403, 405, 501):
            raise
        return _UNKNOWN
