"""What is said of a custodian's service that gives no answer, or another than was asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from dockagent.errors import Retryable
from dockagent.ledger.custodian_peer import fetch_http
from hil.central.local_server import LocalServer
from hil.central.processes import free_ports


@contextmanager
def door(status: int, body: bytes) -> Iterator[str]:
    """The address of a server that answers everything with this."""

    def serve(asked: BaseHTTPRequestHandler) -> None:
        asked.send_response(status)
        asked.send_header("Content-Length", str(len(body)))
        asked.end_headers()
        asked.wfile.write(body)

    with LocalServer(serve) as server:
        yield f"http://127.0.0.1:{server.port}"


def said(url: str) -> str:
    with pytest.raises(Retryable) as caught:
        fetch_http(url, 5)("receipts", "c1", "clips/c1", "receipt.json")
    return str(caught.value).replace(url, "URL")


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (302, b"", "answers 302 Found; nothing is followed elsewhere: write its own address as url in [custodian]"),
        (500, b"", "answers 500 Internal Server Error; ask who runs it"),
        (503, b"down\n for\x1b[2J now", "answers 503 Service Unavailable: down for\\u001b[2J now; ask who runs it"),
        (799, b"\xff", "answers 799: �; ask who runs it"),
    ],
)
def test_another_answer_is_named_in_words(status: int, body: bytes, words: str) -> None:
    with door(status, body) as url:
        assert said(url) == f"the custodian at URL {words}"


def test_too_much_is_not_called_a_refusal() -> None:
    with door(200, bytes((4 << 20) + 1)) as url:
        assert said(url).startswith("the custodian at URL answers with more than 4194304 bytes; ")


def test_one_that_is_away_is_said_without_numbers() -> None:
    words = said(f"http://127.0.0.1:{free_ports(1)[0]}")
    assert (
        words
        == "the custodian at URL does not answer: Connection refused; check its address, its machine and the network"
    )


def test_only_his_own_word_says_that_there_is_no_permit() -> None:
    """A proxy's 404, while the service behind it starts, ends no erasing that a permit allows."""
    with door(404, b"there is none yet\n") as url:
        assert fetch_http(url, 5)("permits", "c1", "clips/c1", "permit.json") is None
    with door(404, b"<html>not found</html>") as url, pytest.raises(Retryable, match="answers 404 Not Found"):
        fetch_http(url, 5)("permits", "c1", "clips/c1", "permit.json")
