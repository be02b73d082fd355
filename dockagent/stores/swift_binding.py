"""Whether an evidence system is the one that this dock is bound to, what it can do, and who it knows of.

Source: Axis body worn integration API, README: "Capability API", "System object metadata" and "SystemID", "Device and
User API". A body-worn system stores an object ``System/<SystemID>`` with a ``ConnectionId`` that never changes, and
looks for it later: without it, anybody who exchanges the address gets the footage. Users and devices are objects in
``Users`` and ``Devices``, and a recording of one who is not there is refused (400).

Our reading: a capability counts wherever in ``Capabilities.json`` it is ``true``, and ``FullStoreAndReadSupport``
stands for all of them; a dock registers a camera and an officer when the first recording of them comes.
"""

import hashlib
import json
import threading
import uuid
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from dockagent.core.uplink.trouble import Kind, LinkTrouble
from dockagent.errors import DockError
from dockagent.stores.swift_client import Client, body_of
from dockagent.stores.swift_errors import Answer, refused
from dockagent.stores.swift_recording import Recording, meta

SYSTEM_ID, REJECTED = "StoreReadSystemID", "StoreRejectedContent"
_OTHER = "find out whether somebody exchanged the address; for a new evidence system, choose another system_id"


@dataclass(frozen=True, slots=True)
class System:
    """Who we are for an evidence system: ``id`` is ours alone (a UUID), ``name`` for people."""

    id: str
    name: str


class Binding:
    """One dock's bond with one evidence system. ``known`` keeps the ConnectionId of each by ``url``; losing it loses
    only the guard against an exchange. ``full``: see the connection file. Methods raise NoAnswer and DockError."""

    def __init__(
        self, client: Client, url: str, system: System, known: MutableMapping[str, str], *, full: bool
    ) -> None:
        self._client, self._url, self._system, self._known, self._full = client, url, system, known, full
        self._lock = threading.Lock()
        self._capabilities: frozenset[str] | None = None
        self._registered: set[str] = set()

    def make_sure(self) -> None:
        """Once for each start: read the capabilities and find ourselves there, or make ourselves known. Raises
        Retryable where it is not the system that we were bound to: a person must look."""
        with self._lock:
            if self._capabilities is None:
                found = self._read_capabilities()
                if self._full or SYSTEM_ID in found:
                    self._bind()
                self._capabilities = found

    def can(self, capability: str) -> bool:
        """Whether the system declared it."""
        self.make_sure()
        return self._full or capability in (self._capabilities or ())

    def register(self, recording: Recording) -> None:
        """Make the recording's officer and camera known to the system, once for each start."""
        with self._lock:
            named = recording.officer or "unassigned"
            self._add("Users", recording.user, {"Active": "True", "Name": named})
            device = {"Active": "True", "Name": recording.camera, "Model": recording.model}
            self._add("Devices", recording.serial, device)

    def _add(self, container: str, name: str, said: Mapping[str, str]) -> None:
        if f"{container}/{name}" in self._registered:
            return
        self._need(self._client.ask("PUT", f"/{container}"), f"make {container}", 201, 202)
        answer = self._client.ask("PUT", f"/{container}/{name}", headers=meta("Object", said), body=body_of(b""))
        self._need(answer, f"register {name} in {container}", 201)
        self._registered.add(f"{container}/{name}")

    def _read_capabilities(self) -> frozenset[str]:
        """What ``System/Capabilities.json`` declares. Nothing, where it is missing, ill-formed, or not its own MD5."""
        answer = self._client.ask("GET", "/System/Capabilities.json")
        if answer.status == 404:
            return frozenset()
        self._need(answer, "read Capabilities.json", 200)
        if hashlib.md5(answer.body, usedforsecurity=False).hexdigest() != answer.etag:
            what = f"{self._url} gives a Capabilities.json that is not its own ETag"
            raise LinkTrouble(Kind.STORE, what, "it is read again")
        try:
            groups = [one for one in json.loads(answer.body).values() if isinstance(one, dict)]
        except (ValueError, AttributeError):
            return frozenset()
        return frozenset(name for group in groups for name, value in group.items() if value is True)

    def _bind(self) -> None:
        path, known = f"/System/{self._system.id}", self._known.get(self._url, "")
        answer = self._client.ask("HEAD", path)
        if answer.status == 404 and not known:
            self._need(self._client.ask("PUT", "/System"), "make System", 201, 202)
            said = {"ConnectionId": str(uuid.uuid4()), "SystemName": self._system.name}
            made = self._client.ask(
                "PUT", path, headers={**meta("Object", said), "If-None-Match": "*"}, body=body_of(b"")
            )
            self._need(made, "make this dock known", 201, 412)
            answer = self._client.ask("HEAD", path)
        elif answer.status == 404:
            raise self._exchanged("does not know this dock, and knew it before")
        self._need(answer, "find this dock", 200, 204)
        there = answer.headers.get("x-object-meta-connectionid", "")
        if known and there != known:
            raise self._exchanged("knows this dock under another ConnectionId than before")
        if there and not known:
            self._known[self._url] = there

    def _exchanged(self, how: str) -> DockError:
        what = f"{self._url} is not the evidence system that this dock is bound to: it {how}"
        return LinkTrouble(Kind.SETTINGS, what, _OTHER)

    def _need(self, answer: Answer, act: str, *good: int) -> None:
        if answer.status not in good:
            raise refused(answer, act, self._url)
