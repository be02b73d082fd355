"""A store in an S3 bucket: Amazon S3, Ceph RGW and whatever else speaks its protocol.

Every byte goes out under a signed SHA-256 that the server must compare, every object conditionally
(``If-None-Match: *``). Servers ignore headers that they do not know instead of refusing them, so nothing is believed
because it was asked for: what lies under a key is looked at before anything is sent, once more before a multipart
upload is completed, and whenever an answer was lost.
"""

import hashlib
import io
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dockagent.clock import Clock
from dockagent.durable import Reader
from dockagent.errors import DockError
from dockagent.stores import MOST_REPLACED, PART_SIZE, Conflict, Source, Stored, Unseen, s3_bucket, s3_hold
from dockagent.stores.intake import BUFFER, Tally, open_source
from dockagent.stores.keys import checked, replaceable
from dockagent.stores.s3_client import connect
from dockagent.stores.s3_complete import Completion, Place, checksum
from dockagent.stores.s3_early import S3Early
from dockagent.stores.s3_errors import code, named_errors, status
from dockagent.stores.s3_look import asked_twice
from dockagent.stores.s3_multipart import Given, Multipart
from dockagent.stores.s3_pending import Pending, orphaned
from dockagent.stores.s3_send import send
from dockagent.stores.s3_sender import Lanes
from dockagent.stores.s3_settings import S3Settings
from dockagent.stores.s3_window import Window, base64_digest, composite, digests_of, hex_digest, hold_to_length

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import (
        CompleteMultipartUploadOutputTypeDef,
        HeadObjectOutputTypeDef,
        PutObjectOutputTypeDef,
    )

    from dockagent.stores.promises import Credential, Proof


