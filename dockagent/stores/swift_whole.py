"""Whether a large object is still whole: what its manifest names must be there, each with its MD5 and size.

A server that finds a wrong segment answers 409 where it is the first one and hangs up in the middle else (middleware
``slo``), and does the same where a disk does not answer for a moment. So each segment is asked for by itself: only one
that is not there, or is another, is a fault of the object.
"""

from urllib.parse import urlencode

import msgspec

from dockagent.stores.swift_client import Client
from dockagent.stores.swift_errors import Answer


class _Segment(msgspec.Struct, frozen=True):
    """A line of a manifest as the server gives it back: ``/CONTAINER/OBJECT``, MD5, bytes."""

    name: str
    hash: str
    bytes: int


def what_is_wrong(client: Client, path: str, query: str = "") -> str:
    """The first segment of the object at ``path`` that is gone or another, in words; empty where there is none, where
    it has no segments, and where nobody can tell (Ceph 16 gives no manifest back). ``query``: names a version of the
    object, or nothing. Raises NoAnswer and DockError."""
    asked = urlencode({"multipart-manifest": "get"})
    answer = client.ask("GET", path, query="&".join(one for one in (asked, query) if one))
    for segment in _segments(answer):
        head = client.ask("HEAD", segment.name)
        if head.status == 404:
            return f"its segment {segment.name} is not there"
        if head.status in (200, 204) and head.etag and head.etag != segment.hash:
            return f"its segment {segment.name} has MD5 {head.etag}; the manifest says {segment.hash}"
    return ""


def _segments(answer: Answer) -> list[_Segment]:
    if answer.status != 200 or "x-static-large-object" not in answer.headers or not answer.body:
        return []
    try:
        return msgspec.json.decode(answer.body, type=list[_Segment])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return []
