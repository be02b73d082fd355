"""The custodian's door: docks ask for receipts and permits, and have their checkpoints witnessed.

``POST /add-checkpoint`` (c2sp.org/tlog-witness); ``GET /receipts/<clip_id>?folder=<folder>`` and
``GET /permits/<clip_id>?folder=<folder>`` with the clip's folder in the store, which every dock knows: one read of the
store each, and no index to keep. ``name`` chooses another receipt than ``receipt.json``. ``GET /health`` and
``/metrics`` for those who watch over it. What is handed out is signed; who may ask, TLS decides.
"""

import json
import logging
import re
import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from socket import socket
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dockagent import __version__
from dockagent.core.central import store_receipt
from dockagent.core.proof.witnessing import MOST_REQUEST
from dockagent.custodian.reread import small
from dockagent.custodian.service_state import ServiceState
from dockagent.errors import DockError, Missing, UsageError
from dockagent.ledger.deadline import deadline
from dockagent.ledger.witness import TEXT, Answer, Witness
from dockagent.ledger.witness_server import PATH, Server, parse_address
from dockagent.stores.archive import Archive

log = logging.getLogger(__name__)

MOST_CALLS, CALL_S, SILENCE_S = 64, 30.0, 10.0
JSON, METRICS = "application/json", "text/plain; version=0.0.4; charset=utf-8"
_MOST_SIGNED = 4 << 20
_ASKED = re.compile(r"/(receipts|permits)/([0-9a-f]{32})")
_FOLDER = re.compile(r"(clips/[A-Za-z0-9._~-]+/\d{4}/\d\d/\d\d|quarantine/[A-Za-z0-9._~-]+)/([0-9a-f]{32})")
_LENGTH = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Desk:
    """What is asked for here. ``archive`` is this server's own; several threads may read from it at once."""

    archive: Archive
    witness: Witness | None
    state: ServiceState

    def get(self, target: str) -> Answer:
        """The answer to ``GET target``."""
        parts = urlsplit(target)
        if parts.path == "/health":
            good, said = self.state.health()
            return Answer(200 if good else 503, json.dumps(said).encode() + b"\n", JSON)
        if parts.path == "/metrics":
            return Answer(200, self.state.metrics().encode(), METRICS)
        asked = _ASKED.fullmatch(parts.path)
        if asked is None:
            return Answer(404, b"only /receipts/, /permits/, /health, /metrics and /add-checkpoint are here\n")
        return self._signed(asked[1], asked[2], parse_qs(parts.query))

    def _signed(self, kind: str, clip_id: str, query: dict[str, list[str]]) -> Answer:
        folder = _FOLDER.fullmatch(query.get("folder", [self.state.folder_of(clip_id)])[0])
        if folder is None:
            return Answer(404, b"say ?folder=, the clip's folder in the store: this clip was not seen lately\n")
        name = query.get("name", [store_receipt.FILE])[0]
        if folder[2] != clip_id or (kind == "receipts" and not store_receipt.is_name(name)):
            return Answer(400, b"that is no folder or receipt of this clip\n")
        try:
            name = self._newest_permit(folder[0]) if kind == "permits" else name
            return Answer(200, small(self.archive, f"{folder[0]}/{name}", _MOST_SIGNED, first=True), JSON)
        except Missing:
            return Answer(404, b"there is none yet\n")
        except DockError as err:
            return Answer(503, b"the store cannot be asked now\n", note=str(err))

    def _newest_permit(self, folder: str) -> str:
        """The name of the permit that was signed last, or of the first, which is not there then."""
        names = (one.key.rpartition("/")[2] for one in self.archive.list(f"{folder}/"))
        return store_receipt.permit_name(max(map(store_receipt.permit_number, names), default=0) or 1)


class DeskServer:
    """Listens as soon as it is made; answers between :meth:`start` and :meth:`stop`."""

    def __init__(self, address: str, desk: Desk, tls: ssl.SSLContext | None = None) -> None:
        """``address``: ``HOST:PORT``, port 0: any free one. Raises UsageError where nobody can listen there."""
        host, port = parse_address(address)
        handler = type("_Bound", (_Call,), {"desk": desk})
        try:
            self._server = _Server((host, port), handler)
        except OSError as err:
            raise UsageError(
                f"the custodian cannot listen at {address}: {err.strerror or err}", "correct listen in [service]"
            ) from err
        self._server.tls = tls
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="desk", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more. Once only."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


def tls_of(cert: str, key: str, client_ca: str) -> ssl.SSLContext | None:
    """TLS as these PEM files have it; None without a certificate. Raises UsageError."""
    if not cert and not key and not client_ca:
        return None
    if not cert or not key:
        raise UsageError("TLS needs a certificate and its key", "set cert and key in [service]")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
        if client_ca:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as err:
        raise UsageError(f"TLS cannot be spoken with these files: {err}", "check [service]") from err
    return context


class _Server(Server):
    """As a witness's, with TLS where there is a certificate."""

    most, who = MOST_CALLS, "custodian"
    tls: ssl.SSLContext | None = None

    def converse(self, request: Any, client_address: Any) -> None:
        with deadline(request, CALL_S):
            super().converse(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        super().finish_request(self._spoken(request), client_address)

    def _spoken(self, request: socket) -> socket:
        """TLS is agreed on in the conversation's own thread, within its own time."""
        request.settimeout(SILENCE_S)
        return self.tls.wrap_socket(request, server_side=True) if self.tls is not None else request


class _Call(BaseHTTPRequestHandler):
    """One conversation."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = f"dockagent/{__version__}", ""
    timeout = SILENCE_S
    desk: Desk

    def do_GET(self) -> None:
        self._say(self.desk.get(self.path))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != PATH or self.desk.witness is None:
            self._say(Answer(404, b"nothing is taken here\n"), close=True)
        elif not _LENGTH.fullmatch(length):
            self._say(Answer(411, b"say its Content-Length\n"), close=True)
        elif int(length) > MOST_REQUEST:
            self._say(Answer(413, b"a request may have %d bytes\n" % MOST_REQUEST), close=True)
        else:
            data = self.rfile.read(int(length))
            if len(data) == int(length):
                self._say(self.desk.witness.add_checkpoint(data))
            else:
                self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("custodian: %s %s", self.address_string(), format % args)

    def _say(self, answer: Answer, *, close: bool = False) -> None:
        if answer.note:
            log.log(logging.INFO if answer.status == 200 else logging.WARNING, "custodian: %s", answer.note)
        self.close_connection = self.close_connection or close
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind or TEXT)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)
