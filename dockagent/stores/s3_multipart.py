"""A large object goes out in parts, and what the store has already accepted is not sent again.

The upload is found again by the id we remember or, after a restart, by asking the store. Only parts that are ours
count: their SHA-256 as the store states it, or, on a server without checksums, their MD5 as ETag (a match can not be
forged for given bytes; no match, as with encrypted objects, just means sending again).
"""

from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from dockagent.durable import Reader
from dockagent.errors import Permanent
from dockagent.stores import Source
from dockagent.stores.intake import Tally, open_source
from dockagent.stores.s3_complete import Completion, Place
from dockagent.stores.s3_errors import status
from dockagent.stores.s3_hold import LEGAL_HOLD, without_hold
from dockagent.stores.s3_pending import Pending
from dockagent.stores.s3_send import send
from dockagent.stores.s3_sender import Lanes, one_at_a_time
from dockagent.stores.s3_window import Window, base64_digest, digests_of

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompleteMultipartUploadOutputTypeDef, PartTypeDef

MAX_PARTS = 10_000  # Amazon S3, "Multipart upload limits"
Given = MutableMapping[tuple[str, int], tuple[str, str]]  # by upload and part number: ETag, and the SHA-256 (hex) sent
_MAY_NOT_ASK = (403, 404, 405, 501)  # no right to ask, nothing there, or a server that cannot tell


