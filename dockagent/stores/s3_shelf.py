"""Reading from an S3 bucket what was delivered to it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from dockagent.clock import Clock
from dockagent.errors import DockError, Missing
from dockagent.stores.keys import checked
from dockagent.stores.s3_client import connect
from dockagent.stores.s3_errors import code, named_errors, status
from dockagent.stores.s3_look import asked_twice
from dockagent.stores.s3_settings import S3Settings
from dockagent.stores.shelf import READ_HINT, Absent, Readable

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef


class S3Shelf:
    """The bucket of ``settings``, under its prefix. Nothing is sent until the first call; nothing is ever written.
    Raises UsageError for settings that cannot work."""

    def __init__(self, settings: S3Settings, clock: Clock) -> None:
        self.url = settings.url
        self._settings, self._clock = settings, clock
        self._client = connect(settings)

    def file(self, key: str) -> Path | None:
        """None: a bucket is no folder."""
        return None

    @contextmanager
    def open(self, key: str) -> Iterator[Readable]:
        """The newest version of the object, as its bytes come over the network."""
        with closing(self._get(key)["Body"]) as body:
            yield _Body(body, f"{self.url}/{key}")

    def _get(self, key: str) -> "GetObjectOutputTypeDef":
        name = "/".join(part for part in (self._settings.prefix, checked(key)) if part)
        try:
            with named_errors(f"read {key}", self.url, self._clock):
                return asked_twice(lambda: self._client.get_object(Bucket=self._settings.bucket, Key=name))
        except DockError as err:
            cause = err.__cause__
            refused = isinstance(cause, ClientError) and status(cause) in (401, 403)
            hint = f"this credential may only write: {READ_HINT}" if refused else err.hint or READ_HINT
            gone = isinstance(cause, ClientError) and code(cause) == "NoSuchKey"
            raise (Absent if gone else Missing)(err.what, hint) from err


class _Body:
    """The body of an answer whose line may break off."""

    def __init__(self, body: Readable, what: str) -> None:
        self._body, self._what = body, what

    def read(self, size: int, /) -> bytes:
        try:
            return self._body.read(size)
        except (BotoCoreError, OSError) as err:
            raise Missing(f"{self._what} broke off: {' '.join(str(err).split())}", "try again") from err
