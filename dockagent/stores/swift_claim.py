"""Of several docks that store different bytes under one key at the same moment, one may; Swift alone does not see to
that. Its ``If-None-Match: *`` is compared when a PUT begins, so that of two PUTs at once both succeed and the later
one stays; Ceph's Swift API does not compare it at all.

So a writer first lays down a claim, an empty object that names key and content, and then looks who else has one.
Alone: go on, after one more look at the key itself. Otherwise the one with the smallest digest waits until the
others are done or gone, and these withdraw. Of two writers who come to write, the later one found no claim of the
earlier one, who had then stored the key already: the look at the key tells. This holds for docks that do so, on servers
whose listings are up to date; others are found when the object is read again. A claim that a dead dock left is ignored
after an hour, and so a write that takes longer than that is not protected.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode

from dockagent.clock import Clock
from dockagent.core.uplink.trouble import Kind, LinkTrouble
from dockagent.errors import DockError
from dockagent.stores import Conflict
from dockagent.stores.swift_client import Client, body_of
from dockagent.stores.swift_errors import Answer, NoAnswer, refused

FOLDER = ".claims"  # no key begins with a dot
STALE_S = 3600
PATIENCE_S = 30.0
_LOOK_S = 0.2


class Claims:
    """Claims on keys, in ``container`` under ``prefix``. ``stale_s``: seconds after which a claim no longer counts,
    more than any write takes there. ``writer``: letters and digits that name us, where it is sure that there is one of
    us at a time: then what we began ourselves before a kill is not waited for.
    """

    def __init__(
        self,
        client: Client,
        url: str,
        container: str,
        prefix: str,
        clock: Clock,
        *,
        stale_s: int = STALE_S,
        writer: str = "",
    ) -> None:
        self._client, self._url, self._clock = client, url, clock
        self._container, self._stale_s = container, stale_s
        self._ours = f".{writer}" if writer else ""
        self._folder = f"{prefix}/{FOLDER}" if prefix else FOLDER

    @contextmanager
    def held(self, key: str, sha256: str) -> Iterator[None]:
        """The right to write ``key`` with these bytes, until the end of the body. Where this user may not list the
        claims there is none, and the body runs all the same. Raises Conflict where somebody else goes first, Retryable
        where he does not come to an end, NoAnswer."""
        mine = f"/{self._container}/{self._folder}/{key}/{sha256}{self._ours}"
        made = self._client.ask("PUT", mine, body=body_of(b""))
        if made.status not in (201, 403):
            raise refused(made, f"claim {key}", self._url)
        try:
            if made.status == 201:
                self._win(key, sha256)
            yield
        finally:
            if made.status == 201:
                with suppress(NoAnswer, DockError):  # what is done is done; a claim that is left grows stale
                    self._client.ask("DELETE", mine)

    def _win(self, key: str, mine: str) -> None:
        end = self._clock.monotonic() + PATIENCE_S
        while others := self._others(key, mine):
            if min(others) < mine:
                raise Conflict(
                    f"{self._url} is being given other bytes under {key} (SHA-256 {min(others)}) than {mine}",
                    "find out who writes there; nothing was overwritten",
                )
            if self._clock.monotonic() > end:
                raise LinkTrouble(
                    Kind.OBJECT,
                    f"cannot store {key} in {self._url}: somebody else began to, and does not come to an end",
                    f"nothing to do: after {self._stale_s // 60} minutes that no longer counts",
                )
            self._clock.sleep(_LOOK_S)

    def _others(self, key: str, mine: str) -> list[str]:
        """The digests that others want to store under the key."""
        folder = f"{self._folder}/{key}/"
        query = urlencode({"format": "json", "prefix": folder, "delimiter": "/"})
        answer = self._client.ask("GET", f"/{self._container}", query=query)
        if answer.status == 403:
            return []
        if answer.status != 200:
            raise refused(answer, f"see who else writes {key}", self._url)
        found = [one for one in json.loads(answer.body) if "name" in one]
        names = [one["name"].removeprefix(folder) for one in found if self._is_fresh(answer, one["last_modified"])]
        digests = [name.partition(".")[0] for name in names if not (self._ours and name.endswith(self._ours))]
        return [digest for digest in digests if digest != mine]

    def _is_fresh(self, answer: Answer, modified: str) -> bool:
        """Whether a claim counts, by the server's own clock. Listings have UTC without a zone."""
        now = parsedate_to_datetime(answer.headers["date"])
        made = datetime.fromisoformat(modified.rstrip("Z")).replace(tzinfo=UTC)
        return (now - made).total_seconds() < self._stale_s