class Multipart:
    """One large source on its way to ``place``: ``transfer``, then ``complete``, then ``drop_leftovers``.

    ``uploads`` remembers the upload from before its first part until the store made an object of it; ``now_ms`` gives
    the time; ``given``: the marks that the store gave for parts; ``lanes``: what it learned of the line. ``held``:
    whether a legal hold is asked for; False afterwards where the store would not have it asked.
    Every method raises botocore's own errors for what the store says; the source's are Retryable and Permanent.
    """

    def __init__(
        self,
        place: Place,
        key: str,
        source: Source,
        part_size: int,
        uploads: MutableMapping[str, Pending],
        now_ms: Callable[[], int],
        given: Given,
        lanes: Lanes,
    ) -> None:
        self.count = -(-source.size // part_size)
        if self.count > MAX_PARTS:
            raise Permanent(
                f"{key} has {source.size} bytes, more than {MAX_PARTS} parts of {part_size}", "raise the part size"
            )
        self._place = place
        self._key = key
        self._source = source
        self._part_size = part_size
        self._uploads = uploads
        self._now_ms = now_ms
        self._given = given
        self._lanes = lanes
        self._heard: Callable[[int], None] = _unheard
        self.held = source.hold
        self._upload = ""
        self._digests: tuple[str, ...] = ()
        self._etags: dict[int, str] = {}
        self._later: list[PartTypeDef] = []  # what the store has of parts that have not been read so far

    def transfer(self, reader: Reader, heard: Callable[[int], None]) -> None:
        """Send every part that the store does not have, several at a time. A source that breaks its word leaves no
        upload behind."""
        self._digests = digests_of(reader, self._source, self._part_size, self._key)
        self._heard = one_at_a_time(heard)
        self._upload, self._etags = self._resume()
        missing = [number for number in range(1, len(self._digests) + 1) if number not in self._etags]
        try:
            self._lanes.run(self._send_part, missing)
        except Permanent:
            self._abort(self._upload)
            raise

    def some(self, known: Sequence[str], heard: Callable[[int], None]) -> int:
        """Send those of the first parts, whose digests (hex) are ``known``, that the store does not have; how many
        went out. ``heard`` is told of them only. May be called again when more are known."""
        self._digests = tuple(known)
        self._heard = _unheard
        if not self._upload:
            self._upload, self._etags = self._resume()
        for part in [part for part in self._later if not self._unread(part)]:
            self._later.remove(part)
            if self._is_ours(self._upload, part):
                self._etags[part["PartNumber"]] = part["ETag"]
        missing = [number for number in range(1, len(known) + 1) if number not in self._etags]
        self._heard = one_at_a_time(heard)
        self._lanes.run(self._send_part, missing)
        return len(missing)

    def complete(self) -> "tuple[Pending, CompleteMultipartUploadOutputTypeDef]":
        """Make the parts the object. The store may be asked again when its answer was lost."""
        parts = tuple((self._etags[number], sha256) for number, sha256 in enumerate(self._digests, 1))
        pending = Pending(self._upload, self._source.sha256, self._part_size, self._now_ms(), parts=parts)
        return pending, Completion(self._place, self._uploads, self._now_ms).ask(pending)

    def drop_leftovers(self) -> None:
        """Abort our upload where its end was never asked for, and no other. A gateway that was killed while it made an
        object can leave the object and its upload side by side, with the same parts: to abort the one destroys the
        other (seen on Ceph 16 and 20). Others' uploads may be such ones."""
        pending = self._uploads.get(self._place.id)
        if pending is not None and pending.upload == self._upload and pending.may_be_aborted:
            self._abort(self._upload)

    def drop_remembered(self) -> None:
        """Abort the upload to this key that we remember, where its end was never asked for."""
        pending = self._uploads.get(self._place.id)
        if pending is not None and pending.may_be_aborted:
            self._abort(pending.upload)

    def _resume(self) -> tuple[str, dict[int, str]]:
        """An unfinished upload of these bytes, with the ETags of the parts that it has; else a new one."""
        for upload in self._unfinished():
            accepted = self._accepted(upload)
            parts = [part for part in accepted if not self._unread(part)]
            if parts and all(self._is_ours(upload, part) for part in parts):
                for part in parts:
                    self._heard(part["Size"])
                self._later = [part for part in accepted if self._unread(part)]
                return upload, {part["PartNumber"]: part["ETag"] for part in parts}
        return self._create(), {}

    def _unread(self, part: "PartTypeDef") -> bool:
        """Whether it is a part of a file that has not been read so far: nobody can tell whether it is ours."""
        return len(self._digests) < part["PartNumber"] <= self.count

    def _is_ours(self, upload: str, part: "PartTypeDef") -> bool:
        """Whether a part that the store has is ours: by the SHA-256 that it states, else by the mark that we were given
        for it, else by its MD5, for which it is read once more."""
        number = part["PartNumber"]
        if number > len(self._digests) or part["Size"] != self._size(number):
            return False
        sha256 = self._digests[number - 1]
        if checksum := part.get("ChecksumSHA256"):
            return checksum == base64_digest(sha256)
        if self._given.get((upload, number)) == (part["ETag"], sha256):
            return True
        with open_source(self._source, self._key) as reader:
            return part["ETag"].strip('"') == self._window(reader, number, _unheard).digests().md5

    def _size(self, number: int) -> int:
        return min(self._part_size, self._source.size - (number - 1) * self._part_size)

    def _window(self, reader: Reader, number: int, heard: Callable[[int], None]) -> Window:
        start, tally = (number - 1) * self._part_size, Tally(self._source, self._key)
        return Window(reader, start, self._size(number), tally, heard, stated=self._digests[number - 1])

    def _create(self) -> str:
        if (other := self._uploads.get(self._place.id)) is not None and other.may_be_aborted:
            self._abort(other.upload)  # of other bytes, or cut otherwise: nobody will finish it
        upload, self.held = without_hold(self._created, held=self.held)
        self._uploads[self._place.id] = Pending(upload, self._source.sha256, self._part_size, self._now_ms())
        return upload

    def _created(self, held: bool) -> str:
        return self._place.client.create_multipart_upload(
            Bucket=self._place.bucket,
            Key=self._place.name,
            ChecksumAlgorithm="SHA256",
            ChecksumType="COMPOSITE",
            Metadata={"sha256": self._source.sha256},
            **(LEGAL_HOLD if held else {}),
        )["UploadId"]

    def _send_part(self, number: int, went: Callable[[int], None]) -> None:
        def heard(size: int) -> None:
            went(size)
            self._heard(size)

        with open_source(self._source, self._key) as reader:
            window = self._window(reader, number, heard)
            etag = send(window, lambda: self._put_part(number, window))
        window.arrived()
        self._given[self._upload, number] = (etag, window.sha256)
        self._etags[number] = etag

    def _put_part(self, number: int, window: Window) -> str:
        return self._place.client.upload_part(
            Bucket=self._place.bucket,
            Key=self._place.name,
            UploadId=self._upload,
            PartNumber=number,
            Body=window.body,
            ContentLength=window.size,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=base64_digest(window.sha256),
        )["ETag"]

    def _unfinished(self) -> list[str]:
        """Ids of this key's uploads: the one we remember, then what the store lists (newest first), where it may."""
        pending = self._uploads.get(self._place.id)
        ours = pending is not None and pending.made is None and pending.is_of(self._source.sha256, self._part_size)
        mine = pending.upload if pending and ours else ""
        try:
            answer = self._place.client.list_multipart_uploads(Bucket=self._place.bucket, Prefix=self._place.name)
        except ClientError as err:
            if status(err) not in _MAY_NOT_ASK:
                raise
            return [mine] if mine else []
        here = [one for one in answer.get("Uploads", ()) if one["Key"] == self._place.name]
        listed = [one["UploadId"] for one in sorted(here, key=lambda one: one["Initiated"], reverse=True)]
        return list(dict.fromkeys([mine, *listed] if mine else listed))

    def _accepted(self, upload: str) -> "list[PartTypeDef]":
        """The parts that the store has of an upload; none where it may not be asked."""
        pages = self._place.client.get_paginator("list_parts")
        try:
            return [
                one
                for page in pages.paginate(Bucket=self._place.bucket, Key=self._place.name, UploadId=upload)
                for one in page.get("Parts", ())
            ]
        except ClientError as err:
            if status(err) not in _MAY_NOT_ASK:
                raise
            return []

    def _abort(self, upload: str) -> None:
        if (known := self._uploads.get(self._place.id)) is not None and known.upload == upload:
            self._uploads.pop(self._place.id, None)
        with suppress(ClientError, BotoCoreError):
            self._place.client.abort_multipart_upload(Bucket=self._place.bucket, Key=self._place.name, UploadId=upload)


def _unheard(_size: int) -> None:
    return
