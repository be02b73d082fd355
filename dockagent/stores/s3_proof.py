"""Trying the promises of an S3 store: what it must refuse is done to it, on a few tiny objects of our own.

The dock's credential is asked first. What a lock is worth can only be told with rights that would break it, so a second
credential, an administrator's, may be given for that. Each object is tried once, so that one broken promise does not
hide another.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from dockagent.clock import Clock
from dockagent.core.central import promise as pr
from dockagent.core.central.promise import Kept, broken, kept, not_asked
from dockagent.stores.promises import Proof
from dockagent.stores.s3_errors import code, named_errors, skew_ms, skew_words, status
from dockagent.stores.s3_hold import NO_LOCK
from dockagent.stores.s3_scratch import HELD, ONCE, Scratch, Thing
from dockagent.stores.s3_settings import S3Settings
from dockagent.stores.s3_window import base64_digest, composite

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_SKEW_MS = 5 * 60_000  # servers refuse 15 minutes, so there is time left to act
_ALONE = "only an administrator's credential can tell: give --admin-key-id and --admin-secret-file"
_NO_ANSWER = "the store gave no answer to this"


class S3Proof:
    """Tries the store of ``settings`` below the key prefix ``scratch``; ``admin``: settings with an administrator's
    credential, or None."""

    def __init__(self, settings: S3Settings, clock: Clock, scratch: str, admin: S3Settings | None = None) -> None:
        self._settings, self._clock = replace(settings, attempts=1), clock
        self._folder = _below(settings.prefix, scratch)
        self._scratch = Scratch(self._settings, self._folder)
        self._client = self._scratch.client
        self._admin = Scratch(replace(admin, attempts=1), self._folder) if admin else None
        self._bucket = settings.bucket

    def run(self) -> Proof:
        """Everything. Raises Retryable or Permanent where not even an honest object is taken."""
        with named_errors(f"store {self._folder}/first", self._settings.url, self._clock):
            first = self._scratch.put("first")
        headers = first.answer["ResponseMetadata"]["HTTPHeaders"]
        found = [
            self._asked(pr.REFUSES_STRANGERS, self._stranger),
            self._asked(pr.REFUSES_WRONG_HASH, self._wrong_hash),
            *self._second_write(first),
            self._asked(pr.REFUSES_READ, lambda: self._refuses_read(first)),
            self._custodians_names(),
            *self._delete(),
            self._asked(pr.REFUSES_EARLY_END, lambda: self._early_end(self._client, self._scratch.put("end"))),
            self._checksums(first),
            self._asked(pr.CHECKS_COMPOSITE, self._wrong_composite),
            *self._as_admin(),
            self._right_clock(headers),
        ]
        return Proof(self._settings.url, "s3", tuple(found), headers.get("server", ""), self._folder)

    # ---- what a dock can try --------------------------------------------------------------------------------------

    def _stranger(self) -> str:
        """Puts with the dock's key id and another secret."""
        own = self._settings.access_key or _own_key_id()
        wrong = replace(self._settings, access_key=own, secret_key=secrets.token_hex(20), session_token="")
        Scratch(wrong, self._folder).put("stranger")
        return "an object that was signed with a wrong secret was taken"

    def _wrong_hash(self) -> str:
        """Puts bytes that are not those whose hash was signed."""
        apart = Scratch(self._settings, self._folder)
        swapped = _swapping(bytes(len(apart.bytes_of("wrong-hash"))))
        apart.client.meta.events.register_last("before-send.s3.PutObject", swapped)
        apart.put("wrong-hash")
        return "bytes that differ from their signed SHA-256 were stored"

    def _second_write(self, first: Thing) -> Iterator[Kept]:
        """As a whole and in parts: a server may keep the condition in the one way only (Ceph 16), and a dock that only
        puts writes everything in parts."""
        second = self._scratch.bytes_of("second")
        whole = self._again(lambda: self._scratch.put("first", second))
        parts = self._again(lambda: self._scratch.in_parts("first", second, end=ONCE))
        how = f"as a whole: {whole.how}; in parts: {parts.how}"
        yield Kept(pr.REFUSES_SECOND_WRITE, _worst([whole, parts]).answer, how)
        try:
            again = self._scratch.put("first", self._scratch.bytes_of("again"), {})
        except ClientError as err:
            yield kept(pr.KEEPS_VERSIONS, f"an overwrite without a condition was answered {_said(err)}")
        except BotoCoreError as err:
            yield not_asked(pr.KEEPS_VERSIONS, f"{_NO_ANSWER}: {_line(err)}")
        else:
            if again.version and first.version and again.version != first.version:
                yield kept(pr.KEEPS_VERSIONS, "an overwrite became a second version beside the first")
            else:
                yield broken(pr.KEEPS_VERSIONS, "an overwrite was taken, and the store names no versions")

    def _again(self, write: Callable[[], Thing]) -> Kept:
        def attack() -> str:
            write()
            return "If-None-Match: * was ignored, and a second write taken"

        return self._asked(pr.REFUSES_SECOND_WRITE, attack)

    def _refuses_read(self, first: Thing) -> str:
        self._client.get_object(Bucket=self._bucket, Key=first.name)["Body"].close()
        return "this dock's credential may read"

    def _custodians_names(self) -> Kept:
        """The worst answer of all names that are the custodian's, in folders of no clip."""
        tried = [self._asked(pr.REFUSES_CUSTODIANS_NAMES, partial(self._upload_begun, name)) for name in _CUSTODIANS]
        return _worst(tried)

    def _upload_begun(self, name: str) -> str:
        """Begins an upload and aborts it: that needs the right to put this object ("CreateMultipartUpload", Amazon S3
        API), and makes none, so that nothing stays under a name that is read as a custodian's."""
        where = {"Bucket": self._bucket, "Key": _below(self._settings.prefix, name)}
        begun = self._client.create_multipart_upload(**where)  # type: ignore[arg-type]
        try:
            self._client.abort_multipart_upload(**where, UploadId=begun["UploadId"])  # type: ignore[arg-type]
        except (ClientError, BotoCoreError) as err:
            return f"an upload was begun under {name}, and could not be aborted: {_line(err)}"
        return f"an upload was begun under {name}, and aborted"

    def _delete(self) -> Iterator[Kept]:
        """Deletes, and holds the answer against what the store says of its lock, where this credential may look."""
        try:
            thing = self._scratch.put("delete")
        except (ClientError, BotoCoreError) as err:
            why = f"no object could be stored for it: {_line(err)}"
            yield from (not_asked(name, why) for name in (pr.REFUSES_DELETE, pr.LOCK_AS_STATED))
            return
        stated = self._stated_lock(self._client, thing)
        found = self._asked(pr.REFUSES_DELETE, lambda: self._removed(self._client, thing))
        yield found
        if not stated:
            yield not_asked(pr.LOCK_AS_STATED, "the store states no lock to this credential")
        elif found.answer == pr.BROKEN:
            yield broken(pr.LOCK_AS_STATED, f"it stated {stated}, and deleted the object")
        else:
            yield kept(pr.LOCK_AS_STATED, f"it stated {stated}, and {found.how}")

    def _stated_lock(self, client: "S3Client", thing: Thing) -> str:
        try:
            head = client.head_object(Bucket=self._bucket, Key=thing.name, **thing.which)  # type: ignore[arg-type]
        except (ClientError, BotoCoreError):
            return ""
        mode, until = head.get("ObjectLockMode", ""), head.get("ObjectLockRetainUntilDate")
        return f"{mode} until {until:%Y-%m-%dT%H:%M:%SZ}" if mode and until else ""

    def _removed(self, client: "S3Client", thing: Thing) -> str:
        client.delete_object(Bucket=self._bucket, Key=thing.name, **thing.which)  # type: ignore[arg-type]
        return "the object was deleted"

    def _early_end(self, client: "S3Client", thing: Thing) -> str:
        try:
            client.put_object_retention(
                Bucket=self._bucket,
                Key=thing.name,
                Retention={"Mode": "COMPLIANCE", "RetainUntilDate": self._soon()},
                BypassGovernanceRetention=True,
                **thing.which,  # type: ignore[arg-type]
            )
        except ClientError as err:
            if code(err) not in NO_LOCK:
                raise
            return f"there is no retention to end: answered {_said(err)}"
        return "its retention was set to end in a minute"

    def _checksums(self, first: Thing) -> Kept:
        said = first.answer.get("ChecksumSHA256", "")
        if not said:
            return broken(pr.STATES_CHECKSUMS, "its answer to a PUT names no SHA-256")
        if said != base64_digest(hashlib.sha256(self._scratch.bytes_of("first")).hexdigest()):
            return broken(pr.STATES_CHECKSUMS, f"it stated {said}, which is not what was sent")
        return kept(pr.STATES_CHECKSUMS, "its answer to a PUT names the SHA-256 of what was sent")

    def _wrong_composite(self) -> str:
        self._scratch.in_parts("composite", end={"ChecksumSHA256": composite([hashlib.sha256(b"other").hexdigest()])})
        return "a wrong SHA-256 over all parts was taken"

    def _right_clock(self, headers: Mapping[str, str]) -> Kept:
        try:
            skew = skew_ms(headers.get("date", ""), self._clock)
        except ValueError:
            return not_asked(pr.RIGHT_CLOCK, "its answers bear no date")
        words = f"our clock is {skew_words(skew)}"
        return kept(pr.RIGHT_CLOCK, words) if abs(skew) <= MAX_SKEW_MS else broken(pr.RIGHT_CLOCK, words)

    # ---- what only an administrator can try -------------------------------------------------------------------------

    def _as_admin(self) -> Iterator[Kept]:
        admin = self._admin
        if admin is None:
            yield from (not_asked(name, _ALONE) for name in _FOR_ADMINS)
            return
        yield self._lock(admin.client, pr.LOCK_REFUSES_DELETE, "lock", self._removed_as_admin)
        yield self._lock(admin.client, pr.LOCK_REFUSES_EARLY_END, "lock-end", self._early_end)
        yield self._holds(admin.client, pr.KEEPS_LEGAL_HOLD, lambda: admin.put("hold", extra=HELD))
        yield self._holds(admin.client, pr.KEEPS_LEGAL_HOLD_OF_PARTS, lambda: admin.in_parts("hold-parts", begin=HELD))

    def _lock(self, admin: "S3Client", promise: str, name: str, attack: "Callable[[S3Client, Thing], str]") -> Kept:
        """Whether the lock on an object of the dock stands against ``attack``. An administrator who may not see the
        lock is no measure of it: he may be refused for want of rights alone."""
        try:
            thing = self._scratch.put(name)
            seen = admin.get_object_retention(Bucket=self._bucket, Key=thing.name, **thing.which)["Retention"]  # type: ignore[arg-type]
        except ClientError as err:
            if code(err) in NO_LOCK:
                return broken(promise, f"nothing keeps it: asked for its retention, the store answered {_said(err)}")
            return not_asked(promise, f"this administrator cannot see the lock: answered {_said(err)}")
        except BotoCoreError as err:
            return not_asked(promise, f"{_NO_ANSWER}: {_line(err)}")
        stated = f"it states {seen.get('Mode')} until {seen.get('RetainUntilDate'):%Y-%m-%dT%H:%M:%SZ}, and "
        found = self._asked(promise, lambda: attack(admin, thing))
        return Kept(promise, found.answer, stated + found.how)

    def _removed_as_admin(self, admin: "S3Client", thing: Thing) -> str:
        admin.delete_object(
            Bucket=self._bucket,
            Key=thing.name,
            BypassGovernanceRetention=True,
            **thing.which,  # type: ignore[arg-type]
        )
        return "an administrator deleted it"

    def _holds(self, admin: "S3Client", promise: str, made: "Callable[[], Thing]") -> Kept:
        """Whether an object that was put under a legal hold has it; the hold is lifted afterwards."""
        try:
            thing = made()
            head = admin.head_object(Bucket=self._bucket, Key=thing.name, **thing.which)  # type: ignore[arg-type]
            if head.get("ObjectLockLegalHoldStatus") != "ON":
                return broken(promise, "the header was taken without a word, and no hold is on the object")
            admin.put_object_legal_hold(
                Bucket=self._bucket,
                Key=thing.name,
                LegalHold={"Status": "OFF"},
                **thing.which,  # type: ignore[arg-type]
            )
        except ClientError as err:
            return broken(promise, f"answered {_said(err)}")
        except BotoCoreError as err:
            return not_asked(promise, f"{_NO_ANSWER}: {_line(err)}")
        return kept(promise, "the hold was on the object, and is lifted again")

    # ---- requests -------------------------------------------------------------------------------------------------

    def _asked(self, promise: str, attack: Callable[[], str]) -> Kept:
        """``attack`` returns what it got done, which breaks the promise, or the store refuses it."""
        try:
            return broken(promise, attack())
        except ClientError as err:
            if status(err) >= 500 or status(err) in (404, 429):  # it failed, or wants to be asked later
                return not_asked(promise, f"answered {_said(err)}")
            return kept(promise, f"answered {_said(err)}")
        except BotoCoreError as err:
            return not_asked(promise, f"{_NO_ANSWER}: {_line(err)}")

    def _soon(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now().utc_ms / 1000, UTC) + timedelta(minutes=1)


