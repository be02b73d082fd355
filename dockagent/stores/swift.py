"""A store in a container of an OpenStack Swift, or of whatever else speaks its protocol (Ceph RGW).

Keys are object names, so that any Swift client finds a clip where its record says. Every byte goes out under its MD5,
every object conditionally (``If-None-Match: *``), under a claim (``swift_claim``), and is read again afterwards: Swift
has no SHA-256, no lock and no retention, and some servers ignore the condition. ``prove`` says what is not promised.

Headers and statuses are those of OpenStack's "Object Storage API" reference; ``swift_errors`` has what they mean.
"""

import hashlib
import json
from collections.abc import Callable, Sequence

from dockagent.clock import Clock
from dockagent.core.uplink.trouble import Kind, LinkTrouble
from dockagent.durable import Reader
from dockagent.errors import DockError, Permanent, UsageError
from dockagent.stores import MOST_REPLACED, PART_SIZE, Conflict, Source, Stored
from dockagent.stores.intake import Tally, open_source
from dockagent.stores.keys import checked, replaceable
from dockagent.stores.promises import Credential, Proof
from dockagent.stores.swift_claim import Claims
from dockagent.stores.swift_client import Body, Client, body_of
from dockagent.stores.swift_errors import named_errors, refused
from dockagent.stores.swift_look import Look, length_of, version_of
from dockagent.stores.swift_parts import Part
from dockagent.stores.swift_promises import Trial, skew_fault
from dockagent.stores.swift_segments import MOST_SEGMENTS, Segments
from dockagent.stores.swift_settings import SwiftSettings


