"""A container as the custodian sees it: OpenStack Swift, and what else speaks its protocol (Ceph RGW).

Swift has no lock, no retention and no legal hold, so nothing of that is ever said of an object; a storage below that
has some (Ceph, by S3) cannot be asked here. Reading back is one GET; a large object is put together by the server from
its segments, which it holds against the MD5s in the manifest (Ceph does not: there altered bytes come, and the
reader's SHA-256 finds them). What is added goes out under its MD5, a claim and ``If-None-Match: *``, and is read again.
Headers, statuses and listings are those of OpenStack's "Object Storage API" reference.
"""

import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Self
from urllib.parse import urlencode

from dockagent.clock import Clock
from dockagent.errors import Missing, Refused, Retryable
from dockagent.stores import Conflict, Source
from dockagent.stores.archive import Facts, Listed, Reading
from dockagent.stores.keys import checked
from dockagent.stores.swift import need_container
from dockagent.stores.swift_claim import Claims
from dockagent.stores.swift_client import Client, Download, body_of
from dockagent.stores.swift_errors import Answer, NoAnswer, cannot_look, named_errors
from dockagent.stores.swift_listing import Listing, Row
from dockagent.stores.swift_look import Look, length_of, version_of
from dockagent.stores.swift_settings import SwiftSettings
from dockagent.stores.swift_whole import what_is_wrong

UNKNOWN = "unknown"
STALE_S = 600  # the claim of a custodian who was killed: its few requests end in less
_BROKEN = 409  # of a large object: its first segment is not there, or is not the one in the manifest


