"""Swift behind TLS that asks who is calling: OpenStack's own server, nginx, a CA of its own, client certificates."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.core.uplink.trouble import Kind, LinkTrouble
from dockagent.errors import Retryable
from dockagent.stores.swift import SwiftStore
from dockagent.stores.swift_settings import SwiftSettings
from hil.central import nginx, swift
from hil.central.nginx import Authority, TlsFront
from tests.contracts.store_sources import PART, honest, some_bytes
from tests.contracts.swift_place import Container, needed

KEY = "clips/BWC-0001/2026/11/22/one/master"
LARGE = some_bytes(2 * PART + 70_001)
pytestmark = pytest.mark.skipif(bool(nginx.missing()), reason=f"not installed: {', '.join(nginx.missing())}")


@pytest.fixture(scope="module")
def server() -> Iterator[swift.Swift]:
    """One that gives out addresses with TLS, as it has to where something before it speaks that."""
    needed(swift.missing(), "python -m hil.central.swift build")
    with swift.running("https") as running:
        yield running


@pytest.fixture
def container(server: swift.Swift) -> Container:
    return Container(server.auth_url, swift.ADMIN.name, swift.ADMIN.key)


@contextmanager
def fronted(
    container: Container, port: int, folder: Path, name: str = "127.0.0.1"
) -> Iterator[tuple[TlsFront, Authority, SwiftSettings]]:
    """nginx before the server; its clients' authority; settings that trust it and show a good certificate."""
    servers, clients = Authority("Servers"), Authority("Clients")
    (folder / "ca.pem").write_bytes(servers.pem)
    certificate, key = clients.issue("dock-7", client=True).written(folder, "dock")
    with nginx.fronting(port, servers.issue(name), clients) as running:
        yield (
            running,
            clients,
            replace(
                container.settings,
                auth_urls=(f"{running.endpoint}/auth/v1.0",),
                ca_file=str(folder / "ca.pem"),
                client_cert_file=str(certificate),
                client_key_file=str(key),
            ),
        )


def opened(settings: SwiftSettings) -> SwiftStore:
    return SwiftStore(settings, SystemClock(), part_size=PART)


def test_footage_goes_through_tls_with_a_client_certificate(
    server: swift.Swift, container: Container, tmp_path: Path
) -> None:
    """Token, segments, manifest and re-read: all of it on connections that show the certificate."""
    with fronted(container, server.port, tmp_path) as (_, _, settings):
        store = opened(settings)
        assert store.put(KEY, honest(LARGE)).proof == "re-read"
        assert store.check() == []
    assert container.content(KEY) == LARGE


def test_without_a_certificate_or_with_one_that_is_not_good_nothing_is_stored(
    server: swift.Swift, container: Container, tmp_path: Path
) -> None:
    with fronted(container, server.port, tmp_path) as (running, clients, settings):
        strangers = [replace(settings, client_cert_file="", client_key_file="")]
        stolen = clients.issue("stolen", client=True)
        for name, paper in (("other", Authority("Others").issue("other", client=True)), ("stolen", stolen)):
            certificate, key = paper.written(tmp_path, name)
            strangers.append(replace(settings, client_cert_file=str(certificate), client_key_file=str(key)))
        opened(strangers[-1]).put(f"{KEY}.before", honest(b"it was good until it was revoked"))
        clients.revoke(stolen)
        running.use_new_list()
        for stranger in strangers:
            with pytest.raises(LinkTrouble, match=r"SSL certificate|alert") as why:
                opened(stranger).put(KEY, honest(LARGE))
            assert why.value.kind is Kind.TLS
        assert container.content(KEY) is None
        opened(settings).put(KEY, honest(LARGE))
    assert container.content(KEY) == LARGE


def test_a_certificate_that_is_revoked_while_its_token_is_good_is_nobodys_footage(
    server: swift.Swift, container: Container, tmp_path: Path
) -> None:
    """nginx answers a PUT with 400 then, which must not be taken for Swift's word about the object."""
    with fronted(container, server.port, tmp_path) as (running, clients, settings):
        paper = clients.issue("dock-8", client=True)
        certificate, key = paper.written(tmp_path, "later")
        store = opened(replace(settings, client_cert_file=str(certificate), client_key_file=str(key)))
        store.put(f"{KEY}.first", honest(b"first"))
        clients.revoke(paper)
        running.use_new_list()
        with pytest.raises(LinkTrouble) as why:
            store.put(KEY, honest(LARGE))
        assert why.value.kind is not Kind.OBJECT
        assert "client_cert_file" in why.value.hint
    assert container.content(KEY) is None


def test_a_server_with_another_name_gets_neither_key_nor_footage(
    server: swift.Swift, container: Container, tmp_path: Path
) -> None:
    expected = pytest.raises(Retryable, match="certificate")
    with fronted(container, server.port, tmp_path, "store.invalid") as (_, _, settings), expected:
        opened(settings).put(KEY, honest(LARGE))
    assert container.content(KEY) is None


def test_a_server_that_sends_its_clients_away_from_tls_gets_no_token_back(tmp_path: Path) -> None:
    """One that does not know of the TLS before it gives out plain addresses: the token must not go there."""
    with swift.running() as unaware:
        other = Container(unaware.auth_url, swift.ADMIN.name, swift.ADMIN.key)
        expected = pytest.raises(Retryable, match="without TLS")
        with fronted(other, unaware.port, tmp_path) as (_, _, settings), expected:
            opened(settings).put(KEY, honest(LARGE))
        assert other.content(KEY) is None
