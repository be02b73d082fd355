"""The custodian's door over TLS: real certificates, and openssl and curl as those who come to it."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dockagent.config import Custodian as Named
from dockagent.core.central import custodian_key, store_receipt
from dockagent.durable import RealDisk
from dockagent.errors import Retryable, UsageError
from dockagent.ledger.ask_witness import WitnessPeer
from dockagent.ledger.custodian_peer import Counterparty
from dockagent.ledger.witness_http import post_http
from dockagent.ledger.witness_key import WitnessKey
from dockagent.steps.ask_custodian import counterparty
from dockagent.stores.shelf import FolderShelf
from hil.central.nginx import Authority
from tests.custodian.made import Folder, dock
from tests.custodian.processes import Process

NOBODY = ("", "")


@dataclass(frozen=True, slots=True)
class Door:
    """A custodian that answers over TLS. ``papers``: PEM files of certificate and key, by whose they are."""

    its: Process
    servers: Path
    papers: dict[str, tuple[str, str]]
    prefix: str

    @property
    def clip(self) -> str:
        return self.prefix.rpartition("/")[2]

    @property
    def receipt(self) -> str:
        return f"https://127.0.0.1:{self.its.port}/receipts/{self.clip}?folder={self.prefix}"

    def peer(self, who: str, ca_file: str = "") -> Counterparty:
        """The way of a dock with the certificate of ``who``."""
        cert, key = self.papers.get(who, NOBODY)
        url, trusted = f"https://127.0.0.1:{self.its.port}", ca_file or str(self.servers)
        named = Named(
            url=url, keys=(self.its.key(),), ca_file=trusted, client_cert_file=cert, client_key_file=key, timeout_s=5
        )
        made = counterparty(named, lambda: FolderShelf("", Path("/")))
        assert made is not None
        return made

    def curl(self, *words: str) -> "subprocess.CompletedProcess[bytes]":
        if shutil.which("curl") is None:
            pytest.skip("curl is not installed")
        told = ["curl", "--silent", "--show-error", "--max-time", "20", "--cacert", str(self.servers), *words]
        return subprocess.run(told, capture_output=True, timeout=30, check=False)


@pytest.fixture(params=[False, True], ids=["anybody", "only docks"])
def door(request: pytest.FixtureRequest, folder: Folder, tmp_path: Path) -> Iterator[Door]:
    one, servers, docks = dock(folder, tmp_path), Authority("Servers"), Authority("Docks")
    prefix = one.deliver(b"a clip")
    one.publish()
    papers = dict[str, tuple[str, str]]()
    for name, paper in (
        ("server", servers.issue("127.0.0.1")),
        ("dock", docks.issue("dock-7", client=True)),
        ("stranger", Authority("Others").issue("dock-8", client=True)),
    ):
        cert, key = paper.written(tmp_path, name)
        papers[name] = str(cert), str(key)
    ca, clients = tmp_path / "servers.pem", tmp_path / "docks.pem"
    ca.write_bytes(servers.pem)
    clients.write_bytes(docks.pem)
    service = {"listen": "127.0.0.1:0", "cert_file": papers["server"][0], "key_file": papers["server"][1]}
    if request.param:
        service["client_ca_file"] = str(clients)
    with Process(tmp_path / "c", folder, [one], custodian={"every_s": 1}, service=service) as its:
        assert its.once()[0] == 0
        its.start()
        yield Door(its, ca, papers, prefix)


def closed(door: Door) -> bool:
    """Whether only docks are let in."""
    return bool(door.its.service.get("client_ca_file"))


def test_curl_and_a_dock_are_given_the_receipt(door: Door) -> None:
    cert, key = door.papers["dock"]
    done = door.curl("--fail", "--cert", cert, "--key", key, door.receipt)
    assert done.returncode == 0, done.stderr
    line = custodian_key.parse(door.its.key())
    assert store_receipt.read(done.stdout, [line]).clip_id == door.clip
    peer = door.peer("dock")
    assert peer.fetch("receipts", door.clip, door.prefix, store_receipt.FILE) == done.stdout


@pytest.mark.parametrize("who", ["", "stranger"])
def test_who_is_no_dock_is_let_in_only_where_anybody_is(door: Door, who: str) -> None:
    cert, key = door.papers.get(who, NOBODY)
    papers = ("--cert", cert, "--key", key) if cert else ()
    done = door.curl(*papers, door.receipt)
    assert (done.returncode == 0, bool(done.stdout)) == (not closed(door), not closed(door)), done.stderr
    if closed(door):
        with pytest.raises(Retryable, match="does not answer"):
            door.peer(who).fetch("receipts", door.clip, door.prefix, store_receipt.FILE)
        with pytest.raises(Retryable, match="does not answer"):
            _cosign(door, who)


def test_a_dock_has_its_checkpoint_cosigned_at_the_same_door(door: Door) -> None:
    assert _cosign(door, "dock") == 400  # what was asked is no checkpoint, but it was asked


def _cosign(door: Door, who: str) -> int:
    """What the witness at this door answers to something that is no checkpoint, by a dock's own way to it."""
    key = WitnessKey.open(RealDisk(door.its.folder / "home" / "keys"), "dockagent.local/custodian/witness").public
    post = post_http(5.0, str(door.servers), door.papers.get(who, NOBODY))
    return post(WitnessPeer(key, f"https://127.0.0.1:{door.its.port}"), b"nothing\n").status


def test_openssl_sees_the_certificate_and_a_modern_protocol(door: Door) -> None:
    cert, key = door.papers["dock"]
    words = ["openssl", "s_client", "-connect", f"127.0.0.1:{door.its.port}", "-CAfile", str(door.servers)]
    words += ["-verify_return_error", "-verify_ip", "127.0.0.1", "-cert", cert, "-key", key, "-ign_eof"]
    asks = b"GET /health HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n"
    done = subprocess.run(words, input=asks, capture_output=True, timeout=30, check=False)
    assert b"Verify return code: 0 (ok)" in done.stdout, done.stderr
    assert b"HTTP/1.1 200" in done.stdout
    assert (b"Requested Signature Algorithms" in done.stdout) == closed(door)
    old = subprocess.run([*words, "-tls1_1"], input=asks, capture_output=True, timeout=30, check=False)
    assert b"HTTP/1.1" not in old.stdout
    plain = subprocess.run(
        ["curl", "--silent", "--max-time", "20", door.receipt.replace("https:", "http:")],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (plain.returncode != 0, plain.stdout) == (True, b"")


def test_a_dock_gives_nothing_to_a_server_that_it_does_not_trust(door: Door, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Authority("Somebody").pem)
    with pytest.raises(Retryable, match="certificate verify failed"):
        door.peer("dock", str(other)).fetch("receipts", door.clip, door.prefix, store_receipt.FILE)


def test_a_certificate_without_its_key_is_a_mistake_of_the_configuration(door: Door) -> None:
    door.papers["odd"] = (door.papers["dock"][0], door.papers["stranger"][1])
    with pytest.raises(UsageError, match="client_key_file"):
        door.peer("odd")
