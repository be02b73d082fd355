"""Witnesses behind TLS: real certificates by openssl, a real handshake, and everything that must not pass for one."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockagent.config import Witnesses
from dockagent.core.proof import cosignature, note
from dockagent.doctor.check import Check
from dockagent.doctor.of_witnesses import witnesses as examine
from dockagent.errors import Retryable, UsageError
from dockagent.ledger.ask_witness import ask
from dockagent.ledger.keys import Keys
from dockagent.ledger.witness_http import post_http
from dockagent.ledger.witness_server import WitnessServer
from tests.doctor.test_of_witnesses import NO_STAMPS, NOW
from tests.ledger import made, witnesses
from tests.ledger.tls_door import authority, certified, tls_door

HERE = "DNS:localhost,IP:127.0.0.1"


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    return authority(tmp_path / "ca")


@pytest.fixture
def dock(tmp_path: Path) -> Keys:
    return made.keys(tmp_path / "dock")


@pytest.fixture
def witness(tmp_path: Path, dock: Keys) -> Iterator[int]:
    """The port of a witness that speaks plain HTTP."""
    server = WitnessServer("127.0.0.1:0", witnesses.witness_in(tmp_path / "w", dock))
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


def asked(dock: Keys, url: str, ca_file: Path | str, limit_s: float = 10.0) -> note.NoteSignature:
    head = witnesses.checkpoint(dock, witnesses.leaves(5))
    return ask(witnesses.peer(url=url), head, lambda _old: (), 0, post_http(limit_s, str(ca_file)))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_witness_behind_tls_cosigns(dock: Keys, ca: Path, witness: int, host: str) -> None:
    with tls_door(certified(ca.parent, HERE), witness) as port:
        line = asked(dock, f"https://{host}:{port}", ca)
    text = note.parse(witnesses.checkpoint(dock, witnesses.leaves(5))).text
    assert cosignature.check(note.Note(text, (line,)), witnesses.key().public).seconds


@pytest.mark.parametrize(
    ("names", "days", "trusted", "words"),
    [
        ("DNS:elsewhere.example", 10, "ca", "Hostname mismatch|not valid for"),
        (HERE, -1, "ca", "certificate has expired"),
        (HERE, 10, "other", "unable to get local issuer|self-signed|certificate verify failed"),
        (HERE, 10, "", "certificate verify failed"),
    ],
    ids=["another name", "expired", "another agency's CA", "only those whom the system trusts"],
)
def test_a_door_that_is_not_the_witness_gets_nothing(
    tmp_path: Path, dock: Keys, ca: Path, witness: int, names: str, days: int, trusted: str, words: str
) -> None:
    files: dict[str, Path | str] = {"ca": ca, "other": authority(tmp_path / "other"), "": ""}
    with tls_door(certified(ca.parent, names, days), witness) as port, pytest.raises(Retryable, match=words):
        asked(dock, f"https://localhost:{port}", files[trusted])


def test_plain_http_where_tls_was_asked_for(dock: Keys, ca: Path, witness: int) -> None:
    with pytest.raises(Retryable, match="does not answer"):
        asked(dock, f"https://localhost:{witness}", ca)


def test_a_handshake_that_never_ends_has_an_end(dock: Keys, ca: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(Retryable, match="no whole answer in 1 s"):
            asked(dock, f"https://localhost:{port}", ca, 1.0)
    assert not [one for one in threading.enumerate() if isinstance(one, threading.Timer)]


def test_a_ca_file_without_certificates_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing\n")
    for name in ("empty.pem", "missing.pem"):
        with pytest.raises(UsageError, match=r"no certificate in .*\[witnesses\]"):
            post_http(5.0, str(tmp_path / name))


def test_the_doctor_looks_at_the_certificate(tmp_path: Path, ca: Path, witness: int) -> None:
    def said(url: str) -> Check:
        setting = Witnesses((f"{witnesses.key().public.text()} {url}",), 1, ca_file=str(ca))
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        return next(one for one in examine(setting, NO_STAMPS, list, home, NOW) if one.name == "witness reached")

    with tls_door(certified(ca.parent, HERE), witness) as port:
        assert said(f"https://localhost:{port}").word == "ok"
    with tls_door(certified(ca.parent, "DNS:elsewhere.example"), witness) as port:
        wrong = said(f"https://localhost:{port}")
    assert wrong.word == "warning"
    assert "localhost" in wrong.what
