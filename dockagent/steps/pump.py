"""Reading and writing side by side: one thread reads and hashes, another hashes chunks and writes.

``read``, ``write`` and ``hashlib`` let the interpreter go, so the two really overlap.
"""

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

_DEPTH = 6  # chunks in flight: enough to ride out one slow write, small enough for eight bays
_LOOK_AGAIN_S = 0.5  # how often a reader that waits for room looks whether the writer is dead


@contextmanager
def pump(write: Callable[[bytes], None], *, threaded: bool) -> Iterator[Callable[[bytes], None]]:
    """Gives ``put(chunk)``, which has ``write`` called with every chunk in order, in another thread when ``threaded``.

    Leaving the block waits until all is written. An error of ``write`` is raised from ``put`` or at the end; nothing
    is written after it.
    """
    if not threaded:
        yield write
        return
    chunks: queue.Queue[bytes] = queue.Queue(_DEPTH)
    with ThreadPoolExecutor(1, "pump") as pool:
        writer = pool.submit(_write_all, chunks, write)
        try:
            yield lambda chunk: _put(chunks, chunk, writer)
        finally:
            _put(chunks, b"", writer)
        writer.result()


def _write_all(chunks: "queue.Queue[bytes]", write: Callable[[bytes], None]) -> None:
    while chunk := chunks.get():
        write(chunk)


def _put(chunks: "queue.Queue[bytes]", chunk: bytes, writer: "Future[None]") -> None:
    while not writer.done():
        try:
            return chunks.put(chunk, timeout=_LOOK_AGAIN_S)
        except queue.Full:
            continue
    return writer.result()
