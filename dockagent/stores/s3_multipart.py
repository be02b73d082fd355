"""A large object goes out in parts, and what the store has already accepted is not sent again.

The upload is found again by the id we remember or, after a restart, by asking the store. Only parts that are ours
count: their SHA-256 as the store states it, or, on a server without checksums, their MD5 as ETag (a match can not be
forged for given bytes; no match, as with encrypted objects, just means sending again).
"""

from collections.abc import Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from dockagent.durable import Reader
from dockagent.errors import Permanent
from dockagent.stores import Source
from dockagent.stores.intake import Tally
from dockagent.stores.s3_errors import status
from dockagent.stores.s3_window import Window, base64_digest, composite, windows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, CompleteMultipartUploadOutputTypeDef, PartTypeDef

MAX_PARTS = 10_000  # Amazon S3, "Multipart upload limits"
_MAY_NOT_ASK = (403, 404, 405, 501)  # no right to ask, nothing there, or a server that cannot tell


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object goes: the client, the bucket, and the whole name in it (with the prefix)."""

    client: "S3Client"
    bucket: str
    name: str


class Multipart:
    """One large source on its way to ``place``: ``transfer``, then ``complete``, then ``drop_leftovers``.

    ``uploads`` remembers the upload's id by name between tries. Every method raises boto3's own errors for what the
    store says; the source's are Retryable and Permanent.
    """

    def __init__(
        self, place: Place, key: str, source: Source, part_size: int, uploads: MutableMapping[str, str]
    ) -> None:
        count = -(-source.size // part_size)
        if count > MAX_PARTS:
            raise Permanent(
                f"{key} has {source.size} bytes, more than {MAX_PARTS} parts of {part_size}", "raise the part size"
            )
        self._place = place
        self._key = key
        self._source = source
        self._part_size = part_size
        self._uploads = uploads
        self._upload = ""
        self._windows: list[Window] = []
        self._parts: list[CompletedPartTypeDef] = []

    def transfer(self, reader: Reader, heard: Callable[[int], None]) -> None:
        """Send every part that the store does not have. A source that breaks its word leaves no upload behind."""
        tally = Tally(self._source, self._key)
        self._windows = windows(reader, self._source, self._part_size, tally, heard)
        self._upload, self._parts = self._resume()
        try:
            for window in self._windows[len(self._parts) :]:
                self._parts.append(self._send_part(len(self._parts) + 1, window))
            tally.finish(reader)
        except Permanent:
            self._abort(self._upload)
            raise

    def complete(self) -> "CompleteMultipartUploadOutputTypeDef":
        """Make the parts the object. The store may be asked again when its answer was lost."""
        answer = self._place.client.complete_multipart_upload(
            Bucket=self._place.bucket,
            Key=self._place.name,
            UploadId=self._upload,
            MultipartUpload={"Parts": self._parts},
            ChecksumSHA256=self.checksum,
            ChecksumType="COMPOSITE",
            IfNoneMatch="*",
        )
        self._uploads.pop(self._place.name, None)
        return answer

    @property
    def checksum(self) -> str:
        """What the store must state as the whole object's SHA-256, where it states one."""
        return composite([window.sha256 for window in self._windows])

    def drop_leftovers(self) -> None:
        """Abort every unfinished upload of this key: once the key is taken, none of them may be completed. Where that
        fails, they stay until the bucket's lifecycle rule removes them: the object itself is not in question."""
        with suppress(ClientError, BotoCoreError):
            for upload in self._unfinished():
                self._abort(upload)

    def _resume(self) -> "tuple[str, list[CompletedPartTypeDef]]":
        for upload in self._unfinished():
            parts = self._accepted(upload)
            if parts and len(parts) <= len(self._windows) and all(map(_is_ours, self._windows, parts)):
                for window in self._windows[: len(parts)]:
                    window.arrived()
                return upload, [_part(at, one["ETag"], self._windows[at - 1]) for at, one in enumerate(parts, 1)]
        return self._create(), []

    def _create(self) -> str:
        answer = self._place.client.create_multipart_upload(
            Bucket=self._place.bucket,
            Key=self._place.name,
            ChecksumAlgorithm="SHA256",
            ChecksumType="COMPOSITE",
            Metadata={"sha256": self._source.sha256},
        )
        self._uploads[self._place.name] = answer["UploadId"]
        return answer["UploadId"]

    def _send_part(self, number: int, window: Window) -> "CompletedPartTypeDef":
        with window.own_failures():
            answer = self._place.client.upload_part(
                Bucket=self._place.bucket,
                Key=self._place.name,
                UploadId=self._upload,
                PartNumber=number,
                Body=window.body,
                ContentLength=window.size,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64_digest(window.sha256),
            )
        window.arrived()
        return _part(number, answer["ETag"], window)

    def _unfinished(self) -> list[str]:
        """Ids of this key's uploads: the one we remember, then what the store lists (newest first), where it may."""
        mine = self._uploads.get(self._place.name)
        try:
            answer = self._place.client.list_multipart_uploads(Bucket=self._place.bucket, Prefix=self._place.name)
        except ClientError as err:
            if status(err) not in _MAY_NOT_ASK:
                raise
            return [mine] if mine else []
        ours = [one for one in answer.get("Uploads", ()) if one["Key"] == self._place.name]
        listed = [one["UploadId"] for one in sorted(ours, key=lambda one: one["Initiated"], reverse=True)]
        return list(dict.fromkeys([mine, *listed] if mine else listed))

    def _accepted(self, upload: str) -> "list[PartTypeDef]":
        """The parts 1, 2, … that the store has of an upload, up to the first gap; none where it may not be asked."""
        pages = self._place.client.get_paginator("list_parts")
        try:
            found = [
                one
                for page in pages.paginate(Bucket=self._place.bucket, Key=self._place.name, UploadId=upload)
                for one in page.get("Parts", ())
            ]
        except ClientError as err:
            if status(err) not in _MAY_NOT_ASK:
                raise
            return []
        return [one for number, one in enumerate(found, 1) if one["PartNumber"] == number]

    def _abort(self, upload: str) -> None:
        self._uploads.pop(self._place.name, None)
        with suppress(ClientError, BotoCoreError):
            self._place.client.abort_multipart_upload(Bucket=self._place.bucket, Key=self._place.name, UploadId=upload)


def _is_ours(window: Window, part: "PartTypeDef") -> bool:
    """Whether a part that the store has is this window's bytes. Reads the window: the tally has to see it anyway."""
    digests = window.digests()
    if part["Size"] != window.size:
        return False
    if checksum := part.get("ChecksumSHA256"):
        return checksum == base64_digest(digests.sha256)
    return part["ETag"].strip('"') == digests.md5


def _part(number: int, etag: str, window: Window) -> "CompletedPartTypeDef":
    return {"PartNumber": number, "ETag": etag, "ChecksumSHA256": base64_digest(window.sha256)}
