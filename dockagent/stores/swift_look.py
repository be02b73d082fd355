"""Looking at what lies in a Swift store, and what to believe of it: only bytes that were read again."""

import hashlib
import http.client
from collections.abc import Collection

from dockagent.core.uplink.trouble import Kind, LinkTrouble
from dockagent.stores import Conflict, Source, Stored, Unseen
from dockagent.stores.intake import BUFFER
from dockagent.stores.swift_client import Client
from dockagent.stores.swift_errors import Answer, NoAnswer, cannot_look, refused

TAKEN = (202, 409, 412)  # something is there: RFC 9110, 412; Swift's 409 and 202 for one that began later


class Look:
    """The objects of the store at ``url``. ``read_back``: see :class:`SwiftSettings`. ``blind``: the statuses by which
    the server says that this user may not look. Methods raise NoAnswer and DockError."""

    def __init__(self, client: Client, url: str, *, read_back: bool, blind: Collection[int] = (403,)) -> None:
        self._client, self._url, self._read_back, self._blind = client, url, read_back, frozenset(blind)

    def settle(self, path: str, key: str, source: Source, answer: Answer, etag: str) -> Stored:
        """What to say after a PUT of the source under ``etag``, which the server took, or refused because the key is
        taken, perhaps by ourselves in a try whose answer was lost."""
        if answer.status not in (201, *TAKEN):
            raise refused(answer, f"store {key}", self._url)
        if answer.status == 201 and not self._read_back:
            if answer.etag != etag:
                what = f"{self._url} states another MD5 for {key} than it was given"
                raise LinkTrouble(Kind.STORE, what, "nothing to do: it is sent again")
            return Stored(key, source.size, source.sha256, "md5", version_of(answer), answer.etag)
        stored = self.held(path, key, source, must_see=True)
        if stored is None:
            raise LinkTrouble(
                Kind.OBJECT,
                f"{self._url} took {key} and does not give it back",
                "it is tried again; if it never gives footage back, set read_back = false in [swift], and see "
                "docs/swift.md",
            )
        return stored

    def held(self, path: str, key: str, source: Source, *, must_see: bool = False) -> Stored | None:
        """What lies under a key, read back and found to be the source's bytes; None where nothing does, or where this
        user may not look and need not. Raises Conflict."""
        head = self.head(path, key, may_be_blind=not must_see)
        if head is None:
            return None
        if length_of(head) != source.size or self.digest(path, key) != source.sha256:
            raise Conflict(
                f"{self._url} holds other bytes under {key} than the {source.size} bytes with SHA-256 {source.sha256}",
                "find out who wrote there; nothing was overwritten",
            )
        return Stored(key, source.size, source.sha256, "re-read", version_of(head), head.etag)

    def head(self, path: str, key: str, *, may_be_blind: bool = False) -> Answer | None:
        """What the store says about an object without giving it; None as for :meth:`held`."""
        answer = self._client.ask("HEAD", path)
        if answer.status == 404 or (answer.status in self._blind and may_be_blind):
            return None
        if answer.status in self._blind:
            raise self._cannot_tell(key)
        if answer.status not in (200, 204):
            raise cannot_look(answer, f"look at {key}", self._url)
        return answer

    def digest(self, path: str, key: str) -> str:
        """SHA-256 (hex) of every byte that the store gives back."""
        digest = hashlib.sha256()
        with self._client.download(path) as download:
            if download.answer.status in self._blind:
                raise self._cannot_tell(key)
            if download.answer.status != 200:
                raise refused(download.answer, f"read {key} back", self._url)
            while data := download.read(BUFFER):
                digest.update(data)
        return digest.hexdigest()

    def _cannot_tell(self, key: str) -> Unseen:
        return Unseen(
            key,
            f"{self._url} holds something under {key} that this user may not look at",
            "let it read what it writes, or set read_back = false in [swift], and see docs/swift.md",
        )


def length_of(head: Answer) -> int:
    """An object's size in bytes, from the answer to a HEAD. Raises NoAnswer where it states none."""
    try:
        return int(head.headers["content-length"])
    except (KeyError, ValueError) as err:
        raise NoAnswer("an answer about an object without its length") from http.client.HTTPException(str(err))


def version_of(answer: Answer) -> str:
    """The version's mark, where the container keeps versions (middleware ``object_versioning``), or empty."""
    version = answer.headers.get("x-object-version-id", "")
    return "" if version == "null" else version