class SwiftStore:
    """Objects in ``settings.container``, under its prefix. Nothing is sent until the first call.

    ``part_size`` bytes are one segment; larger objects go out as several. Raises UsageError for settings that cannot
    work.
    """

    def __init__(self, settings: SwiftSettings, clock: Clock, *, part_size: int = PART_SIZE) -> None:
        need_container(settings)
        self.url = settings.url
        self._settings, self._clock, self._part_size = settings, clock, part_size
        self._client = Client(settings)
        self._look = Look(self._client, self.url, read_back=settings.read_back)
        self._segments = f"{settings.container}_segments"
        self._claims = Claims(self._client, self.url, self._segments, settings.prefix, clock)
        self._most_segments = 0  # not asked yet

    def put(self, key: str, source: Source, progress: Callable[[int], None] | None = None) -> Stored:
        """As :class:`dockagent.stores.Store` says. The proof is ``re-read``, over the network; where the settings
        forgo that, ``md5``: the store accepted every byte under its MD5, and states that MD5."""
        name, heard = self._name(key), progress or _unheard
        with named_errors(f"store {key}", self.url):
            stored = self._look.held(name, key, source)
            if stored is None:
                with open_source(source, key) as reader:
                    return self._send(name, key, source, reader, heard)
            heard(source.size)
            return stored

    def replace(self, key: str, data: bytes) -> Stored:
        """As :class:`dockagent.stores.Store` says. Where the container keeps versions, the older ones stay."""
        name, digest = self._name(replaceable(key, len(data), MOST_REPLACED)), hashlib.sha256(data).hexdigest()
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        with named_errors(f"replace {key}", self.url):
            answer = self._client.ask("PUT", name, headers={"ETag": md5}, body=body_of(data))
            if answer.status != 201:
                raise refused(answer, f"replace {key}", self.url)
            if self._settings.read_back and self._look.digest(name, key) != digest:
                what = f"{self.url} gave back other bytes than were written for {key}"
                raise LinkTrouble(Kind.OBJECT, what, "see who else writes there")
        proof = "re-read" if self._settings.read_back else "md5"
        return Stored(key, len(data), digest, proof, version_of(answer), answer.etag)

    def stat(self, key: str) -> Stored | None:
        """What a HEAD says: the size; ``sha256`` as the writer noted it, which nobody has checked."""
        name = self._name(key)
        with named_errors(f"look at {key}", self.url):
            head = self._look.head(name, key)
        if head is None:
            return None
        noted = head.headers.get("x-object-meta-sha256", "")
        return Stored(key, length_of(head), noted, "metadata" if noted else "size", version_of(head), head.etag)

    def check(self) -> Sequence[str]:
        """Whether the container can be reached with this user; one line for each fault."""
        try:
            with named_errors("reach the container", self.url):
                clock = skew_fault(self._client.renew(), self._clock, self.url)
                answer = self._client.ask("HEAD", f"/{self._settings.container}")
                if answer.status not in (200, 204, 403):
                    raise refused(answer, "reach the container", self.url)
        except DockError as err:
            return [str(err)]
        blind = self._settings.read_back and answer.status == 403
        unread = [f"{self.url} does not let this user look: nothing can be proved; see docs/swift.md"] if blind else []
        return [*clock, *unread]

    def prove(self, scratch: str, admin: Credential | None = None) -> Proof:
        """As :class:`dockagent.stores.promises.Prover` says; there is no lock that an administrator could break."""
        with named_errors("try the promises", self.url):
            return Trial(self._settings, self._client, self._clock, self._name(f"{scratch}/probe")).run(scratch)

    def _send(self, name: str, key: str, source: Source, reader: Reader, heard: Callable[[int], None]) -> Stored:
        self._make_segments_container()
        if source.size <= self._part_size:
            return self._send_whole(name, key, source, reader, heard)
        return self._send_segments(name, key, source, reader, heard)

    def _send_whole(self, name: str, key: str, source: Source, reader: Reader, heard: Callable[[int], None]) -> Stored:
        tally = Tally(source, key)
        part = Part(reader, 0, source.size, tally, heard, source.sha256)
        part.hash()  # one request stores it all: the source keeps its word first
        tally.finish(reader)
        with self._claims.held(key, source.sha256):
            stored = self._look.held(name, key, source) or self._write(name, key, source, part.body, part.md5)
        part.arrived()
        return stored

    def _send_segments(
        self, name: str, key: str, source: Source, reader: Reader, heard: Callable[[int], None]
    ) -> Stored:
        folder = name.split("/", 2)[2] + f"/{source.sha256}"
        segments = Segments(
            *(self._client, self.url, self._segments, folder, source),
            part_size=self._part_size,
            most=self._limit(),
        )
        segments.transfer(key, reader, heard)
        try:
            with self._claims.held(key, source.sha256):
                stored = self._look.held(name, key, source)
                return stored or self._write(name, key, source, segments.manifest(), segments.etag, large=True)
        except Conflict:
            segments.drop()
            raise

    def _write(self, name: str, key: str, source: Source, body: Body, etag: str, *, large: bool = False) -> Stored:
        """Store an object or a manifest, and see what lies there then."""
        headers = {"If-None-Match": "*", "X-Object-Meta-Sha256": source.sha256}
        if not large:
            headers["ETag"] = etag
        query = "multipart-manifest=put" if large else ""
        answer = self._client.ask("PUT", name, headers=headers, body=body, query=query)
        if answer.status == 400 and large:
            what = f"{self.url} refuses the segments of {key}: {answer.words}"
            raise LinkTrouble(Kind.OBJECT, what, "they are looked at again")
        return self._look.settle(name, key, source, answer, etag)

    def _limit(self) -> int:
        """How many segments an object may have: what ``/info`` says, or Swift's default where it says nothing."""
        if not self._most_segments:
            answer = self._client.ask_host("/info")
            self._most_segments = _segments_in(answer.body) if answer.status == 200 else MOST_SEGMENTS
        return self._most_segments

    def _make_segments_container(self) -> None:
        """Where claims and segments lie. One who may not make containers needs it to be there."""
        if self._most_segments == 0:
            self._client.ask("PUT", f"/{self._segments}")  # a refusal shows at what is put there
            self._limit()

    def _name(self, key: str) -> str:
        prefix = f"{self._settings.prefix}/" if self._settings.prefix else ""
        return f"/{self._settings.container}/{prefix}{checked(key)}"


def _segments_in(info: bytes) -> int:
    try:
        return max(1, int(json.loads(info)["slo"]["max_manifest_segments"]))
    except (ValueError, KeyError, TypeError):
        return MOST_SEGMENTS


def need_container(settings: SwiftSettings) -> None:
    """Raises UsageError unless the settings name a container, and a prefix that keys can have."""
    if not settings.container:
        raise UsageError("the Swift store has no container", "give swift://CONTAINER/PREFIX")
    try:
        checked(settings.container if not settings.prefix else f"{settings.container}/{settings.prefix}")
    except Permanent as err:
        raise UsageError(f"the Swift store's container or prefix is {err.what}", err.hint) from err


def _unheard(_size: int) -> None:
    """Nobody asked to be told."""