class S3Store:
    """Objects in ``settings.bucket``, under its prefix. Nothing is sent until the first call.

    ``clock`` only measures how far we are from the server's. ``part_size`` bytes (5 MiB at least, by S3's rule) are
    one part; larger objects go out as several. ``uploads`` remembers unfinished uploads by bucket and object name; hand
    in one that lasts. ``lanes``: what is known of the line to it. Raises UsageError for settings that cannot work.

    A credential that may look is asked for what lies under a key before anything is sent. With one that only puts,
    every object goes out as an upload in parts, a small one as one part: its end may be asked for again when an
    answer was lost (repeating it makes no second version), which a plain PUT does not allow.
    """

    def __init__(
        self,
        settings: S3Settings,
        clock: Clock,
        *,
        part_size: int = PART_SIZE,
        uploads: MutableMapping[str, Pending] | None = None,
        lanes: Lanes | None = None,
    ) -> None:
        self.url = settings.url
        self._settings = settings
        self._clock = clock
        self._part_size = part_size
        self._uploads: MutableMapping[str, Pending] = {} if uploads is None else uploads
        self._given: Given = {}
        self._lanes = lanes or Lanes(clock.monotonic)
        self._client = connect(settings)

    def put(self, key: str, source: Source, progress: Callable[[int], None] | None = None) -> Stored:
        """As :class:`dockagent.stores.Store` says. The proof is ``checksum``; for an object that was there before on
        a server without checksums it is ``re-read``, over the network."""
        place, heard = self._place(key), progress or _unheard
        with self._named_errors(f"store {key}"):
            self._abort_orphans()
            stored, seen = self._asked_before(place, key, source), True
            if stored is None:
                stored, seen = self._look(place, key, source)
            stored = stored or self._answered_before(place, key, source)
            if stored is not None:
                heard(source.size)
                return stored
            try:
                return self._send(place, key, source, heard, seen=seen)
            except ClientError as err:
                if not _taken(err):
                    raise
                return self._settle(place, key, source, err)

    @property
    def part_size(self) -> int:
        return self._part_size

    def early(self, key: str, source: Source, progress: Callable[[int], None]) -> S3Early:
        """As :class:`dockagent.stores.early.EarlyStore` says."""
        upload = self._upload(self._place(key), key, source)
        return S3Early(upload, lambda: self._named_errors(f"store parts of {key}"), progress)

    def drop_early(self, key: str) -> None:
        """As :class:`dockagent.stores.early.EarlyStore` says."""
        with self._named_errors(f"drop parts of {key}"):
            self._upload(self._place(key), key, Source(0, "", io.BytesIO)).drop_remembered()

    def _upload(self, place: Place, key: str, source: Source) -> Multipart:
        return Multipart(place, key, source, self._part_size, self._uploads, self._now_ms, self._given, self._lanes)

    def replace(self, key: str, data: bytes) -> Stored:
        """As :class:`dockagent.stores.Store` says. Where the bucket keeps versions, the older ones stay."""
        place, digest = self._place(replaceable(key, len(data), MOST_REPLACED)), hashlib.sha256(data).hexdigest()
        with self._named_errors(f"replace {key}"):
            answer = place.client.put_object(
                Bucket=place.bucket,
                Key=place.name,
                Body=data,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64_digest(digest),
                Metadata={"sha256": digest},
            )
        return _stored(key, len(data), digest, "checksum", answer)

    def stat(self, key: str) -> Stored | None:
        """What a HEAD says. The proof is ``checksum`` where the server states the whole object's SHA-256, else
        ``metadata``: the digest that the writer noted, which nobody has checked."""
        place = self._place(key)
        with self._named_errors(f"look at {key}"):
            head = self._head(place)
        if head is None:
            return None
        checksum = head.get("ChecksumSHA256", "")
        if checksum and "-" not in checksum:
            return _stored(key, head["ContentLength"], hex_digest(checksum), "checksum", head)
        return _stored(key, head["ContentLength"], head["Metadata"].get("sha256", ""), "metadata", head)

    def prove(self, scratch: str, admin: "Credential | None" = None) -> "Proof":
        """As :class:`dockagent.stores.promises.Prover` says."""
        from dockagent.stores.s3_proof import S3Proof  # for this one command

        theirs = replace(self._settings, access_key=admin.name, secret_key=admin.secret) if admin else None
        return S3Proof(self._settings, self._clock, checked(scratch), theirs).run()

    def check(self) -> Sequence[str]:
        """Whether the bucket can be reached with these credentials and keeps what it is given; one line each."""
        try:
            with self._named_errors("reach the bucket"):
                return s3_bucket.faults(self._client, self._settings, self._clock)
        except DockError as err:
            return [str(err)]

    def _asked_before(self, place: Place, key: str, source: Source) -> Stored | None:
        """What comes of an upload whose end was asked for before; None where the bytes are to be sent. It is asked for
        again also where the object is there: that ends what a killed gateway left beside it."""
        try:
            late = Completion(place, self._uploads, self._now_ms).ask_again(source.sha256, self._part_size)
        except ClientError as err:
            if not _taken(err) or code(err) == "NoSuchUpload":
                raise
            return self._settle(place, key, source, err)
        return None if late is None else self._made(place, key, source, *late, held=source.hold)

    def _answered_before(self, place: Place, key: str, source: Source) -> Stored | None:
        """What the store answered when it had made the object. A dock that may not look rests on that, as its ledger
        would if it had been told in time."""
        known = self._uploads.get(place.id)
        if known is None or known.made is None or not known.is_of(source.sha256, self._part_size):
            return None
        made = known.made
        stored = Stored(key, source.size, source.sha256, "checksum", made.version, made.etag)
        stored = replace(stored, checksum=made.checksum, part_size=known.part_size)
        return self._with_hold(place, source, stored, held=source.hold)

    def _abort_orphans(self) -> None:
        for name, _ in orphaned(self._uploads, self._now_ms()):
            bucket, _, rest = name.partition("/")
            if bucket == self._settings.bucket:
                self._forget(Place(self._client, bucket, rest))

    def _forget(self, place: Place) -> None:
        """What was begun there is not wanted any more. What cannot be aborted goes by the bucket's lifecycle rule."""
        pending = self._uploads.pop(place.id, None)
        if pending is not None and pending.may_be_aborted:
            with suppress(ClientError):
                place.client.abort_multipart_upload(Bucket=place.bucket, Key=place.name, UploadId=pending.upload)

    def _now_ms(self) -> int:
        return self._clock.now().utc_ms

    def _send(self, place: Place, key: str, source: Source, heard: Callable[[int], None], *, seen: bool) -> Stored:
        with open_source(source, key) as reader:
            if source.size == 0 or (seen and source.size <= self._part_size):
                return self._send_whole(place, key, source, reader, heard)
            return self._send_parts(place, key, source, reader, heard)

    def _send_whole(
        self, place: Place, key: str, source: Source, reader: Reader, heard: Callable[[int], None]
    ) -> Stored:
        hold_to_length(reader, source, key)
        window = Window(reader, 0, source.size, Tally(source, key), heard, stated=source.sha256)

        def put(held: bool) -> "PutObjectOutputTypeDef":
            window.seek(0)
            return self._client.put_object(
                Bucket=place.bucket,
                Key=place.name,
                Body=window.body,
                ContentLength=source.size,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64_digest(source.sha256),
                IfNoneMatch="*",
                Metadata={"sha256": source.sha256},
                **(s3_hold.LEGAL_HOLD if held else {}),
            )

        def request() -> "tuple[PutObjectOutputTypeDef, bool]":
            return s3_hold.without_hold(put, held=source.hold)

        answer, held = send(window, request)
        window.arrived()
        if answer.get("ChecksumSHA256", "") not in ("", base64_digest(source.sha256)):
            raise self._conflict(key, source)
        return self._with_hold(place, source, _stored(key, source.size, source.sha256, "checksum", answer), held=held)

    def _send_parts(
        self, place: Place, key: str, source: Source, reader: Reader, heard: Callable[[int], None]
    ) -> Stored:
        upload = self._upload(place, key, source)
        upload.transfer(reader, heard)
        try:  # looked at once more for servers that ignore If-None-Match here (Ceph 16)
            stored, seen = self._look(place, key, source)
        except Conflict:
            upload.drop_leftovers()
            raise
        try:
            stored = stored or self._complete(upload, place, key, source)
        except ClientError as err:
            if seen and _taken(err):  # who may not look keeps its upload: asking for its end may still be answered
                upload.drop_leftovers()
            raise
        upload.drop_leftovers()
        return stored

    def _complete(self, upload: Multipart, place: Place, key: str, source: Source) -> Stored:
        pending, answer = upload.complete()
        return self._made(place, key, source, pending, answer, held=upload.held)

    def _made(
        self,
        place: Place,
        key: str,
        source: Source,
        pending: Pending,
        answer: "CompleteMultipartUploadOutputTypeDef",
        *,
        held: bool,
    ) -> Stored:
        """The object that the store made of its parts. Raises Conflict where it states another checksum."""
        if answer.get("ChecksumSHA256", checksum(pending)) != checksum(pending):
            raise self._conflict(key, source)
        stored = _stored(key, source.size, source.sha256, "checksum", answer)
        return self._with_hold(place, source, replace(stored, part_size=pending.part_size), held=held)

    def _with_hold(self, place: Place, source: Source, stored: Stored, *, held: bool) -> Stored:
        if not source.hold:
            return stored
        return replace(stored, hold=s3_hold.seen(place, stored.version, asked=held))

    def _look(self, place: Place, key: str, source: Source) -> tuple[Stored | None, bool]:
        """Like :meth:`_held`, and whether this credential may look at all."""
        try:
            return self._held(place, key, source), True
        except ClientError as err:
            if status(err) != 403:
                raise
            return None, False

    def _held(self, place: Place, key: str, source: Source) -> Stored | None:
        """What lies under a key, proved to be the source's bytes; None where nothing does. Raises Conflict."""
        head = self._head(place)
        if head is None:
            return None
        if head["ContentLength"] != source.size:
            raise self._conflict(key, source)
        if self._checksum_agrees(head.get("ChecksumSHA256", ""), key, source):
            stored = _stored(key, source.size, source.sha256, "checksum", head)
        elif self._read_back(place, key) == source.sha256:
            stored = _stored(key, source.size, source.sha256, "re-read", head)
        else:
            raise self._conflict(key, source)
        return self._with_hold(place, source, stored, held=True)

    def _checksum_agrees(self, checksum: str, key: str, source: Source) -> bool:
        """Whether the store's own SHA-256 is the source's. A composite over parts of another size says nothing."""
        if "-" not in checksum:
            return checksum == base64_digest(source.sha256)
        return checksum == composite(self._part_digests(key, source))

    def _part_digests(self, key: str, source: Source) -> tuple[str, ...]:
        with open_source(source, key) as reader:
            return digests_of(reader, source, self._part_size, key)

    def _read_back(self, place: Place, key: str) -> str:
        """SHA-256 (hex) of every byte that the store gives back."""
        digest = hashlib.sha256()
        try:
            answer = place.client.get_object(Bucket=place.bucket, Key=place.name)
        except ClientError as err:
            if status(err) != 403:
                raise
            raise self._cannot_tell(key) from err
        with closing(answer["Body"]) as body:
            while data := body.read(BUFFER):
                digest.update(data)
        return digest.hexdigest()

    def _settle(self, place: Place, key: str, source: Source, refusal: ClientError) -> Stored:
        """The store says that the key is taken, perhaps by ourselves in a try whose answer was lost: find out. Who may
        not look believes only a 412: the other answers may pass, and leave nothing there."""
        try:
            stored = self._held(place, key, source)
        except ClientError as err:
            if status(err) != 403:
                raise
            if status(refusal) != 412:
                raise refusal from err
            raise self._cannot_tell(key) from err
        if stored is None:
            raise refusal
        return stored

    def _head(self, place: Place) -> "HeadObjectOutputTypeDef | None":
        try:
            return asked_twice(
                lambda: place.client.head_object(Bucket=place.bucket, Key=place.name, ChecksumMode="ENABLED")
            )
        except ClientError as err:
            if status(err) != 404:
                raise
            return None

    def _place(self, key: str) -> Place:
        prefix = self._settings.prefix
        return Place(self._client, self._settings.bucket, f"{prefix}/{checked(key)}" if prefix else checked(key))

    def _conflict(self, key: str, source: Source) -> Conflict:
        return Conflict(
            f"{self.url} holds other bytes under {key} than the {source.size} bytes with SHA-256 {source.sha256}",
            "find out who wrote there; nothing was overwritten",
        )

    def _cannot_tell(self, key: str) -> Unseen:
        return Unseen(
            key,
            f"{self.url} holds something under {key} that this credential may not look at",
            "allow it s3:GetObject on what it writes, or wait for the custodian's receipt",
        )

    def _named_errors(self, act: str) -> AbstractContextManager[None]:
        return named_errors(act, self.url, self._clock)


def _stored(key: str, size: int, sha256: str, proof: str, answer: Mapping[str, Any]) -> Stored:
    version = answer.get("VersionId", "")
    mark, etag = "" if version == "null" else version, answer.get("ETag", "").strip('"')
    return Stored(key, size, sha256, proof, mark, etag, checksum=answer.get("ChecksumSHA256", ""))


def _taken(err: ClientError) -> bool:
    """Whether the store says that somebody (perhaps we) was there first: RFC 9110, 412; S3's 409 for two at once."""
    return status(err) in (409, 412) or code(err) == "NoSuchUpload"


def _unheard(_size: int) -> None:
    """Nobody asked to be told."""
