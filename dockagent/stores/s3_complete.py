"""The end of an upload in parts: asking the store to make the parts the object, and asking again."""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import ClientError

from dockagent.stores.s3_errors import code, status
from dockagent.stores.s3_pending import PATIENCE_MS, Made, Pending, remember_made
from dockagent.stores.s3_window import base64_digest, composite

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, CompleteMultipartUploadOutputTypeDef

# The store looked at the parts and says no: nothing was made of them, and nothing will be.
_PLAIN_NO = frozenset(
    (
        *("InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML", "BadDigest", "InvalidDigest"),
        *("InvalidRequest", "ConditionalRequestConflict"),
    )
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object goes: the client, the bucket, and the whole name in it (with the prefix)."""

    client: "S3Client"
    bucket: str
    name: str

    @property
    def id(self) -> str:
        """By what its unfinished upload is remembered."""
        return f"{self.bucket}/{self.name}"


class Completion:
    """The end of the upload at ``place``; ``uploads`` remembers that it was asked for, ``now_ms`` gives the time."""

    def __init__(self, place: Place, uploads: MutableMapping[str, Pending], now_ms: Callable[[], int]) -> None:
        self._place, self._uploads, self._now_ms = place, uploads, now_ms

    def ask(self, pending: Pending) -> "CompleteMultipartUploadOutputTypeDef":
        """Have the store make the parts the object. That it was asked is remembered before the asking, and until it
        said yes or a plain no: from any other answer, and from none, nobody can tell what it did."""
        now = self._now_ms()
        asked = msgspec.structs.replace(pending, touched_ms=now, asked_ms=pending.asked_ms or now)
        self._uploads[self._place.id] = asked
        try:
            answer = self._place.client.complete_multipart_upload(
                Bucket=self._place.bucket,
                Key=self._place.name,
                UploadId=asked.upload,
                MultipartUpload={"Parts": [_part(at, *one) for at, one in enumerate(asked.parts, 1)]},
                ChecksumSHA256=checksum(asked),
                ChecksumType="COMPOSITE",
                IfNoneMatch="*",
            )
        except ClientError as err:
            if code(err) in _PLAIN_NO:
                self._uploads[self._place.id] = msgspec.structs.replace(asked, asked_ms=0, parts=())
            raise
        version = answer.get("VersionId", "")
        made = Made("" if version == "null" else version, answer["ETag"].strip('"'), answer.get("ChecksumSHA256", ""))
        remember_made(self._uploads, self._place.id, asked, made)
        return answer

    def ask_again(self, sha256: str, part_size: int) -> "tuple[Pending, CompleteMultipartUploadOutputTypeDef] | None":
        """The store's answer to what it was asked before for these bytes; None where nothing was asked, where it says
        a plain no, and where it has said for :data:`PATIENCE_MS` that it knows nothing of it or cannot do it: then the
        bytes are to be sent. Raises botocore's errors while it may still come to an end."""
        pending = self._uploads.get(self._place.id)
        if pending is None or pending.made or not pending.asked_ms or not pending.is_of(sha256, part_size):
            return None
        try:
            return pending, self.ask(pending)
        except ClientError as err:
            if code(err) in _PLAIN_NO:
                return None
            if status(err) not in (404, 500) or 0 <= self._now_ms() - pending.asked_ms < PATIENCE_MS:
                raise
        self._uploads.pop(self._place.id, None)
        return None


def checksum(pending: Pending) -> str:
    """What the store must state as the whole object's SHA-256, where it states one."""
    return composite([sha256 for _, sha256 in pending.parts])


def _part(number: int, etag: str, sha256: str) -> "CompletedPartTypeDef":
    return {"PartNumber": number, "ETag": etag, "ChecksumSHA256": base64_digest(sha256)}
