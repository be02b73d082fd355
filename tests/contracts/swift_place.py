"""Swift as a store that the contract is held against: OpenStack's own server, and Ceph's Swift API."""

import hashlib
import http.client
import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit

import pytest

from dockagent.clock import SystemClock
from dockagent.stores.swift import SwiftStore
from dockagent.stores.swift_settings import SwiftSettings
from hil.central import rgw, swift
from hil.central.processes import free_ports
from tests.contracts.store_sources import PART

PREFIX = "evidence/dock-7"
RGW_USER, RGW_KEY = "admin:swift", "swiftsecretswiftsecret"
_container = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Way:
    """How tests reach a server themselves: a token and the path of the account."""

    host: str
    token: str
    account: str

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (by lower-case names) and body of one request."""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, self.account + path, body, {"X-Auth-Token": self.token, **named})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
        finally:
            connection.close()

    def names(self, container: str) -> list[dict[str, str]]:
        """What is listed in a container; nothing where there is none."""
        status, _, body = self.ask("GET", f"/{container}?format=json")
        return json.loads(body) if status == http.client.OK else []


def way_to(auth_url: str, user: str, key: str) -> Way:
    """Log in without our own client."""
    connection = http.client.HTTPConnection(urlsplit(auth_url).netloc, timeout=30)
    try:
        connection.request("GET", urlsplit(auth_url).path, headers={"X-Auth-User": user, "X-Auth-Key": key})
        answer = connection.getresponse()
        answer.read()
        assert answer.status in (200, 204), answer.status
        base = urlsplit(answer.headers["X-Storage-Url"])
        return Way(base.netloc, answer.headers["X-Auth-Token"], base.path)
    finally:
        connection.close()


class Container:
    """A new container on a real Swift server."""

    def __init__(self, auth_url: str, user: str, key: str) -> None:
        self.name = f"swift-contract-{next(_container)}"  # buckets and containers of Ceph share their names
        self.auth_url = auth_url
        self.way = way_to(auth_url, user, key)
        self.user, self.key = user, key
        for name in (self.name, f"{self.name}_segments"):
            assert self.way.ask("PUT", f"/{name}")[0] == 201

    @property
    def settings(self) -> SwiftSettings:
        return SwiftSettings(
            container=self.name,
            prefix=PREFIX,
            auth_urls=(self.auth_url,),
            user=self.user,
            key=self.key,
            connect_timeout=5,
            read_timeout=20,
        )

    def open(self) -> SwiftStore:
        return SwiftStore(self.settings, SystemClock(), part_size=PART)

    def through(self, port: int) -> SwiftStore:
        """A client whose way leads through another port of this machine."""
        there = f"http://127.0.0.1:{port}{urlsplit(self.auth_url).path}"
        return SwiftStore(replace(self.settings, auth_urls=(there,)), SystemClock(), part_size=PART)

    def unreachable(self) -> SwiftStore:
        return self.through(free_ports(1)[0])

    def content(self, key: str) -> bytes | None:
        status, _, body = self.way.ask("GET", f"/{self.name}/{PREFIX}/{quote(key)}")
        assert status in (200, 404), (status, body)
        return body if status == http.client.OK else None

    def leftovers(self) -> list[str]:
        """What lies in the second container that no large object names."""
        beside = f"{self.name}_segments"
        large = [one["name"] for one in self.way.names(self.name) if self._is_large(one["name"])]
        named = {part for name in large for part in self._segments(name)}
        return [one["name"] for one in self.way.names(beside) if f"/{beside}/{one['name']}" not in named]

    def _is_large(self, name: str) -> bool:
        _, headers, _ = self.way.ask("HEAD", f"/{self.name}/{quote(name)}")
        return headers.get("x-static-large-object", "").lower() == "true"

    def _segments(self, name: str) -> list[str]:
        """What a manifest names. Ceph 16 does not give manifests back: there it must be what has the content's hash."""
        _, _, manifest = self.way.ask("GET", f"/{self.name}/{quote(name)}?multipart-manifest=get")
        if manifest:
            return [part["name"] for part in json.loads(manifest)]
        _, _, content = self.way.ask("GET", f"/{self.name}/{quote(name)}")
        beside, folder = f"{self.name}_segments", f"{name}/{hashlib.sha256(content).hexdigest()}/"
        return [f"/{beside}/{one['name']}" for one in self.way.names(beside) if one["name"].startswith(folder)]


def needed(names: list[str], how: str) -> None:
    """Skip where something is not installed, fail instead on CI."""
    if names:
        words = f"not installed: {', '.join(names)} ({how})"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)


@pytest.fixture(scope="session")
def openstack() -> Iterator[swift.Swift]:
    """A running OpenStack Swift."""
    needed(swift.missing(), "python -m hil.central.swift build")
    with swift.running() as server:
        yield server


def rgw_container(gateway: rgw.Gateway) -> Container:
    """A new container behind Ceph's Swift API (docs.ceph.com, "Ceph Object Gateway Swift API")."""
    if RGW_USER not in gateway.admin("user", "info", "--uid=admin"):
        gateway.admin("subuser", "create", "--uid=admin", f"--subuser={RGW_USER}", "--access=full")
        gateway.admin("key", "create", f"--subuser={RGW_USER}", "--key-type=swift", f"--secret={RGW_KEY}")
    return Container(f"{gateway.endpoint}/auth/v1.0", RGW_USER, RGW_KEY)


def swift_place(kind: str, request: pytest.FixtureRequest) -> Container:
    """The place ``swift`` (OpenStack) or ``swift-rgw`` (Ceph)."""
    if kind == "swift-rgw":
        return rgw_container(request.getfixturevalue("gateway"))
    server: swift.Swift = request.getfixturevalue("openstack")
    return Container(server.auth_url, swift.ADMIN.name, swift.ADMIN.key)