_CUSTODIANS = (
    *(f"clips/scratch/2000/01/01/{'0' * 32}/{name}" for name in ("receipt.json", "permit.json", "audit.1.json")),
    *(f"quarantine/scratch/{'0' * 32}/{name}" for name in ("receipt.json", "permit.json", "audit.1.json")),
    "custodian/scratch",
)
_FOR_ADMINS = (pr.LOCK_REFUSES_DELETE, pr.LOCK_REFUSES_EARLY_END, pr.KEEPS_LEGAL_HOLD, pr.KEEPS_LEGAL_HOLD_OF_PARTS)


def _worst(found: Sequence[Kept]) -> Kept:
    return min(found, key=lambda one: (pr.BROKEN, pr.NOT_ASKED, pr.KEPT).index(one.answer))


def _below(prefix: str, name: str) -> str:
    return f"{prefix}/{name}" if prefix else name


def _swapping(body: bytes) -> Callable[..., None]:
    """A hook that has other bytes sent than were signed."""

    def swap(request: Any, **_event: object) -> None:
        request.body = body

    return swap


def _own_key_id() -> str:
    found = botocore.session.Session().get_credentials()
    return found.access_key if found else "nobody"


def _said(err: ClientError) -> str:
    return f"{status(err)} {code(err)}"


def _line(err: Exception) -> str:
    return " ".join(str(err).split())[:160]