class SwiftArchive:
    """The container of ``settings``, under its prefix. Nothing is sent until the first call. Raises UsageError for
    settings that cannot work. ``writer``: as for :class:`Claims`."""

    knows_holds = False

    def __init__(self, settings: SwiftSettings, clock: Clock, writer: str = "") -> None:
        need_container(settings)
        self.url = settings.url
        self._client = Client(settings)
        self._root = f"{settings.prefix}/" if settings.prefix else ""
        self._container = settings.container
        self._claims_in = f"{settings.container}_segments"
        self._listing = Listing(self._client, self.url, settings.container)
        self._look = Look(self._client, self.url, read_back=True)
        where = self._client, self.url, self._claims_in, settings.prefix
        self._claims = Claims(*where, clock, stale_s=STALE_S, writer=writer)
        self._may_claim = False

    @classmethod
    def at(cls, container: str, prefix: str, settings: SwiftSettings, clock: Clock, writer: str = "") -> Self:
        """The store ``swift://container/prefix``, reached as ``settings`` say."""
        return cls(replace(settings, container=container, prefix=prefix), clock, writer)

    @property
    def asked(self) -> Counter[str]:
        """Requests by method, those for tokens among them."""
        return self._client.asked

    def names(self, prefix: str) -> list[str]:
        top = self._root + prefix
        with named_errors(f"list {prefix}", self.url):
            rows = self._listing.rows(top, folders=True)
            return sorted(row.subdir.removeprefix(top).rstrip("/") for row in rows if row.subdir)

    def versions(self, key: str) -> list[str]:
        name = self._root + checked(key)
        with named_errors(f"look at the versions of {key}", self.url):
            rows = [row for row in self._listing.rows(name, versions=True) if row.name == name and not row.is_deletion]
        return [row.version_id if row.version_id != "null" else "" for row in reversed(rows)]

    def list(self, prefix: str) -> Iterator[Listed]:
        with named_errors(f"list {prefix}", self.url):
            for row in self._listing.rows(self._root + prefix):
                yield Listed(row.name.removeprefix(self._root), row.bytes, row.modified_ms)

    @contextmanager
    def open(self, key: str, *, first: bool = False) -> Iterator[Reading]:
        path = self._path(key)
        with named_errors(f"read {key}", self.url):
            oldest = self._first(key) if first else ""
            query = urlencode({"version-id": oldest}) if oldest else ""
            with self._client.download(path, query) as coming:
                if coming.answer.status != 200:
                    raise self._not_given(key, path, query, coming.answer)
                yield _Object(_facts(coming.answer), coming, self, key, query)

    def locks(self, key: str, facts: Facts) -> Facts:
        return facts

    def held(self, key: str, version: str) -> str:
        return UNKNOWN

    def hold(self, key: str, version: str, *, on: bool) -> None:
        raise Refused(
            f"{self.url} is a Swift container, which knows no legal hold",
            "have the storage below it keep the clip, or copy it to a store under lock",
        )

    def add(self, key: str, data: bytes) -> None:
        path, digest = self._path(key), hashlib.sha256(data).hexdigest()
        source = Source(len(data), digest, lambda: io.BytesIO(data))
        with named_errors(f"add {key}", self.url):
            if self._look.held(path, key, source) is not None:
                return
            self._make_room_for_claims()
            with self._claims.held(key, digest):
                version = self._write(path, key, source, data)
            if version and self._first(key) != version:
                self._settle(key, data)

    def broke_off(self, key: str, query: str, err: NoAnswer) -> Missing | Retryable:
        """Why an object ended too early: a segment that is not what it was, or the line."""
        with named_errors(f"look at the segments of {key}", self.url):
            wrong = what_is_wrong(self._client, self._path(key), query)
        if wrong:
            return self._not_whole(key, wrong)
        return Retryable(f"{self.url}/{key} broke off: {' '.join(str(err).split())}", "it is tried again")

    def _write(self, path: str, key: str, source: Source, data: bytes) -> str:
        """Store it, unless it is there; the version, where the container keeps some."""
        stored = self._look.held(path, key, source)
        if stored is None:
            md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
            headers = {"If-None-Match": "*", "ETag": md5, "X-Object-Meta-Sha256": source.sha256}
            answer = self._client.ask("PUT", path, headers=headers, body=body_of(data))
            stored = self._look.settle(path, key, source, answer, md5)
        return stored.version

    def _settle(self, key: str, data: bytes) -> None:
        """There was a version before: fine, where it has the same bytes. Raises Conflict."""
        with self.open(key, first=True) as held:
            if held.facts.size != len(data) or b"".join(iter(lambda: held.read(1 << 20), b"")) != data:
                raise Conflict(f"{self.url} has another {key} already", "the first one stands")

    def _first(self, key: str) -> str:
        """The id of the oldest version under a key, or empty where the container keeps none."""
        name = self._root + checked(key)
        found = [row for row in self._listing.rows(name, versions=True) if _is_version(row, name)]
        return found[-1].version_id if found else ""  # newest first, by the protocol

    def _not_given(self, key: str, path: str, query: str, answer: Answer) -> Exception:
        if answer.status == _BROKEN and (wrong := what_is_wrong(self._client, path, query)):
            return self._not_whole(key, wrong)
        if answer.status == 404:
            return Missing(f"{self.url} has no {key}", "bring it back from a copy")
        return cannot_look(answer, f"read {key}", self.url)

    def _not_whole(self, key: str, wrong: str) -> Missing:
        return Missing(f"{self.url} cannot give {key} as a whole: {wrong}", "bring it back from a copy")

    def _make_room_for_claims(self) -> None:
        """One who may not make containers needs it to be there, as docks do."""
        if not self._may_claim:
            self._client.ask("PUT", f"/{self._claims_in}")  # a refusal shows at the claim
            self._may_claim = True

    def _path(self, key: str) -> str:
        return f"/{self._container}/{self._root}{checked(key)}"


@dataclass(slots=True)
class _Object:
    """An object that is coming, whose line may break off. ``query``: which version was asked for."""

    facts: Facts
    _coming: Download
    _of: SwiftArchive
    _key: str
    _query: str

    def read(self, size: int, /) -> bytes:
        try:
            return self._coming.read(size)
        except NoAnswer as err:
            raise self._of.broke_off(self._key, self._query, err) from err


def _is_version(row: Row, name: str) -> bool:
    return row.name == name and row.version_id not in ("", "null") and not row.is_deletion


def _facts(answer: Answer) -> Facts:
    """``etag``: the MD5; of a large object, the MD5 over its segments' MD5s. ``hold`` is unknown: there is none in
    Swift, and what the storage below knows is not said. Raises NoAnswer for an answer without its length."""
    return Facts(
        size=length_of(answer),
        version=version_of(answer),
        etag=answer.etag,
        hold=UNKNOWN,
        modified_ms=_modified_ms(answer),
    )


def _modified_ms(answer: Answer) -> int:
    """``X-Timestamp`` is exact, ``Last-Modified`` to the second; 0 where neither can be read."""
    try:
        return int(float(answer.headers["x-timestamp"]) * 1000)
    except (KeyError, ValueError, OverflowError):
        pass
    try:
        return int(parsedate_to_datetime(answer.headers["last-modified"]).timestamp() * 1000)
    except (KeyError, ValueError):
        return 0
