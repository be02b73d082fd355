"""The child that touches a card, so that the dock does not: ``python -m dockagent.transports.reader KIND ADDRESS FDS``.

A hung card leaves its reader in the kernel, where no signal reaches it, for minutes. A hostile card may take a parser
over. Both then have a child of their own and cost one bay. The dock's side is :mod:`isolated`; what is said between
them is in :mod:`reader_messages`. FDS are three descriptors: the line to the dock (a sequenced-packet socket), the
window (a memfd), and the reading end of a pipe that the dock holds open as long as it lives.
"""

import fcntl
import mmap
import os
import select
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from dockagent.errors import DockError, Refused, UsageError
from dockagent.transports import Filler, Footage, FootageReader
from dockagent.transports import reader_messages as msg

_NOWHERE = -1
Opener = Callable[[Path], tuple[Footage, tuple[str, ...]]]


def main(kind: str, address: str, line_fd: int, window_fd: int, life_fd: int) -> int:
    """Open the card, say so or why not, and answer until the dock hangs up."""
    die_with_the_dock(life_fd)
    line = socket.socket(fileno=line_fd)
    sys.excepthook = _last_words(line)
    window = mmap.mmap(window_fd, 2 * msg.WINDOW)
    os.close(window_fd)
    try:
        if kind not in _KINDS:
            raise UsageError(f"there is no reader for {kind}")
        footage, confined = _KINDS[kind](Path(address))
    except DockError as err:
        line.send(msg.encode(msg.trouble(err)))
        return 1
    line.send(msg.encode(msg.Ready(confined)))
    _Server(footage, line, window).serve()
    footage.close()
    return 0


def _folder(path: Path) -> tuple[Footage, tuple[str, ...]]:
    from dockagent.transports.folder import FolderFootage  # each kind loads its own parts only

    return FolderFootage(path), ()


def _mtp(path: Path) -> tuple[Footage, tuple[str, ...]]:
    from dockagent.transports.mtp import MtpFootage

    return MtpFootage(path), ()


def _raw(path: Path) -> tuple[Footage, tuple[str, ...]]:
    from dockagent.transports.confinement import give_up_everything
    from dockagent.transports.raw_card import RawCard

    confined: list[str] = []
    return RawCard(path, before_parsing=lambda: confined.extend(give_up_everything())), tuple(confined)


_KINDS: dict[str, Opener] = {"folder": _folder, "mtp": _mtp, "raw": _raw}


class _Server:
    """Answers one request after the other."""

    def __init__(self, footage: Footage, line: socket.socket, window: mmap.mmap) -> None:
        self._footage, self._line = footage, line
        self._files = _Files(window)

    def serve(self) -> None:
        while packet := self._line.recv(msg.LONGEST_MESSAGE):
            request = msg.read_request(packet)
            try:
                answer = self._answer(request)
            except DockError as err:
                answer = msg.trouble(err)
            self._say(answer)
            if isinstance(request, msg.AskRead) and isinstance(answer, msg.Data):
                self._files.read_ahead(request, answer)

    def _say(self, answer: msg.Answer) -> None:
        self._line.send(msg.encode(answer))

    def _answer(self, request: msg.Request) -> msg.Answer:
        if isinstance(request, msg.AskRead):
            return self._files.read(request)
        if isinstance(request, msg.AskFacts):
            return msg.Facts(dict(self._footage.facts()))
        if isinstance(request, msg.AskList):
            return self._list()
        if isinstance(request, msg.AskOpen):
            self._files.add(request.file, self._footage.open(request.path))
            return msg.Done()
        if isinstance(request, msg.AskSize):
            return msg.Number(self._files.size(request.file))
        self._files.shut(request.file)
        return msg.Done()

    def _list(self) -> msg.Answer:
        batch: list[msg.Fact] = []
        room = msg.BATCH_BYTES
        try:
            for fact in self._footage.list():
                batch.append((fact.path, fact.size, fact.mtime_ms, fact.special))
                room -= len(fact.path)
                if room <= 0 or len(batch) == msg.BATCH_FILES:
                    self._say(msg.Files(tuple(batch)))
                    batch, room = [], msg.BATCH_BYTES
        finally:
            if batch:  # what was listed counts, whatever came then
                self._say(msg.Files(tuple(batch)))
        return msg.Files(())


class _Files:
    """The open files, and what was read ahead of one of them."""

    def __init__(self, window: mmap.mmap) -> None:
        self._window = memoryview(window)
        self._open: dict[int, tuple[FootageReader, int]] = {}  # and where it stands
        self._ahead: tuple[msg.AskRead, msg.Data | DockError] | None = None

    def add(self, file: int, reader: FootageReader) -> None:
        self._open[file] = reader.__enter__(), 0

    def read(self, request: msg.AskRead) -> msg.Data:
        ahead, self._ahead = self._ahead, None
        if ahead is None or ahead[0] != request:
            return self._fill(0, request)
        if isinstance(ahead[1], DockError):
            raise ahead[1]
        return ahead[1]

    def read_ahead(self, done: msg.AskRead, answer: msg.Data) -> None:
        """Read what is probably asked for next into the other half; an error waits until it is asked for."""
        if answer.count < min(done.size, msg.WINDOW):
            return
        request = msg.AskRead(done.file, done.offset + answer.count, done.size)
        try:
            self._ahead = request, self._fill(1 - answer.half, request)
        except DockError as err:
            self._ahead = request, err

    def size(self, file: int) -> int:
        return self._get(file)[0].size()

    def shut(self, file: int) -> None:
        reader, _ = self._get(file)
        del self._open[file]
        if self._ahead is not None and self._ahead[0].file == file:
            self._ahead = None
        reader.__exit__(None, None, None)

    def _fill(self, half: int, request: msg.AskRead) -> msg.Data:
        reader, at = self._get(request.file)
        if at != request.offset:
            reader.seek(request.offset)
        start, size = half * msg.WINDOW, min(request.size, msg.WINDOW)
        self._open[request.file] = reader, _NOWHERE  # until it is known where this left it
        if isinstance(reader, Filler):
            count = reader.read_into(self._window[start : start + size])
        else:
            piece = reader.read(size)
            count = len(piece)
            self._window[start : start + count] = piece
        self._open[request.file] = reader, request.offset + count
        return msg.Data(half, count)

    def _get(self, file: int) -> tuple[FootageReader, int]:
        if file not in self._open:
            raise Refused(f"there is no open file {file}")
        return self._open[file]


def die_with_the_dock(life: int) -> None:
    """Have the kernel send SIGIO, which ends us, when the dock's end of the pipe closes (fcntl(2), O_ASYNC). That also
    ends a parser that loops for ever; PR_SET_PDEATHSIG would go off with the thread that started us."""
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([life], [], [], 0)[0]:
        sys.exit(1)  # it is gone already


def _last_words(
    line: socket.socket,
) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """A hook that tells the dock what ends this process, where nobody foresaw it."""

    def tell(kind: type[BaseException], err: BaseException, trace: TracebackType | None) -> None:
        words = f"the card's reader failed: {kind.__name__}: {err}"
        line.send(msg.encode(msg.Trouble("Retryable", words[: msg.LONGEST_WORDS], "report it, and image the card")))

    return tell


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])))
