"""An end to a conversation: time limits of a socket count from byte to byte, so that a peer who sends one byte now and
then could keep us for ever."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def deadline(line: socket.socket, seconds: float) -> Iterator[threading.Event]:
    """Shut ``line`` down after ``seconds`` in all; whoever waits for it then sees its end. The event tells that it
    was so."""
    over = threading.Event()
    same = line.dup()  # TLS takes the socket itself away

    def end() -> None:
        over.set()
        with suppress(OSError):  # it was closed just now
            same.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield over
    finally:
        timer.cancel()
        timer.join()
        same.close()
