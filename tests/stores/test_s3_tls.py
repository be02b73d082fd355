"""S3 behind TLS that asks who is calling, as a force runs it: nginx, a CA of its own, client certificates."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dockagent.clock import SystemClock
from dockagent.errors import Retryable
from dockagent.stores.s3 import S3Store
from dockagent.stores.s3_settings import S3Settings
from hil.central import nginx as nginx_rig
from hil.central import rgw
from hil.central.nginx import Authority, TlsFront
from tests.contracts.store_places import Bucket, gateway
from tests.contracts.store_sources import PART, honest, some_bytes

__all__ = ["gateway"]  # a fixture: pytest finds it by its name here

KEY = "clips/BWC-0001/2026/11/22/one/master"
LARGE = some_bytes(2 * PART + 70_001)
pytestmark = pytest.mark.skipif(bool(nginx_rig.missing()), reason=f"not installed: {', '.join(nginx_rig.missing())}")


@pytest.fixture
def bucket(gateway: rgw.Gateway, request: pytest.FixtureRequest) -> Bucket:
    return Bucket(gateway.endpoint, f"tls-{abs(hash(request.node.name)) % 10**8}", locked=True)


@contextmanager
def nginx(
    gateway: rgw.Gateway, tmp_path: Path, name: str = "127.0.0.1", days: int = 10, ca_days: int = 30
) -> Iterator[tuple[TlsFront, Authority, S3Settings]]:
    """nginx before the gateway; settings that trust it and show a good client certificate, without a bucket."""
    servers, clients = Authority("Servers", ca_days), Authority("Clients")
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(servers.pem)
    mine = clients.issue("dock-7", client=True)
    certificate, key = mine.written(tmp_path, "dock")
    with nginx_rig.fronting(gateway.port, servers.issue(name, days), clients) as running:
        clients.revoke(clients.issue("stolen", client=True))
        yield (
            running,
            clients,
            S3Settings(
                endpoint=running.endpoint,
                access_key=rgw.ADMIN.access_key,
                secret_key=rgw.ADMIN.secret_key,
                ca_file=str(ca_file),
                client_cert_file=str(certificate),
                client_key_file=str(key),
                connect_timeout=5,
                read_timeout=20,
                attempts=1,
            ),
        )


def opened(settings: S3Settings, bucket: Bucket) -> S3Store:
    return S3Store(replace(settings, bucket=bucket.name, prefix="evidence/dock-7"), SystemClock(), part_size=PART)


def test_footage_goes_through_tls_with_a_client_certificate(
    gateway: rgw.Gateway, bucket: Bucket, tmp_path: Path
) -> None:
    with nginx(gateway, tmp_path) as (_, _, settings):
        store = opened(settings, bucket)
        assert store.put(KEY, honest(LARGE)).proof == "checksum"
        assert store.check() == []
    assert bucket.content(KEY) == LARGE


def test_without_a_certificate_nothing_is_stored(gateway: rgw.Gateway, bucket: Bucket, tmp_path: Path) -> None:
    with nginx(gateway, tmp_path) as (_, _, settings):
        stranger = replace(settings, client_cert_file="", client_key_file="")
        with pytest.raises(Retryable):
            opened(stranger, bucket).put(KEY, honest(LARGE))
    assert bucket.content(KEY) is None


def test_a_certificate_of_another_authority_or_a_revoked_one_is_refused(
    gateway: rgw.Gateway, bucket: Bucket, tmp_path: Path
) -> None:
    with nginx(gateway, tmp_path) as (running, clients, settings):
        for name, authority in (("strange", Authority("Others")), ("stolen", clients)):
            paper = authority.issue(name, client=True)
            if authority is clients:
                clients.revoke(paper)
                running.use_new_list()
            certificate, key = paper.written(tmp_path, name)
            theirs = replace(settings, client_cert_file=str(certificate), client_key_file=str(key))
            with pytest.raises(Retryable):
                opened(theirs, bucket).put(KEY, honest(LARGE))
        opened(settings, bucket).put(KEY, honest(LARGE))
    assert bucket.versions() == 1


@pytest.mark.parametrize(("name", "days", "ca_days"), [("store.invalid", 10, 30), ("127.0.0.1", -1, 30)])
def test_a_server_with_the_wrong_name_or_an_expired_certificate_gets_nothing(
    gateway: rgw.Gateway, bucket: Bucket, tmp_path: Path, name: str, days: int, ca_days: int
) -> None:
    expected = pytest.raises(Retryable, match="certificate")
    with nginx(gateway, tmp_path, name, days, ca_days) as (_, _, settings), expected:
        opened(settings, bucket).put(KEY, honest(LARGE))
    assert bucket.content(KEY) is None


def test_an_expired_authority_is_not_trusted(gateway: rgw.Gateway, bucket: Bucket, tmp_path: Path) -> None:
    with nginx(gateway, tmp_path, ca_days=-1) as (_, _, settings), pytest.raises(Retryable, match="certificate"):
        opened(settings, bucket).put(KEY, honest(LARGE))
    assert bucket.content(KEY) is None
