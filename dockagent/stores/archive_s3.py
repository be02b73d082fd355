"""A bucket as the custodian sees it. One request reads an object with its version, retention and hold; one adds an
object; one more finds out who was first where the bucket keeps versions.

A server may ignore ``If-None-Match`` (Ceph before 20 does on versioned buckets). There two writers both succeed, and
the first version is the one that stands: it cannot be taken away while its retention lasts, and everybody can see it.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from dockagent.clock import Clock
from dockagent.errors import DockError, Missing, Refused, Retryable
from dockagent.stores import Conflict
from dockagent.stores.archive import Facts, Listed, Reading
from dockagent.stores.keys import checked
from dockagent.stores.s3_client import connect
from dockagent.stores.s3_errors import code, named_errors, status
from dockagent.stores.s3_hold import NO_LOCK
from dockagent.stores.s3_look import asked_twice
from dockagent.stores.s3_settings import S3Settings
from dockagent.stores.s3_window import base64_digest
from dockagent.stores.shelf import Readable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_HOLDS = {"ON": "on", "OFF": "off"}
_NOTHING_SET = ("NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError")
UNKNOWN = "unknown"


class S3Archive:
    """The bucket of ``settings``, under its prefix. Nothing is sent until the first call. Raises UsageError for
    settings that cannot work."""

    knows_holds = True

    def __init__(self, settings: S3Settings, clock: Clock) -> None:
        self.url = settings.url
        self.asked: Counter[str] = Counter()
        self._settings, self._clock = settings, clock
        self._client: S3Client = connect(settings)
        self._client.meta.events.register("before-send.s3", self._count)

    @classmethod
    def at(cls, bucket: str, prefix: str, settings: S3Settings, clock: Clock) -> Self:
        """The store ``s3://bucket/prefix``, reached as ``settings`` say."""
        return cls(replace(settings, bucket=bucket, prefix=prefix), clock)

    def names(self, prefix: str) -> list[str]:
        top, found = self._name(prefix), list[str]()
        with self._errors(f"list {prefix}"):
            for page in self._pages(Prefix=top, Delimiter="/"):
                found += [one["Prefix"].removeprefix(top).rstrip("/") for one in page.get("CommonPrefixes", [])]
        return sorted(found)

    def versions(self, key: str) -> list[str]:
        name = self._name(checked(key))
        with self._errors(f"look at the versions of {key}"):
            pages = self._client.get_paginator("list_object_versions").paginate(
                Bucket=self._settings.bucket, Prefix=name, PaginationConfig={"PageSize": 100}
            )
            found = [one["VersionId"] for page in pages for one in page.get("Versions", []) if one["Key"] == name]
        return [""] if found == ["null"] else found[::-1]  # they come newest first, by the protocol

    def list(self, prefix: str) -> Iterator[Listed]:
        strip = len(self._settings.prefix) + 1 if self._settings.prefix else 0
        with self._errors(f"list {prefix}"):
            for page in self._pages(Prefix=self._name(prefix)):
                for one in page.get("Contents", []):
                    yield Listed(one["Key"][strip:], one["Size"], int(one["LastModified"].timestamp() * 1000))

    @contextmanager
    def open(self, key: str, *, first: bool = False) -> Iterator[Reading]:
        oldest = self._first(key) if first else ""
        asked: Any = {"VersionId": oldest} if oldest else {}
        try:
            with self._errors(f"read {key}"):
                about: Any = {"Bucket": self._settings.bucket, "Key": self._name(checked(key)), **asked}
                answer = asked_twice(lambda: self._client.get_object(**about))
        except Retryable as err:
            if not (isinstance(err.__cause__, ClientError) and status(err.__cause__) == 404):
                raise
            raise Missing(f"{self.url} has no {key}", "bring it back from a copy") from err
        with closing(answer["Body"]) as body:
            facts = _facts(answer)
            yield _Object(replace(facts, version=oldest or facts.version), body, f"{self.url}/{key}")

    def locks(self, key: str, facts: Facts) -> Facts:
        """A server leaves out of its answer to GET what was never set, and what this credential may not know."""
        if facts.hold == UNKNOWN:
            facts = replace(facts, hold=self.held(key, facts.version))
        if not facts.mode:
            about = self._about(key, facts.version)
            answer = self._asked(key, lambda: self._client.get_object_retention(**about).get("Retention", {}))
            facts = replace(
                facts, mode=(answer or {}).get("Mode", ""), until_ms=_ms((answer or {}).get("RetainUntilDate"))
            )
        return facts

    def _asked(self, key: str, question: Callable[[], Any]) -> Any:
        """The answer; empty where nothing is set; None where this credential or server does not tell."""
        try:
            with self._errors(f"ask about the locks of {key}"):
                return question()
        except DockError as err:
            cause = err.__cause__
            if not isinstance(cause, ClientError):
                raise
            if code(cause) in _NOTHING_SET:
                return {}
            if status(cause) in (400, 403, 405, 501):
                return None
            raise

    def held(self, key: str, version: str) -> str:
        about = self._about(key, version)
        answer = self._asked(key, lambda: self._client.get_object_legal_hold(**about).get("LegalHold", {}))
        return UNKNOWN if answer is None else _HOLDS.get(answer.get("Status", "OFF"), UNKNOWN)

    def hold(self, key: str, version: str, *, on: bool) -> None:
        about = self._about(key, version)
        act = "set" if on else "lift"
        try:
            with self._errors(f"{act} the legal hold on {key}"):
                self._client.put_object_legal_hold(**about, LegalHold={"Status": "ON" if on else "OFF"})
        except DockError as err:
            cause = err.__cause__
            if isinstance(cause, ClientError) and (status(cause) == 403 or code(cause) in NO_LOCK):
                words = f"the store, or this credential's rights there, let nobody {act} the legal hold on {key}"
                raise Refused(f"{words} ({code(cause)})", "allow it s3:PutObjectLegalHold") from err
            raise

    def add(self, key: str, data: bytes) -> None:
        name, digest = self._name(checked(key)), hashlib.sha256(data).hexdigest()
        try:
            with self._errors(f"add {key}"):
                answer = self._client.put_object(
                    Bucket=self._settings.bucket,
                    Key=name,
                    Body=data,
                    ChecksumAlgorithm="SHA256",
                    ChecksumSHA256=base64_digest(digest),
                    IfNoneMatch="*",
                    Metadata={"sha256": digest},
                )
        except Retryable as err:
            if not (isinstance(err.__cause__, ClientError) and status(err.__cause__) in (409, 412)):
                raise
            self._settle(key, data)
            return
        if answer.get("VersionId") and self._first(key) != answer["VersionId"]:
            self._settle(key, data)

    def _settle(self, key: str, data: bytes) -> None:
        """Somebody was there first: fine, where it was with the same bytes. Raises Conflict."""
        with self.open(key, first=True) as held:
            if held.facts.size != len(data) or b"".join(iter(lambda: held.read(1 << 20), b"")) != data:
                raise Conflict(f"{self.url} has another {key} already", "the first one stands")

    def _first(self, key: str) -> str:
        """The id of the oldest version under a key, or empty where the bucket keeps none. It is ``null`` for one that
        came before the bucket kept versions."""
        return next(iter(self.versions(key)), "")

    def _pages(self, **about: Any) -> Iterator[Any]:
        return iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=self._settings.bucket, **about))

    def _about(self, key: str, version: str) -> Any:
        about = {"Bucket": self._settings.bucket, "Key": self._name(checked(key))}
        return about | ({"VersionId": version} if version else {})

    def _name(self, key: str) -> str:
        return f"{self._settings.prefix}/{key}" if self._settings.prefix else key

    def _count(self, request: Any, **_event: object) -> None:
        self.asked[str(request.method)] += 1

    @contextmanager
    def _errors(self, act: str) -> Iterator[None]:
        with named_errors(act, self.url, self._clock):
            yield


@dataclass(slots=True)
class _Object:
    """The body of an answer, whose line may break off."""

    facts: Facts
    _body: Readable
    _what: str

    def read(self, size: int, /) -> bytes:
        try:
            return self._body.read(size)
        except (BotoCoreError, OSError) as err:
            raise Retryable(f"{self._what} broke off: {' '.join(str(err).split())}", "it is tried again") from err


def _facts(answer: Any) -> Facts:
    version = answer.get("VersionId", "")
    return Facts(
        size=answer["ContentLength"],
        version="" if version == "null" else version,
        etag=answer.get("ETag", "").strip('"'),
        mode=answer.get("ObjectLockMode", ""),
        until_ms=_ms(answer.get("ObjectLockRetainUntilDate")),
        hold=_HOLDS.get(answer.get("ObjectLockLegalHoldStatus", ""), UNKNOWN),
        modified_ms=_ms(answer.get("LastModified")),
    )


def _ms(moment: datetime | None) -> int:
    return int(moment.timestamp() * 1000) if moment else 0
