"""Asking for time stamps over a line where anything may answer."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockagent.errors import DockError, Permanent, Retryable, UsageError
from dockagent.ledger import timestamps
from hil.central.tsa import REPLY_TYPE, Answer, Tsa

DATA = b"a checkpoint"


@pytest.fixture
def tsa(tmp_path: Path) -> Iterator[Tsa]:
    with Tsa(tmp_path) as running:
        yield running


def ask(url: str, timeout: float = 10) -> bytes:
    return timestamps.ask(url, DATA, nonce=7, timeout=timeout)


def test_a_query_goes_out_and_the_reply_comes_back_as_it_is(tsa: Tsa) -> None:
    sent: list[bytes] = []

    def answer(query: bytes) -> Answer:
        sent.append(tsa.reply(query))
        return Answer(body=[sent[0]])

    tsa.bend(answer)
    assert ask(tsa.url) == sent[0]
    assert timestamps.check(sent[0], DATA, [tsa.root.certificate], nonce=7).time_ms > 0


HTML = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(302, {"Location": "http://127.0.0.1:1/login", **HTML}), Retryable, "HTTP 302"),
        (Answer(307, {"Location": "/stamp", "Content-Type": REPLY_TYPE}), Retryable, "HTTP 307"),
        (Answer(200, HTML, [b"<html>log in</html>"]), Retryable, "text/html"),
        (Answer(511, HTML), Retryable, "HTTP 511"),
        (Answer(503, HTML), Retryable, "HTTP 503"),
        (Answer(404, HTML), Permanent, "HTTP 404"),
        (Answer(400, HTML), Permanent, "HTTP 400"),
        (Answer(body=[b"<html>"]), Retryable, "no time-stamp reply"),
        (Answer(body=[]), Retryable, "0 bytes"),
        (Answer(200, {"Content-Type": REPLY_TYPE, "Content-Length": "900"}, [b"\x30\x03abc"]), Retryable, "whole"),
    ],
)
def test_what_is_no_authority_is_named_for_what_it_is(tsa: Tsa, answer: Answer, kind: type, words: str) -> None:
    tsa.bend(lambda _: answer)
    with pytest.raises(DockError, match=words) as caught:
        ask(tsa.url)
    assert type(caught.value) is kind
    assert tsa.url in str(caught.value)
    assert len(tsa.asked) == 1  # nobody was followed


def test_a_flood_is_cut_off(tsa: Tsa) -> None:
    tsa.bend(lambda _: Answer(body=(bytes(1 << 16) for _ in range(160))))  # 10 MiB
    with pytest.raises(Retryable, match="more than 65536 bytes"):
        ask(tsa.url)


@pytest.mark.parametrize(
    "headers", [{"Content-Type": REPLY_TYPE}, {"Content-Type": REPLY_TYPE, "Content-Length": "9999"}]
)
def test_an_answer_that_never_ends_does(tsa: Tsa, headers: dict[str, str]) -> None:
    """A byte now and then restarts a socket's own time limit, and must not restart ours."""
    over = threading.Event()

    def drip() -> Iterator[bytes]:
        while not over.wait(0.1):
            yield b"\x30"

    tsa.bend(lambda _: Answer(headers=headers, body=drip()))
    try:
        with pytest.raises(Retryable, match=r"no whole answer in 0\.8 s"):
            ask(tsa.url, timeout=0.8)
    finally:
        over.set()


def test_silence_ends_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for scheme in ("http", "https"):
            with pytest.raises(Retryable, match=r"no whole answer in 0\.3 s|timed out"):
                ask(f"{scheme}://127.0.0.1:{port}/", timeout=0.3)
    with pytest.raises(Retryable, match="cannot be reached: Connection refused"):
        ask(f"http://127.0.0.1:{port}/")


def test_an_authority_without_tls_does_not_pass_for_one_with(tsa: Tsa) -> None:
    with pytest.raises(Retryable, match="what answers there speaks no TLS"):
        ask(tsa.url.replace("http:", "https:"))
    assert tsa.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/",
        "a.example",
        "http://",
        "http://a:x/",
        "http://a:0/",
        "http://u:p@a/",
        "http://a/\r\nX: y",
        "file:///x",
    ],
)
def test_a_wrong_address_is_the_persons_to_change(url: str) -> None:
    with pytest.raises(UsageError, match="not the address of a time-stamp authority"):
        ask(url)


def test_a_wrong_nonce_or_limit_is_refused_before_anything_is_sent(tsa: Tsa) -> None:
    for nonce in (-1, 1 << 512):
        with pytest.raises(UsageError, match="nonce"):
            timestamps.ask(tsa.url, DATA, nonce=nonce, timeout=1)
    with pytest.raises(UsageError, match="time limit"):
        ask(tsa.url, timeout=0)
    assert tsa.asked == []


@pytest.mark.parametrize("nonce", [0, 127, 128, 255, 256, (1 << 512) - 1])
def test_every_nonce_comes_back(tsa: Tsa, nonce: int) -> None:
    token = timestamps.ask(tsa.url, DATA, nonce=nonce, timeout=10)
    timestamps.check(token, DATA, [tsa.root.certificate], nonce=nonce)
