"""A store in an S3 bucket: Amazon S3, Ceph RGW and whatever else speaks its protocol.

Every byte goes out under a signed SHA-256 that the server must compare, every object conditionally
(``If-None-Match: *``). Servers ignore headers that they do not know instead of refusing them, so nothing is believed
because it was asked for: what lies under a key is looked at before anything is sent, once more before a multipart
upload is completed, and whenever an answer was lost.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dockagent.clock import Clock
from dockagent.durable import Reader
from dockagent.errors import DockError, Retryable
from dockagent.stores import MOST_REPLACED, PART_SIZE, Conflict, Source, Stored
from dockagent.stores.intake import BUFFER, Tally, open_source, whole
from dockagent.stores.keys import checked, replaceable
from dockagent.stores.s3_client import connect
from dockagent.stores.s3_errors import code, named_errors, skew_ms, skew_words, status
from dockagent.stores.s3_multipart import Multipart, Place
from dockagent.stores.s3_settings import S3Settings
from dockagent.stores.s3_window import Window, base64_digest, composite, hex_digest, windows

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

MAX_SKEW = 5 * 60_000  # ms; servers refuse 15 minutes, so there is time left to act
_UNKNOWN = "unknown"


class S3Store:
    """Objects in ``settings.bucket``, under its prefix. Nothing is sent until the first call.

    ``clock`` only measures how far we are from the server's. ``part_size`` bytes (5 MiB at least, by S3's rule) are
    one part; larger objects go out as several. ``uploads`` remembers the ids of unfinished uploads by object name;
    hand in one that lasts where the credential may not list uploads. Raises UsageError for settings that cannot work.
    """

    def __init__(
        self,
        settings: S3Settings,
        clock: Clock,
        *,
        part_size: int = PART_SIZE,
        uploads: MutableMapping[str, str] | None = None,
    ) -> None:
        self.url = settings.url
        self._settings = settings
        self._clock = clock
        self._part_size = part_size
        self._uploads: MutableMapping[str, str] = {} if uploads is None else uploads
        self._client = connect(settings)

    def put(self, key: str, source: Source, progress: Callable[[int], None] | None = None) -> Stored:
        """As :class:`dockagent.stores.Store` says. The proof is ``checksum``; for an object that was there before on
        a server without checksums it is ``re-read``, over the network."""
        place, heard = self._place(key), progress or _unheard
        with self._named_errors(f"store {key}"):
            stored = self._held_as_far_as_seen(place, key, source)
            if stored is not None:
                heard(source.size)
                return stored
            try:
                return self._send(place, key, source, heard)
            except ClientError as err:
                if not _taken(err):
                    raise
                return self._settle(place, key, source, err)

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

    def check(self) -> Sequence[str]:
        """Whether the bucket can be reached with these credentials and keeps what it is given; one line each."""
        try:
            with self._named_errors("reach the bucket"):
                answer = self._client.head_bucket(Bucket=self._settings.bucket)
                return [*self._clock_faults(answer["ResponseMetadata"]["HTTPHeaders"]), *self._keeping_faults()]
        except DockError as err:
            return [str(err)]

    def _send(self, place: Place, key: str, source: Source, heard: Callable[[int], None]) -> Stored:
        with open_source(source, key) as reader:
            if source.size <= self._part_size:
                return self._send_whole(place, key, source, reader, heard)
            return self._send_parts(place, key, source, reader, heard)

    def _send_whole(
        self, place: Place, key: str, source: Source, reader: Reader, heard: Callable[[int], None]
    ) -> Stored:
        tally = Tally(source, key)
        deque(whole(reader, tally), maxlen=0)  # one request stores it all: the source keeps its word first
        window = Window(reader, 0, source.size, tally, heard, stated=source.sha256)
        with window.own_failures():
            answer = self._client.put_object(
                Bucket=place.bucket,
                Key=place.name,
                Body=window.body,
                ContentLength=source.size,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64_digest(source.sha256),
                IfNoneMatch="*",
                Metadata={"sha256": source.sha256},
            )
        window.arrived()
        return _stored(key, source.size, source.sha256, "checksum", answer)

    def _send_parts(
        self, place: Place, key: str, source: Source, reader: Reader, heard: Callable[[int], None]
    ) -> Stored:
        upload = Multipart(place, key, source, self._part_size, self._uploads)
        upload.transfer(reader, heard)
        try:  # looked at once more for servers that ignore If-None-Match here (Ceph 16)
            stored = self._held_as_far_as_seen(place, key, source) or self._complete(upload, key, source)
        except (Conflict, ClientError) as err:
            if isinstance(err, Conflict) or _taken(err):
                upload.drop_leftovers()
            raise
        upload.drop_leftovers()
        return stored

    def _complete(self, upload: Multipart, key: str, source: Source) -> Stored:
        answer = upload.complete()
        if answer.get("ChecksumSHA256", upload.checksum) != upload.checksum:
            raise self._conflict(key, source)
        return _stored(key, source.size, source.sha256, "checksum", answer)

    def _held_as_far_as_seen(self, place: Place, key: str, source: Source) -> Stored | None:
        """Like :meth:`_held`, but None where the credential may only write."""
        try:
            return self._held(place, key, source)
        except ClientError as err:
            if status(err) != 403:
                raise
            return None

    def _held(self, place: Place, key: str, source: Source) -> Stored | None:
        """What lies under a key, proved to be the source's bytes; None where nothing does. Raises Conflict."""
        head = self._head(place)
        if head is None:
            return None
        if head["ContentLength"] != source.size:
            raise self._conflict(key, source)
        if self._checksum_agrees(head.get("ChecksumSHA256", ""), key, source):
            return _stored(key, source.size, source.sha256, "checksum", head)
        if self._read_back(place, key) != source.sha256:
            raise self._conflict(key, source)
        return _stored(key, source.size, source.sha256, "re-read", head)

    def _checksum_agrees(self, checksum: str, key: str, source: Source) -> bool:
        """Whether the store's own SHA-256 is the source's. A composite over parts of another size says nothing."""
        if "-" not in checksum:
            return checksum == base64_digest(source.sha256)
        return checksum == composite(self._part_digests(key, source))

    def _part_digests(self, key: str, source: Source) -> list[str]:
        with open_source(source, key) as reader:
            tally = Tally(source, key)
            digests = [window.sha256 for window in windows(reader, source, self._part_size, tally, _unheard)]
            tally.finish(reader)
        return digests

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
        """The store says that the key is taken, perhaps by ourselves in a try whose answer was lost: find out."""
        try:
            stored = self._held(place, key, source)
        except ClientError as err:
            if status(err) != 403:
                raise
            raise self._cannot_tell(key) from err
        if stored is None:
            raise refusal
        return stored

    def _head(self, place: Place) -> "HeadObjectOutputTypeDef | None":
        try:
            return place.client.head_object(Bucket=place.bucket, Key=place.name, ChecksumMode="ENABLED")
        except ClientError as err:
            if status(err) != 404:
                raise
            return None

    def _clock_faults(self, headers: Mapping[str, str]) -> Iterator[str]:
        skew = skew_ms(headers["date"], self._clock)
        if abs(skew) > MAX_SKEW:
            yield f"our clock is {skew_words(skew)}, {self.url}; set this dock's clock (NTP), or the store's"

    def _keeping_faults(self) -> Iterator[str]:
        """Whether the bucket keeps what it is given, where this credential may ask."""
        bucket = self._settings.bucket
        versioning = self._asked(lambda: self._client.get_bucket_versioning(Bucket=bucket).get("Status", "off"))
        if versioning not in ("Enabled", _UNKNOWN):
            yield f"{self.url} keeps no versions, so an overwrite is final; turn on the bucket's versioning"
        lock = self._asked(lambda: self._default_retention(bucket))
        if lock == "":
            yield f"{self.url} has no default retention, so anyone with the right may delete; set an Object Lock rule"

    def _default_retention(self, bucket: str) -> str:
        try:
            answer = self._client.get_object_lock_configuration(Bucket=bucket)
        except ClientError as err:
            if code(err) != "ObjectLockConfigurationNotFoundError":
                raise
            return ""
        rule = answer["ObjectLockConfiguration"].get("Rule", {})
        return str(rule.get("DefaultRetention", {}).get("Mode", ""))

    def _asked(self, question: Callable[[], str]) -> str:
        try:
            return question()
        except ClientError as err:
            if status(err) not in (403, 405, 501):
                raise
            return _UNKNOWN

    def _place(self, key: str) -> Place:
        prefix = self._settings.prefix
        return Place(self._client, self._settings.bucket, f"{prefix}/{checked(key)}" if prefix else checked(key))

    def _conflict(self, key: str, source: Source) -> Conflict:
        return Conflict(
            f"{self.url} holds other bytes under {key} than the {source.size} bytes with SHA-256 {source.sha256}",
            "find out who wrote there; nothing was overwritten",
        )

    def _cannot_tell(self, key: str) -> Retryable:
        return Retryable(
            f"{self.url} holds something under {key} that this credential may not look at",
            "allow it s3:GetObject on what it writes, or wait for the custodian's receipt",
        )

    def _named_errors(self, act: str) -> AbstractContextManager[None]:
        return named_errors(act, self.url, self._clock)


def _stored(key: str, size: int, sha256: str, proof: str, answer: Mapping[str, Any]) -> Stored:
    version = answer.get("VersionId", "")
    return Stored(key, size, sha256, proof, "" if version == "null" else version, answer.get("ETag", "").strip('"'))


def _taken(err: ClientError) -> bool:
    """Whether the store says that somebody (perhaps we) was there first: RFC 9110, 412; S3's 409 for two at once."""
    return status(err) in (409, 412) or code(err) == "NoSuchUpload"


def _unheard(_size: int) -> None:
    """Nobody asked to be told."""
