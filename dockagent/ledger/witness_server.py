"""A witness's door: ``POST /add-checkpoint`` over HTTP (c2sp.org/tlog-witness).

Nobody who calls is known, so every call costs little: so many at a time, so many bytes, so many seconds in all. TLS is
left to whatever stands in front: what is asked and answered is signed.
"""

import logging
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dockagent import __version__
from dockagent.core.proof.witnessing import MOST_REQUEST
from dockagent.errors import UsageError
from dockagent.ledger.deadline import deadline
from dockagent.ledger.witness import TEXT, Answer, Witness

log = logging.getLogger(__name__)

PATH = "/add-checkpoint"
MOST_CALLS = 32  # conversations at a time; more wait in the kernel's queue
CALL_S = 30.0  # a conversation in all
SILENCE_S = 10.0  # within it
_LENGTH = re.compile(r"[0-9]{1,9}")
_ADDRESS = re.compile(r"\[?([0-9A-Za-z.:_-]*?)\]?:([0-9]{1,5})")


class WitnessServer:
    """Listens as soon as it is made; answers between :meth:`start` and :meth:`stop`."""

    def __init__(self, address: str, witness: Witness, *, call_s: float = CALL_S, silence_s: float = SILENCE_S) -> None:
        """``address``: ``HOST:PORT``; an empty host is every IPv4 address, port 0 any free one. Raises UsageError where
        nobody can listen there."""
        host, port = parse_address(address)
        handler = type("_Bound", (_Call,), {"witness": witness, "call_s": call_s, "timeout": silence_s})
        try:
            self._server = Server((host, port), handler)
        except OSError as err:
            raise UsageError(
                f"the witness cannot listen at {address}: {err.strerror or err}", "correct listen in [witness]"
            ) from err
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="witness", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more. Conversations under way are left to end; a checkpoint that they store counts. Once only."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


def parse_address(address: str, table: str = "witness") -> tuple[str, int]:
    """``HOST:PORT`` or ``[IPV6]:PORT`` as a pair. Raises UsageError for anything else; ``table``: where it was set."""
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found[2]) > 65535:
        raise UsageError(f"not an address to listen at: {address!r}", f"write listen = HOST:PORT in [{table}]")
    return found[1], int(found[2])


class Server(ThreadingHTTPServer):
    """A thread for each conversation, ``most`` at a time; more wait in the kernel. ``who`` answers, for the log."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    most, who = MOST_CALLS, "witness"

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._free = threading.BoundedSemaphore(self.most)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._free.acquire()
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            self.converse(request, client_address)
        finally:
            self._free.release()

    def converse(self, request: Any, client_address: Any) -> None:
        """One conversation, in its own thread."""
        super().process_request_thread(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("%s: the conversation with %s ended early", self.who, client_address, exc_info=True)


class _Call(BaseHTTPRequestHandler):
    """One conversation: requests one after the other, until the caller is done or its time is over."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = f"dockagent/{__version__}", ""
    witness: Witness
    call_s: float

    def handle(self) -> None:
        with deadline(self.connection, self.call_s):
            super().handle()

    def do_POST(self) -> None:
        if self.path != PATH:
            self._say(Answer(404, b"only /add-checkpoint is answered here\n"), close=True)
            return
        length = self.headers.get("Content-Length", "")
        if not _LENGTH.fullmatch(length):
            self._say(Answer(411, b"say its Content-Length\n"), close=True)
        elif int(length) > MOST_REQUEST:
            self._say(Answer(413, b"a request may have %d bytes\n" % MOST_REQUEST), close=True)
        else:
            data = self.rfile.read(int(length))
            if len(data) == int(length):
                self._say(self.witness.add_checkpoint(data))
            else:
                self.close_connection = True

    def do_GET(self) -> None:
        """Nothing to get; but whoever looks whether we are here is told what this is."""
        self._say(Answer(405, b"a C2SP tlog-witness: POST /add-checkpoint\n"))

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("witness: %s %s", self.address_string(), format % args)

    def _say(self, answer: Answer, *, close: bool = False) -> None:
        if answer.note:
            log.log(logging.INFO if answer.status == 200 else logging.WARNING, "witness: %s", answer.note)
        self.close_connection = self.close_connection or close
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind or TEXT)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.status == 405:
            self.send_header("Allow", "POST")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)
