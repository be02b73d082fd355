"""The witness's door over real sockets: statuses as the document says, and limits that hold against bad callers."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockagent.core.proof.witnessing import MOST_REQUEST
from dockagent.errors import UsageError
from dockagent.ledger.keys import Keys
from dockagent.ledger.witness_server import MOST_CALLS, WitnessServer, parse_address
from tests.ledger import made, witnesses

HASHES = witnesses.leaves(40)


@pytest.fixture
def dock(tmp_path: Path) -> Keys:
    return made.keys(tmp_path / "dock")


@pytest.fixture
def server(tmp_path: Path, dock: Keys) -> Iterator[WitnessServer]:
    one = WitnessServer("127.0.0.1:0", witnesses.witness_in(tmp_path / "witness", dock), call_s=2.0, silence_s=1.0)
    one.start()
    yield one
    one.stop()


def say(
    server: WitnessServer, body: bytes, path: str = "/add-checkpoint", method: str = "POST"
) -> tuple[int, str, bytes]:
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        line.request(method, path, body)
        answer = line.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        line.close()


def body(dock: Keys, old: int, size: int, fork_at: int = -1) -> bytes:
    return witnesses.request(dock, witnesses.leaves(40, fork_at), old, size).encode()


def test_each_status_comes_over_the_wire(server: WitnessServer, dock: Keys, tmp_path: Path) -> None:
    stranger, imposter = made.keys(tmp_path / "a", "dock-9", 9), made.keys(tmp_path / "b", "dock-7", 9)
    assert say(server, body(dock, 0, 5))[0] == 200
    assert say(server, body(dock, 0, 9)) == (409, "text/x.tlog.size", b"5\n")
    assert say(server, body(dock, 5, 9, fork_at=1))[0] == 422
    assert say(server, body(imposter, 5, 9))[0] == 403
    assert say(server, body(stranger, 0, 9))[0] == 404
    assert say(server, b"nonsense")[0] == 400
    assert say(server, b"", "/elsewhere")[0] == 404
    assert say(server, b"", method="GET")[0] == 405
    assert say(server, body(dock, 5, 9))[0] == 200


def test_one_conversation_may_hold_several_requests(server: WitnessServer, dock: Keys) -> None:
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    statuses = []
    for old, size in ((0, 3), (3, 9), (9, 30)):
        line.request("POST", "/add-checkpoint", body(dock, old, size))
        answer = line.getresponse()
        answer.read()
        statuses.append((answer.status, line.sock is not None))
    line.close()
    assert statuses == [(200, True)] * 3


def raw(server: WitnessServer, *pieces: bytes, pause_s: float = 0.0) -> tuple[bytes, float]:
    """Send pieces and read to the end; what came, and after how long it ended."""
    started = time.monotonic()
    got = b""
    with socket.create_connection(("127.0.0.1", server.port), 10) as line:
        try:
            for piece in pieces:
                line.sendall(piece)
                if pause_s:
                    threading.Event().wait(pause_s)
            while data := line.recv(65536):
                got += data
        except OSError:
            pass
    return got, time.monotonic() - started


def test_a_body_that_is_too_long_is_not_read(server: WitnessServer) -> None:
    head = b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    assert raw(server, head % (MOST_REQUEST + 1))[0].startswith(b"HTTP/1.1 413 ")
    assert raw(server, head % (10**8))[0].startswith(b"HTTP/1.1 413 ")
    assert raw(server, b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n\r\n")[0].startswith(b"HTTP/1.1 411 ")
    odd = b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"
    assert raw(server, odd)[0].startswith(b"HTTP/1.1 411 ")


def test_a_caller_who_says_nothing_more_is_left(server: WitnessServer) -> None:
    got, seconds = raw(server, b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nold 5\n")
    assert (got, seconds < 6) == (b"", True)


def test_a_caller_who_drips_is_cut_off_in_all(server: WitnessServer) -> None:
    """Each byte comes within the silence that is allowed; all together do not."""
    got, seconds = raw(server, b"POST ", *([b"x"] * 200), pause_s=0.1)
    assert not got.startswith(b"HTTP/1.1 200")
    assert seconds < 8


def test_many_callers_who_hang_do_not_shut_others_out_for_long(server: WitnessServer, dock: Keys) -> None:
    lines = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(MOST_CALLS + 4)]
    try:
        assert say(server, body(dock, 0, 5))[0] == 200
    finally:
        for line in lines:
            line.close()


def test_at_no_time_are_there_more_conversations_than_allowed(server: WitnessServer) -> None:
    lines = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(MOST_CALLS + 20)]
    threading.Event().wait(0.3)
    at_work = [one for one in threading.enumerate() if "process_request_thread" in one.name]
    for line in lines:
        line.close()
    assert 0 < len(at_work) <= MOST_CALLS


def test_addresses() -> None:
    assert parse_address("10.0.0.8:7380") == ("10.0.0.8", 7380)
    assert parse_address(":7380") == ("", 7380)
    assert parse_address("[::1]:80") == ("::1", 80)
    for bad in ("7380", "host:", "host:99999", "http://host:80", "a b:80"):
        with pytest.raises(UsageError, match="not an address"):
            parse_address(bad)


def test_an_address_that_is_taken_is_named(server: WitnessServer, tmp_path: Path, dock: Keys) -> None:
    with pytest.raises(UsageError, match="cannot listen"):
        WitnessServer(f"127.0.0.1:{server.port}", witnesses.witness_in(tmp_path / "other", dock))
