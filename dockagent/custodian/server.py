"""The custodian's door: docks ask for receipts and permits, and have their checkpoints witnessed.

``POST /add-checkpoint`` (c2sp.org/tlog-witness); ``GET /receipts/<clip_id>?folder=<folder>`` and
``GET /permits/<clip_id>?folder=<folder>`` with the clip's folder in the store, which every dock knows: one read of the
store each, and no index to keep. ``name`` chooses another receipt than ``receipt.json``. ``GET /holds/<clip_id>?name=
<dock>.<record>``: what became of the hold that a record of that dock's ledger set. No permit is handed out while
the clip is on hold, by any dock as the newest round has read it, or in the store now; while nobody can tell; and while
a report says that the clip is not what it must be, or what lies there was not judged since it came. What was handed
out cannot be called back: docks ask once more right before they erase. ``GET /health`` and ``/metrics`` for those who
watch over it; the first says by which keys it signs, so that a dock can tell that this is not the custodian whom it
believes. What is handed out is signed; who may ask, TLS decides.
"""

import json
import logging
import re
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from socket import socket
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dockagent import __version__
from dockagent.core import mistake
from dockagent.core.central import hold_note, store_receipt
from dockagent.core.central.custodian_key import CustodianKey
from dockagent.core.permits.permit import NONE_YET, WITHHELD
from dockagent.core.proof.witnessing import MOST_REQUEST
from dockagent.custodian import legal_hold
from dockagent.custodian.folders import folders
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
_NONE = f"{NONE_YET}\n".encode()
_ASKED = re.compile(r"/(receipts|permits|holds)/([0-9a-f]{32})")
_FOLDER = re.compile(r"(clips/[A-Za-z0-9._~-]+/\d{4}/\d\d/\d\d|quarantine/[A-Za-z0-9._~-]+)/([0-9a-f]{32})")
_LENGTH = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Desk:
    """What is asked for here. ``key``: by which receipts and permits are signed; ``archive`` is this server's own;
    several threads may read from it at once."""

    key: CustodianKey
    archive: Archive
    witness: Witness | None
    state: ServiceState

    def get(self, target: str) -> Answer:
        """The answer to ``GET target``."""
        parts = urlsplit(target)
        if parts.path == "/health":
            return self._health()
        if parts.path == "/metrics":
            return Answer(200, self.state.metrics().encode(), METRICS)
        asked = _ASKED.fullmatch(parts.path)
        if asked is None:
            return Answer(404, b"only /receipts/, /permits/, /holds/, /health, /metrics and /add-checkpoint are here\n")
        query = parse_qs(parts.query)
        return self._hold(asked[2], query) if asked[1] == "holds" else self._signed(asked[1], asked[2], query)

    def _health(self) -> Answer:
        """How its rounds go, and its lines for docks' configurations: no proof of who it is, its signatures are."""
        good, said = self.state.health()
        said["custodian"] = self.key.text()
        said["witness"] = self.witness.public.text() if self.witness is not None else ""
        return Answer(200 if good else 503, json.dumps(said).encode() + b"\n", JSON)

    def _signed(self, kind: str, clip_id: str, query: dict[str, list[str]]) -> Answer:
        folder = _FOLDER.fullmatch(query.get("folder", [self.state.folder_of(clip_id)])[0])
        if folder is None:
            return Answer(404, b"say ?folder=, the clip's folder in the store: this clip was not seen lately\n")
        name = query.get("name", [store_receipt.FILE])[0]
        if folder[2] != clip_id or (kind == "receipts" and not store_receipt.is_name(name)):
            return Answer(400, b"that is no folder or receipt of this clip\n")
        if kind == "permits":
            return self._permit(clip_id, folder[0])
        return self._given(folder[0], lambda: name)

    def _permit(self, clip_id: str, prefix: str) -> Answer:
        """The permit that was signed last, unless something came between."""
        holds = self.state.holds()
        if holds is None:
            return Answer(503, b"no round has read the docks' holds lately\n")
        try:
            if why := holds.forbids(clip_id):
                return _withheld(why)
            found = list(folders(self.archive.list(f"{prefix}/"), []))
            if not found or not found[0].permits:
                return Answer(404, _NONE)
            hold = legal_hold.on_masters(self.archive, found[0])
        except DockError as err:
            return _store_away(err)
        if hold == store_receipt.ON:
            return _withheld("it is on hold: the store has a legal hold on it")
        if self.state.doubted(found[0]):
            return _withheld("what lies in the store is not what its receipt says, or was not read again yet")
        if hold != store_receipt.OFF:
            return _withheld("it may be on hold: nobody can tell whether the store has a legal hold on it")
        return self._given(prefix, lambda: store_receipt.permit_name(found[0].permits))

    def _hold(self, clip_id: str, query: dict[str, list[str]]) -> Answer:
        named, folder = query.get("name", [""])[0], f"{hold_note.FOLDER}{clip_id}"
        if not hold_note.is_which(named):
            return Answer(400, b"say ?name=<dock>.<record>, the record with 15 digits\n")
        return self._given(folder, lambda: self._newest_note(folder, named))

    def _given(self, folder: str, name_of: Callable[[], str]) -> Answer:
        """The signed object in ``folder`` whose name is looked up."""
        try:
            return Answer(200, small(self.archive, f"{folder}/{name_of()}", _MOST_SIGNED, first=True), JSON)
        except Missing:
            return Answer(404, _NONE)
        except DockError as err:
            return _store_away(err)

    def _newest_note(self, folder: str, named: str) -> str:
        """The name of the note on a hold that counts, or of the final one, which is not there then."""
        names = [one.key.rpartition("/")[2] for one in self.archive.list(f"{folder}/")]
        refused = hold_note.refusals(named, names)
        done = hold_note.final(named)
        return hold_note.refusal(named, refused) if refused and done not in names else done


def _withheld(why: str) -> Answer:
    return Answer(404, f"{WITHHELD}{why}\n".encode())


def _store_away(err: DockError) -> Answer:
    return Answer(503, b"the store cannot be asked now\n", note=str(err))


class DeskServer:
    """Listens as soon as it is made; answers between :meth:`start` and :meth:`stop`."""

    def __init__(self, address: str, desk: Desk, tls: ssl.SSLContext | None = None) -> None:
        """``address``: ``HOST:PORT``, port 0: any free one. Raises UsageError where nobody can listen there."""
        host, port = parse_address(address, "service")
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
        raise UsageError("TLS needs a certificate and its key", "set cert_file and key_file in [service]")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
        if client_ca:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as err:
        why = f"TLS cannot be spoken with {cert} and {key}: {mistake.in_system(err)}"
        raise UsageError(why, "check cert_file, key_file and client_ca_file in [service]") from err
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
