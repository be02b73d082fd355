"""A large object goes out in segments, and what the store already has is not sent again.

Segments lie in a container of their own, ``CONTAINER_segments`` (as python-swiftclient calls it), under
``KEY/SHA256/SIZE/NUMBER``: a name says what the bytes are to be, so there is no upload id to remember, and a start
after a kill finds them. A manifest then names each with its MD5 and size, which Swift compares (Object Storage API,
"Static large objects"; middleware ``slo``, ``multipart-manifest=put``). A large object's ETag is the MD5 over the MD5s
of its segments.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import urlencode

from dockagent.durable import Reader
from dockagent.errors import DockError, Permanent
from dockagent.stores import PART_SIZE, Source
from dockagent.stores.intake import Tally
from dockagent.stores.swift_client import Body, Client, body_of
from dockagent.stores.swift_errors import NoAnswer, refused
from dockagent.stores.swift_parts import Part, parts_of

MOST_SEGMENTS = 1000  # middleware slo, default of max_manifest_segments; a server may say less in /info
MOST_SEGMENT = 5 << 30  # bytes; Swift's default max_file_size


class Segments:
    """One large source on its way, as segments in ``container`` under ``folder``: ``transfer``, then ``manifest``.

    ``part_size`` bytes are one segment; where that gives more than ``most``, a multiple of it.
    Methods raise NoAnswer, and DockError for what the store and the source say.
    """

    def __init__(
        self, client: Client, url: str, container: str, folder: str, source: Source, *, part_size: int, most: int
    ) -> None:
        times = -(-source.size // (part_size * most))
        if part_size * times > MOST_SEGMENT:
            raise Permanent(
                f"{folder} has {source.size} bytes, more than {most} segments of {MOST_SEGMENT}",
                "have the store take more segments (max_manifest_segments)",
            )
        self._client, self._url, self._source = client, url, source
        self._size = part_size * times
        self._container, self._folder = container, f"{folder}/{self._size}"
        self._parts: list[Part] = []

    def transfer(self, key: str, reader: Reader, heard: Callable[[int], None]) -> None:
        """Send every segment that the store does not have. A source that breaks its word leaves none behind."""
        tally = Tally(self._source, key)
        self._parts = parts_of(reader, self._source, self._size, tally, heard, PART_SIZE)
        there = dict(self._there())
        try:
            for number, part in enumerate(self._parts):
                part.hash()
                if there.get(self._name(number)) != (part.md5, part.size):
                    self._send(number, part)
                part.arrived()
            tally.finish(reader)
        except Permanent:
            self.drop()
            raise

    def manifest(self) -> Body:
        """What names all segments, to be stored as the object with ``multipart-manifest=put``."""
        listed = [
            {"path": f"/{self._container}/{self._name(number)}", "etag": part.md5, "size_bytes": part.size}
            for number, part in enumerate(self._parts)
        ]
        return body_of(json.dumps(listed).encode())

    @property
    def etag(self) -> str:
        """What the store must state as the large object's ETag."""
        return hashlib.md5("".join(part.md5 for part in self._parts).encode(), usedforsecurity=False).hexdigest()

    def drop(self) -> None:
        """Remove every segment of this source under this key. What cannot be removed stays, and takes room only."""
        with suppress(NoAnswer, DockError):
            for name, _ in self._there():
                self._client.ask("DELETE", f"/{self._container}/{name}")

    def _send(self, number: int, part: Part) -> None:
        name = self._name(number)
        answer = self._client.ask("PUT", f"/{self._container}/{name}", headers={"ETag": part.md5}, body=part.body)
        if answer.status != 201:
            raise refused(answer, f"store {name}", self._url)

    def _name(self, number: int) -> str:
        return f"{self._folder}/{number:08}"

    def _there(self) -> Iterator[tuple[str, tuple[str, int]]]:
        """Name, and MD5 and size, of each segment that is there; none where this user may not list."""
        after = ""
        while True:
            asked = {"format": "json", "prefix": f"{self._folder}/", "marker": after}
            answer = self._client.ask("GET", f"/{self._container}", query=urlencode(asked))
            if answer.status in (403, 404):
                return
            if answer.status not in (200, 204):
                raise refused(answer, f"list {self._folder}", self._url)
            page = json.loads(answer.body or b"[]")
            for one in page:
                yield one["name"], (one["hash"], one["bytes"])
            if not page:
                return
            after = page[-1]["name"]
