"""How a part's bytes leave, within boto3's own requests: without hashing them again, and in large pieces.

boto3 would read a body twice: to hash it for the signature, then, 16 KiB at a time, to send it. That is two thirds of
what a put costs over TLS. Two of botocore's hooks are enough to have neither, and its retries, credentials, redirects
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

from dockagent.errors import DockError
from dockagent.stores.s3_sender_width import MOST, Width
from dockagent.stores.s3_window import Window

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PIECE = 256 << 10  # bytes of one read and one write: measured, see tests/store_bench.py
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
    """The parts of one store's uploads, as many side by side as the line rewards. ``now_ms`` gives the time."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._width = Width()

    def run(self, act: Callable[[int], int], numbers: Sequence[int]) -> None:
        """``act`` for each number, in threads; it gives back how many bytes went out. The first error ends it: what is
        under way comes to its own end, the rest is not begun."""
        width, left, busy = self._width.begun(self._now_ms()), deque(numbers), set[Future[int]]()
        with ThreadPoolExecutor(MOST, "part") as pool:
            try:
                while left or busy:
                    while left and len(busy) < width.now:
                        busy.add(pool.submit(act, left.popleft()))
                    done, busy = wait(busy, return_when=FIRST_COMPLETED)
                    for part in done:
                        width = width.ended(part.result(), self._now_ms())
            except (DockError, BotoCoreError, ClientError):
                width = width.failed()
                raise
            finally:
                self._width = width


def one_at_a_time(heard: Callable[[int], None]) -> Callable[[int], None]:
    """``heard``, which may then be called from several threads."""
    lock = threading.Lock()

    def told(size: int) -> None:
        with lock:
            heard(size)

    return told
