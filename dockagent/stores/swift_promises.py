"""Trying on a live Swift what it promises. See ``stores/promises``; what lies there afterwards is a few bytes.

Swift has no retention and no legal hold at all, so nothing of that kind is asked: nobody may call it write-once.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode

from dockagent.clock import Clock
from dockagent.core.central import promise
from dockagent.core.central.promise import Kept, broken, kept, not_asked
from dockagent.core.uplink.trouble import Kind
from dockagent.stores.promises import Proof
from dockagent.stores.swift_client import Client, body_of
from dockagent.stores.swift_errors import Answer, NoAnswer, NoToken, refused
from dockagent.stores.swift_settings import SwiftSettings

MAX_SKEW_MS = 5 * 60_000
_FIRST, _SECOND = b"dockagent asks what this store promises\n", b"somebody else writes under the same name\n"
_NO_LOCK = "Swift has no retention and no legal hold; let the custodian or the storage below keep what must stay"


class Trial:
    """One check, with objects whose names begin with ``name`` (``/CONTAINER/PREFIX/…``). Raises NoAnswer and DockError
    where the store cannot be asked at all."""

    def __init__(self, settings: SwiftSettings, client: Client, clock: Clock, name: str) -> None:
        self._settings, self._client, self._clock, self._name = settings, client, clock, name

    def run(self, scratch: str) -> Proof:
        """Every answer, in a fixed order."""
        hello = self._client.renew()
        found = (
            strangers(self._settings),
            self._wrong_hash(),
            *self._writes(),
            self._composite(),
            broken(promise.STATES_CHECKSUMS, "Swift states MD5; SHA-256 is only what a reader computes"),
            right_clock(hello, self._clock, self._settings.url),
            self._deletion(),
            not_asked(promise.REFUSES_CUSTODIANS_NAMES, "Swift knows no rights below a container"),
            *(
                not_asked(name, _NO_LOCK)
                for name in (
                    promise.REFUSES_EARLY_END,
                    promise.LOCK_REFUSES_DELETE,
                    promise.LOCK_REFUSES_EARLY_END,
                    promise.KEEPS_LEGAL_HOLD,
                    promise.KEEPS_LEGAL_HOLD_OF_PARTS,
                )
            ),
        )
        return Proof(self._settings.url, "swift", found, hello.headers.get("server", ""), scratch)

    def _wrong_hash(self) -> Kept:
        wrong = {"ETag": _md5(_SECOND)}
        answer = self._client.ask("PUT", f"{self._name}-hash", headers=wrong, body=body_of(_FIRST))
        if answer.status == 422:
            return kept(
                promise.REFUSES_WRONG_HASH, "bytes that differ from their MD5 were refused (422); it knows no SHA-256"
            )
        if answer.status == 201:
            return broken(promise.REFUSES_WRONG_HASH, "bytes that differ from their MD5 were stored (201)")
        raise refused(answer, "try a wrong MD5", self._settings.url)

    def _writes(self) -> Iterator[Kept]:
        """Reading, a second write, and what is left of the first."""
        name = f"{self._name}-once"
        first = self._put(name, _FIRST)
        if first.status not in (201, 412):
            raise refused(first, "write a probe", self._settings.url)
        yield from self._reading(name)
        again = self._put(name, _SECOND)
        if again.status == 412:
            yield kept(
                promise.REFUSES_SECOND_WRITE,
                "If-None-Match: * was answered 412; a writer who does not ask for it, or begins before the first has "
                "ended, is not refused",
            )
        else:
            yield broken(promise.REFUSES_SECOND_WRITE, f"If-None-Match: * was ignored ({again.status})")
        self._client.ask("PUT", name, body=body_of(_SECOND))  # without the condition, as a stranger would
        yield self._versions(name)

    def _put(self, name: str, data: bytes) -> Answer:
        return self._client.ask("PUT", name, headers={"If-None-Match": "*"}, body=body_of(data))

    def _reading(self, name: str) -> Iterator[Kept]:
        answer = self._client.ask("GET", name)
        if answer.status == 403:
            yield kept(promise.REFUSES_READ, "403")
            yield not_asked(promise.BYTES_COME_BACK, "this user may not read")
        elif answer.status != 200:
            raise refused(answer, "read a probe", self._settings.url)
        else:
            yield broken(promise.REFUSES_READ, "this user reads what it writes, which proves deliveries")
            right = answer.body == _FIRST
            yield (kept if right else broken)(promise.BYTES_COME_BACK, "read again over the network")

    def _versions(self, name: str) -> Kept:
        """Whether the first bytes are still there after a second write (middleware ``object_versioning``)."""
        container, path = name.split("/", 2)[1:]
        query = urlencode({"format": "json", "versions": "", "prefix": path})
        answer = self._client.ask("GET", f"/{container}", query=query)
        if answer.status == 403:
            return not_asked(promise.KEEPS_VERSIONS, "this user may not list the container")
        listed = json.loads(answer.body) if answer.status == 200 and answer.body[:1] == b"[" else []
        hashes = [one.get("hash") for one in listed if one.get("name") == path]
        if _md5(_FIRST) in hashes:
            return kept(promise.KEEPS_VERSIONS, f"{len(hashes)} versions are listed, the first among them")
        return broken(promise.KEEPS_VERSIONS, "a write without a condition replaced the first bytes for good")

    def _composite(self) -> Kept:
        """A manifest over a segment with a wrong MD5."""
        container, path = self._name.split("/", 2)[1:]
        segment = f"{path}-segment"
        stored = self._client.ask("PUT", f"/{container}/{segment}", body=body_of(_FIRST))
        if stored.status != 201:
            raise refused(stored, "write a probe", self._settings.url)
        listed = [{"path": f"/{container}/{segment}", "etag": _md5(_SECOND), "size_bytes": len(_FIRST)}]
        manifest = body_of(json.dumps(listed).encode())
        answer = self._client.ask("PUT", f"{self._name}-large", body=manifest, query="multipart-manifest=put")
        if answer.status == 201:
            return broken(promise.CHECKS_COMPOSITE, "a manifest with a wrong MD5 of a segment was taken (201)")
        return kept(promise.CHECKS_COMPOSITE, f"a manifest with a wrong MD5 of a segment was refused ({answer.status})")

    def _deletion(self) -> Kept:
        answer = self._client.ask("DELETE", f"{self._name}-once")
        if answer.status == 403:
            return kept(promise.REFUSES_DELETE, "403")
        return broken(promise.REFUSES_DELETE, f"this user deleted what it wrote ({answer.status})")


def strangers(settings: SwiftSettings) -> Kept:
    """Whether a wrong key is given a token. Only who says so has refused it: no server that is busy, or fails. Raises
    NoAnswer where nobody answers."""
    try:
        answer = Client(replace(settings, key=settings.key + "-wrong")).renew()
    except NoToken as err:
        how = f"asked for a token with a wrong key, the store answered {err.status}"
        return (kept if err.kind is Kind.CREDENTIAL else not_asked)(promise.REFUSES_STRANGERS, how)
    return broken(promise.REFUSES_STRANGERS, f"a wrong key was given a token ({answer.status})")


def right_clock(hello: Answer, clock: Clock, url: str) -> Kept:
    """Whether the clocks agree, by the answer that gave the token. Raises NoAnswer where it states no time."""
    wrong = skew_fault(hello, clock, url)
    return broken(promise.RIGHT_CLOCK, wrong[0]) if wrong else kept(promise.RIGHT_CLOCK, "within five minutes")


def skew_fault(answer: Answer, clock: Clock, url: str) -> Sequence[str]:
    """One line where our clock and the server's ``Date`` differ by more than :data:`MAX_SKEW_MS`; else nothing.
    Raises NoAnswer where it states none."""
    try:
        theirs = int(parsedate_to_datetime(answer.headers["date"]).timestamp() * 1000)
    except (KeyError, ValueError) as err:
        raise NoAnswer("an answer without a date") from err
    skew = clock.now().utc_ms - theirs
    if abs(skew) <= MAX_SKEW_MS:
        return []
    words = f"{abs(skew) // 1000} s {'ahead of' if skew > 0 else 'behind'} the store's"
    return [f"our clock is {words}, {url}; set this dock's clock (NTP), or the store's"]


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
