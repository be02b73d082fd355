"""Tiny objects of our own in an S3 bucket, on which :mod:`dockagent.stores.s3_proof` tries what the store promises."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dockagent.stores.s3_client import connect
from dockagent.stores.s3_settings import S3Settings
from dockagent.stores.s3_window import base64_digest, composite

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ONCE = {"IfNoneMatch": "*"}
HELD = {"ObjectLockLegalHoldStatus": "ON"}


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of ours: its whole name, the store's mark of its version or empty, and the answer to its writing."""

    name: str
    version: str
    answer: Mapping[str, Any]

    @property
    def which(self) -> dict[str, str]:
        """The version, as requests name it."""
        return {"VersionId": self.version} if self.version else {}


class Scratch:
    """Objects in the bucket of ``settings`` below the names ``folder``, written with its credential. Every method
    raises botocore's errors for what the store says."""

    def __init__(self, settings: S3Settings, folder: str) -> None:
        self.client: S3Client = connect(settings)
        self._bucket, self._folder = settings.bucket, folder

    def put(self, name: str, body: bytes | None = None, extra: Mapping[str, str] = ONCE) -> Thing:
        """One object as a whole, by default with bytes that say its name; ``extra``: further members of the request."""
        data = self.bytes_of(name) if body is None else body
        answer = self.client.put_object(
            Bucket=self._bucket,
            Key=f"{self._folder}/{name}",
            Body=data,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=_checksum(data),
            **extra,  # type: ignore[arg-type]
        )
        return Thing(f"{self._folder}/{name}", _version(answer), answer)

    def in_parts(
        self,
        name: str,
        body: bytes | None = None,
        *,
        begin: Mapping[str, str] | None = None,
        end: Mapping[str, str] | None = None,
    ) -> Thing:
        """The same by an upload of one part; ``begin`` and ``end``: further members of its first and its last request.
        Where the store will not end it, it is aborted."""
        data = self.bytes_of(name) if body is None else body
        begun = self.client.create_multipart_upload(
            Bucket=self._bucket,
            Key=f"{self._folder}/{name}",
            ChecksumAlgorithm="SHA256",
            **(begin or {}),  # type: ignore[arg-type]
        )
        where: Any = {"Bucket": self._bucket, "Key": f"{self._folder}/{name}", "UploadId": begun["UploadId"]}
        try:
            answer = self._sent_and_ended(where, data, end or {})
        except ClientError:
            with suppress(ClientError, BotoCoreError):  # the first answer is the one that counts
                self.client.abort_multipart_upload(**where)
            raise
        return Thing(f"{self._folder}/{name}", _version(answer), answer)

    def _sent_and_ended(self, where: Any, data: bytes, end: Mapping[str, str]) -> Mapping[str, Any]:
        sent = self.client.upload_part(
            **where, PartNumber=1, Body=data, ChecksumAlgorithm="SHA256", ChecksumSHA256=_checksum(data)
        )
        part: Any = {"PartNumber": 1, "ETag": sent["ETag"], "ChecksumSHA256": _checksum(data)}
        asked: Any = {"ChecksumSHA256": composite([hashlib.sha256(data).hexdigest()]), **end}
        return self.client.complete_multipart_upload(**where, MultipartUpload={"Parts": [part]}, **asked)

    def bytes_of(self, name: str) -> bytes:
        """What the object ``name`` holds by default; of another folder they are others."""
        return f"dockagent store check {self._folder}/{name}\n".encode()


def _checksum(data: bytes) -> str:
    return base64_digest(hashlib.sha256(data).hexdigest())


def _version(answer: Mapping[str, Any]) -> str:
    version = str(answer.get("VersionId", ""))
    return "" if version == "null" else version
