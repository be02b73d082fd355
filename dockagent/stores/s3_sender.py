"""How a part's bytes leave, within botocore's own requests: without hashing them again, and in large pieces.

botocore would read a body twice: to hash it for the signature, then, 16 KiB at a time, to send it: two thirds of what
a put costs over TLS. Two of botocore's hooks are enough to have neither, and its retries, credentials, redirects
and errors stay as they are: ``choose-signer`` names a signer that takes a window's stated hash, and ``before-send``
hands the body on as an iterable, whose pieces ``http.client`` sends as they come.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from botocore.auth import AUTH_TYPE_MAPS, S3SigV4Auth
from botocore.exceptions import BotoCoreError, ClientError

from dockagent.core.uplink.link_parts import MOST, Flight, failed, measured
from dockagent.stores.s3_window import Window

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PIECE = 256 << 10  # bytes of one read and one write: measured, see tests/store_bench.py
# One measurement of the line: seconds, and bytes for each part under way, so that what a socket takes at once does not
# look like speed. A new connection goes off faster than it can go on (slow start, RFC 5681): that does not count.
SETTLES_S, STRETCH_S, STRETCH_BYTES = 5.0, 10.0, 2 << 20
_LOOK_S = 1.0
_SIGNER = "dockagent-s3v4"
_USUAL = "s3v4"
_OPERATIONS = ("PutObject", "UploadPart")


def attach(client: "S3Client") -> None:
    """Have every :class:`Window` that ``client`` puts go out this way. Other bodies are hashed and sent as usual."""
    AUTH_TYPE_MAPS[_SIGNER] = _StatedHash
    for operation in _OPERATIONS:
        client.meta.events.register_first(f"choose-signer.s3.{operation}", _signer)  # type: ignore[arg-type]  # its answer is used
        client.meta.events.register(f"before-send.s3.{operation}", _going_out)


class _StatedHash(S3SigV4Auth):
    """Signature version 4 over the hash that a window states: the server compares it with the bytes that arrive."""

    def payload(self, request: Any) -> str:
        """As in the canonical request (Amazon S3 API Reference, "Signature Calculations for the Authorization Header:
        Transferring Payload in a Single Chunk")."""
        if isinstance(request.body, Window):
            return request.body.sha256
        return str(super().payload(request))


class _Pieces:
    """A window's bytes in large pieces. ``seek`` is what botocore calls before it sends a body again."""

    def __init__(self, window: Window) -> None:
        self._window = window

    def __iter__(self) -> Iterator[bytes]:
        self._window.seek(0)
        self._window.going_out()
        while data := self._window.read(PIECE):
            yield data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._window.seek(offset, whence)


def _signer(signature_version: str, **_event: object) -> str | None:
    """Our signer where the usual one would be used; nobody else's choice is changed."""
    return _SIGNER if signature_version == _USUAL else None


def _going_out(request: Any, **_event: object) -> None:
    if isinstance(request.body, Window):
        request.body = _Pieces(request.body)


class Lanes:
    """The parts of one store's uploads, as many side by side as the line rewards: see
    :mod:`dockagent.core.uplink.link_parts`. ``monotonic`` gives seconds. ``flight``: what was learned so far, which
    holds for the next object, too; safe to use from any thread."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.flight = Flight()
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._bytes, self._seconds, self._unsettled = 0, 0.0, SETTLES_S  # of this stretch, by all who send

    def run(self, act: Callable[[int, Callable[[int], None]], None], numbers: Sequence[int]) -> None:
        """``act`` for each number, in threads; it tells the second argument how many bytes go out, as they do. The
        first error ends it: what is under way comes to its own end, the rest is not begun."""
        left, busy, out = deque(numbers), set[Future[None]](), _Count()
        with ThreadPoolExecutor(MOST, "part") as pool:
            try:
                while left or busy:
                    while left and len(busy) < self.flight.parts:
                        busy.add(pool.submit(act, left.popleft(), out.add))
                    full, before, began = len(busy) >= self.flight.parts, out.bytes, self._monotonic()
                    done, busy = wait(busy, _LOOK_S, FIRST_COMPLETED)
                    for part in done:
                        part.result()
                    if full:
                        self._measured(out.bytes - before, self._monotonic() - began)
            except (BotoCoreError, ClientError):  # what is wrong with the source says nothing about the line
                self._failed()
                raise

    def _measured(self, size: int, seconds: float) -> None:
        """So much went out in a time in which as many parts were under way as may be."""
        with self._lock:
            if self._unsettled > 0:
                self._unsettled -= seconds
                return
            self._bytes, self._seconds = self._bytes + size, self._seconds + seconds
            if self._seconds >= STRETCH_S and self._bytes >= STRETCH_BYTES * self.flight.parts:
                self._go_on(measured(self.flight, self._bytes / self._seconds))

    def _failed(self) -> None:
        with self._lock:
            self._go_on(failed(self.flight))

    def _go_on(self, flight: Flight) -> None:
        self._unsettled = SETTLES_S if flight.parts != self.flight.parts else 0.0
        self._bytes, self._seconds = 0, 0.0
        self.flight = flight


class _Count:
    """Bytes, from several threads."""

    def __init__(self) -> None:
        self.bytes = 0
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        with self._lock:
            self.bytes += size


def one_at_a_time(heard: Callable[[int], None]) -> Callable[[int], None]:
    """``heard``, which may then be called from several threads."""
    lock = threading.Lock()

    def told(size: int) -> None:
        with lock:
            heard(size)

    return told
