"""Delivery into an evidence system that speaks the dialect that Axis publishes for body-worn footage.

Two layouts speak Swift, because they answer two questions. ``swift.py`` keeps everything under our own keys, so that
records, ledgers and tiles are found by their names. The dialect has a container for each recording and no place for
anything that is not footage; so here a clip's master goes out as a recording (``swift_recording``), and all else
(records, previews, catalogue, ledgers, clips neither mkv nor mp4, sealed masters) to a second store **beside**.

The order is the dialect's (README, "File Upload API" and "Recordings"): make the container with its metadata and
``Status: Transferring``; put the object, with its MD5 in ``ETag``; then post ``Status: Complete``, after which nothing
may follow. Between the last two the object is read again, where the system lets us: it need not, by the table "API
endpoints". A recording that it can never store (400) goes to a container for rejected content, where it declared
``StoreRejectedContent``. Clips in quarantine go there at once, which is our reading. There are no parts in the dialect:
a transfer that broke begins anew.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace

from dockagent.clock import Clock
from dockagent.core.moment import rfc3339
from dockagent.core.uplink.trouble import Kind, LinkTrouble
from dockagent.errors import DockError, Permanent
from dockagent.stores import Source, Store, Stored
from dockagent.stores.intake import Tally, open_source, read_some
from dockagent.stores.keys import checked
from dockagent.stores.promises import Credential, Proof
from dockagent.stores.swift_axis_promises import proof_of
from dockagent.stores.swift_binding import REJECTED, Binding, System
from dockagent.stores.swift_client import Client
from dockagent.stores.swift_connection import Connection
from dockagent.stores.swift_errors import Answer, about_our_certificate, named_errors, refused
from dockagent.stores.swift_look import Look, length_of
from dockagent.stores.swift_parts import Part
from dockagent.stores.swift_promises import skew_fault
from dockagent.stores.swift_recording import COMPLETE, TRANSFERRING, Recording, meta, of_record
from dockagent.stores.swift_settings import SwiftSettings

MOST = 5 << 30  # bytes of one object: Swift's default max_file_size
_MASTER = re.compile(r"(clips/[^/]+/\d{4}/\d\d/\d\d/[^/]+|quarantine/[^/]+/[^/]+)/master")
_RECORD = re.compile(r"(.+)/record\.json(\.[0-9a-f.]+)?")
_MOST_RECORD = 4 << 20  # bytes
_REMEMBERED = 256  # records whose masters have not come yet


@dataclass(frozen=True, slots=True)
class _Way:
    """Where a recording goes, and with which metadata."""

    container: str
    name: str
    headers: dict[str, str]
    object_headers: dict[str, str]
    status: bool

    @property
    def path(self) -> str:
        return f"/{self.container}/{self.name}"


class AxisStore:
    """The evidence system of a connection file at ``url``; ``beside`` takes what has no place there. ``known`` as for
    :class:`Binding`. Nothing is sent until the first call. Raises UsageError for settings that cannot work."""

    def __init__(
        self,
        url: str,
        connection: Connection,
        settings: SwiftSettings,
        system: System,
        beside: Store,
        clock: Clock,
        known: MutableMapping[str, str],
    ) -> None:
        self.url = url
        reached = replace(
            settings,
            auth_urls=connection.auth_urls,
            user=connection.user,
            key=connection.key,
            ca_data=connection.certificates or settings.ca_data,
        )
        self._reached, self._client = reached, Client(reached)
        self._binding = Binding(self._client, url, system, known, full=connection.full)
        self._look = Look(self._client, url, read_back=settings.read_back, blind=(403, 405, 501))
        self._system, self._beside, self._clock = system, beside, clock
        self._recordings: OrderedDict[str, Recording] = OrderedDict()

    def put(self, key: str, source: Source, progress: Callable[[int], None] | None = None) -> Stored:
        """As :class:`dockagent.stores.Store` says. ``version`` of a recording is ``CONTAINER/OBJECT``, where it lies.
        The proof is ``re-read``, or ``md5`` where the settings forgo reading."""
        record, master = _RECORD.fullmatch(checked(key)), _MASTER.fullmatch(key)
        if record:
            self._note(record[1], key, source)
        if master is None:
            return self._beside.put(key, source, progress)
        recording = self._recordings.get(master[1])
        if recording is None:
            raise LinkTrouble(
                Kind.OBJECT,
                f"cannot store {key} in {self.url}: its record has not been sent before it",
                "nothing to do: it is sent again with its record; where that has no line for the catalogue, set "
                "enabled = true in [catalogue]",
            )
        if not recording.fits:
            return self._beside.put(key, source, progress)
        with named_errors(f"store {key}", self.url):
            return self._deliver(key, source, recording, progress or _unheard)

    def replace(self, key: str, data: bytes) -> Stored:
        """As :class:`dockagent.stores.Store` says, in the store beside."""
        return self._beside.replace(key, data)

    def stat(self, key: str) -> Stored | None:
        """As :class:`dockagent.stores.Store` says. Where a recording lies only its record tells, so one whose record
        was not sent since the start is looked for in the store beside, which does not have it."""
        master = _MASTER.fullmatch(checked(key))
        recording = self._recordings.get(master[1]) if master else None
        if recording is None or not recording.fits:
            return self._beside.stat(key)
        with named_errors(f"look at {key}", self.url):
            for container in (recording.container, recording.rejected_container):
                head = self._look.head(f"/{container}/{recording.object}", key, may_be_blind=True)
                if head is not None:
                    return Stored(key, length_of(head), "", "size", f"{container}/{recording.object}", head.etag)
        return None

    def check(self) -> Sequence[str]:
        """What is wrong with the evidence system; where nothing is, with the store beside it. One line each."""
        try:
            with named_errors("reach the evidence system", self.url):
                clock = skew_fault(self._client.renew(), self._clock, self.url)
                self._binding.make_sure()
        except DockError as err:
            return [str(err)]
        return [*clock, *self._beside.check()]

    def prove(self, scratch: str, admin: Credential | None = None) -> Proof:
        """As :class:`dockagent.stores.promises.Prover` says, of the evidence system alone: nothing is put into it."""
        with named_errors("try the promises", self.url):
            return proof_of(self.url, self._reached, self._client, self._clock, scratch)

    def _note(self, folder: str, key: str, source: Source) -> None:
        """Keep what a record says about the master that follows it. The record's own put judges its bytes."""
        if source.size > _MOST_RECORD:
            return
        with open_source(source, key) as reader:
            data = b"".join(iter(lambda: read_some(reader, _MOST_RECORD, key), b""))
        recording = of_record(data)
        if recording is not None:
            self._recordings.pop(folder, None)
            self._recordings[folder] = recording
            if len(self._recordings) > _REMEMBERED:
                self._recordings.popitem(last=False)

    def _deliver(self, key: str, source: Source, recording: Recording, heard: Callable[[int], None]) -> Stored:
        if source.size > MOST:
            raise Permanent(f"{key} has {source.size} bytes; an object has at most {MOST}", "deliver to another store")
        self._binding.make_sure()
        if key.startswith("quarantine/") and self._binding.can(REJECTED):
            return self._send(key, source, self._rejected(recording, "in quarantine at the dock"), heard)
        self._binding.register(recording)
        try:
            return self._send(key, source, self._ordinary(recording), heard)
        except _Never as err:
            if not self._binding.can(REJECTED):
                raise refused(err.answer, f"store {key}", self.url) from err
            return self._send(key, source, self._rejected(recording, err.answer.words), heard)

    def _ordinary(self, recording: Recording) -> _Way:
        headers = recording.container_headers(self._system.name, TRANSFERRING)
        return _Way(recording.container, recording.object, headers, recording.object_headers(), status=True)

    def _rejected(self, recording: Recording, reason: str) -> _Way:
        container = recording.rejected_container
        original = {"RejectedContentOriginalContainer": recording.container}
        when = rfc3339(self._clock.now().utc_ms)
        headers = {
            **recording.container_headers(self._system.name, "", container),
            **meta("Container", {**original, "RejectedContentTime": when, "RejectedContentReason": reason}),
        }
        marks = {**recording.object_headers(), **meta("Object", original)}
        return _Way(container, recording.object, headers, marks, status=False)

    def _send(self, key: str, source: Source, way: _Way, heard: Callable[[int], None]) -> Stored:
        stored = self._look.held(way.path, key, source)
        if stored is None:
            stored = self._put_new(key, source, way, heard)
        else:
            heard(source.size)
        if way.status:
            self._answered("POST", f"/{way.container}", meta("Container", {"Status": COMPLETE}), 202, 204)
        return replace(stored, version=f"{way.container}/{way.name}")

    def _put_new(self, key: str, source: Source, way: _Way, heard: Callable[[int], None]) -> Stored:
        with open_source(source, key) as reader:
            tally = Tally(source, key)
            part = Part(reader, 0, source.size, tally, heard, source.sha256)
            part.hash()  # one request stores it all: the source keeps its word first
            tally.finish(reader)
            self._answered("PUT", f"/{way.container}", way.headers, 201, 202)
            headers = {**way.object_headers, "ETag": part.md5, "If-None-Match": "*"}
            answer = self._client.ask("PUT", way.path, headers=headers, body=part.body)
        if answer.status == 400 and not about_our_certificate(answer):
            raise _Never(answer)
        stored = self._look.settle(way.path, key, source, answer, part.md5)
        part.arrived()
        return stored

    def _answered(self, method: str, path: str, headers: dict[str, str], *good: int) -> None:
        answer = self._client.ask(method, path, headers=headers)
        if answer.status == 400 and not about_our_certificate(answer):
            raise _Never(answer)
        if answer.status not in good:
            raise refused(answer, f"{method} {path}", self.url)


class _Never(Exception):
    """400: the system can not store this recording, and never will (README, "Error response descriptions")."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.words)
        self.answer = answer


def _unheard(_size: int) -> None:
    """Nobody asked to be told."""
