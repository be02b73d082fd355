"""A bad network: the kernel's own netem (tc-netem(8)) on the line to a real S3 server."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hil.cameras import card
from hil.cameras.card import Shift
from hil.cameras.plate import Plate
from hil.central import rgw
from hil.demo.agent import COMMAND
from hil.rigs.qemu.network import HOST, Network
from hil.rigs.qemu.view import View
from tests.contracts.store_places import real_s3_server, s3_client
from tests.rigs.qemu.guests import said

DELAY_S, LOSS = 0.2, 5
CAMERA = Plate("C3441", "GoPro", "HERO10 Black", "H21")
INGEST_S = 300
HANDSHAKES = """
import socket, sys, time
for _ in range(3):
    begun = time.monotonic()
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 30).close()
    print(time.monotonic() - begun)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[rgw.Gateway]:
    """On this machine: it is the other side."""
    with real_s3_server() as gateway:
        yield gateway


@pytest.fixture(scope="module")
def network(view: View) -> Iterator[Network]:
    with Network(view.vm, "4") as network:
        yield network


@contextmanager
def bad_line(view: View, network: Network) -> Iterator[None]:
    """Until the block ends, what leaves the guest takes DELAY_S, and LOSS percent of its packets do not arrive."""
    what = f"dev {network.interface} root netem delay {DELAY_S * 1000:g}ms loss {LOSS}%"
    view.vm.output(f"tc qdisc add {what}")
    try:
        yield
    finally:
        print()
        print(view.vm.output(f"tc -s qdisc show dev {network.interface}; tc qdisc del dev {network.interface} root"))


def handshake_s(view: View, port: int) -> float:
    """How long a connection takes to stand, at best: one way there and back."""
    return min(map(float, said(view, f"{sys.executable} -c '{HANDSHAKES}' {HOST} {port}").split()))


def test_a_bad_line_is_bad_until_it_is_mended(view: View, network: Network, server: rgw.Gateway) -> None:
    with bad_line(view, network):
        assert handshake_s(view, server.port) >= DELAY_S
    assert handshake_s(view, server.port) < DELAY_S


@pytest.mark.timeout(INGEST_S + 200)
def test_a_card_is_delivered_over_a_bad_line(view: View, network: Network, server: rgw.Gateway, share: Path) -> None:
    card.film_gopro(share / "card", CAMERA, Shift(2, size=300_077, sidecars=False), chapters=1)
    secret, config = share / "secret", share / "dockagent.toml"
    secret.write_text(rgw.DOCK.secret_key)
    secret.chmod(0o600)
    config.write_text(
        f'[store]\nendpoint = "http://{HOST}:{server.port}"\naccess_key = "{rgw.DOCK.access_key}"\n'
        f'secret_key_file = "{secret}"\n[preview]\nenabled = false\n[limits]\nspool_reserve_mib = 1\n'
    )
    bucket = s3_client(server.endpoint, rgw.DOCK)
    bucket.create_bucket(Bucket="footage")
    begun = time.monotonic()
    with bad_line(view, network):
        words = f"{COMMAND} ingest {share}/card --store s3://footage/dock --home /run/scratch/home --config {config}"
        said(view, words, INGEST_S)
    print(f"delivered after {time.monotonic() - begun:.1f} s")
    keys = [one["Key"] for one in bucket.list_objects_v2(Bucket="footage")["Contents"]]
    masters = [bucket.get_object(Bucket="footage", Key=key)["Body"].read() for key in keys if key.endswith("master")]
    bucket.close()
    filmed = [path.read_bytes() for path in (share / "card").rglob("*.MP4")]
    assert sorted(map(digest, masters)) == sorted(map(digest, filmed))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
