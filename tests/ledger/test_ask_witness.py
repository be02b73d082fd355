"""Asking witnesses: good ones, and ones that refuse, lie or hang, over real sockets."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dockagent.core.proof import cosignature, merkle, note
from dockagent.errors import Permanent, Retryable, UsageError
from dockagent.ledger.ask_witness import Contradicted, Reply, WitnessPeer, ask, parse_peer
from dockagent.ledger.keys import Keys
from dockagent.ledger.witness import Witness
from dockagent.ledger.witness_http import post_http
from dockagent.ledger.witness_server import WitnessServer
from tests.ledger import made, witnesses

HASHES = witnesses.leaves(60)
NOW_S = int(time.time())


@pytest.fixture
def dock(tmp_path: Path) -> Keys:
    return made.keys(tmp_path / "dock")


def sent(
    dock: Keys,
    one: WitnessPeer,
    post: Callable[[WitnessPeer, bytes], Reply],
    size: int,
    guess: int = 0,
    fork_at: int = -1,
) -> note.NoteSignature:
    hashes = witnesses.leaves(60, fork_at)[:size]
    head = witnesses.checkpoint(dock, hashes)
    return ask(one, head, lambda old: merkle.consistency_proof(hashes, old), guess, post)


@contextmanager
def served(one: Witness) -> Iterator[WitnessPeer]:
    server = WitnessServer("127.0.0.1:0", one)
    server.start()
    try:
        yield witnesses.peer(url=f"http://127.0.0.1:{server.port}")
    finally:
        server.stop()


def test_a_witness_is_led_from_where_it_is(dock: Keys, tmp_path: Path) -> None:
    post = post_http(5)
    with served(witnesses.witness_in(tmp_path / "w", dock)) as one:
        for size, guess in ((5, 0), (9, 5), (20, 3), (21, 60), (60, 0)):
            line = sent(dock, one, post, size, guess)
            text = note.parse(witnesses.checkpoint(dock, HASHES, size)).text
            assert cosignature.check(note.Note(text, (line,)), one.key).seconds >= NOW_S - 5


def test_a_rolled_back_or_forked_ledger_is_told_so(dock: Keys, tmp_path: Path) -> None:
    post = post_http(5)
    with served(witnesses.witness_in(tmp_path / "w", dock)) as one:
        sent(dock, one, post, 20)
        with pytest.raises(Contradicted, match=r"seen 20 records .* which has 9: it was rolled back"):
            sent(dock, one, post, 9)
        with pytest.raises(Contradicted, match="another tree of 20 records"):
            sent(dock, one, post, 20, fork_at=4)
        with pytest.raises(Contradicted, match=r"answered 422: .*another history"):
            sent(dock, one, post, 40, fork_at=4)
        sent(dock, one, post, 40)


def test_a_witness_that_does_not_know_us_says_what_to_do(dock: Keys, tmp_path: Path) -> None:
    other = made.keys(tmp_path / "other", "dock-9", 9)
    imposter = made.keys(tmp_path / "i", "dock-7", 9)
    for known, words in (
        (other, r"answered 404: .*make this dock known there: a witness takes its checkpoint key"),
        (imposter, "answered 403"),
    ):
        state = tmp_path / known.key_id
        with served(witnesses.witness_in(state, known)) as one, pytest.raises(Permanent, match=words):
            sent(dock, one, post_http(5), 5)


def always(status: int, body: bytes) -> Callable[[WitnessPeer, bytes], Reply]:
    return lambda _peer, _body: Reply(status, body)


def test_lies_are_not_believed(dock: Keys) -> None:
    one, head = witnesses.peer(), note.parse(witnesses.checkpoint(dock, HASHES, 5)).text
    right, wrong = witnesses.key(), witnesses.key(seed=2)
    other_head = note.parse(witnesses.checkpoint(dock, HASHES, 6)).text
    for lie in (
        wrong.cosign(head, NOW_S),  # by another key under the same name
        right.cosign(other_head, NOW_S),  # of another head
        "",
        "no signature\n",
        right.cosign(head, NOW_S)[:-1],
        "\x1b[2J",
    ):
        with pytest.raises(Permanent, match="no cosignature that can be believed"):
            sent(dock, one, always(200, lie.encode()), 5)
    with pytest.raises(Permanent, match="no cosignature"):
        sent(dock, one, always(200, b"\xff\xfe"), 5)
    more = "— new.example/alg AAAAAAAAAAAA\n" + right.cosign(head, NOW_S) + wrong.cosign(head, NOW_S)
    assert sent(dock, one, always(200, more.encode()), 5).name == one.name  # lines by unknown keys are left alone


def test_odd_sizes_are_not_followed_for_ever(dock: Keys) -> None:
    told = iter([b"1\n", b"2\n", b"3\n", b"4\n", b"5\n"])
    with pytest.raises(Retryable, match="keeps saying other sizes"):
        sent(dock, witnesses.peer(), lambda _peer, _body: Reply(409, next(told)), 5)
    with pytest.raises(Permanent, match="without the size"):
        sent(dock, witnesses.peer(), always(409, b"many\n"), 5)


@pytest.mark.parametrize(
    ("status", "kind"), [(500, Retryable), (503, Retryable), (429, Retryable), (302, Permanent), (400, Permanent)]
)
def test_what_may_be_better_later(dock: Keys, status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=f"answered {status}: words"):
        sent(dock, witnesses.peer(), always(status, b"words"), 5)


# ---- over a line that is bad ----------------------------------------------------------------------------------------


@contextmanager
def bad_server(answer: Callable[[socket.socket], None]) -> Iterator[WitnessPeer]:
    """Takes one conversation at a time and does with it as told."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    line, _ = door.accept()
                except OSError:
                    return
                with line:
                    try:
                        answer(line)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield witnesses.peer(url=f"http://127.0.0.1:{door.getsockname()[1]}")
        ended.set()
        door.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _drip(line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        line.sendall(b"x")
        threading.Event().wait(0.05)


def _flood(line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (1 << 20))


def _stall(line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
    line.recv(1)
    threading.Event().wait(2)


@pytest.mark.parametrize(
    "answer",
    [
        lambda line: threading.Event().wait(2),
        lambda line: line.close(),
        lambda line: line.sendall(b"garbage\r\n\r\n"),
        lambda line: line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
        _drip,
        _flood,
        _stall,
    ],
)
def test_a_bad_line_costs_so_much_time_and_no_more(dock: Keys, answer: Callable[[socket.socket], None]) -> None:
    with bad_server(answer) as one:
        started = time.monotonic()
        with pytest.raises(Retryable, match=r"does not answer"):
            sent(dock, one, post_http(1.0), 5)
        assert time.monotonic() - started < 2.5


def test_nobody_there(dock: Keys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
    with pytest.raises(Retryable, match=r"does not answer: .*refused"):
        sent(dock, witnesses.peer(url=url), post_http(1.0), 5)


def test_peers_in_the_configuration() -> None:
    vkey = witnesses.key().public.text()
    assert parse_peer(f"{vkey} http://10.0.0.8:7380/") == WitnessPeer(witnesses.key().public, "http://10.0.0.8:7380")
    log = note.VerifierKey("log", bytes(32)).text()
    for bad in (
        vkey,
        f"{vkey} ftp://x",
        f"{vkey} http://",
        f"http://x {vkey}",
        f"{log} http://x",
        f"{vkey} http://x:99999",
    ):
        with pytest.raises(UsageError, match="not a witness"):
            parse_peer(bad)
