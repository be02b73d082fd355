"""The listing of a Swift container, page by page (Object Storage API, "Show container details and list objects")."""

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec

from dockagent.stores.swift_client import Client
from dockagent.stores.swift_errors import Answer, refused

PAGE = 1000  # rows: under 2 MiB, also with the longest names
_AFTER_SLASH = chr(ord("/") + 1)
_DELETED = "application/x-deleted"  # middleware object_versioning: a version that says that the object was deleted


class Row(msgspec.Struct, frozen=True):
    """One row: an object, or with ``subdir`` a folder. ``version_id`` is given only where versions are listed."""

    name: str = ""
    subdir: str = ""
    bytes: int = 0
    last_modified: str = ""
    content_type: str = ""
    version_id: str = ""

    @property
    def modified_ms(self) -> int:
        """When it was stored, in ms since 1970 UTC; listings have UTC with or without saying so. 0 where it cannot be
        read."""
        try:
            stored = datetime.fromisoformat(self.last_modified.rstrip("Z")).replace(tzinfo=UTC)
        except ValueError:
            return 0
        return int(stored.timestamp() * 1000)

    @property
    def is_deletion(self) -> bool:
        """Whether it is the mark of a deletion, among versions."""
        return self.content_type.startswith(_DELETED)


class Listing:
    """The objects of ``container`` in the store at ``url``, by name. Methods raise NoAnswer and DockError."""

    def __init__(self, client: Client, url: str, container: str, page: int = PAGE) -> None:
        self._client, self._url, self._container, self._page = client, url, container, page

    def rows(self, prefix: str, *, folders: bool = False, versions: bool = False) -> Iterator[Row]:
        """What begins with ``prefix``. ``folders``: what lies deeper is one row for each folder; ``versions``: all
        versions, the newest of each name first, where the container keeps some. A page may be short: only an empty one
        is the end. Nothing is kept in memory but one page."""
        asked = {"format": "json", "prefix": prefix, "limit": str(self._page)}
        asked |= {"delimiter": "/"} if folders else {}
        asked |= {"versions": ""} if versions else {}
        last = Row()
        while True:
            answer = self._client.ask("GET", f"/{self._container}", query=urlencode(asked | _behind(last)))
            page = self._read(answer, prefix)
            if not page:
                return
            if page[-1] == last:  # a server that does not go on would be asked for ever
                raise refused(answer, f"go on with the listing of {prefix}", self._url)
            yield from page
            last = page[-1]

    def _read(self, answer: Answer, prefix: str) -> list[Row]:
        if answer.status == 204:
            return []
        if answer.status != 200:
            raise refused(answer, f"list {prefix}", self._url)
        try:
            return msgspec.json.decode(answer.body, type=list[Row])
        except (msgspec.MsgspecError, UnicodeDecodeError) as err:
            raise refused(answer, f"list {prefix}", self._url) from err


def _behind(last: Row) -> dict[str, str]:
    """What asks for the rows behind this one."""
    if last.subdir:
        return {"marker": last.subdir.removesuffix("/") + _AFTER_SLASH}
    at = {"marker": last.name} if last.name else {}
    return at | ({"version_marker": last.version_id} if last.version_id else {})
